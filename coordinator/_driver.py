"""The writer task: take the next effect, perform it here or in a thread, report it, settle the waiters.

It is made of callbacks rather than of a task: nothing can cancel a callback, an idle session costs nothing, and
everything that is submitted in one turn of the loop goes into one batch. Only this module changes a store.
"""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

from ._breaker import Breaker
from ._core._effects import Act, Append, Close, Compare, Effect, Fault, Opened, Park, Reopen, Report, Store
from ._core._endings import begin_park, closed, parked, reopen_failed, reopened
from ._core._errors import CoordinatorError
from ._core._events import Event
from ._core._machine import Machine
from ._core._reports import fail, report
from ._core._tickets import Group, Ticket
from ._core._values import Durability, SessionState
from ._sidefile import SideFile
from ._threads import in_thread
from ._waiting import empty_context

RETRY_SECONDS_FIRST = 0.05
RETRY_SECONDS_MAX = 5.0
BATCH_BYTES_ENOUGH = 192 * 1024
"""When this much waits the turn of the loop is not waited for: a flood then needs 20 MB of memory instead of 150."""
BEHIND_BYTES = 2 * 1024 * 1024
"""When this much waits behind a batch in a thread, `submit` lets the loop turn, so that the answer is heard."""
AT_ONCE_MAX = 32
"""How many effects may be performed before the loop turns: a writer, or a turn, that never waits starves others."""

Answer = Report | Opened | BaseException | None


class Driver:
    """Moves one machine and its store forward, one effect at a time."""

    __slots__ = (
        "_alone", "_at_once", "_breaker", "_context", "_executor", "_idle", "_loop", "_retry",
        "_retry_seconds", "_scheduled", "_tell", "_telling", "machine", "on_idle", "store",
    )  # fmt: skip

    def __init__(
        self,
        machine: Machine,
        store: Store,
        executor: Executor,
        tell: Callable[[Path, Event], None],
        breaker: Breaker,
    ) -> None:
        self.machine = machine
        self.store = store
        self._executor = executor
        self._tell = tell
        self._breaker = breaker
        self.on_idle: Callable[[], None] = lambda: None
        self._loop = asyncio.get_running_loop()
        self._context = empty_context()
        self._scheduled = False
        self._telling = False
        """Whether a report is taken in, or observers are told: what they, or `accept`, append is written afterwards."""
        self._alone = False
        """Whether the last batch was that of one call, written here: then waiting for others to join is in vain."""
        self._at_once = AT_ONCE_MAX
        self._retry_seconds = RETRY_SECONDS_FIRST
        self._retry: asyncio.TimerHandle | None = None
        self._idle: asyncio.TimerHandle | None = None

    def wake(self) -> None:
        """Look for work at the end of this turn of the loop, so that one batch takes all that is submitted in it."""
        if self.machine.running is None:
            self._schedule()
        if self.machine.events:
            self._report_events()

    def _schedule(self) -> None:
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._pump, context=self._context)

    @property
    def is_behind(self) -> bool:
        """Whether a batch is under way in a thread, and enough for several more waits already."""
        return self.machine.running is not None and self.machine.inbox.room.bytes >= BEHIND_BYTES

    def write_now(self, group: Group) -> None:
        """Write what was just accepted before returning, if it is all there is to do; otherwise `wake`."""
        if self._alone and self._can_write_now(group):
            self._take_from_turn()
            self._context.run(self._serve)
            if group.done:
                return
        self.write_soon()

    def serve_now(self, ticket: Ticket) -> None:
        """Do what leads to the answer of this ticket before returning, as far as that waits for no disk."""
        while not (ticket.done or self._telling) and self._at_once:
            self._take_from_turn()
            if self._context.run(self._serve) is None:
                break
        self.wake()

    def _take_from_turn(self) -> None:
        """Count what is done before the loop turns; somebody has to begin anew when it has turned."""
        self._schedule()
        self._at_once -= 1

    def write_soon(self) -> None:
        """Write what was accepted at the end of this turn of the loop, or now, if it is enough for a batch."""
        machine = self.machine
        if machine.inbox.room.bytes >= BATCH_BYTES_ENOUGH and machine.running is None and not self._telling:
            self._context.run(self._serve)
        if not self._scheduled or machine.events:
            self.wake()

    def _can_write_now(self, group: Group) -> bool:
        if self._telling or not self._at_once:
            return False
        machine = self.machine
        queue = machine.inbox.queue
        idle = machine.running is None and not machine.comparisons and len(queue) == 1 and queue[0] is group
        return idle and machine.durability is not Durability.ALWAYS

    def retry_now(self) -> None:
        """Try again to write although the disk was full."""
        if self._retry is not None:
            self._retry.cancel()
        self._retry = None
        self.machine.retry_due = True
        self.wake()

    def park(self) -> None:
        """Give the file back for now; the machine must be able to (`can_park`)."""
        begin_park(self.machine)
        effect = Park()
        self._start(partial(self._perform, effect), effect)

    async def unpark(self) -> Opened:
        """Own the file again."""
        return await in_thread(self._executor, self.store.unpark, path=self.machine.path)

    async def put_aside(self, write: Callable[[], SideFile]) -> SideFile:
        """Write a side file in a thread; without one here, because the records need it more than the loop its time."""
        try:
            return await in_thread(self._executor, write, path=self.machine.path)
        except CoordinatorError:
            return write()

    def _pump(self) -> None:
        self._scheduled, self._at_once = False, AT_ONCE_MAX
        effect = self._serve()
        if self.machine.running is not None:
            return
        if effect is None:
            self.on_idle()
        else:
            self.wake()

    def _serve(self) -> Effect | None:
        """Perform the next effect: here, if that waits for no disk, otherwise in a thread."""
        effect = self._next_effect()
        if effect is not None:
            self._perform_somewhere(effect)
        return effect

    def _next_effect(self) -> Effect | None:
        try:
            effect = self.machine.next_effect(now_ms=time.time_ns() // 1_000_000)
        except Exception as error:  # noqa: BLE001 - most of all out of memory: nobody may be left without an answer
            effect = None
            fail(self.machine, _as_os_error(error))
            self._report_events()
        if effect is None or self.machine.stall is not None:
            self._arm_timers(idle=self.machine.running is None)
        return effect

    def _perform_somewhere(self, effect: Effect) -> None:
        try:
            answer = self._perform_quickly(effect)
        except BaseException as error:
            # An interrupt may have come between a write and its accounting: stop, rather than guess.
            self._settle(effect, error)
            if not isinstance(error, Exception):
                raise
            return
        running = self.machine.running
        self._alone = answer is not None and running is not None and len(running.groups) == 1
        if answer is None:
            self._start(partial(self._perform, effect), effect)
        else:
            self._settle(effect, answer)

    def _perform_quickly(self, effect: Effect) -> Report | None:
        if not isinstance(effect, (Append, Compare)):
            return None
        began = self._breaker.begin()
        if began is None:
            return None
        try:
            return self.store.perform_quickly(effect)
        finally:
            self._breaker.end(began)

    def _start(self, job: Callable[[], Answer], effect: Effect) -> None:
        def work() -> None:
            answer = job()
            # A loop that was closed meanwhile waits for no answer; the effect itself is complete.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(lambda: self._take(effect, answer), context=self._context)

        try:
            self._executor.submit(work)
        except RuntimeError as error:  # no thread can be started, or the interpreter is going down
            # What gives the file back is done here then: the lock would be held until the process ends.
            answer = job() if isinstance(effect, (Close, Park)) else error
            self._loop.call_soon(self._take, effect, answer, context=self._context)

    def _perform(self, effect: Effect) -> Answer:
        try:
            if isinstance(effect, Park):
                self.store.park()
                return None
            if isinstance(effect, Reopen):
                return self.store.reopen(effect)
            return self.store.close(effect) if isinstance(effect, Close) else self.store.perform(effect)
        except BaseException as error:  # noqa: BLE001 - whatever happens in the thread, the waiters get an answer
            return error

    def _finish(self, effect: Effect, answer: Report) -> Answer:
        try:
            return self.store.finish(cast("Act", effect), answer)
        except BaseException as error:  # noqa: BLE001 - as above
            return error

    def _take(self, effect: Effect, answer: Answer) -> None:
        if isinstance(answer, Report) and answer.torn:
            wait_seconds = self.machine.limits.torn_wait_seconds
            self._loop.call_later(
                wait_seconds, self._start, lambda: self._finish(effect, answer), effect, context=self._context
            )
            return
        self._settle(effect, answer)
        if self.machine.state is SessionState.CLOSED:
            self._cancel_timers()
        else:
            self.wake()

    def _settle(self, effect: Effect, answer: Answer) -> None:
        telling, self._telling = self._telling, True
        try:
            self._take_in(effect, answer)
        finally:
            self._telling = telling
        self._report_events()

    def _take_in(self, effect: Effect, answer: Answer) -> None:
        if isinstance(effect, Act):
            running = self.machine.running
            try:
                report(self.machine, _as_report(answer, self.machine), now=time.time())
            except Exception as error:  # noqa: BLE001 - as in `_next_effect`
                fail(self.machine, _as_os_error(error), running)
        elif isinstance(effect, Reopen):
            if isinstance(answer, Opened):
                reopened(self.machine, answer)
            else:
                reopen_failed(self.machine, _as_coordinator_error(answer, self.machine))
        elif isinstance(effect, Close):
            closed(self.machine, _as_report(answer, self.machine))
        else:
            parked(self.machine)

    def _report_events(self) -> None:
        # In their order, also if whoever is told does something that is another event.
        while self.machine.events and not self._telling:
            events, self.machine.events = self.machine.events, []
            self._telling, told = True, 0
            try:
                for told, event in enumerate(events, 1):  # noqa: B007 - the rest is told later
                    self._tell(self.machine.path, event)
            except BaseException:
                self._schedule()  # an interrupt came out of an observer: nobody may be left waiting
                raise
            finally:
                self._telling = False
                self.machine.events[:0] = events[told:]  # told then, before what follows

    # Timers

    def _arm_timers(self, *, idle: bool) -> None:
        machine = self.machine
        if machine.stall is None:
            self._retry_seconds = RETRY_SECONDS_FIRST
        elif self._retry is None and not machine.retry_due:
            self._retry = self._loop.call_later(self._retry_seconds, self.retry_now, context=self._context)
            self._retry_seconds = min(self._retry_seconds * 2, RETRY_SECONDS_MAX)
        unsynced = machine.unsynced_bytes > 0 and machine.durability is not Durability.NONE and machine.trouble is None
        if idle and unsynced and self._idle is None:
            seconds = machine.limits.sync_idle_seconds
            self._idle = self._loop.call_later(seconds, self._sync_idle, context=self._context)

    def _sync_idle(self) -> None:
        self._idle = None
        self.machine.sync_wanted = True
        self.wake()

    def _cancel_timers(self) -> None:
        for timer in (self._retry, self._idle):
            if timer is not None:
                timer.cancel()


def _as_os_error(error: object) -> OSError:
    if isinstance(error, OSError):
        return error
    out_of_memory = isinstance(error, MemoryError)
    failure = OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)) if out_of_memory else OSError(f"it broke: {error!r}")
    failure.__cause__ = error if isinstance(error, BaseException) else None
    return failure


def _as_report(answer: Answer, machine: Machine) -> Report:
    if isinstance(answer, Report):
        return answer
    error = _as_os_error(answer)
    return Report(machine.revision, fault=Fault.WRITE, error=error, attempted_at=machine.revision.length)


def _as_coordinator_error(answer: Answer, machine: Machine) -> CoordinatorError:
    if isinstance(answer, CoordinatorError):
        return answer
    error = CoordinatorError("reopening failed", path=machine.path, hint="look at the cause, then reopen again")
    error.__cause__ = answer if isinstance(answer, BaseException) else None
    return error
