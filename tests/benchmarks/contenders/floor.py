"""What asyncio and one thread cost: a future per record, one write per turn of the loop, no check and no promise.

What has to be durable is written and synced by a thread, as in the library: nothing in the loop waits for a disk. Many
files share some threads. For `check` it is the parser alone.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import msgspec
import orjson

from ..model import Append, Bench, Contender, Journal
from ..records import Record

_fdatasync = getattr(os, "fdatasync", os.fsync)
Job = Callable[[], object]
ROOM_BYTES = 1 << 18
"""Whoever submits waits when so much is not yet written."""
THREADS = 16
"""As many as in the library: syncs that wait together cost one commit of the file system."""
BLOCK_BYTES = 1 << 20
"""So much of a file is parsed at once, up to the end of a line."""


class Hop:
    """One long-lived thread, the cheapest way to a thread and back."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Job, Job] | None] = SimpleQueue()
        self._thread: Thread | None = None

    def _work(self) -> None:
        for job, then in iter(self._jobs.get, None):
            job()
            self._loop.call_soon_threadsafe(then)

    def begin(self, job: Job, then: Job) -> None:
        """Do the job there, then the other one here."""
        if self._thread is None:
            self._thread = Thread(target=self._work, daemon=True)
            self._thread.start()
        self._jobs.put((job, then))

    async def run(self, job: Job) -> None:
        """Do the job there and wait for it."""
        future = self._loop.create_future()
        self.begin(job, lambda: future.set_result(None))
        await future

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._jobs.put(None)
            self._thread.join()


class FloorJournal(Journal):
    """One buffer, a list of futures, one callback."""

    def __init__(self, path: Path, mode: str, hop: Hop) -> None:
        self._path = path
        self._mode = mode
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._loop = asyncio.get_running_loop()
        self._hop = hop
        self._buffer = bytearray()
        self._futures: list[asyncio.Future[None]] = []
        self._last: asyncio.Future[None] | None = None
        self._writing = False

    def append(self, writer: int) -> Append:
        return self._append

    def _append(self, record: Record) -> asyncio.Future[None]:
        future = self._last = self._loop.create_future()
        self._buffer += orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        if not self._futures and not self._writing:
            self._loop.call_soon(self._write)
        self._futures.append(future)
        return future

    def submit(self, writer: int) -> Append:
        return self._submit

    async def _submit(self, record: Record) -> object:
        if self._futures:  # nobody waits for the record alone: the future of its batch answers for it
            self._buffer += orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        else:
            self._append(record)
        if len(self._buffer) >= ROOM_BYTES:
            await self.drain()
        return self._last

    async def drain(self) -> None:
        if self._last is not None:
            await self._last

    def _write(self) -> None:
        (buffer, self._buffer), (futures, self._futures) = (self._buffer, bytearray()), (self._futures, [])
        if self._mode == "ALWAYS":
            self._writing = True
            self._hop.begin(lambda: (os.write(self._fd, buffer), _fdatasync(self._fd)), lambda: self._wrote(futures))
            return
        os.write(self._fd, buffer)
        self._answer(futures)

    def _wrote(self, futures: list[asyncio.Future[None]]) -> None:
        self._writing = False
        self._answer(futures)
        self._loop.call_soon(self._write_more)

    def _write_more(self) -> None:
        if self._futures and not self._writing:
            self._write()

    def _answer(self, futures: list[asyncio.Future[None]]) -> None:
        for future in futures:
            future.set_result(None)

    @asynccontextmanager
    async def fence(self) -> AsyncIterator[None]:
        os.stat(self._path)
        if self._mode == "FENCE":
            await self._hop.run(lambda: _fdatasync(self._fd))
        yield
        os.stat(self._path)

    async def close(self) -> None:
        os.close(self._fd)


class Floor(Contender):
    """Asyncio and nothing else."""

    name = "asyncio floor"
    skips = ("W6c", "W8", "W9", "W9s")
    loops = ("asyncio", "uvloop")

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Callable[[Path], Awaitable[Journal]]]:
        hops = [Hop() for _ in range(THREADS)]
        turns = cycle(hops)

        async def open_file(path: Path) -> Journal:
            return FloorJournal(path, bench.mode, next(turns))

        yield open_file
        for hop in hops:
            hop.close()

    def index(self, path: Path) -> int:
        ids, decode_lines = set[str](), msgspec.json.Decoder(_Node).decode_lines
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                ids.update(node.id for node in decode_lines(block + file.readline()))
        return len(ids) - 1


class _Node(msgspec.Struct, gc=False):
    id: str


CONTENDER = Floor()
