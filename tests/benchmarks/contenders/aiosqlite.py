"""aiosqlite with `synchronous=FULL`: what gateways move to when plain files have hurt them; always durable."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import orjson

from ..model import Append, Bench, Contender, Journal
from ..records import Record

INSERT = "INSERT INTO record (line) VALUES (?)"


class SqliteJournal(Journal):
    """A table with a row for each record."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._lock = asyncio.Lock()

    def append(self, writer: int) -> Append:
        return self._append

    async def _append(self, record: Record) -> None:
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        async with self._lock:
            await self._database.execute(INSERT, (line,))
            await self._database.commit()

    def submit(self, writer: int) -> Append:
        return self._submit

    async def _submit(self, record: Record) -> None:
        await self._database.execute(INSERT, (orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE),))

    async def drain(self) -> None:
        async with self._lock:
            await self._database.commit()

    @asynccontextmanager
    async def fence(self) -> AsyncIterator[None]:
        before = await self._version()
        yield
        if await self._version() != before:
            raise RuntimeError("another connection has written")

    async def _version(self) -> int:
        async with self._lock, self._database.execute("PRAGMA data_version") as cursor:
            return (await cursor.fetchone())[0]

    async def close(self) -> None:
        await self._database.close()


class Sqlite(Contender):
    """One connection, one commit per record."""

    name = "aiosqlite FULL"
    needs = ("aiosqlite",)
    skips = ("W5", "W5d", "W6c", "W6d", "W8", "W8i")  # a thread per session would be measured in W5

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Callable[[Path], Awaitable[Journal]]]:
        import aiosqlite

        async def open_file(path: Path) -> Journal:
            database = await aiosqlite.connect(path)
            for statement in ("PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL", "CREATE TABLE record (line BLOB)"):
                await database.execute(statement)
            await database.commit()
            return SqliteJournal(database)

        yield open_file

    def lines(self, path: Path) -> Iterator[bytes]:
        with closing(sqlite3.connect(path)) as database:
            for (line,) in database.execute("SELECT line FROM record ORDER BY rowid"):
                yield line


CONTENDER = Sqlite()
