"""What the handles of one session share: the machine, its driver, and the way from a call to a ticket.

`Session`, `Writer` and `Fence` are thin: everything they do goes through here.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ._authors import Authors, Names
from ._context import in_hook
from ._core._effects import Transform as RewriteTransform
from ._core._errors import (
    ArgumentTypeError,
    CoordinatorError,
    DrainTimeoutError,
    QueueFullError,
    RecordError,
    UsageError,
)
from ._core._events import (
    AnswerUnheard,
    Event,
    RecordsWritten,
    SessionReopened,
    SessionRewritten,
    SessionUnparked,
    WaitingLong,
)
from ._core._format import Draft
from ._core._lines import LINE_FEED
from ._core._machine import Machine
from ._core._tickets import Group, Stage, WriterState
from ._core._turns import FenceState
from ._core._values import Outcome, Receipt, Record, SessionState
from ._driver import Driver
from ._following import Recent
from ._parking import Parking, ParkingLot
from ._waiting import empty_context, wait

if TYPE_CHECKING:
    from ._host import Host
    from ._plugin import Call
    from ._session import Session

Transform = Callable[[Record], Record]


class Engine:
    """One opened session, as its handles see it."""

    __slots__ = (
        "_held_since", "_host", "_putting_aside", "_small_bytes_max", "_transform", "_watch", "authors", "driver",
        "last_turns", "loop", "machine", "parking", "recent", "session",
    )  # fmt: skip

    def __init__(
        self,
        machine: Machine,
        driver: Driver,
        *,
        transform: Transform | None,
        host: Host,
        names: Names,
        lot: ParkingLot,
    ) -> None:
        self.machine = machine
        self.driver = driver
        self.loop = asyncio.get_running_loop()
        self.authors = Authors(names)
        self.recent = Recent()
        self.parking = Parking(machine, driver, self.recent, lot)
        self._transform = transform
        self._host = host
        self.session: Session | None = None
        """The public handle, for the hooks."""
        self.last_turns: list[Call] = []
        """The hooks that closing waits for, because they are about turns that ended meanwhile."""
        self._small_bytes_max = _small_bytes_max(machine)
        self._watch: asyncio.TimerHandle | None = None
        self._held_since: float | None = None
        self._putting_aside: asyncio.Lock | None = None

    @property
    def path(self) -> Path:
        """Return the absolute path of the session file."""
        return self.machine.path

    @property
    def is_ready(self) -> bool:
        """Whether `ready` would neither wait nor raise; asking first spares every append two coroutines."""
        return self.machine.state is SessionState.OPEN and asyncio.get_running_loop() is self.loop

    async def ready(self, outcome: Outcome | None = None) -> None:
        """Check that this is the session's loop, and that the session owns its file; `outcome` is that of a record."""
        self.check_open(outcome)
        try:
            await self.parking.ready()
        except CoordinatorError as error:
            error.outcome = error.outcome or outcome
            raise

    def check_open(self, outcome: Outcome | None = None) -> None:
        """Refuse calls from another event loop, and on a session whose file was given back."""
        self.check_loop()
        if self.machine.state is SessionState.CLOSED:
            raise self.machine.closed_error(outcome)

    def check_loop(self) -> None:
        """Refuse calls from another event loop: futures and callbacks belong to one."""
        try:
            running = asyncio.get_running_loop()
        except RuntimeError:
            running = None
        if running is not self.loop:
            hint = "call it in the loop that opened the session; from a thread use `append_from_thread`"
            raise UsageError("this session belongs to another event loop", path=self.path, hint=hint)

    def encode_one(self, record: Mapping[str, object]) -> Sequence[Draft]:
        """Turn one record into a draft within every bound that applies."""
        try:
            draft = self.machine.format.encode(record) if self._transform is None else self._encode(record)
            if len(draft.line) > self._small_bytes_max:
                self._check_bounds((draft,))
        except RecordError as error:
            error.path, error.outcome = self.path, Outcome.NOT_WRITTEN
            raise
        return (draft,)

    def encode(self, records: Iterable[Mapping[str, object]]) -> Sequence[Draft]:
        """Turn records into drafts, all or none: transformed, encoded, within every bound that applies."""
        if not hasattr(records, "__iter__"):
            hint = "pass a list of records, or use `append` for one"
            raise ArgumentTypeError(f"not records: {records!r}", path=self.path, hint=hint)
        try:
            drafts = [self._encode(record) for record in records]
            self._check_bounds(drafts)
        except RecordError as error:
            error.path, error.outcome = self.path, Outcome.NOT_WRITTEN
            raise
        return drafts

    def _encode(self, record: Mapping[str, object]) -> Draft:
        if self._transform is None:
            return self.machine.format.encode(record)
        if not isinstance(record, Mapping):
            hint = "append a mapping, such as a dict"
            raise RecordError(f"a record is a JSON object, not {type(record).__name__}", hint=hint)
        try:
            transformed = self._transform(dict(record))
        except Exception as error:
            hint = "mend the coordinator's `transform`: it gets every record and must not raise"
            raise RecordError(f"the transform raised {error!r}", hint=hint) from error
        return self.machine.format.encode(transformed)

    def redacted(self, rewrite: RewriteTransform) -> RewriteTransform:
        """Apply the coordinator's transform to what a rewrite makes: everything that reaches a disk goes through it."""
        transform = self._transform
        if transform is None:
            return rewrite
        return lambda records: (transform(record) for record in rewrite(records))

    def _check_bounds(self, drafts: Sequence[Draft]) -> None:
        stamp_bytes_max = self.machine.format.stamp_bytes_max
        sizes = [len(draft.line) + stamp_bytes_max for draft in drafts]
        limits, room = self.machine.limits, self.machine.inbox.room
        largest = max((len(draft.line) - len(LINE_FEED) for draft in drafts), default=0)
        if largest > limits.record_bytes_max:
            message = f"a record of {largest} bytes is over record_bytes_max ({limits.record_bytes_max})"
            raise RecordError(message, hint="split it, or raise `Limits.record_bytes_max`")
        if not room.fits_ever(len(drafts), sum(sizes)) or sum(sizes) > limits.batch_bytes_max:
            message = f"a group of {len(drafts)} records, {sum(sizes)} bytes, can never fit into the queue"
            raise RecordError(message, hint="append it in parts, or raise the `Limits` of the queue")

    def write(self, writer: WriterState, drafts: Sequence[Draft]) -> Group:
        """Hand drafts to the machine; where nothing else is to be done they are in the file when this returns."""
        group = self.machine.offer(writer, drafts, advance=writer.hold and in_hook(self.machine))
        self.driver.write_now(group)
        if group.stage is Stage.HELD:
            self.watch_waiting()
        return group

    def offer(
        self, writer: WriterState, drafts: Sequence[Draft], *, wait: bool = True, fence: FenceState | None = None
    ) -> Group:
        """Hand drafts to the machine and wake the driver."""
        self.check_loop()
        if self.machine.state is SessionState.PARKED:
            self.parking.begin()
            hint = "await `submit` or `append`, which wait for the file, or try again"
            raise QueueFullError("the session is parked", path=self.path, hint=hint, outcome=Outcome.NOT_WRITTEN)
        try:
            advance = writer.hold and in_hook(self.machine)
            group = self.machine.offer(writer, drafts, wait=wait, fence=fence, advance=advance)
            if group.error is not None:  # kept by a stopped session; whoever has the receipt may never ask
                self.machine.events.append(AnswerUnheard(self.path, writer.name, group.error))
            return group
        finally:
            self.driver.write_soon()
            if self.machine.inbox.held:
                self.watch_waiting()

    async def settle(self, group: Group) -> list[Receipt]:
        """Wait for the receipts of a group; cancelled before it was accepted, it is taken back."""
        try:
            receipts: list[Receipt] = await wait(group)
        except asyncio.CancelledError:
            self.withdraw(group)
            raise
        return receipts

    def withdraw(self, group: Group) -> None:
        """Take a group back whose caller waits no longer; what was accepted is written all the same."""
        self.machine.withdraw(group)
        self.driver.wake()

    async def admitted(self, group: Group) -> None:
        """Wait until a group has room (or an error)."""
        if group.stage is not Stage.WAITING or group.admitted is None:
            return
        try:
            await wait(group.admitted)
        except asyncio.CancelledError:
            self.withdraw(group)
            raise

    def would_hold(self, writer: WriterState) -> bool:
        """Whether a record of this writer would have to wait for the end of a fence now."""
        return self.machine.is_held(Group(writer, (), 0))

    def close_writer(self, writer: WriterState) -> None:
        """Close a writer's state, and let the driver see what that has changed."""
        self.check_loop()
        self.machine.close_writer(writer)
        self.driver.wake()

    def drain_timeout_error(self, timeout_seconds: float) -> DrainTimeoutError:
        """Say what was still waiting, and for what."""
        running, stall = self.machine.running, self.machine.stall
        pending = self.machine.inbox.pending(running.groups if running else ())
        hint = "make room on the disk" if stall is not None else "the disk is slow: wait longer"
        message = f"the queue was not in the file within {timeout_seconds} s (waiting: {pending})"
        error = DrainTimeoutError(message, path=self.path, hint=hint, pending=pending)
        error.__cause__ = stall
        return error

    async def call_fence_entering(self, writer: str, annotations: Mapping[str, object]) -> None:
        """Let the plugins append what belongs before the line."""
        await self._host.fence_entering(self.machine, self.session, writer, annotations)

    def putting_aside(self) -> asyncio.Lock:
        """Return the lock for whoever takes records out of the queue into a side file: each goes into one."""
        self._putting_aside = self._putting_aside or asyncio.Lock()
        return self._putting_aside

    def call_session_closing(self) -> list[Call]:
        """Let the plugins append their last records; `closing_over` waits for them."""
        return [] if self.session is None else self._host.session_closing(self.session)

    async def closing_over(self, calls: list[Call]) -> None:
        """Wait until the plugins have appended their last records, within bounds."""
        if calls:
            await self._host.closing_over(calls)

    def tell_fence_left(self, story: Mapping[str, object]) -> None:
        """Tell the plugins how a turn went; of one that ends while the session closes they may still read."""
        if self.session is not None:
            calls = self._host.fence_left(self.session, story)
            self.last_turns += calls if self.machine.state is SessionState.CLOSING else []

    def own_writer(self, name: str) -> None:
        """Remember whose a new writer is."""
        self._host.own(self.path, name)

    def disown_writers(self, names: Iterable[str]) -> None:
        """Forget whose these were."""
        self._host.disown(self.path, names)

    def notice(self, event: Event) -> None:
        """Keep what depends on the content in step with it."""
        if isinstance(event, RecordsWritten):
            self.authors.add(event.receipts)
        elif isinstance(event, (SessionReopened, SessionRewritten)) or (
            isinstance(event, SessionUnparked) and event.handed_over
        ):
            self.authors.clear()
        self.recent.notice(event)
        if self.session is not None:
            self._host.notice(self.session, self.machine, event)

    # What waits for long is said, because the context variable cannot see every deadlock

    def watch_waiting(self) -> None:
        """Make sure that somebody looks at what waits, as long as something does."""
        if self._watch is None and self._waits():
            self._held_since = time.monotonic() if self.machine.inbox.held else None
            seconds = self.machine.limits.wait_report_seconds
            self._watch = self.loop.call_later(seconds, self._report_waiting, context=empty_context())

    def _waits(self) -> bool:
        return bool(self.machine.inbox.held or self.machine.fences.turns.line)

    def _report_waiting(self) -> None:
        self._watch = None
        now, limit_seconds = time.monotonic(), self.machine.limits.wait_report_seconds
        turns = self.machine.fences.turns
        holder = turns.holders[0].writer.name if turns.holders else None
        for fence in turns.line:
            if now - fence.since >= limit_seconds:
                self._say(WaitingLong(self.path, "turn", fence.writer.name, holder, now - fence.since))
        if self.machine.inbox.held and self._held_since is not None:
            seconds = now - self._held_since
            self._say(WaitingLong(self.path, "held record", self.machine.inbox.held[0].writer.name, holder, seconds))
        self.watch_waiting()

    def _say(self, event: Event) -> None:
        self.machine.events.append(event)
        self.driver.wake()


def _small_bytes_max(machine: Machine) -> int:
    """Return how large one record may be without coming near any bound."""
    limits = machine.limits
    bounds = (limits.record_bytes_max, limits.batch_bytes_max, limits.session_bytes_max, limits.writer_bytes_max)
    return min(bounds) - machine.format.stamp_bytes_max
