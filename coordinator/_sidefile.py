"""Side files: where accepted records go that could not be written, so that closing never loses one."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import aiofiles
import aiofiles.os
from aiofiles.threadpool.binary import AsyncBufferedIOBase

from ._core._endings import Unwritten


async def write_unwritten(path: Path, rows: Sequence[Unwritten], *, reason: str) -> Path:
    """Write records as JSON lines beside the session file, durably, all of them or none; return the new file's path.

    A row has writer, reason and record. If its write was tried, `tried` is the very line, which may stand in the
    session file all the same, between `offset` and `end`. The file's name never ends in `.jsonl`, so that no reader
    takes it for a session. Raises `OSError`, and then there is no such file.
    """
    end = await _size_of(path)
    content = b"".join(_line(row, reason, end) for row in rows)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    number = 0
    while True:
        target = path.with_name(f"{path.name}.unwritten-{stamp}{f'-{number}' if number else ''}")
        try:
            async with aiofiles.open(target, "xb", opener=_private) as file:
                await _write_whole(file, target, content)
        except FileExistsError:
            number += 1
            continue
        return target


async def _write_whole(file: AsyncBufferedIOBase, target: Path, content: bytes) -> None:
    try:
        await file.write(content)
        await file.flush()
        await aiofiles.os.wrap(os.fsync)(file.fileno())
        await aiofiles.os.wrap(_sync_directory)(target.parent)
    except BaseException:
        # Cut short it would give back a part of the records, all of which are still kept.
        with suppress(OSError):
            await aiofiles.os.remove(target)
        raise


async def _size_of(path: Path) -> int:
    try:
        return int((await aiofiles.os.stat(path)).st_size)
    except OSError:
        return 0


def _line(row: Unwritten, reason: str, end: int) -> bytes:
    # The record is put in as it was encoded: it may be nested as deeply as an encoder goes.
    about = json.dumps({"writer": row.writer, "reason": reason}, separators=(",", ":")).encode()
    tried = b""
    if row.tried is not None:
        tried = b',"offset":%d,"end":%d,"tried":%b' % (row.offset, end, json.dumps(row.tried.decode()).encode())
    return b'%b,"record":%b%b}\n' % (about.removesuffix(b"}"), row.record.rstrip(b"\n"), tried)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
