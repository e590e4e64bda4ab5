"""What every test of reading needs: a reader of a few lines to compare with, and short names for the functions."""

from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import orjson

from coordinator import PI, Entry, Position, RecordFormat
from coordinator import _reading as reading


def nobody(offset: int) -> str | None:
    """Know no writer."""
    return None


def reference(data: bytes, record_format: RecordFormat = PI) -> list[Entry]:
    """Read everything at once, in the most obvious way."""
    entries: list[Entry] = []
    offset = 0
    for piece in data.split(b"\n")[:-1]:
        line = piece + b"\n"
        record = record_format.read(line)
        if record is not None and not (offset == 0 and record_format.has_header):
            entries.append(Entry(record, offset, len(line), None, Position.after(offset, line)))
        offset += len(line)
    return entries


def whole(path: Path) -> int:
    """Return the length of a file up to its last line feed."""
    return path.read_bytes().rfind(b"\n") + 1


async def entries(path: Path, record_format: RecordFormat = PI, **options: Any) -> list[Entry]:
    """Read all entries from `start` to `end`, by default of the whole file."""
    options = {"start": 0, "end": None, "author": nobody} | options
    options["end"] = whole(path) if options["end"] is None else options["end"]
    return [entry async for entry in reading.read_entries(path, record_format, **options)]


async def tail(path: Path, n: int, record_format: RecordFormat = PI, end: int | None = None) -> list[Entry]:
    """Read the last `n` entries."""
    return await reading.read_tail(path, record_format, n, end=whole(path) if end is None else end, author=nobody)


async def branch(path: Path, leaf: str | None, record_format: RecordFormat = PI, end: int | None = None) -> list[Entry]:
    """Read the way to a leaf."""
    end = whole(path) if end is None else end
    return await reading.read_branch(path, record_format, leaf=leaf, end=end, author=nobody)


def iterate(path: Path) -> AsyncGenerator[Entry, None]:
    """Begin to read the entries of a file, and leave it to the test how far."""
    return reading.read_entries(path, PI, end=whole(path), author=nobody)


def line(**record: object) -> bytes:
    """Return a record of a PI file as a line."""
    return orjson.dumps({"type": "custom", **record}) + b"\n"


HEADER = b'{"type":"session","version":3,"id":"s","timestamp":"2026-05-20T08:00:00.000Z","cwd":"/home/demo"}\n'
