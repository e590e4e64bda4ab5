"""The ground truth of a run, and everything that must hold at every moment of it.

It sees the disk itself, every effect of the store from its first system call to its report, and what the actors were
told; it uses nothing that the library says of itself to decide what was right.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from coordinator import Change, Durability, Outcome, PendingReceipt, Receipt, TakeoverError
from coordinator._core._effects import Append, Compare, Report, Rewrite
from coordinator._core._events import ForeignChange, SessionReopened, SessionUnparked
from coordinator._core._invariants import check
from coordinator._core._turns import FenceStage

from .deeds import IN_PLACE, Deed, Foreigner
from .disk import Inode, has_mixed_line
from .system import SimulatedSystem
from .world import World

FOREIGN_BYTES_MAX = 500
"""Neither a deed nor a header is longer than this."""
READS_MAX = 3
"""How often a comparison may read: what is done during the last time is found by the next one."""


@dataclass(slots=True, eq=False)
class Job:
    """One effect: the fences it concerns, and between which system calls it was performed."""

    effect: object
    entering: object
    fences: list[object]
    start: int
    look: int = 0
    end: int = 0
    looks: int = 0
    reads: int = 0
    """How many reads of the present comparison have begun."""
    before: tuple[int, bytes | None] = (0, None)
    """The look before the last one, and what it saw."""
    lock_look: int = 0
    content: bytes | None = None
    """What stood at the path when the job looked last."""
    report: Report | None = None


@dataclass(slots=True, eq=False)
class Turn:
    """One fence, from the outside."""

    state: object
    accepts_friends: bool
    entry: Job | None = None
    last: Job | None = None


@dataclass(slots=True)
class Fate:
    """What the owner of a record was told last; `receipt` counts as written."""

    told: str
    receipt: Receipt | None = None
    is_durable: bool = False


class Truth:
    """Watches one life of a session."""

    def __init__(self, world: World, system: SimulatedSystem, foreigner: Foreigner, name: str) -> None:
        self.world = world
        self.system = system
        self.foreigner = foreigner
        self.name = name
        self.machine: Any = None
        self.content: Any = None
        """What the store believes in, and keeps of it until it is durable."""
        self.fates: dict[str, Fate] = {}
        self.job: Job | None = None
        self.jobs = 0
        self.turns: dict[object, Turn] = {}
        self.seen: Counter[str] = Counter()
        """What the session told its observers, by name; and the crashes."""
        self.told_at = 0
        """When the session was unparked or reopened last: what was handed over before is known."""
        self.forks = 0
        """How often it was said that records of ours may stand behind lines they do not know of."""
        self.glued: set[str] = set()
        """Records of batches of which a line was glued to somebody else's: those are written again, behind the rest."""
        self.standing: set[str] = set()
        """What a takeover says to stand in a file that was not accepted yet: perhaps nobody can open it."""
        self.must_survive: set[str] = set()
        self.violation: AssertionError | None = None
        """What was found in a job, where raising it would only break the store."""
        self.is_hopeless = False
        """Whether others have done what cannot be mended: then it is enough that nothing is lost."""
        system.on_look = self._looked
        system.on_trespass = self._trespassed
        foreigner.is_owned = lambda: system.is_owned
        system.on_write = self._wrote
        system.on_comparison = self._compared
        foreigner.believed = lambda: 0 if self.content is None else self.content.length
        foreigner.under_way = self._under_way
        foreigner.is_amid = lambda clock: self.job is not None and clock > self.job.start + 1

    # The disk

    @property
    def file(self) -> Inode | None:
        """Return what is at the path."""
        return self.system.disk.names.get(self.name)

    def _looked(self, name: str) -> None:
        if self.job is None:
            return
        if name != self.name:
            self.job.lock_look = self.system.calls
            self.job.reads += 1
        else:
            self.job.before = (self.job.look, self.job.content)
            self.job.looks += 1
            self._saw(self.job)

    def _saw(self, job: Job) -> None:
        job.look = self.system.calls
        job.content = None if self.file is None else bytes(self.file.data)

    def _wrote(self) -> None:
        """The line feed that ends a torn line says where it stands: during the last read that is the last look."""
        self._note_glued()
        if self.job is not None and self.job.reads == READS_MAX:
            self._saw(self.job)

    def _note_glued(self) -> None:
        effect = None if self.job is None else self.job.effect
        if isinstance(effect, Append) and self.file is not None and has_mixed_line(self.file, effect.expected.length):
            self.glued |= {*self.foreigner.lines.own_names(b"".join(effect.lines))}

    def _compared(self, has_ended: bool) -> None:
        """A comparison begins or ends: it may read three times, so nothing follows the look after the third time."""
        if self.job is None:
            return
        if has_ended and self.job.reads == READS_MAX:
            self.job.look, self.job.content = self.job.before
        self.job.reads = 0

    def _trespassed(self, call: str) -> None:
        self.violation = AssertionError(f"{call} without the lock")

    # Effects

    def _under_way(self) -> bytes:
        effect = None if self.job is None else self.job.effect
        return b"".join((effect.header or b"", *effect.lines)) if isinstance(effect, Append) else b""

    def begin(self, effect: object) -> None:
        """An effect is about to be performed, or to be finished."""
        if self.job is not None and self.job.effect is effect:
            return
        running = self.machine.running
        fences = [comparison.fence for comparison in running.comparisons if comparison.look]
        fences += [group.fence for group in running.groups if group.fence is not None]
        if not all(self._may_be_written(group) for group in running.groups):
            self.violation = AssertionError("a record that is held for a fence was written during the fence")
        self.jobs += 1
        self.job = Job(effect, running.token, fences, self.system.calls)

    def _may_be_written(self, group: Any) -> bool:
        """Whether no whole fence of somebody else holds this record back."""
        holders = [fence for fence in self.machine.fences.turns.holders if fence.stage is FenceStage.ACTIVE]
        holding = [fence for fence in holders if fence.writer is not group.writer and not fence.broken]
        return not group.writer.hold or group.fence is not None or not holding

    def end(self, report: Report) -> None:
        """An effect was performed."""
        self._note_glued()
        job, self.job = self.job, None
        assert job is not None
        job.end, job.report = self.system.calls, report
        if report.torn:
            return
        try:
            self._check_belief(job, report)
            self._check_placements(job, report)
        except AssertionError as error:
            self.violation = error
        if job.entering is not None:
            self._turn(job.entering).entry = job
        for fence in job.fences:
            self._turn(fence).last = job

    def _turn(self, state: object) -> Turn:
        return self.turns.setdefault(state, Turn(state, accepts_friends=getattr(state, "accept", None) is not None))

    def _since(self, clock: int) -> list[Deed]:
        return [deed for deed in self.foreigner.done if deed.clock > clock]

    def _check_belief(self, job: Job, report: Report) -> None:
        """What the store believes after a look is what was there at the instant of that look."""
        stopped = any(foreign.change.stops for foreign in report.foreign)
        if report.fault is not None or stopped or job.looks == 0 or isinstance(job.effect, Rewrite):
            return
        if self.content is not None and self.content.debris is not None:
            return  # the beginning of a batch stands there, and is not counted
        if report.refused is not None or (job.content is None and report.revision.length == 0):
            return
        assert job.content is not None, "the store believes in a file that is not there"
        rest = job.content[report.revision.length :]
        torn = any(foreign.change is Change.TORN for foreign in report.foreign)
        # Behind a line that was ended others may come, and one begin: they are left to the next look.
        is_left = torn and rest != b"" and not rest.endswith(b"\n")
        assert is_left or report.revision.length == len(job.content), (
            f"the store believes in {report.revision.length} bytes; when it looked there were {len(job.content)}"
        )
        compared = isinstance(job.effect, Compare) or (isinstance(job.effect, Append) and job.effect.compare)
        if compared and not self._edits(job) and report.revision.digest is not None:
            # What others have appended is read behind the look, and may be other bytes of that length by then.
            there = [job.content, *(deed.content for deed in self._since(job.look) if deed.content is not None)]
            digests = [sha256(content[: report.revision.length]).digest() for content in there]
            assert report.revision.digest in digests, "the store believes in other bytes"

    def _edits(self, job: Job) -> list[Deed]:
        """Return what may have changed bytes unseen."""
        edits = [deed for deed in self.foreigner.done if deed.changes and not deed.is_sized]
        return self._edits_amid(job) + [deed for deed in edits if not self._is_shown(deed)]

    def _edits_amid(self, job: Job) -> list[Deed]:
        """Return what has changed bytes in the middle of a job and left the length, perhaps in several steps."""
        within = [deed for deed in self._since(job.start + 1) if deed.changes and deed.name in IN_PLACE]
        sizes = [deed.size_before for deed in within]
        return [deed for n, deed in enumerate(within) if len(deed.content or b"") in sizes[: n + 1]]

    def _check_placements(self, job: Job, report: Report) -> None:
        """Every line that is reported as written stands there, and is ours."""
        if report.written is None or job.content is None or not isinstance(job.effect, Append):
            return
        meddled = [deed for deed in self._since(job.start) if deed.changes and "append" not in deed.name]
        if meddled or report.fault is not None:
            return
        for line, offset in zip(job.effect.lines, report.written, strict=True):
            assert job.content[offset : offset + len(line)] == line, "a line does not stand where it was reported"

    # Fences

    def entered(self, pending: Sequence[PendingReceipt], before: Sequence[str]) -> None:
        """A fence was entered: whatever its own writer had handed over before is in the file, or was refused."""
        assert all(receipt.done for receipt in pending), "entered before the queue was drained"
        if self.world.durability is Durability.FENCE:
            self.is_durable(before)

    def left_whole(self, state: object, reply: str) -> None:
        """A fence ended well: nothing foreign may have happened between its two looks, and its reply is durable."""
        if self.world.durability is Durability.FENCE and reply in self.written_names():
            self.is_durable([reply])
        turn = self._turn(state)
        assert turn.entry is not None, "entered without a look"
        assert turn.last is not None, "left without a look"
        missed = [deed for deed in self.foreigner.done if self._breaks(deed, turn, turn.entry, turn.last)]
        assert not missed, f"missed by the fence: {[(deed.number, deed.name) for deed in missed]}"

    def _breaks(self, deed: Deed, turn: Turn, entry: Job, last: Job) -> bool:
        if not deed.must_show or deed.number in self.system.cut_away or (turn.accepts_friends and deed.is_friendly):
            return False
        if deed.name in ("truncate", "edit") and deed.file in self.system.withdrawn:
            return False  # done to what is no longer the file; what was appended to it is given on
        if deed.name == "lose lock":
            return entry.lock_look < deed.clock <= last.lock_look
        if deed.is_sized and deed not in self._edits_amid(last):
            return entry.look < deed.clock <= last.look and self._is_visible(deed, last)
        is_between = entry.end < deed.clock <= last.start + 1
        return is_between and self._is_shown(deed) and self._is_visible(deed, last)

    def _is_shown(self, deed: Deed) -> bool:
        """Whether an edit that keeps the length shows: by content, or by times that no own write has moved since."""
        return self.world.reads_all or (self.world.multigrain and not deed.is_amid)

    def _is_visible(self, deed: Deed, last: Job) -> bool:
        """Whether the deed had not been undone by a later one when the fence looked."""
        later = [other for other in self.foreigner.done if deed.number < other.number and other.clock <= last.look]
        return not any(other.may_break for other in later)

    def taken_over(self, error: TakeoverError, state: object) -> None:
        """A fence broke: somebody must have given it a reason since it was entered."""
        turn = self._turn(state)
        start = 0 if turn.entry is None else turn.entry.start
        reasons = [deed for deed in self._since(start) if deed.may_break]
        if turn.accepts_friends and error.change is Change.APPENDED and not error.forked:
            reasons = [deed for deed in reasons if not deed.is_friendly]
        # An edit that no look could show is still there when the file is read for another reason: then it is found.
        reasons += [deed for deed in self.foreigner.done if deed.may_break and not self._is_shown(deed)]
        assert reasons, f"a false takeover: {error}"

    def stopped(self, error: TakeoverError) -> None:
        """A session stopped, or had been stopped: somebody must have given it a reason."""
        reasons = [deed for deed in self.foreigner.done if deed.may_break and not deed.is_handed_over]
        assert reasons, f"a false takeover: {error}"

    # Records

    def written(self, name: str, receipt: Receipt) -> None:
        """The owner of a record has got a receipt."""
        assert receipt.size > 0
        self.fates[name] = Fate("written", receipt, receipt.durable)

    def refused(self, name: str, outcome: Outcome | None) -> None:
        """The owner of a record was told that it is not written now."""
        assert outcome is not None, "an error about a record without an outcome"
        self.fates[name] = Fate(outcome.value)

    def told(self, name: str, what: str) -> None:
        """Remember what became of a record otherwise."""
        self.fates[name] = Fate(what)

    def is_durable(self, names: Sequence[str]) -> None:
        """A sync has covered these records."""
        for name in names:
            self.fates[name].is_durable = True

    def crash(self) -> None:
        """Remember what has to survive: what was acknowledged, if only the process died, otherwise what is durable."""
        self.seen[f"crash: {self.world.crash}"] += 1
        written = {name: fate for name, fate in self.fates.items() if fate.told == "written"}
        self.must_survive = {name for name, fate in written.items() if fate.is_durable or self.world.crash == "kill"}
        self.fates = {name: Fate("crashed") for name in self.fates}

    def written_names(self) -> list[str]:
        """Return the records that were acknowledged."""
        return [name for name, fate in self.fates.items() if fate.told == "written"]

    # All the time

    def notice(self, event: object) -> None:
        """Count what the session says of itself; it is asked only whether it spoke of a branch, or of stopping."""
        self.seen[getattr(event, "name", "")] += 1
        if isinstance(event, SessionUnparked):
            self._handed_over(event.handed_over)
        if isinstance(event, SessionReopened):
            self.told_at = self.system.calls
        if isinstance(event, ForeignChange):
            self.seen[f"found {event.foreign.change.value}"] += 1
            self.forks += event.forked or event.foreign.change.stops

    def _handed_over(self, was_said: bool) -> None:
        """Another owner's changes are told of, and nothing else is."""
        changed = [deed for deed in self._since(self.told_at) if deed.changes and deed.name != "lose lock"]
        changed = [deed for deed in changed if deed.number not in self.system.cut_away]  # healed: as it was
        if was_said and not self.foreigner.done:
            self.violation = AssertionError("a hand-over from nobody")
        if not was_said and len(changed) == 1 and changed[0].is_handed_over and changed[0].must_show:
            self.violation = AssertionError("a hand-over was not noticed")
        self.told_at = self.system.calls

    def check(self) -> None:
        """Assert the core's invariants and the bounds on memory."""
        machine = self.machine
        if machine is None:
            return
        check(machine)
        if self.content is not None and machine.running is None:
            kept = sum(map(len, self.content.unsynced))
            most = machine.limits.unsynced_bytes_max + FOREIGN_BYTES_MAX * (1 + len(self.foreigner.done))
            assert kept <= most, f"{kept} unsynced bytes are kept in memory, not {most}"
