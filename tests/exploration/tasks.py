"""The callers, as the shell drives the core for them: what a task does between two of its awaits is one step.

A task is a list of verbs. Each has a beginning, and an end for when the ticket it waits for was answered; a task that
waits may be cancelled, and then does what the shell does: it takes back what was not accepted, it leaves its fence.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from coordinator._core._endings import begin_close, break_fences, give_up, leftover, request_close, request_reopen
from coordinator._core._errors import CoordinatorError, TakeoverError
from coordinator._core._running import Comparison
from coordinator._core._tickets import Group, Stage, Ticket, WriterState
from coordinator._core._turns import Accept, FenceStage, FenceState

if TYPE_CHECKING:
    from .world import World


RECORDS = ("submit", "append", "again", "reply")
INSIDE = ("check", "reply")
FENCELESS = ("", "append", "recover", "again")


def heard() -> bool:
    """Stand for the future of a waiting task: somebody listens."""
    return True


class Task:
    """A sequence of verbs, one of which may be waiting."""

    def __init__(self, verbs: tuple[str, ...]) -> None:
        self.verbs = verbs
        self.ticket: Ticket | None = None

    @property
    def over(self) -> bool:
        """Whether nothing is left to do."""
        return not self.verbs

    @property
    def ready(self) -> bool:
        """Whether the task can go on."""
        return bool(self.verbs) and (self.ticket is None or self.ticket.done)

    @property
    def verb(self) -> str:
        """Return what is being done, without what it is done to."""
        return self.verbs[0].partition(" ")[0] if self.verbs else ""

    def run(self, world: World) -> None:
        """Go on until the next await."""
        verb = self.verb
        try:
            if self.ticket is None:
                getattr(self, "_" + verb)(world)
            else:
                ticket, self.ticket = self.ticket, None
                getattr(self, f"_{verb}_answered")(world, ticket)
        except CoordinatorError as error:
            self._raised(world, error)

    def _wait(self, ticket: Ticket) -> None:
        ticket.listen(heard)
        self.ticket = ticket

    def _stop_waiting(self) -> Ticket:
        ticket, self.ticket = self.ticket, None
        assert ticket is not None
        ticket.listeners = tuple(listener for listener in ticket.listeners if listener is not heard)
        return ticket

    def _next(self) -> None:
        self.verbs = self.verbs[1:]

    def _raised(self, world: World, error: CoordinatorError) -> None:
        self.verbs = ()


class Writer(Task):
    """Submits records, and takes a turn as a gateway does: with the pattern of the README after a takeover."""

    def __init__(
        self, name: str, verbs: tuple[str, ...], *, hold: bool = False, shared: bool = False,
        accept: Accept | None = None,
    ) -> None:  # fmt: skip
        super().__init__(verbs)
        self.writer = WriterState(name, hold=hold)
        self.shared = shared
        self.accept = accept
        self.fence: FenceState | None = None
        self.group: Group | None = None
        self.usable = True
        """Whether the session could still be used after the takeover."""

    @property
    def record(self) -> str:
        """Return the id that the present verb is about."""
        return self.verbs[0].partition(" ")[2]

    def cancel(self, world: World) -> None:
        """Be cancelled while waiting."""
        verb = self.verb
        self._stop_waiting()
        if verb in RECORDS and self.group is not None:
            world.withdraw(self.group)
        if verb in ("enter", "drain"):
            world.truth.abandoned(self)
            world.machine.abandon(self._turn())
        if verb in INSIDE:
            self._release(world)
        self.verbs = ()

    def _raised(self, world: World, error: CoordinatorError) -> None:
        verb = self.verb
        if verb in ("enter", "drain") and self.fence is not None:
            world.machine.abandon(self.fence)
        if verb in INSIDE:
            self._release(world)
        self.verbs = ()
        if isinstance(error, TakeoverError) and verb in (*INSIDE, "leave"):
            world.truth.takeover(world, self, error)
            self.usable = error.usable
            self.verbs = ("recover", *(f"again {record['id']}" for record in error.unwritten))

    def forget(self, world: World) -> None:
        """Let go of what the rest of the task does not need: worlds that differ in it are the same."""
        window = world.truth.windows[self.writer.name]
        if self.fence is not None and not window.is_open and self.verb in FENCELESS:
            self.fence = None
            world.truth.windows[self.writer.name] = type(window)()
        if self.over:
            self.group, self.usable = None, True

    def _turn(self) -> FenceState:
        assert self.fence is not None
        return self.fence

    # Records

    def _submit(self, world: World) -> None:
        self.group = world.offer(self.writer, self.record)
        if self.group.stage is Stage.WAITING and self.group.admitted is not None:
            self._wait(self.group.admitted)
        else:
            self._next()

    def _submit_answered(self, world: World, ticket: Ticket) -> None:
        ticket.result()
        self._next()

    _again, _again_answered = _submit, _submit_answered

    def _append(self, world: World) -> None:
        self.group = world.offer(self.writer, self.record)
        self._wait(self.group)

    def _append_answered(self, world: World, ticket: Ticket) -> None:
        ticket.result()
        self._next()

    # The turn

    def _enter(self, world: World) -> None:
        self.fence = world.machine.request_turn(self.writer, shared=self.shared, accept=self.accept, since=0.0)
        self._wait(self.fence.turn)

    def _enter_answered(self, world: World, ticket: Ticket) -> None:
        ticket.result()
        self.verbs = ("drain", *self.verbs[1:])
        world.truth.token(world, self)
        world.machine.enter(self._turn())
        self._wait(self._turn().entered)

    def _drain_answered(self, world: World, ticket: Ticket) -> None:
        ticket.result()
        self._next()

    def _check(self, world: World) -> None:
        comparison = world.machine.check_fence(self._turn())
        world.truth.asked(self)
        self._wait(comparison)

    def _check_answered(self, world: World, ticket: Ticket) -> None:
        world.truth.compared(self, ticket)
        ticket.result()
        self._next()

    def _reply(self, world: World) -> None:
        self.group = world.offer(self.writer, self.record, fence=self._turn())
        self._wait(self.group)

    def _reply_answered(self, world: World, ticket: Ticket) -> None:
        ticket.result()
        self._next()

    def _leave(self, world: World) -> None:
        comparison = self._release(world)
        if comparison is None:
            self._left(world)
        else:
            self._wait(comparison)

    def _leave_answered(self, world: World, ticket: Ticket) -> None:
        world.truth.compared(self, ticket)
        if ticket.error is not None and not isinstance(ticket.error, TakeoverError):
            ticket.result()
        self._left(world)

    def _release(self, world: World) -> Comparison | None:
        fence = self._turn()
        if fence.stage is FenceStage.OVER:
            return None
        comparison = world.machine.leave(fence)
        world.truth.left(world, self, comparison)
        return comparison

    def _left(self, world: World) -> None:
        fence = self._turn()
        if fence.broken and not fence.told and not fence.appended_last:
            raise world.machine.broken_error(fence)
        self._next()

    # After a takeover

    def _recover(self, world: World) -> None:
        if self.usable or world.machine.trouble is None:
            self._next()
        else:
            self._wait(request_reopen(world.machine, create=True))

    def _recover_answered(self, world: World, ticket: Ticket) -> None:
        ticket.result()
        self._next()


class Closer(Task):
    """`aclose`: ends the turns, drains, gives the file back, puts aside what could not be written."""

    def __init__(self) -> None:
        super().__init__(("turns", "drain", "give_back"))
        self.begun = False

    @property
    def ready(self) -> bool:
        """Whether the task can go on; it begins when the driver says so."""
        return self.begun and super().ready

    def begin(self, world: World) -> None:
        """Start to close."""
        self.begun = True
        begin_close(world.machine)

    def cancel(self, world: World) -> None:
        """Reach a deadline of closing."""
        ticket = self._stop_waiting()
        if self.verbs[0] == "turns":
            self._end_turns(world)
        elif ticket in world.machine.inbox.queue:
            world.machine.forget(ticket)
            self._next()
        else:
            self._next()

    @property
    def patient(self) -> bool:
        """Whether a deadline can be reached now."""
        return self.begun and self.ticket is not None and not self.ticket.done and self.verbs[0] != "give_back"

    def _turns(self, world: World) -> None:
        if world.machine.fences.turns.holders:
            world.machine.turn_ended = world.machine.turn_ended or Ticket()
            self._wait(world.machine.turn_ended)
        else:
            self._end_turns(world)

    def _turns_answered(self, world: World, ticket: Ticket) -> None:
        self._turns(world)

    def _end_turns(self, world: World) -> None:
        break_fences(world.machine)
        self._next()

    def _drain(self, world: World) -> None:
        if world.machine.trouble is not None:
            self._next()
            return
        if world.machine.stall is not None:
            world.machine.retry_due = True
        self._wait(world.machine.barrier(sync=False))

    def _drain_answered(self, world: World, ticket: Ticket) -> None:
        self._next()

    def _give_back(self, world: World) -> None:
        self._wait(request_close(world.machine))

    def _give_back_answered(self, world: World, ticket: Ticket) -> None:
        world.truth.put_aside(leftover(world.machine))
        give_up(world.machine, "it was put aside")
        self._next()
