"""What the core asks of a store, and what a store answers: the whole vocabulary between them.

A store keeps the bytes, the core decides. Every effect names the revision the core believes in; a store performs it
only if that is still the content, says so otherwise, and changes nothing it cannot prove to be ours. Nothing here
mentions a file: a database that offers "append this batch if (epoch, generation, head) are still these" fits as well.
Nobody changes one of these values; those of every batch are not frozen because making a frozen one takes 1 µs longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from ._values import Change, Fingerprint, Record, Revision, Suspect, Tail

Transform = Callable[[Iterator[Record]], Iterable[Record]]
"""What a rewrite does: it runs in a thread and sees the records lazily, oldest first."""


@dataclass(slots=True)
class Append:
    """Write these whole lines (each ends in a line feed) behind `expected`, in one write.

    `header` comes first if there is no content yet. `compare` asks for the full comparison of a fence before the
    write, not only for the quick look. `sync` asks for stable storage before the report.
    """

    expected: Revision
    lines: Sequence[bytes]
    header: bytes | None = None
    compare: bool = False
    sync: bool = False
    insist: bool = False
    """Write even if the look finds foreign lines: they are adopted and reported as slipped in. Without this a foreign
    writer that never pauses would keep us from writing for ever."""


@dataclass(slots=True)
class Compare:
    """Compare the content with `expected`, after making it durable if `sync`."""

    expected: Revision
    sync: bool = False


@dataclass(frozen=True, slots=True)
class Sync:
    """Put what was written on stable storage."""

    expected: Revision


@dataclass(frozen=True, slots=True)
class Rewrite:
    """Replace the whole content by what `transform` makes of its records: all of it, or nothing of it."""

    expected: Revision
    transform: Transform
    now_ms: int


@dataclass(frozen=True, slots=True)
class Reopen:
    """Accept the content as it is now: heal as at opening, own it again.

    `attempted` are lines whose write was tried and not confirmed; `since` is the lowest offset they can stand at.
    The answer says which of them are there (counted with multiplicity). `create` allows making a vanished file anew.
    """

    attempted: Sequence[bytes] = ()
    since: int = 0
    create: bool = True


@dataclass(frozen=True, slots=True)
class Close:
    """Give everything back; `sync` first makes what was written durable."""

    expected: Revision
    sync: bool = False


@dataclass(frozen=True, slots=True)
class Park:
    """Give descriptor and lock back for now, but remember the content."""


Act = Append | Compare | Sync | Rewrite
Effect = Act | Reopen | Close | Park


class Placement(NamedTuple):
    """Where one line of ours stands."""

    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class Foreign:
    """One foreign change that was found, with everything a person needs to believe it.

    `slipped` means: it stands before lines of ours that were stamped without knowing it. `records` are all records of
    an appended range, None if there were too many to keep; `damaged` counts its lines that are no records. `tail` is
    what the range means to the format, None if it holds no record. APPENDED and TORN are adopted by the store before
    it reports them: its next revision contains them. `header` is that of a file that appeared where there was none.
    """

    change: Change
    expected: Revision
    found: Fingerprint | None
    start: int | None = None
    end: int | None = None
    first_records: tuple[Record, ...] = ()
    records: tuple[Record, ...] | None = ()
    damaged: int = 0
    tail: Tail | None = None
    suspects: tuple[Suspect, ...] = ()
    slipped: bool = False
    header: Record | None = None


class Fault(Enum):
    """Which promise of the operating system was broken."""

    ROOM = "room"
    """No space, no quota, file too large: nothing was written, trying again later makes sense."""
    WRITE = "write"
    """Any other failed write."""
    SYNC = "sync"
    """A failed sync: what was not synced before is lost, whatever a later sync says."""


@dataclass(slots=True)
class Report:
    """What a store did for `Append`, `Compare`, `Sync`, `Rewrite` and `Close`, and what it found on the way.

    `revision` is what the store believes now. `written` has the offset of each line of an `Append`, None if none of
    them counts as written. `foreign` is in the order of finding. `torn` says that an unfinished foreign line ends the
    content: wait `torn_wait_seconds`, then call `finish(report)`. `synced`: everything up to `revision` is on stable
    storage. `attempted_at`: the lowest offset where bytes of unconfirmed lines may stand. `standing`: where each line
    of an `Append` with `compare` stands whole although a change stopped it, None for those that do not. Of a
    `Close`: `unsynced` is what stands in the file from an offset on, and a sync has failed to make durable. Of a
    `Rewrite`: `tail` is the new one; `refused` says why the old content is still in use.
    """

    revision: Revision
    written: Sequence[int] | None = None
    foreign: tuple[Foreign, ...] = ()
    fault: Fault | None = None
    error: OSError | None = None
    synced: bool = False
    torn: bool = False
    attempted_at: int | None = None
    standing: tuple[Placement | None, ...] = ()
    unsynced: tuple[int, bytes] = (0, b"")
    tail: Tail | None = None
    refused: Exception | None = None


@dataclass(frozen=True, slots=True)
class Healed:
    """What opening mended: the cut tail's bytes are in `side_file`; `newline_added` if only that was missing."""

    cut_bytes: int = 0
    side_file: str | None = None
    newline_added: bool = False


@dataclass(frozen=True, slots=True)
class Opened:
    """A file as it was found (and healed) at opening or reopening.

    `header` is the parsed header line of formats that have one (None for a new file). `damaged` counts damaged lines
    before the tail, `damaged_at` gives the offsets of the first 100. `present` says for each line of
    `Reopen.attempted` whether it stands in the file, None if not.
    """

    revision: Revision
    header: Record | None
    tail: Tail
    healed: Healed = Healed()
    damaged: int = 0
    damaged_at: tuple[int, ...] = ()
    present: tuple[Placement | None, ...] = ()
    notes: tuple[str, ...] = ()


class Store(Protocol):
    """Where the content of one session lives. One method at a time; all but `perform_quickly` may block.

    `open`, `reopen` raise errors of the library (`PathError`, `LockedError`, `FormatError`, `WriteFailedError`) and
    then hold nothing. The others never raise: what went wrong is in the report.
    """

    def open(self) -> Opened:
        """Own the content and make it whole; nothing is changed if this raises."""
        ...

    def perform(self, effect: Act) -> Report:
        """Do what the effect says, or say why not."""
        ...

    def perform_quickly(self, effect: Act) -> Report | None:
        """Do what the effect says if that waits for no disk; None leaves it, or what is left of it, to `perform`."""
        ...

    def finish(self, effect: Act, report: Report) -> Report:
        """End the torn foreign line that `report` speaks of with our own line feed, and complete the report."""
        ...

    def reopen(self, effect: Reopen) -> Opened:
        """Accept the content as it is now."""
        ...

    def park(self) -> None:
        """Give descriptor and lock back for now; never raises."""
        ...

    def unpark(self) -> Opened:
        """Own the content again; if it is not the one that was parked, open it as it is now.

        The revision is the old object if the content is what it was. Raises what `open` raises, and holds nothing then.
        """
        ...

    def close(self, effect: Close) -> Report:
        """Give descriptor and lock back, after a last sync if asked; may be called twice."""
        ...
