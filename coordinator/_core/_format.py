"""What a record format must be able to say; the core knows lines of bytes, a format knows what a line means.

Add one by subclassing `RecordFormat`: no format needs to know of files, queues or clocks.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import orjson

from ._values import Record, Tail


class Draft(NamedTuple):
    """A record as it was when the caller gave it: encoded as a line, with its line feed, but not stamped yet.

    `lacks` names the stamped keys that the caller left to us, in the order in which they are written.
    """

    line: bytes
    id: str | None = None
    lacks: tuple[str, ...] = ()

    @property
    def record(self) -> Record:
        """Return the record as it was given (a copy)."""
        record: Record = orjson.loads(self.line)
        return record


class Stamped(NamedTuple):
    """A finished line (with its line feed), and what the tail is after it."""

    line: bytes
    id: str | None
    tail: Tail


class StampedBatch(NamedTuple):
    """The finished lines of a batch with their ids, and what the tail is after the last."""

    lines: list[bytes]
    ids: list[str | None]
    tail: Tail


class RecordFormat(ABC):
    """How the lines of a session file are made and understood; `PLAIN` and `PI` come with the library."""

    name: str
    has_header: bool
    stamp_bytes_max: int
    """By how many bytes stamping can lengthen a record."""

    @abstractmethod
    def new_header(self, given: Mapping[str, object] | None, *, now_ms: int) -> Record | None:
        """Return the header of a new file, None for formats without one; ValueError for a `given` that cannot work."""

    @abstractmethod
    def read_header(self, line: bytes) -> Record:
        """Return the parsed first line of an existing file; FormatError (without path) if it is no header."""

    def write_header(self, header: Record) -> bytes:
        """Return a header, a new one or one that was read, as the first line of a file that is made anew."""
        return orjson.dumps(header, option=orjson.OPT_APPEND_NEWLINE)

    @abstractmethod
    def encode(self, record: Mapping[str, object]) -> Draft:
        """Turn a record into bytes; RecordError (without path) for what this format cannot hold."""

    def encode_again(self, record: Mapping[str, object]) -> Draft:
        """Turn a record that was read from a file into bytes, which may hold more than this format would write."""
        return self.encode(record)

    @abstractmethod
    def stamp(self, draft: Draft, tail: Tail, *, now_ms: int) -> Stamped:
        """Finish a record at the moment when it is written, behind `tail`."""

    def stamp_all(self, drafts: Iterable[Draft], tail: Tail, *, now_ms: int) -> StampedBatch:
        """Finish the records of a batch, each behind the one before it."""
        lines, ids = list[bytes](), list[str | None]()
        for draft in drafts:
            line, record_id, tail = self.stamp(draft, tail, now_ms=now_ms)
            lines.append(line)
            ids.append(record_id)
        return StampedBatch(lines, ids, tail)

    @abstractmethod
    def read(self, line: bytes) -> Record | None:
        """Parse a line of a file (with or without its end), or return None if it is no record; never raise."""

    @abstractmethod
    def tail_of(self, record: Mapping[str, object]) -> Tail:
        """Say what a record means as the last one of a file."""

    def parent_of(self, record: Mapping[str, object]) -> str | None:
        """Return the id of the record this one follows; None for a root, and always in formats without a tree."""
        del record
        return None
