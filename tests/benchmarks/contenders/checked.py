"""The floor with what the promises cost: a record is looked through, a batch is looked at twice, placed and digested.

No queue, no turns, no state, no trouble, no statistics: what lies between this and the library is the library's own.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from coordinator import Receipt
from coordinator._formats._encoding import encode

from ..model import Bench, Contender, Journal
from ..records import Record
from .floor import ROOM_BYTES, FloorJournal, Hop


class CheckedJournal(FloorJournal):
    """One list of lines, a list of futures, one callback; each future gets a receipt."""

    def __init__(self, path: Path, mode: str) -> None:
        super().__init__(path, mode, Hop())
        self._lines: list[bytes] = []
        self._digest = hashlib.sha256()
        self._length = self._sequence = self._waiting = 0

    def _append(self, record: Record) -> asyncio.Future[None]:
        future = self._loop.create_future()
        line = encode(record)
        self._lines.append(line)
        self._waiting += len(line)
        if not self._futures:
            self._loop.call_soon(self._write)
        self._futures.append(future)
        self._last = future
        return future

    async def _submit(self, record: Record) -> object:
        future = self._append(record)
        if self._waiting >= ROOM_BYTES:
            await future
        return future

    def _write(self) -> None:
        (lines, self._lines), (futures, self._futures) = (self._lines, []), (self._futures, [])
        data, offset, self._waiting = b"".join(lines), self._length, 0
        self._look()
        os.write(self._fd, data)
        self._length = os.lseek(self._fd, 0, os.SEEK_CUR)
        self._look()
        self._digest.update(data)
        for line, future in zip(lines, futures, strict=True):
            self._sequence += 1
            future.set_result(Receipt("writer", self._sequence, offset, len(line), None, durable=False))  # type: ignore[arg-type]
            offset += len(line)

    def _look(self) -> None:
        found = os.lstat(self._path)
        assert found.st_size == self._length, "somebody else was here"


class Checked(Contender):
    """Asyncio, and every check."""

    name = "checked floor"
    skips = ("W3", "W5d", "W6", "W6c", "W6d", "W7", "W8", "W8i", "W9", "W9s")
    loops = ("asyncio", "uvloop")

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Callable[[Path], Awaitable[Journal]]]:
        async def open_file(path: Path) -> Journal:
            return CheckedJournal(path, bench.mode)

        yield open_file


CONTENDER = Checked()
