"""Reads along with one session, and stores what was said together with how far it has read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import cast

import aiosqlite

from coordinator import ClosedError, CoordinatorError, Entry, Position, PositionLostError, Session, SessionState

from ._batches import batches
from ._database import Database
from ._options import Options
from ._texts import texts_of

WRITER = "memory-index"
RETRY_SECONDS_FIRST = 0.05
RETRY_SECONDS_MAX = 30.0

log = logging.getLogger("coordinator_memory_index")


class Follower:
    """What is known of one session: how far it was read, and what was not said about that in the session yet."""

    def __init__(self, session: Session, database: Database, options: Options) -> None:
        self.session = session
        self.database = database
        self.running = False
        self._options = options
        self._position: Position | None = None
        self._changed = asyncio.Event()
        self._unmarked = 0
        self._turn_end: int | None = None
        self._retry_seconds = RETRY_SECONDS_FIRST

    async def run(self, after: asyncio.Task[None] | None = None) -> None:
        """Follow until the session is closed, or nothing happens for long; `after` is who followed it before."""
        self.running = True
        if after is not None:
            await asyncio.wait({after})
        self._move(await self.database.position(self.session.path))
        while self.running:
            try:
                await self._follow()
                self.running = self._is_behind()
            except PositionLostError:
                await self._start_again()
            except ClosedError:
                self.running = False
            except (CoordinatorError, aiosqlite.Error) as error:
                await self._pause(error)

    def _is_behind(self) -> bool:
        """Say whether something came in the moment in which it was given up."""
        return self.session.state is not SessionState.CLOSED and self._offset < self.session.revision.length

    async def _follow(self) -> None:
        entries = cast("AsyncGenerator[Entry, None]", self.session.records(self._position or 0, follow=True))
        async with aclosing(batches(entries, idle_seconds=self._options.idle_seconds)) as found:
            async for batch in found:
                await self._store(batch)

    async def _store(self, batch: list[Entry]) -> None:
        texts = texts_of(batch, tool_results=self._options.tool_results)
        await self.database.add(self.session.path, texts, batch[-1].position)
        self._retry_seconds = RETRY_SECONDS_FIRST
        self._unmarked += len(texts)
        self._move(batch[-1].position)
        self.mark_if_due()

    async def _start_again(self) -> None:
        """Read the session anew: its file was rewritten, or is another one."""
        await self.database.forget(self.session.path)
        self._move(None)
        await self._wait()

    async def _pause(self, error: Exception) -> None:
        log.warning("%s is not indexed for now: %s", self.session.path, error)
        await self._wait()

    async def _wait(self) -> None:
        await asyncio.sleep(self._retry_seconds)
        self._retry_seconds = min(self._retry_seconds * 2, RETRY_SECONDS_MAX)
        self.running = self.session.state is not SessionState.CLOSED

    # How far

    @property
    def _offset(self) -> int:
        return 0 if self._position is None else self._position.offset

    def _move(self, position: Position | None) -> None:
        self._position = position
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def reached_end(self) -> None:
        """Wait until everything that is in the file now is indexed."""
        last = await self.session.tail(1)
        while last and self._offset < last[0].position.offset:
            await self._changed.wait()

    # Marks

    def turn_ended(self, offset: int) -> None:
        """Owe the session a mark, once everything up to here is indexed."""
        self._turn_end = offset
        self.mark_if_due()

    def mark_if_due(self) -> None:
        """Say in the session what was indexed, at most once a turn, and only if there is something to say."""
        if self._turn_end is not None and self._offset >= self._turn_end:
            self._turn_end = None
            self.mark()

    def mark(self) -> None:
        """Append a mark now if something was indexed since the last one; it is a courtesy, so nobody waits for it."""
        if self._unmarked:
            data = {"texts": self._unmarked, "offset": self._offset}
            with suppress(CoordinatorError):
                writer = self.session.writer(WRITER)
                writer.append_nowait({"type": "custom", "customType": "memory-index", "data": data})
                self._unmarked = 0
