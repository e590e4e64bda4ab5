"""Full-text search: asks the plugin that reads along with every session."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, cast

from coordinator import Session, SessionState

from .gateway import Gateway

SETTLE_SECONDS_MAX = 2.0


class Hit(Protocol):
    """A text that was found; it has more, which is shown as it is."""

    session: Path


class Index(Protocol):
    """What is used of the plugin, which may not be installed."""

    async def search(self, query: str, limit: int) -> Sequence[Any]:
        """Return the texts that fit best."""

    async def settled(self, session: Session) -> None:
        """Wait until everything in the session can be found."""


async def find(gateway: Gateway, query: str, limit: int) -> Sequence[Hit] | None:
    """Return what was found, or None if there is no index.

    What was said a moment ago is to be found too; a session that is parked was indexed before it was parked.
    """
    index = cast("Index | None", gateway.coordinator.plugins.get("memory_index"))
    if index is None:
        return None
    busy = [each.session for each in gateway.conversations.values() if each.session.state is SessionState.OPEN]
    with suppress(TimeoutError):
        async with asyncio.timeout(SETTLE_SECONDS_MAX):
            await asyncio.gather(*(index.settled(session) for session in busy))
    return await index.search(query, limit)
