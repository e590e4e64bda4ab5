"""What most people write: `open(); write()` in the event loop, which blocks it."""

import json
import os
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from ..model import Append, Bench, Contender, Journal, Tail
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

    @asynccontextmanager
    async def tails(self) -> AsyncIterator[Tail]:
        async def tail(path: Path, count: int) -> Sequence[Record]:
            with path.open("rb") as file:
                return [orjson.loads(line) for line in deque(file, count)]

        yield tail

    def index(self, path: Path) -> int:
        places, offset = dict[str, int](), 0
        with path.open("rb") as file:
            for line in file:
                places[json.loads(line)["id"]] = offset
                offset += len(line)
        return len(places) - 1


CONTENDER = Plain()
