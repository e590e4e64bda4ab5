"""The model: what must stand in a session file, as a list of lines."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

Record = dict[str, Any]


def parsed(raw: bytes) -> Record | None:
    """Return the object of a line, None if it is none."""
    try:
        value = json.loads(raw)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


@dataclass
class Line:
    """One line: ours is known by its record until it was seen in the file, and by its bytes from then on."""

    record: Record | None
    writer: str | None = None
    raw: bytes | None = None

    def matches(self, raw: bytes) -> bool:
        """Say whether this may be the line in the file: to the byte, or stamped for the first time."""
        if self.raw is not None:
            return raw == self.raw
        found = parsed(raw)
        return found is not None and self.record is not None and found == {**found, **self.record}

    def seen(self, raw: bytes) -> None:
        """Take the line for what it is in the file."""
        self.raw, self.record = raw, parsed(raw)


@dataclass
class Turn:
    """What is expected of a fence."""

    writer: str
    shared: bool
    tolerant: bool
    scope: Any
    fence: Any
    broken: bool = False
    told: bool = False
    appended_last: bool = False
    written: int = 0
    unwritten: list[Record] = field(default_factory=list)


@dataclass
class Model:
    """The file as it must be, and what is on its way there."""

    has_header: bool
    lines: list[Line] = field(default_factory=list)
    pending: list[Line] = field(default_factory=list)
    held: list[Line] = field(default_factory=list)
    torn: bool = False
    """The last line is a foreign one without its end: ours to end, some time."""

    @property
    def records(self) -> list[Record]:
        """Return what a reader must find."""
        return [line.record for line in self.lines if line.record is not None]

    def record_of(self, raw: bytes) -> Record | None:
        """Return the record of a line that may be anybody's, None if it is damage."""
        record = parsed(raw)
        if record is None or not self.has_header:
            return record
        whole = all(isinstance(record.get(key), str) and record[key] for key in ("type", "id"))
        return record if whole and record["type"] != "session" else None

    def raw(self) -> bytes:
        """Return the bytes behind the header."""
        ended = b"".join((line.raw or b"") + b"\n" for line in self.lines)
        return ended[:-1] if self.torn else ended

    def split(self, content: bytes) -> tuple[bytes | None, list[bytes], bytes]:
        """Cut a file into its header, its lines, and what has no end."""
        *raws, rest = content.split(b"\n")
        header = raws.pop(0) if self.has_header and raws else None
        return header, raws, rest

    def settle(self, content: bytes) -> None:
        """Compare with the file, everything accepted being there in its order, and learn the stamps of what is new."""
        header, raws, rest = self.split(content)
        if self.torn and rest == self.lines[-1].raw:
            raws.append(rest)
        else:
            assert rest == b""
            self.torn = False
        assert not self.has_header or header is None or (parsed(header) or {})["type"] == "session"
        known = len(self.lines)
        assert [line.raw for line in self.lines] == raws[:known]
        for raw, line in zip(raws[known:], self.pending, strict=True):
            assert line.matches(raw), (raw, self.pending)
            if self.has_header:
                assert (parsed(raw) or {})["parentId"] == (self.records[-1]["id"] if self.records else None)
            line.seen(raw)
            self.lines.append(line)
        self.pending.clear()

    def settle_race(self, content: bytes, foreign: list[Line]) -> None:
        """Compare after a race: both sides are in the file, each in its order, and who came first is not known."""
        _, raws, rest = self.split(content)
        assert rest == b""
        for raw in raws[len(self.lines) :]:
            side = foreign if foreign and foreign[0].raw == raw else self.pending
            line = side.pop(0)
            assert line.matches(raw), (raw, line)
            line.seen(raw)
            self.lines.append(line)
        assert (self.pending, foreign) == ([], [])

    def restart(self, content: bytes) -> None:
        """Take the file as it is for the truth: whatever stands there is nobody's now."""
        _, raws, rest = self.split(content)
        if rest and parsed(rest) is not None:
            raws.append(rest)
        self.lines = [Line(self.record_of(raw), None, raw) for raw in raws]
        self.torn = False
