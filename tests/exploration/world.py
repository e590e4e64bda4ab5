"""One state of everything: the machine, the disk, the tasks, and what may happen next.

The actions commute where it says so, and then only one order of them is tried: while a store performs an effect it
sees the file only, and the tasks see the machine only, so a job is performed in one go, with nothing but a foreign
process, a fault or a crash between its steps. Its answer may be delivered at any time after that.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from coordinator._core._effects import Close, Reopen
from coordinator._core._endings import closed, reopened, request_reopen
from coordinator._core._limits import Limits
from coordinator._core._machine import Machine
from coordinator._core._reports import report
from coordinator._core._tickets import Group, WriterState
from coordinator._core._turns import FenceState
from coordinator._core._values import Durability, SessionState

from .chained import FORMAT, PATH
from .disk import FAULTS, Disk, Job
from .tasks import Closer, Writer
from .truth import Truth

LIMITS = Limits(session_records_max=2, writer_records_max=2, held_records_max=1)
"""So little room that somebody has to wait for it."""

SECOND_LIFE = ("enter", "reply z1", "leave")
"""What is tried after a crash."""


def accept_all(record: object) -> bool:
    """Accept every foreign record."""
    return True


@dataclass(frozen=True)
class Setting:
    """What is explored: the verbs of the two writers, the kind of their fences, and the one event of this world."""

    name: str
    chat: tuple[str, ...]
    memory: tuple[str, ...]
    event: str
    hold: bool = False
    shared: bool = False
    accept: bool = False
    cancels: int = 1
    closes: bool = False
    crashes: bool = True
    limits: Limits = LIMITS
    durability: Durability = Durability.FENCE


class World:
    """One state; `actions` says what can happen, `act` makes it happen."""

    def __init__(self, setting: Setting) -> None:
        accept = accept_all if setting.accept else None
        self.setting = setting
        self.machine = Machine(PATH, FORMAT, setting.limits, setting.durability)
        self.disk = Disk()
        self.machine.opened(self.disk.opened(), None)
        self.job: Job | None = None
        self.writers = (
            Writer("chat", setting.chat, shared=setting.shared, accept=accept),
            Writer("memory", setting.memory, hold=setting.hold, shared=setting.shared, accept=accept),
        )
        self.closer = Closer()
        self.groups: dict[str, Group] = {}
        """The last group of each record."""
        self.truth = Truth()
        self.event: str | None = setting.event
        """What has not happened yet."""
        self.cancels = setting.cancels
        self.closes = setting.closes
        self.crashes = setting.crashes
        self.is_news = True
        """Whether a crash now leaves anything else than a crash one action ago."""
        self.settle()

    # What the tasks use

    def offer(self, writer: WriterState, identity: str, *, fence: FenceState | None = None) -> Group:
        """Give a record to the machine."""
        group = self.machine.offer(writer, [FORMAT.encode({"id": identity})], fence=fence)
        self.truth.offered(identity)
        self.groups[identity] = group
        return group

    def withdraw(self, group: Group) -> None:
        """Take back a record, if that is still possible."""
        if self.machine.withdraw(group):
            identity = next(each for each, other in self.groups.items() if other is group)
            self.truth.withdrawn(identity)
            del self.groups[identity]

    # What can happen

    def actions(self) -> Iterator[tuple[str, ...]]:
        """List what can happen now: work, and what the environment may do."""
        yield from self.work()
        yield from self.environment()

    def work(self) -> Iterator[tuple[str, ...]]:
        """List what happens sooner or later, without anybody from outside."""
        if self.job is not None and self.job.steps:
            yield ("step",)
            return
        if self.job is not None:
            yield ("deliver",)
        elif self.machine.running is None:
            yield ("take",)
        if self.machine.stall is not None and not self.machine.retry_due:
            yield ("retry",)
        for number, writer in enumerate(self.writers):
            if writer.ready:
                yield ("run", str(number))
        if self.closer.ready:
            yield ("close",)

    def environment(self) -> Iterator[tuple[str, ...]]:
        """List what may happen or not."""
        event, performing = self.event, self.job is not None and bool(self.job.steps)
        if event is not None and (event not in FAULTS or self._can_fail()):
            yield ("fail",) if event in FAULTS else ("disturb",)
        if self.crashes and self.is_news:
            yield from (("crash", how) for how in self.disk.crashes(self.job))
        if not performing:
            yield from self._callers()

    def _callers(self) -> Iterator[tuple[str, ...]]:
        for number, writer in enumerate(self.writers):
            if self.cancels and writer.ticket is not None:
                yield ("cancel", str(number))
        if self.closer.patient:
            yield ("lose patience",)
        if self.closes and not self.closer.begun and self.machine.reopening is None:
            yield ("close",)
        if self.machine.trouble is not None and self.machine.reopening is None and not self.closer.begun:
            yield ("reopen",)

    def _can_fail(self) -> bool:
        if self.job is None or not self.job.steps:
            return False
        return self.job.steps[0] == ("sync" if self.event == "sync fails" else "write")

    # Making it happen

    def act(self, action: tuple[str, ...]) -> None:
        """Do one thing, and see that everybody keeps his promises."""
        before = self._survivors()
        getattr(self, "_" + action[0].replace(" ", "_"))(*action[1:])
        self.settle()
        self.is_news = self._survivors() != before

    def settle(self) -> None:
        """Forget what nobody reads, and judge."""
        self.machine.events.clear()
        self.truth.observe(self)
        for writer in self.writers:
            writer.forget(self)

    def _survivors(self) -> tuple[object, ...]:
        disk, steps = self.disk, self.job.steps if self.job is not None else ()
        return self.event, disk.lines, disk.inode, disk.synced, steps[:1] == ("write",), self.truth.promises()

    def _take(self) -> None:
        effect = self.machine.next_effect(now_ms=1)
        if effect is not None:
            self.truth.taken(self, effect)
            self.job = self.disk.begin(effect, self.machine.revision)

    def _step(self) -> None:
        assert self.job is not None
        self.disk.step(self.job)

    def _fail(self) -> None:
        assert self.job is not None
        self.disk.step(self.job, self.event)
        self.event = None

    def _deliver(self) -> None:
        job, self.job = self.job, None
        assert job is not None
        if isinstance(job.effect, Reopen):
            assert job.opened is not None
            reopened(self.machine, job.opened)
        elif isinstance(job.effect, Close):
            closed(self.machine, job.report)
        else:
            self.truth.found(self, job)
            report(self.machine, job.report, now=0.0)
        self.truth.delivered(self, job)

    def _disturb(self) -> None:
        assert self.event is not None
        self.disk.disturb(self.event)
        self.event = None

    def _retry(self) -> None:
        self.machine.retry_due = True

    def _run(self, number: str) -> None:
        self.writers[int(number)].run(self)

    def _cancel(self, number: str) -> None:
        self.cancels -= 1
        self.writers[int(number)].cancel(self)

    def _lose_patience(self) -> None:
        self.closer.cancel(self)

    def _close(self) -> None:
        if self.closer.begun:
            self.closer.run(self)
        else:
            self.closer.begin(self)

    def _reopen(self) -> None:
        request_reopen(self.machine, create=True)

    def _crash(self, how: str) -> None:
        """Lose everything but the file, and live a second, shorter life on it."""
        self.disk.crash(self.job, how)
        self.truth.crashed(self, how)
        self.machine = Machine(PATH, FORMAT, self.setting.limits, self.setting.durability)
        self.machine.opened(self.disk.opened(), None)
        self.job, self.groups, self.closer = None, {}, Closer()
        self.writers = (Writer("chat", SECOND_LIFE), Writer("memory", ()))
        self.crashes = self.closes = False
        self.cancels = 0

    # How it ends

    @property
    def unfinished(self) -> list[str]:
        """Name what still waits for something."""
        waiting = [writer.writer.name for writer in self.writers if not writer.over]
        waiting += ["closing"] if self.closer.begun and not self.closer.over else []
        closed_or_stopped = self.machine.state is SessionState.CLOSED or self.machine.trouble is not None
        kept = [] if closed_or_stopped else [identity for identity, group in self.groups.items() if not group.done]
        return waiting + kept
