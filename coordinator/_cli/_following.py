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


def follow(path: Path, format_name: FormatName, start: int, last: bytes) -> Iterator[tuple[Reader, Line | Replaced]]:
    """Give every line behind `start`, whose line before is `last`, and wait for more, for ever.

    A file that was replaced is gone on with behind the same line; if that is not there any more, from its beginning.
    """
    identity: tuple[int, int] | None = None
    while True:
        try:
            with reading(path, format_name) as reader:
                now = (reader.found.st_dev, reader.found.st_ino)
                if (identity is not None and now != identity) or reader.end < start:
                    start, found = _find(reader, last)
                    yield reader, Replaced(found)
                identity = now
                for line in reader.lines(start):
                    if line.offset + line.size > reader.lines_end:
                        break
                    start, last = line.offset + line.size, line.content or b""
                    yield reader, line
                waits = _unchanged(path, reader)
        except PathError:
            waits = True  # it is gone, or shrinking: perhaps it comes back
        if waits:
            time.sleep(POLL_SECONDS)


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
