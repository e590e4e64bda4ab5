"""What most people write: `open(); write()` in the event loop, which blocks it."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from ..model import Append, Bench, Contender, Journal
from ..records import Record

_fdatasync = getattr(os, "fdatasync", os.fsync)


class PlainJournal(Journal):
    """A file that is written where one stands."""

    def __init__(self, path: Path, *, sync: bool) -> None:
        self._path = path
        self._file = path.open("ab", buffering=0)
        self._sync = sync
        self._length = self._file.tell()

    def append(self, writer: int) -> Append:
        return self._append

    async def _append(self, record: Record) -> None:
        self._length += self._file.write(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE))
        if self._sync:
            _fdatasync(self._file.fileno())

    @asynccontextmanager
    async def fence(self) -> AsyncIterator[None]:
        before = os.stat(self._path).st_size == self._length
        yield
        if not before or os.stat(self._path).st_size != self._length:
            raise RuntimeError("somebody else has written")

    async def close(self) -> None:
        self._file.close()


class Plain(Contender):
    """Blocking writes in the loop."""

    name = "plain"
    skips = ("W6c", "W6d")

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Callable[[Path], Awaitable[Journal]]]:
        async def open_file(path: Path) -> Journal:
            return PlainJournal(path, sync=bench.mode == "ALWAYS")

        yield open_file

    async def tail(self, path: Path, count: int) -> Sequence[Record]:
        with path.open("rb") as file:
            last: list[Record] = []
            for line in file:
                last = [*last[1 - count :], orjson.loads(line)]
            return last


CONTENDER = Plain()
