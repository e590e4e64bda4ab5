"""What asyncio itself costs: a future per record and one write per turn of the loop, with no check and no promise."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import orjson

from ..model import Append, Bench, Contender, Journal
from ..records import Record


class FloorJournal(Journal):
    """One buffer, a list of futures, one callback."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._futures: list[asyncio.Future[None]] = []

    def append(self, writer: int) -> Append:
        return self._append

    def _append(self, record: Record) -> asyncio.Future[None]:
        future = self._loop.create_future()
        self._buffer += orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        if not self._futures:
            self._loop.call_soon(self._write)
        self._futures.append(future)
        return future

    def _write(self) -> None:
        futures, self._futures = self._futures, []
        os.write(self._fd, self._buffer)
        self._buffer.clear()
        for future in futures:
            future.set_result(None)

    @asynccontextmanager
    async def fence(self) -> AsyncIterator[None]:
        yield

    async def close(self) -> None:
        os.close(self._fd)


class Floor(Contender):
    """Asyncio and nothing else."""

    name = "asyncio floor"
    skips = ("W3", "W4", "W5", "W5d", "W6", "W6c", "W6d", "W7", "W8", "W8i", "W9", "W9s")
    loops = ("asyncio", "uvloop")

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Callable[[Path], Awaitable[Journal]]]:
        async def open_file(path: Path) -> Journal:
            return FloorJournal(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600))

        yield open_file


CONTENDER = Floor()
