"""Lines of bytes: how a stream is cut into them, and what the end of a file without its line feed means.

Only a line feed ends a line; U+2028 and its relatives are ordinary characters of a JSON string.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

import orjson

LINE_FEED = b"\n"
LINE_BYTES_MAX = 64 * 1024 * 1024
"""A line longer than this is damage: it is passed over, never held in memory."""


@dataclass(frozen=True, slots=True)
class Line:
    """A whole line of a file with its line feed; `content` is None if it was too long to keep."""

    offset: int
    size: int
    content: bytes | None


class LineSplitter:
    """Cuts a stream that comes in pieces of any size into whole lines; what has no end yet is the `rest`."""

    def __init__(self, offset: int = 0, *, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        self._start = offset
        self._size = 0
        self._pieces: list[bytes] = []
        self._line_bytes_max = line_bytes_max

    @property
    def rest_size(self) -> int:
        """How many bytes have come since the last line feed."""
        return self._size

    def feed(self, data: bytes) -> Iterator[Line]:
        """Take the next piece of the stream, give the lines that it ends."""
        *ends, rest = data.split(LINE_FEED)
        for piece in ends:
            self._keep(piece)
            yield self._end_line()
        self._keep(rest)

    def _keep(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._line_bytes_max:
            self._pieces.clear()
        elif piece:
            self._pieces.append(piece)

    def _end_line(self) -> Line:
        self._pieces.append(LINE_FEED)
        size = self._size + len(LINE_FEED)
        content = b"".join(self._pieces) if self._size <= self._line_bytes_max else None
        line = Line(self._start, size, content)
        self._pieces.clear()
        self._start, self._size = self._start + size, 0
        return line


@dataclass(frozen=True, slots=True)
class TailRepair:
    """How to make the end of a file whole: keep the first `keep` bytes of the unfinished line, cut the others."""

    keep: int
    cut: int

    @property
    def needs_line_feed(self) -> bool:
        """Whether a whole record is kept that lacks only its end."""
        return self.keep > 0


def repair_of(rest: bytes) -> TailRepair:
    """Decide about the bytes behind the last line feed: a whole object is kept, everything else is torn.

    NUL bytes are what a power cut leaves of blocks that were never written; a record before them can be whole. Only
    an object proves its own end: a number such as `12` may be all that is left of `123`.
    """
    record = rest.rstrip(b"\0")
    keep = len(record) if is_object(record) else 0
    return TailRepair(keep, len(rest) - keep)


def is_object(line: bytes) -> bool:
    """Whether these bytes are one whole JSON object."""
    try:
        return isinstance(orjson.loads(line), dict)
    except orjson.JSONDecodeError:
        return _is_object_to_others(line)


def _is_object_to_others(line: bytes) -> bool:
    """Ask the standard library too: it takes what JavaScript writes and orjson refuses, such as a lone surrogate."""
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False
