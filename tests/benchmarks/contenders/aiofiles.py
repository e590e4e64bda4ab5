"""aiofiles, the file kept open, behind a lock: a hop to a thread for every record."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import orjson

from ..model import Append, Bench, Contender, Journal
from ..records import Record

_fdatasync = getattr(os, "fdatasync", os.fsync)


class AiofilesJournal(Journal):
    """One file, one lock."""

    def __init__(self, path: Path, file: Any, *, sync: bool) -> None:
        self._path, self._file, self._sync = path, file, sync
        self._lock = asyncio.Lock()
        self._length = path.stat().st_size

    def append(self, writer: int) -> Append:
        return self._append

    async def _append(self, record: Record) -> None:
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
        async with self._lock:
            self._length += await self._file.write(line)
            if self._sync:
                await asyncio.to_thread(_fdatasync, self._file.fileno())

    async def drain(self) -> None:
        async with self._lock:
            pass

    @asynccontextmanager
    async def fence(self) -> AsyncIterator[None]:
        before = await self._is_ours()
        yield
        if not before or not await self._is_ours():
            raise RuntimeError("somebody else has written")

    async def _is_ours(self) -> bool:
        import aiofiles.os

        async with self._lock:
            return (await aiofiles.os.stat(self._path)).st_size == self._length

    async def close(self) -> None:
        await self._file.close()


class Aiofiles(Contender):
    """Appends in threads, one at a time."""

    name = "aiofiles"
    needs = ("aiofiles",)
    skips = ("W6c", "W6d", "W8", "W8i")

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Callable[[Path], Awaitable[Journal]]]:
        import aiofiles

        async def open_file(path: Path) -> Journal:
            file = await aiofiles.open(path, "ab", buffering=0)
            return AiofilesJournal(path, file, sync=bench.mode == "ALWAYS")

        yield open_file


CONTENDER = Aiofiles()
