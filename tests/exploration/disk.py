"""A file and a store without bytes on any disk: what the core is promised, in small steps that others come between.

The store remembers nothing: what it believes is the revision that the effect names. So a core that forgets to account
for its own lines meets them again as foreign ones, as it would on a real file.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from coordinator._core._effects import Append, Close, Compare, Effect, Fault, Foreign, Opened, Placement, Reopen, Report
from coordinator._core._values import Change, Revision, Tail

from .chained import FOREIGN, FORMAT, OLD, identity

FAULTS = {"no room": Fault.ROOM, "write fails": Fault.WRITE, "half a write": Fault.WRITE, "sync fails": Fault.SYNC}
STOPS = (Change.REPLACED, Change.REWRITTEN)


@dataclass(slots=True)
class Job:
    """An effect that is being performed: the steps that are left, and what is known so far."""

    effect: Effect
    steps: tuple[str, ...]
    revision: Revision
    foreign: tuple[Foreign, ...] = ()
    written: tuple[int, ...] | None = None
    synced: bool = False
    fault: Fault | None = None
    attempted_at: int | None = None
    standing: tuple[None, ...] = ()
    opened: Opened | None = None
    inode: int = 0
    """Which file the lines went to, if it is not the one at the path any more."""
    looked: bool = False
    """Whether the whole content was compared."""

    @property
    def report(self) -> Report:
        """Say what became of it, in the words of the core."""
        error = OSError(self.fault.value) if self.fault else None
        return Report(
            self.revision, self.written, self.foreign, self.fault, error, self.synced,
            attempted_at=self.attempted_at, standing=self.standing,
        )  # fmt: skip


@dataclass(slots=True)
class Disk:
    """The file at the path (its lines and its inode), how much of it would survive a power cut, and the truth."""

    lines: tuple[bytes, ...] = (OLD,)
    inode: int = 1
    synced: int = 1
    poisoned: bool = False
    """A sync has failed: a later one of the same file proves nothing."""
    places: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Where our lines have landed, ever: inode, offset, size."""
    disturbed: bool = False
    lost: tuple[str, ...] = ()
    """What a foreign process has removed."""

    def revision(self) -> Revision:
        """Name the content as it is."""
        content = b"".join(self.lines)
        return Revision(self.inode, len(content), content)

    def opened(self) -> Opened:
        """Find the file as it is, as at opening."""
        return Opened(self.revision(), None, Tail(identity(self.lines[-1])))

    # What somebody else does

    def disturb(self, change: str) -> None:
        """Let a foreign process act."""
        self.disturbed = True
        if change == "append":
            self.lines += (FOREIGN,)
        elif change == "edit":
            self.lines = (self.lines[0].replace(b"old", b"new"), *self.lines[1:])
        else:
            self.lost += tuple(identity(line) for line in self.lines[1:])
            self.lines, self.inode, self.synced = (OLD, FOREIGN), self.inode + 1, 2

    @staticmethod
    def crashes(job: Job | None) -> list[str]:
        """List the ways in which everything can end now: killed (in a write after so many lines), or without power."""
        writing = job is not None and job.steps[:1] == ("write",)
        lines = len(job.effect.lines) if job is not None and writing else 0
        return ["power cut", *(f"killed after {count}" for count in range(lines + 1))]

    def crash(self, job: Job | None, how: str) -> None:
        """Leave what a crash leaves, healed: an unfinished line is cut at opening."""
        count = int(how.rpartition(" ")[2]) if how != "power cut" else 0
        if count and job is not None and job.revision.generation == self.inode:
            self._land(job, job.effect.lines[:count])
        if how == "power cut":
            self.lines = self.lines[: self.synced]
        ours = {identity(line) for line in self.lines}
        self.places = {record: place for record, place in self.places.items() if record in ours}
        self.synced, self.poisoned = len(self.lines), False

    # What the store does

    @staticmethod
    def begin(effect: Effect, believed: Revision) -> Job:
        """Take an effect; `step` performs it."""
        sync = ("sync",) if getattr(effect, "sync", True) else ()
        if isinstance(effect, Append):
            steps: tuple[str, ...] = ("look", "write", *sync, "look_again")
        elif isinstance(effect, Compare):
            steps = (*sync, "look")
        elif isinstance(effect, Reopen):
            steps = ("reopen",)
        else:
            steps = sync
        return Job(effect, steps, believed)

    def step(self, job: Job, fault: str | None = None) -> None:
        """Perform the next step of a job, or fail at it."""
        name, job.steps = job.steps[0], job.steps[1:]
        if fault is not None:
            self._fail(job, fault)
        else:
            getattr(self, "_" + name)(job)

    def _fail(self, job: Job, fault: str) -> None:
        job.fault, job.steps, job.written = FAULTS[fault], (), None
        if fault == "half a write":
            self._land(job, job.effect.lines[: (len(job.effect.lines) + 1) // 2])
        if isinstance(job.effect, Append) and job.fault is not Fault.ROOM:
            job.attempted_at = job.effect.expected.length
        self.poisoned = self.poisoned or job.fault is Fault.SYNC

    def _look(self, job: Job) -> None:
        full = not isinstance(job.effect, Append) or job.effect.compare
        job.looked = job.looked or full
        foreign = self._found(job, full=full)
        if foreign is not None:
            insist = isinstance(job.effect, Append) and job.effect.insist and not foreign.change.stops
            job.foreign += (replace(foreign, slipped=insist),)
            job.steps = job.steps if insist else ()

    def _found(self, job: Job, *, full: bool) -> Foreign | None:
        believed, found = job.revision, self.revision()
        assert believed.digest is not None
        assert found.digest is not None
        if self.inode != believed.generation:
            return self._foreign(Change.REPLACED, believed)
        if full and not found.digest.startswith(believed.digest):
            return self._foreign(Change.REWRITTEN, believed)
        behind = found.digest[believed.length :]
        if not behind:
            return None
        job.revision = Revision(self.inode, found.length, believed.digest + behind)
        return self._foreign(Change.APPENDED, believed, behind)

    @staticmethod
    def _foreign(change: Change, believed: Revision, behind: bytes = b"") -> Foreign:
        if not behind:
            return Foreign(change, believed, None)
        records = tuple(FORMAT.read(line) or {} for line in behind.splitlines())
        tail, end = FORMAT.tail_of(records[-1]), believed.length + len(behind)
        return Foreign(change, believed, None, believed.length, end, records, records, tail=tail)

    def _write(self, job: Job) -> None:
        job.inode = job.revision.generation
        if job.inode == self.inode:
            self._slip(job)
            job.written = self._land(job, job.effect.lines)
            believed = job.revision.digest or b""
            ours = b"".join(job.effect.lines)
            job.revision = Revision(self.inode, job.revision.length + len(ours), believed + ours)

    def _slip(self, job: Job) -> None:
        """Notice by the position, not by a look, what came between."""
        foreign = self._found(job, full=False)
        if foreign is not None:
            job.foreign += (replace(foreign, slipped=True),)

    def _land(self, job: Job, lines: tuple[bytes, ...]) -> tuple[int, ...]:
        offsets = []
        for line in lines:
            offsets.append(sum(map(len, self.lines)))
            self.lines += (line,)
            self.places[identity(line)] = (self.inode, offsets[-1], len(line))
        return tuple(offsets)

    def _sync(self, job: Job) -> None:
        if job.inode in (0, self.inode):
            self.synced = len(self.lines)
        job.synced = True

    def _look_again(self, job: Job) -> None:
        foreign = self._found(job, full=False)
        if foreign is None:
            return
        job.foreign += (foreign,)
        if foreign.change in STOPS:
            job.written, job.attempted_at, job.synced = None, job.effect.expected.length, False
            job.standing = (None,) * len(job.effect.lines) if job.effect.compare else ()

    def _reopen(self, job: Job) -> None:
        assert isinstance(job.effect, Reopen)
        self.poisoned, self.synced = False, len(self.lines)
        present = tuple(self._place_of(line, job.effect.since) for line in job.effect.attempted)
        job.opened = replace(self.opened(), present=present)

    def _place_of(self, line: bytes, since: int) -> Placement | None:
        offset = 0
        for other in self.lines:
            if other == line and offset >= since:
                return Placement(offset, len(line))
            offset += len(other)
        return None

    @staticmethod
    def is_close(job: Job) -> bool:
        """Whether nothing comes after this job."""
        return isinstance(job.effect, Close)
