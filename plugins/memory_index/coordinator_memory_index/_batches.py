"""Many entries at once while reading what is old, one at a time as soon as they come live."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress

from coordinator import Entry

RECORDS_MAX = 256
LINGER_SECONDS = 0.02


async def batches(entries: AsyncGenerator[Entry, None], *, idle_seconds: float) -> AsyncGenerator[list[Entry], None]:
    """Group entries that follow each other closely; ends with them, or when nothing has come for `idle_seconds`."""
    batch: list[Entry] = []
    upcoming = asyncio.ensure_future(_next(entries))
    try:
        while True:
            await asyncio.wait({upcoming}, timeout=LINGER_SECONDS if batch else idle_seconds)
            entry = upcoming.result() if upcoming.done() else None
            if entry is not None:
                batch.append(entry)
                upcoming = asyncio.ensure_future(_next(entries))
            if batch and (entry is None or len(batch) >= RECORDS_MAX):
                yield batch
                batch = []
            elif entry is None:
                return
    finally:
        upcoming.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await upcoming
        await entries.aclose()


async def _next(entries: AsyncGenerator[Entry, None]) -> Entry | None:
    """Return the next entry, None at the end (a task cannot raise `StopAsyncIteration`)."""
    return await anext(entries, None)
