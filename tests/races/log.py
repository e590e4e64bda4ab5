"""What both sides of a race wrote down, in one clock, for the judge."""

from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic_ns

from coordinator import Change, Event, Receipt, SessionState


@dataclass(frozen=True)
class Act:
    """One foreign change, as the second process acknowledged it."""

    number: int
    kind: str
    start_ns: int
    end_ns: int

    @property
    def marks(self) -> tuple[bytes, ...]:
        """Return what its bytes can be known by; an edit has none."""
        return () if self.kind == "edit" else (b"<%d>" % self.number, b"[%d]" % self.number)


@dataclass(frozen=True)
class Finding:
    """One foreign change, as the library reported it."""

    change: Change
    time_ns: int
    start: int | None
    end: int | None
    forked: bool
    unknown: range
    """Where nobody can say what stands since a change that stops the session; empty for other changes."""

    def excuses(self, start: int, end: int) -> bool:
        """Return whether a break of the chain somewhere in this part of the file was reported by this."""
        forked = self.forked and self.start is not None and self.end is not None
        parts = [self.unknown, range(self.start or 0, self.end or 0) if forked else range(0)]
        return any(part.start < end and start < part.stop for part in parts)


@dataclass(frozen=True)
class Look:
    """One comparison of a fence: everything that was over when it began must be known when it ends."""

    begin_ns: int
    end_ns: int


@dataclass
class Log:
    """Everything that happened in one round."""

    acts: list[Act] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    receipts: dict[str, Receipt] = field(default_factory=dict)
    """What was acknowledged, by text."""
    kept: set[str] = field(default_factory=set)
    """What was kept over a takeover: written by `reopen`, without a receipt to its caller."""
    batches: list[tuple[Receipt, ...]] = field(default_factory=list)
    forked: set[str | None] = field(default_factory=set)
    """The ids of the batches that were reported as forked."""
    on_state: Callable[[SessionState], None] = lambda _state: None

    def observe(self, event: Event) -> None:
        """Write down what the library says."""
        if event.name == "records_written":
            self.batches.append(event.receipts)
        elif event.name == "state_changed":
            self.on_state(event.after)
        elif event.name == "foreign_change" and event.foreign.change is not Change.TOUCHED:
            foreign = event.foreign
            stops, size = foreign.change.stops, 0 if foreign.found is None else foreign.found.size
            unknown = range(foreign.expected.length if stops else size, size)
            found = Finding(foreign.change, monotonic_ns(), foreign.start, foreign.end, event.forked, unknown)
            self.findings.append(found)
            if event.forked and self.batches:
                self.forked |= {receipt.id for receipt in self.batches[-1]}
