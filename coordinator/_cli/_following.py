"""Going on behind the last line of a file, as others write to it, put another file in its place, or remove it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from coordinator import PathError

from ._files import Reader, reading
from ._inside import Line
from ._options import FormatName

POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class Replaced:
    """The file is another one, or shorter; `found` says whether the last line that was shown stands in it."""

    found: bool


@dataclass(slots=True)
class Mark:
    """How far a file was shown: which file it was, where its last whole line ended, and what that line was."""

    file: tuple[int, int]
    offset: int
    line: bytes


def mark_end(reader: Reader) -> Mark:
    """Remember where a file ends that is going to be shown up to there."""
    whole = (line for line in reader.lines_backwards() if line.offset < reader.lines_end)
    last = next(whole, None)
    return Mark(_identity(reader), reader.lines_end, b"" if last is None else last.content or b"")


def follow(path: Path, format_name: FormatName, mark: Mark) -> Iterator[tuple[Reader, Line | Replaced]]:
    """Give every whole line behind the mark, and wait for more, for ever.

    A file that was replaced is gone on with behind the same line; if that is not there any more, from its beginning.
    """
    while True:
        try:
            with reading(path, format_name) as reader:
                yield from _take_new(reader, mark)
                waits = _unchanged(path, reader)
        except PathError:
            waits = True  # it is gone, or shrinking: perhaps it comes back
        if waits:
            time.sleep(POLL_SECONDS)


def _take_new(reader: Reader, mark: Mark) -> Iterator[tuple[Reader, Line | Replaced]]:
    if _identity(reader) != mark.file or reader.end < mark.offset:
        mark.offset, found = _find(reader, mark.line)
        mark.file = _identity(reader)
        yield reader, Replaced(found)
    for line in reader.lines(mark.offset):
        if line.offset < reader.lines_end:
            mark.offset, mark.line = line.offset + line.size, line.content or b""
            yield reader, line


def _identity(reader: Reader) -> tuple[int, int]:
    return reader.found.st_dev, reader.found.st_ino


def _unchanged(path: Path, reader: Reader) -> bool:
    try:
        now = os.lstat(path)
    except OSError:
        return True
    return os.path.samestat(now, reader.found) and now.st_size == reader.end


def _find(reader: Reader, last: bytes) -> tuple[int, bool]:
    for line in reader.lines_backwards():
        if last and line.content == last:
            return line.offset + line.size, True
    return 0, False
