"""The plugin: one follower for each session, one database for each folder of sessions."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from coordinator import ClosedError, CoordinatorError, Revision, Session, hookimpl

from ._database import Database, Hit
from ._follower import Follower
from ._options import Options

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
FILE_NAME = "memory-index.sqlite3"
LAST_LOOK_SECONDS = 1.0


class MemoryIndex:
    """Indexes what was said in every session; ask it with `search`."""

    name = "memory_index"

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self._databases: dict[Path, Database] = {}
        self._opening = asyncio.Lock()
        self._followers: dict[Path, Follower] = {}
        self._tasks: dict[Path, asyncio.Task[None]] = {}
        self._without_database: set[Path] = set()
        """Sessions whose database could not be opened; it is tried again when something is written to them."""
        self._spawn: Spawn | None = None
        self._opened = asyncio.Condition()

    async def search(self, query: str, limit: int = 10, session: Session | Path | None = None) -> list[Hit]:
        """Return the texts that fit best: every term is in them, as a word or, failing that, as a part of one."""
        path = session.path if isinstance(session, Session) else session
        databases = self._databases.values() if path is None else [await self._database_for(path)]
        found = [hit for database in databases for hit in await database.search(query, limit, path)]
        return found[:limit] if len(self._databases) <= 1 else sorted(found, key=lambda hit: hit.rank)[:limit]

    async def settled(self, session: Session) -> None:
        """Wait until everything that is in the session's file now can be found."""
        async with self._opened:
            await self._opened.wait_for(lambda: self._follower_of(session) is not None)
        follower = self._follower_of(session)
        if follower is not None:
            await follower.reached_end()

    def _follower_of(self, session: Session) -> Follower | None:
        """Return who reads along with this session; one that was closed and opened again is another session."""
        follower = self._followers.get(session.path)
        return follower if follower is not None and follower.session is session else None

    # Hooks

    @hookimpl
    def coordinator_started(self, spawn: Spawn) -> None:
        """Keep the databases for as long as the coordinator runs."""
        self._spawn = spawn
        spawn(self._keep_databases())

    @hookimpl
    async def session_opened(self, session: Session) -> None:
        """Read along with a session."""
        if any(fnmatch(session.path.name, pattern) for pattern in self.options.ignore):
            return
        try:
            database = await self._database_for(session.path)
        except BaseException:
            self._without_database.add(session.path)
            raise
        follower = Follower(session, database, self.options)
        self._follow(follower)
        async with self._opened:
            self._followers[session.path] = follower
            self._opened.notify_all()

    @hookimpl
    def records_written(self, session: Session) -> None:
        """Read along again with a session that was let go because nothing happened in it, or that had no database."""
        if session.path in self._without_database and self._spawn is not None:
            self._without_database.remove(session.path)
            self._spawn(self.session_opened(session))
        follower = self._follower_of(session)
        if follower is not None and not follower.running:
            self._follow(follower)

    @hookimpl
    def fence_left(self, session: Session, after: Revision) -> None:
        """Say in the session what was indexed, as soon as this turn is."""
        follower = self._follower_of(session)
        if follower is not None:
            follower.turn_ended(after.length)

    @hookimpl
    async def session_closing(self, session: Session) -> None:
        """Say it a last time."""
        follower = self._follower_of(session)
        if follower is not None:
            with suppress(TimeoutError, CoordinatorError):  # the file may be gone; then there is nothing to wait for
                async with asyncio.timeout(LAST_LOOK_SECONDS):
                    await follower.reached_end()
            follower.mark()
            del self._followers[session.path]

    # Tasks and databases

    def _follow(self, follower: Follower) -> None:
        if self._spawn is None:
            raise ClosedError("the memory index does not run", hint="register it with a running coordinator")
        path = follower.session.path
        follower.running = True
        task = self._tasks[path] = self._spawn(follower.run(after=self._tasks.get(path)))
        task.add_done_callback(lambda task: self._forget(path, task))

    def _forget(self, path: Path, task: asyncio.Task[None]) -> None:
        if self._tasks.get(path) is task:
            del self._tasks[path]

    async def _database_for(self, session: Path) -> Database:
        path = self.options.database or session.parent / FILE_NAME
        async with self._opening:
            if path not in self._databases:
                self._databases[path] = await Database.open(path)
            return self._databases[path]

    async def _keep_databases(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            if self._tasks:
                await asyncio.wait(self._tasks.values())
            databases, self._databases = self._databases, {}
            self._followers, self._tasks, self._spawn = {}, {}, None
            for database in databases.values():
                await database.close()
