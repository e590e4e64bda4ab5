"""Where a record stands, for the few that something is said about: found again by reading its block once more."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from itertools import islice
from typing import NamedTuple

from coordinator import PathError, Record

from ._files import Reader


class Place(NamedTuple):
    """A record of a tree, and its line, which counts from 1."""

    line: int
    offset: int
    id: str
    parent: str | None


class Places:
    """Knows the first record of every block; records count from 0, as they were added to the index."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._records = array("q")
        self._lines = array("q")
        self._offsets = array("q")

    def add(self, record: int, line: int, offset: int) -> None:
        """Take a block: the numbers of its first record and line, and where it begins."""
        self._records.append(record)
        self._lines.append(line)
        self._offsets.append(offset)

    def find(self, record: int) -> Place:
        """Read a record again; `PathError` if somebody has changed what was read."""
        block = bisect_right(self._records, record) - 1
        place = next(islice(self._from(block), record - self._records[block], None), None)
        if place is None:
            hint = "check it again, when nobody edits it"
            raise PathError("the file was changed while it was read", path=self._reader.path, hint=hint)
        return place

    def _from(self, block: int) -> Iterator[Place]:
        reader, record_format = self._reader, self._reader.format
        for number, line in enumerate(reader.lines(self._offsets[block]), start=self._lines[block]):
            record: Record | None = None if reader.is_header(line) else reader.record(line)
            leaf = None if record is None else record_format.tail_of(record).leaf
            if record is not None and leaf is not None:
                yield Place(number, line.offset, leaf, record_format.parent_of(record))
