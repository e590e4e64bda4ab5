"""What happens in a turn, told to one client as server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator
from typing import Any


class Events:
    """Between a turn and its client: the turn never waits, and the client may go away.

    While the client is slow, pieces of text join: so what waits here is never more than what the turn has to say.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[str, dict[str, Any]]] = deque()
        self._news = asyncio.Event()
        self._over = False

    def tell(self, event: str, **data: Any) -> None:
        """Tell one event."""
        if event == "delta" and self._waiting and self._waiting[-1][0] == "delta":
            self._waiting[-1][1]["text"] += data["text"]
        else:
            self._waiting.append((event, data))
        self._news.set()

    def end(self) -> None:
        """There will be no more."""
        self._over = True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._waiting:
                event, data = self._waiting.popleft()
                yield f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode(errors="replace")
            if self._over:
                return
            self._news.clear()
            await self._news.wait()
