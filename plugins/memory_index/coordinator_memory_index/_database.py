"""One SQLite database: texts, their two full-text indexes, and how far each session was read.

What was read and how far is stored in one transaction, so a killed process never misses a text nor finds one twice.
Words are found by one index, text without spaces (and parts of words) by another one, made of trigrams.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from os.path import relpath
from pathlib import Path
from typing import Self

import aiosqlite

from coordinator import Position

from ._queries import by_likeness, by_trigrams, by_words
from ._texts import Text

SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS sessions (
    id INTEGER PRIMARY KEY, path TEXT NOT NULL UNIQUE, position TEXT
);
CREATE TABLE IF NOT EXISTS texts (
    id INTEGER PRIMARY KEY, session INTEGER NOT NULL REFERENCES sessions (id), "offset" INTEGER NOT NULL,
    role TEXT NOT NULL, time TEXT, body TEXT NOT NULL, UNIQUE (session, "offset")
);
CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5 (
    body, content = 'texts', content_rowid = 'id', tokenize = 'unicode61 remove_diacritics 2'
);
CREATE VIRTUAL TABLE IF NOT EXISTS trigrams USING fts5 (
    body, content = 'texts', content_rowid = 'id', tokenize = 'trigram'
);
CREATE TRIGGER IF NOT EXISTS text_added AFTER INSERT ON texts BEGIN
    INSERT INTO words (rowid, body) VALUES (new.id, new.body);
    INSERT INTO trigrams (rowid, body) VALUES (new.id, new.body);
END;
CREATE TRIGGER IF NOT EXISTS text_removed AFTER DELETE ON texts BEGIN
    INSERT INTO words (words, rowid, body) VALUES ('delete', old.id, old.body);
    INSERT INTO trigrams (trigrams, rowid, body) VALUES ('delete', old.id, old.body);
END;
"""
BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A text that was found: where it stands, the place in it, and how well it fits (the lower the better)."""

    session: Path
    offset: int
    role: str
    time: str | None
    snippet: str
    rank: float


class Database:
    """The index on disk; writing and searching have a connection each, so that neither waits for the other."""

    def __init__(self, path: Path, writing: aiosqlite.Connection, reading: aiosqlite.Connection) -> None:
        self.path = path
        self._writing = writing
        self._reading = reading
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the index, and make it if there is none (readable by its owner only: it holds what was said)."""
        await asyncio.to_thread(path.touch, mode=0o600)
        writing = await aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        try:
            await writing.executescript(SCHEMA)
            reading = await aiosqlite.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        except BaseException:
            await writing.close()
            raise
        return cls(path, writing, reading)

    async def close(self) -> None:
        """Give both connections back."""
        await self._reading.close()
        await self._writing.close()

    async def position(self, session: Path) -> Position | None:
        """Return how far a session was read, None if not at all."""
        query = "SELECT position FROM sessions WHERE path = ?"
        async with self._reading.execute(query, (self._name(session),)) as cursor:
            row = await cursor.fetchone()
        return None if row is None or row[0] is None else Position.parse(row[0])

    async def add(self, session: Path, texts: Sequence[Text], position: Position) -> None:
        """Store texts together with how far the session was read."""
        async with self._transaction():
            number = await self._number(session)
            rows = [(number, text.offset, text.role, text.time, text.body) for text in texts]
            insert = 'INSERT INTO texts (session, "offset", role, time, body) VALUES (?, ?, ?, ?, ?)'
            await self._writing.executemany(insert, rows)
            await self._writing.execute("UPDATE sessions SET position = ? WHERE id = ?", (str(position), number))

    async def forget(self, session: Path) -> None:
        """Remove everything of one session: its file is another one now."""
        async with self._transaction():
            number = await self._number(session)
            await self._writing.execute("DELETE FROM texts WHERE session = ?", (number,))
            await self._writing.execute("UPDATE sessions SET position = NULL WHERE id = ?", (number,))

    async def search(self, query: str, limit: int, session: Path | None) -> list[Hit]:
        """Return what fits best: whole words first, then parts of words and text without spaces."""
        terms = query.split()
        if not terms or limit <= 0:
            return []
        name = None if session is None else self._name(session)
        found: dict[int, Hit] = {}
        for ask in (by_words, by_trigrams, by_likeness):
            question = ask(terms, name, limit)
            if question is None or len(found) >= limit:
                continue
            async with self._reading.execute(*question) as cursor:
                async for number, path, offset, role, time, snippet, rank in cursor:
                    hit = Hit(self._path(path), offset, role, time, snippet, rank)
                    found.setdefault(number, hit)
        return list(found.values())[:limit]

    async def _number(self, session: Path) -> int:
        name = self._name(session)
        await self._writing.execute("INSERT OR IGNORE INTO sessions (path) VALUES (?)", (name,))
        async with self._writing.execute("SELECT id FROM sessions WHERE path = ?", (name,)) as cursor:
            row = await cursor.fetchone()
        assert row is not None, "just inserted"
        return int(row[0])

    @asynccontextmanager
    async def _transaction(self) -> AsyncGenerator[None]:
        async with self._turn:
            try:
                await self._writing.execute("BEGIN IMMEDIATE")
                yield
                await self._writing.execute("COMMIT")
            except BaseException:
                # A cancelled statement is still performed, so this one always comes last; it fails if all is over.
                with suppress(aiosqlite.OperationalError):
                    await self._writing.execute("ROLLBACK")
                raise

    def _name(self, session: Path) -> str:
        """Name a session by its way from the index, so that both can be moved together."""
        return relpath(session, self.path.parent)

    def _path(self, name: str) -> Path:
        return (self.path.parent / name).resolve()
