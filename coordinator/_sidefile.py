"""Side files: where accepted records go that could not be written, so that closing never loses one."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from ._core._endings import Unwritten


class SideFile(NamedTuple):
    """A file of unwritten records, whole; `failure` says why a power cut may take it all the same."""

    path: Path
    failure: OSError | None


def write_unwritten(path: Path, rows: Sequence[Unwritten], *, reason: str) -> SideFile:
    """Write records as JSON lines beside the session file, all of them or none; it waits for the disk.

    A row has writer, reason and record. If its write was tried, `tried` is the very line, which may stand in the
    session file all the same, between `offset` and `end`. The file's name never ends in `.jsonl`, so that no reader
    takes it for a session. Raises `OSError`, and then there is no such file.
    """
    end = _size_of(path)
    content = b"".join(_line(row, reason, end) for row in rows)
    fd, target = _create(path)
    try:
        with os.fdopen(fd, "wb") as file:
            file.write(content)
    except BaseException:
        # Cut short it would give back a part of the records, all of which are still kept.
        remove(target)
        raise
    return SideFile(target, _sync(target))


def remove(side_file: Path) -> None:
    """Take a side file back whose records are still kept elsewhere."""
    with suppress(OSError):
        side_file.unlink()


def _size_of(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _create(path: Path) -> tuple[int, Path]:
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    number = 0
    while True:
        target = path.with_name(f"{path.name}.unwritten-{stamp}{f'-{number}' if number else ''}")
        try:
            return os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), target
        except FileExistsError:
            number += 1


def _line(row: Unwritten, reason: str, end: int) -> bytes:
    # The record is put in as it was encoded: it may be nested as deeply as an encoder goes.
    about = json.dumps({"writer": row.writer, "reason": reason}, separators=(",", ":")).encode()
    tried = b""
    if row.tried is not None:
        tried = b',"offset":%d,"end":%d,"tried":%b' % (row.offset, end, json.dumps(row.tried.decode()).encode())
    return b'%b,"record":%b%b}\n' % (about.removesuffix(b"}"), row.record.rstrip(b"\n"), tried)


def _sync(target: Path) -> OSError | None:
    """Make a file and its name durable, or say why they may not be."""
    try:
        for path in (target, target.parent):
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
    except OSError as error:
        return error
    return None
