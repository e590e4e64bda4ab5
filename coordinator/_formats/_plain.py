"""PLAIN: any JSON object, nothing added, no header, no tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import final

from coordinator._core._errors import FormatError
from coordinator._core._format import Draft, RecordFormat, Stamped, StampedBatch
from coordinator._core._values import Record, Tail

from . import _encoding


@final
class PlainFormat(RecordFormat):
    """Lines of JSON, as they were given."""

    name = "plain"
    has_header = False
    stamp_bytes_max = 0

    def new_header(self, given: Mapping[str, object] | None, *, now_ms: int) -> Record | None:
        """Return None: a plain file begins with its first record."""
        del now_ms
        if given is not None:
            raise ValueError("a plain session file has no header: leave `header` out, or use another format")
        return None

    def read_header(self, line: bytes) -> Record:
        """Refuse: nobody asks a format without a header for one."""
        del line
        raise FormatError("a plain session file has no header", hint="open it with the format it was written in")

    def encode(self, record: Mapping[str, object]) -> Draft:
        """Turn a record into bytes."""
        return Draft(_encoding.encode(record))

    def encode_again(self, record: Mapping[str, object]) -> Draft:
        """Turn a record that was read into bytes; it may hold half characters."""
        return Draft(_encoding.encode_again(record))

    def stamp(self, draft: Draft, tail: Tail, *, now_ms: int) -> Stamped:
        """Add nothing."""
        del now_ms
        return Stamped(draft.line, None, tail)

    def stamp_all(self, drafts: Iterable[Draft], tail: Tail, *, now_ms: int) -> StampedBatch:
        """Add nothing to any of them."""
        del now_ms
        lines = [draft.line for draft in drafts]
        return StampedBatch(lines, [None] * len(lines), tail)

    def read(self, line: bytes) -> Record | None:
        """Parse a line; any JSON object is a record."""
        return _encoding.parse(line)

    def tail_of(self, record: Mapping[str, object]) -> Tail:
        """Return an empty tail: nothing is chained."""
        del record
        return Tail()
