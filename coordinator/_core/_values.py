"""The values that cross every boundary: plain, frozen, without behaviour that could fail."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Self

from ._errors import ArgumentValueError

Record = dict[str, Any]
"""One JSON object: one line of a session file."""


class Durability(Enum):
    """How much a receipt promises: `NONE` (the OS decides), `FENCE` (fdatasync around turns), `ALWAYS` (before it)."""

    NONE = "none"
    FENCE = "fence"
    ALWAYS = "always"


class SessionState(Enum):
    """What a session can do now; every state but `CLOSED` keeps the records it has accepted."""

    OPENING = "opening"
    OPEN = "open"
    STALLED = "stalled"
    STOPPED = "stopped"
    FAILED = "failed"
    PARKED = "parked"
    CLOSING = "closing"
    CLOSED = "closed"


class Outcome(Enum):
    """What became of the record an error speaks of; only `NOT_WRITTEN` may be sent again."""

    NOT_WRITTEN = "not written"
    KEPT = "kept"
    UNKNOWN = "unknown"


class Change(Enum):
    """What somebody else did to the file, the most serious first."""

    LOCK_LOST = "lock lost"
    VANISHED = "vanished"
    REPLACED = "replaced"
    TRUNCATED = "truncated"
    REWRITTEN = "rewritten"
    APPENDED = "appended"
    TORN = "torn"
    TOUCHED = "touched"

    @property
    def stops(self) -> bool:
        """Say whether what we knew of the file no longer holds, so that writing must stop."""
        return self in _STOPPING


_STOPPING = frozenset({Change.LOCK_LOST, Change.VANISHED, Change.REPLACED, Change.TRUNCATED, Change.REWRITTEN})


@dataclass(frozen=True, slots=True, eq=False)
class Revision:
    """Which content we believe the file to have; compare two with `==`.

    Equal if generation, length and digest are. While the digest of a large file is not known yet
    (`digest is None`) a revision equals only itself.
    """

    generation: int
    length: int
    digest: bytes | None = field(default=None, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Revision):
            return NotImplemented
        if self is other or self.digest is None or other.digest is None:
            return self is other
        return (self.generation, self.length, self.digest) == (other.generation, other.length, other.digest)

    def __hash__(self) -> int:
        return hash((self.generation, self.length))


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The metadata of a file as one look saw it; times are hints, never proof."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int


class Receipt(NamedTuple):
    """Where a record landed: its bytes are `size` bytes at `offset`; `sequence` counts from 1 within one opening."""

    writer: str
    sequence: int
    offset: int
    size: int
    id: str | None
    durable: bool


@dataclass(frozen=True, slots=True)
class OwnWrite:
    """One record of the ledger: the proof that these bytes were ours (`time` is seconds since the epoch)."""

    writer: str
    offset: int
    size: int
    time: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """A process that had the file open when a foreign change was found."""

    pid: int
    name: str


@dataclass(frozen=True, slots=True)
class Position:
    """A place to go on reading from, after a restart too: `str(position)` and `Position.parse` are inverse."""

    offset: int
    digest: str

    def __str__(self) -> str:
        return f"{self.offset}:{self.digest}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what `str(position)` wrote; a `ValueError` for anything else."""
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ArgumentValueError(f"not a position: {text!r}", hint="pass what `str(entry.position)` gave")
        offset, colon, digest = text.partition(":")
        if not (colon and offset.isascii() and offset.isdigit() and len(digest) == DIGEST_CHARACTERS):
            raise ArgumentValueError(f"not a position: {text!r}", hint="pass what `str(entry.position)` gave")
        return cls(int(offset), digest)

    @classmethod
    def after(cls, offset: int, line: bytes) -> Self:
        """Name the place that follows `line`, which starts at `offset` (line with its line feed)."""
        return cls(offset + len(line), line_digest(line))


DIGEST_CHARACTERS = 16


def line_digest(line: bytes) -> str:
    """Name a line shortly; used to see whether a stored position still means what it meant."""
    return hashlib.blake2b(line, digest_size=DIGEST_CHARACTERS // 2).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """A record as it stands in the file; `position` is where to go on after it.

    `writer` is None for foreign records, and for all that was there before the session was opened, reopened or
    rewritten. There are bounds, too: in a session in which the writers have taken turns a quarter of a million times
    the oldest are nobody's, and so are those of further writers after 65,536 names in one coordinator.
    """

    record: Record
    offset: int
    size: int
    writer: str | None
    position: Position


class Tail(NamedTuple):
    """What the end of a file means to its format: the leaf to chain after, the newest time seen there."""

    leaf: str | None = None
    timestamp_ms: int = 0

    def merge(self, later: Tail) -> Tail:
        """Join with what was found behind this tail."""
        if later is self:
            return self
        leaf = self.leaf if later.leaf is None else later.leaf
        return Tail(leaf, max(self.timestamp_ms, later.timestamp_ms))
