"""Side files: where accepted records go that could not be written, so that closing never loses one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiofiles
import aiofiles.os
import orjson

from ._core._values import Record


async def write_unwritten(path: Path, rows: Sequence[tuple[str, Record]], *, reason: str) -> Path:
    """Write records (by writer) as JSON lines beside the session file, durably; return the new file's path.

    The file's name never ends in `.jsonl`, so that no reader takes it for a session. Raises `OSError`.
    """
    lines = [orjson.dumps({"writer": writer, "reason": reason, "record": record}) + b"\n" for writer, record in rows]
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    number = 0
    while True:
        target = path.with_name(f"{path.name}.unwritten-{stamp}{f'-{number}' if number else ''}")
        try:
            async with aiofiles.open(target, "xb", opener=_private) as file:
                await file.write(b"".join(lines))
                await file.flush()
                await aiofiles.os.wrap(os.fsync)(file.fileno())
        except FileExistsError:
            number += 1
            continue
        return target


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
