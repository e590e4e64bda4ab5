"""The gateway's side of a model call."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable

import httpx

from coordinator import Record

from ._records import assistant_message, text_of

Hear = Callable[[int], Awaitable[None]]


class Model:
    """A model that takes `seconds` for a reply; `hear` is awaited at the call (0) and after each piece (1, 2, ...)."""

    def __init__(self, server: httpx.AsyncClient, seconds: float, hear: Hear) -> None:
        self._server = server
        self._seconds = seconds
        self.hear = hear

    async def complete(self, question: Record) -> Record:
        """Stream a reply to the end and return it."""
        pieces: list[str] = []
        await self.hear(0)
        request = {"prompt": text_of(question), "seconds": self._seconds}
        async with self._server.stream("POST", "/v1/messages", json=request) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    pieces.append(json.loads(line.removeprefix("data: "))["text"])
                    await self.hear(len(pieces))
        return assistant_message("".join(pieces))
