"""The smallest format with a chain, and the constants that all worlds share."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import orjson

from coordinator._core._format import Draft, RecordFormat, Stamped
from coordinator._core._values import Record, Tail

PATH = Path("/sessions/chat.jsonl")


@cache
def _draft(identity: str) -> Draft:
    """Make each draft once: the copies of a world share it."""
    return Draft(orjson.dumps({"id": identity}) + b"\n", identity)


class Chained(RecordFormat):
    """Each record names the one before it."""

    name = "chained"
    has_header = False
    stamp_bytes_max = 0

    def new_header(self, given: Mapping[str, object] | None, *, now_ms: int) -> Record | None:
        return None

    def read_header(self, line: bytes) -> Record:
        return self.read(line) or {}

    def encode(self, record: Mapping[str, object]) -> Draft:
        return _draft(str(record["id"]))

    def stamp(self, draft: Draft, tail: Tail, *, now_ms: int) -> Stamped:
        line = orjson.dumps({"id": draft.id, "parent": tail.leaf}) + b"\n"
        return Stamped(line, draft.id, Tail(draft.id))

    def read(self, line: bytes) -> Record | None:
        return dict(orjson.loads(line))

    def tail_of(self, record: Mapping[str, object]) -> Tail:
        return Tail(str(record["id"]))

    def parent_of(self, record: Mapping[str, object]) -> str | None:
        parent = record["parent"]
        return parent if isinstance(parent, str) else None


FORMAT = Chained()
OLD = FORMAT.stamp(FORMAT.encode({"id": "old"}), Tail(), now_ms=1).line
"""What stands in the file before anybody writes."""
FOREIGN = b'{"id":"foreign","parent":"old"}\n'


def identity(line: bytes) -> str:
    """Return the id of a line."""
    return str(orjson.loads(line)["id"])
