"""The state machine of one session: pull the next effect, perform it, report it.

Theory of operation. Everything that wants something of the file asks here and gets a ticket. `next_effect` says what
the store has to do next, never more than one thing at a time; `report` takes the answer, changes the state and answers
tickets. All of it is synchronous: nothing can be cancelled half way, and every interleaving is an order of these calls.

Priorities of `next_effect`: comparisons of fences first (they need no room, so a full disk never blocks a turn's end),
though never twice in a row while the queue can be served, then closing (once it is asked for, the queue is not served
any more), then the queue in its order, then syncs nobody waits for. In trouble there is only closing and reopening.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ._admission import room_for
from ._effects import Append, Close, Compare, Effect, Fault, Foreign, Opened, Reopen, Rewrite, Sync, Transform
from ._errors import ClosedError, CoordinatorError, QueueFullError
from ._events import AnswerUnheard, Event, FenceLeft, StateChanged
from ._fences import Fences
from ._format import Draft, RecordFormat, StampedBatch
from ._inbox import Inbox
from ._ledger import Ledger
from ._limits import Limits
from ._running import Comparison, Running
from ._states import TRANSITIONS, Trigger
from ._tickets import Barrier, Group, Rewriting, Stage, Ticket, WriterState
from ._trouble import Trouble
from ._turns import Accept, FenceStage, FenceState
from ._values import Durability, Outcome, Record, Revision, SessionState, Tail

CONFLICTS_MAX = 8


class Machine:
    """One session without its file, its clock and its loop."""

    __slots__ = (
        "closing", "compared", "comparisons", "conflicts", "damaged", "durability", "events", "fences", "format",
        "header", "inbox", "last_change", "last_timestamp_ms", "ledger", "ledger_from", "limits", "parked", "path",
        "refuses", "reopening", "retry_due", "revision", "running", "sequence", "stall", "state", "sync_wanted",
        "tail", "trouble", "turn_ended", "unsynced_bytes",
    )  # fmt: skip

    def __init__(self, path: Path, record_format: RecordFormat, limits: Limits, durability: Durability) -> None:
        self.path = path
        self.format = record_format
        self.limits = limits
        self.durability = durability
        self.state = SessionState.OPENING
        self.trouble: Trouble | None = None
        self.stall: OSError | None = None
        self.retry_due = False
        self.revision = Revision(0, 0, None)
        self.tail = Tail()
        self.header: Record | None = None
        self.damaged = 0
        """How many lines of the file are neither record nor header."""
        self.inbox = Inbox(limits)
        self.ledger = Ledger()
        self.ledger_from = 0
        self.last_change: Foreign | None = None
        self.fences = Fences(path, self.ledger)
        self.turn_ended: Ticket | None = None
        """Answered, and forgotten, when the next turn is given back."""
        self.comparisons: list[Comparison] = []
        self.compared = False
        """Whether the last effect was a comparison: then the queue has its turn, however often a fence is checked."""
        self.running: Running | None = None
        self.sequence = 0
        self.conflicts = 0
        """How often in a row a batch had to be stamped again because foreign lines were found before it."""
        self.last_timestamp_ms = 0
        self.unsynced_bytes = 0
        self.sync_wanted = False
        self.reopening: tuple[Ticket, bool] | None = None
        self.closing: Ticket | None = None
        self.parked = Ticket()
        self.refuses = False
        self.events: list[Event] = []

    # State

    def go(self, trigger: Trigger) -> None:
        """Take the transition that the table gives for `trigger`; anything else is a bug."""
        before, self.state = self.state, TRANSITIONS[self.state, trigger]
        if before is not self.state:
            self.events.append(StateChanged(self.path, before, self.state))

    def opened(self, opened: Opened, header: Record | None) -> None:
        """Start with the content that was found; `header` is for a file that is still to be made."""
        self.revision = opened.revision
        self.tail = opened.tail
        self.header = opened.header if opened.header is not None else header
        self.damaged = opened.damaged
        self.go(Trigger.OPENED)

    # Records

    def offer(
        self,
        writer: WriterState,
        drafts: Sequence[Draft],
        *,
        fence: FenceState | None = None,
        wait: bool = True,
        advance: bool = False,
    ) -> Group:
        """Ask to write these drafts: `stage` says whether they were accepted, the ticket what became of them.

        `advance` lets records of a hold writer through (a plugin's hook while its fence is being entered).
        """
        group = Group(writer, drafts, room_for(drafts, self.format.stamp_bytes_max), fence)
        if fence is not None:
            self._offer_through(fence, group)
            return group
        if writer.closed or self.refuses or self.state is SessionState.CLOSED:
            self._refuse_closed(writer)
        held = writer.hold and not advance and self.is_held(group)
        if self.trouble is not None:
            self._keep(group, self.trouble, held=held)
        elif not self.inbox.offer(group, held=held, wait=wait) and not wait:
            writer.refused += len(drafts)
            raise QueueFullError(
                f"the queue has no room for writer {writer.name!r}", path=self.path, outcome=Outcome.NOT_WRITTEN,
                hint="await `append`, slow this writer down, or raise its `Limits`",
            )  # fmt: skip
        return group

    def is_held(self, group: Group) -> bool:
        """Whether a record accepted now would wait for the end of the fence."""
        return group.writer.hold and self.fences.holding and not self.fences.owned_by(group)

    def _refuse_closed(self, writer: WriterState) -> None:
        if self.state is SessionState.CLOSED or (self.refuses and not self._may_end_its_turn(writer)):
            raise self.closed_error(Outcome.NOT_WRITTEN)
        if writer.closed:
            raise self._closed_writer_error(writer)

    def _may_end_its_turn(self, writer: WriterState) -> bool:
        return any(fence.writer is writer and not fence.closed for fence in self.fences.turns.holders)

    def _closed_writer_error(self, writer: WriterState) -> ClosedError:
        hint = "ask the session for it again: `session.writer(name)`"
        return ClosedError(f"writer {writer.name!r} is closed", path=self.path, hint=hint, outcome=Outcome.NOT_WRITTEN)

    def closed_error(self, outcome: Outcome | None = None) -> ClosedError:
        """Build the error for whoever comes after closing began; `outcome` is that of a record which it is about."""
        hint = "open the session again: `await coordinator.open(path)`"
        return ClosedError("the session is closed", path=self.path, hint=hint, outcome=outcome)

    def _keep(self, group: Group, trouble: Trouble, *, held: bool) -> None:
        if not self.inbox.offer(group, held=held, wait=False):
            group.writer.refused += len(group.drafts)
            raise trouble.error(Outcome.NOT_WRITTEN)
        group.reject(trouble.error(Outcome.KEPT))

    def _offer_through(self, fence: FenceState, group: Group) -> None:
        fence.appended_last = False
        if fence.broken:
            fence.unwritten += [draft.record for draft in group.drafts]
            fence.told = True
            raise self.broken_error(fence, Outcome.NOT_WRITTEN)
        if fence.stage is not FenceStage.ACTIVE:
            raise self.fence_over_error()
        group.stage = Stage.QUEUED
        self.inbox.queue.append(group)

    def fence_over_error(self) -> ClosedError:
        """Build the error for a record that comes too late for its fence."""
        hint = "append through the writer, or take a new fence"
        return ClosedError("the fence is over", path=self.path, hint=hint, outcome=Outcome.NOT_WRITTEN)

    def withdraw(self, group: Group) -> bool:
        """Take back what was not accepted (or, through a fence, not begun) yet; False if it will be written."""
        gone = group.stage is Stage.WAITING and self.inbox.withdraw(group)
        if group.fence is not None and group.stage is Stage.QUEUED:
            self.inbox.queue.remove(group)
            group.stage = Stage.OVER
            gone = True
        self.inbox.admit()
        return gone

    def close_writer(self, writer: WriterState) -> None:
        """Refuse what this writer has not been granted room for; what was accepted is written."""
        writer.closed = True
        for group in [group for group in self.inbox.waiting() if group.writer is writer]:
            self.inbox.withdraw(group)
            self.refuse(group, self._closed_writer_error(writer))
        self.inbox.admit()

    def refuse(self, group: Group, error: CoordinatorError) -> None:
        """Answer a group with an error that may reach nobody: then the observers hear of it."""
        heard = group.reject(error)
        if group.admitted is not None:
            heard = group.admitted.reject(error) or heard
        if not heard:
            self.events.append(AnswerUnheard(self.path, group.writer.name, error))

    # Barriers

    def barrier(self, *, sync: bool) -> Barrier:
        """Ask for everything accepted so far to be in the file (and durable); held records are not part of it."""
        barrier = Barrier(sync=sync)
        if self.state is SessionState.CLOSED:
            raise self.closed_error()
        if self.trouble is not None:
            raise self.trouble.error()
        self.inbox.queue.append(barrier)
        return barrier

    def rewrite(self, transform: Transform) -> Rewriting:
        """Ask for the whole content to be replaced, in its place of the queue."""
        if self.refuses:
            raise self.closed_error()
        if self.trouble is not None:
            raise self.trouble.error()
        rewriting = Rewriting(transform)
        self.inbox.queue.append(rewriting)
        return rewriting

    def forget(self, item: Barrier | Rewriting) -> None:
        """Take a barrier, or a rewrite that has not begun, out of the queue."""
        if item in self.inbox.queue:
            self.inbox.queue.remove(item)

    # Fences

    def request_turn(self, writer: WriterState, *, shared: bool, accept: Accept | None, since: float) -> FenceState:
        """Queue for the turn; the ticket `turn` says when it came."""
        if self.refuses or writer.closed:
            self._refuse_closed(writer)
            raise self.closed_error()
        if self.trouble is not None:
            raise self.trouble.error()
        fence = FenceState(writer, shared=shared, accept=accept, since=since)
        self.fences.turns.request(fence)
        self._grant()
        return fence

    def enter(self, fence: FenceState) -> None:
        """Put the token in the queue: what was accepted before is before the line, everything else after it."""
        if fence.closed or self.trouble is not None:
            error = self.broken_error(fence) if fence.closed else None
            fence.entered.reject(error or (self.trouble.error() if self.trouble else self.closed_error()))
            self.abandon(fence)
            return
        fence.stage = FenceStage.TOKEN
        self.inbox.queue.append(fence)
        self.inbox.hold_waiting(self.is_held)

    def abandon(self, fence: FenceState) -> None:
        """Leave the line, the turn or the queue before the fence was entered."""
        if fence in self.inbox.queue:
            self.inbox.queue.remove(fence)
        self.fences.close_window(fence)
        self.end_turn(fence)

    def check_fence(self, fence: FenceState) -> Comparison:
        """Ask for a comparison now."""
        fence.appended_last = False
        if fence.broken:
            fence.told = True
            raise self.broken_error(fence)
        if fence.stage is not FenceStage.ACTIVE:
            raise ClosedError("the fence is over", path=self.path, hint="take a new fence")
        comparison = Comparison(fence, leaving=False, look=True, sync=False)
        self.comparisons.append(comparison)
        return comparison

    def leave(self, fence: FenceState) -> Comparison | None:
        """Release the turn now; the comparison, and a sync that is due, come back as a ticket if there is one."""
        self._withdraw_unbegun(fence)
        look = not fence.appended_last and not fence.broken
        sync = self.durability is Durability.FENCE and self.unsynced_bytes > 0
        comparison = None
        if (look or sync) and self.trouble is None and not fence.closed:
            comparison = Comparison(fence, leaving=True, look=look, sync=sync)
            self.comparisons.append(comparison)
        fence.comparing = comparison is not None and look
        fence.stage = FenceStage.LEAVING
        if not fence.comparing:
            self.fences.close_window(fence)
        if not self._has_begun(fence):
            self.end_turn(fence)
        self.events.append(FenceLeft(self.path, fence.writer.name, fence.cause))
        return comparison

    def _has_begun(self, fence: FenceState) -> bool:
        return self.running is not None and any(group.fence is fence for group in self.running.groups)

    def _withdraw_unbegun(self, fence: FenceState) -> None:
        for group in [group for group in self.inbox.groups() if group.fence is fence]:
            self.withdraw(group)
            self.refuse(group, self.fence_over_error())

    def end_turn(self, fence: FenceState) -> None:
        """Give the turn back: held records go to the queue, then whoever is next gets the turn."""
        self.fences.end(fence)
        if not self.fences.holding:
            self.inbox.release_held()
            self.inbox.admit()
        ended, self.turn_ended = self.turn_ended, None
        if ended is not None:
            ended.resolve()
        self._grant()

    def _grant(self) -> None:
        for fence in self.fences.turns.grant(may_overlap=not self.inbox.held):
            fence.turn.resolve()

    def broken_error(self, fence: FenceState, outcome: Outcome | None = None) -> CoordinatorError:
        """Build the error of a broken fence, as of now; `outcome` is that of a record which it is about."""
        return self.fences.error(fence, usable=self.trouble is None, outcome=outcome)

    # Effects

    def next_effect(self, *, now_ms: int) -> Effect | None:
        """Say what the store has to do next, None if nothing; `report` must follow before the next call gives more."""
        if self.running is not None or self.state in (SessionState.OPENING, SessionState.PARKED, SessionState.CLOSED):
            return None
        if self.trouble is not None:
            self.running = self._close() or self._reopen()
        else:
            in_turn = self._serve_queue(now_ms) if self.compared and self.closing is None else None
            self.compared = in_turn is None and bool(self.comparisons)
            self.running = in_turn or self._compare() or self._close() or self._serve_queue(now_ms) or self._sync()
        return None if self.running is None else self.running.effect

    def _compare(self) -> Running | None:
        if not self.comparisons:
            return None
        comparisons, self.comparisons = self.comparisons, []
        sync = any(comparison.sync for comparison in comparisons) and self.unsynced_bytes > 0
        look = any(comparison.look for comparison in comparisons)
        effect = Compare(self.revision, sync=sync) if look else Sync(self.revision)
        return Running(effect, comparisons=comparisons)

    def _serve_queue(self, now_ms: int) -> Running | None:
        queue = self.inbox.queue
        while queue:
            item = queue[0]
            if isinstance(item, Group):
                return None if self.stall is not None and not self.retry_due else self._append(now_ms)
            del queue[0]
            if isinstance(item, FenceState):
                sync = self.durability is Durability.FENCE and self.unsynced_bytes > 0
                return Running(Compare(self.revision, sync=sync), token=item)
            if isinstance(item, Rewriting):
                return Running(Rewrite(self.revision, item.transform, now_ms), rewriting=item)
            if item.sync and (self.unsynced_bytes or self.durability is Durability.NONE):
                return Running(Sync(self.revision), barrier=item)
            item.resolve()
        return None

    def _append(self, now_ms: int) -> Running:
        header = self.header_line()
        groups = self.inbox.take()
        self.last_timestamp_ms = max(self.last_timestamp_ms, now_ms)
        try:
            stamped = self._stamp(groups)
        except BaseException:  # out of memory: nothing was written, so nothing may be lost from the queue
            self.inbox.put_back(groups)
            raise
        lines, through_fence = stamped.lines, groups[0].fence is not None
        sync, insist = self._sync_is_due(lines), self.conflicts >= CONFLICTS_MAX
        effect = Append(self.revision, lines, header, through_fence, sync, insist)
        return Running(effect, groups, stamped)

    def _stamp(self, groups: Sequence[Group]) -> StampedBatch:
        drafts = [draft for group in groups for draft in group.drafts]
        return self.format.stamp_all(drafts, self.tail, now_ms=self.last_timestamp_ms)

    def header_line(self) -> bytes | None:
        """Return the line that has to come first if there is no content yet."""
        return None if self.header is None or self.revision.length else self.format.write_header(self.header)

    def _sync_is_due(self, lines: Sequence[bytes]) -> bool:
        if self.durability is Durability.FENCE:
            return self.unsynced_bytes + sum(map(len, lines)) > self.limits.unsynced_bytes_max
        return self.durability is Durability.ALWAYS

    def _sync(self) -> Running | None:
        wanted, self.sync_wanted = self.sync_wanted, False
        return Running(Sync(self.revision)) if wanted and self.unsynced_bytes else None

    def _reopen(self) -> Running | None:
        if self.reopening is None:
            return None
        attempts = [group.attempt for group in self.inbox.groups() if group.attempt is not None]
        lines = [line for attempt in attempts for line in attempt.lines]
        since = min((attempt.offset for attempt in attempts), default=0)
        return Running(Reopen(lines, since, self.reopening[1]))

    def _close(self) -> Running | None:
        if self.closing is None:
            return None
        has_failed = self.trouble is not None and self.trouble.fault is Fault.SYNC  # it must not be asked again
        return Running(Close(self.revision, sync=self.unsynced_bytes > 0 and not has_failed))
