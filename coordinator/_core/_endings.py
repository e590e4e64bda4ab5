"""Reopening, parking and closing: out of trouble, out of the way, and to the end without losing anything."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ._effects import Opened, Park, Placement, Report
from ._errors import ClosedError, CoordinatorError
from ._events import SessionReopened, SessionUnparked
from ._machine import Machine
from ._reports import count_written
from ._running import Running
from ._states import Trigger
from ._tickets import Barrier, Group, Rewriting, Stage, Ticket
from ._turns import FenceStage, FenceState
from ._values import Durability, Outcome, Receipt, SessionState


def request_reopen(machine: Machine, *, create: bool) -> Ticket:
    """Ask for the file to be accepted as it is; calls that come while one is under way share it."""
    if machine.reopening is None:
        machine.reopening = (Ticket(), create)
    return machine.reopening[0]


def reopen_failed(machine: Machine, error: CoordinatorError) -> None:
    """Stay in trouble; everything that was kept is still kept."""
    machine.running = None
    if machine.reopening is not None:
        ticket, machine.reopening = machine.reopening[0], None
        ticket.reject(error)


def reopened(machine: Machine, opened: Opened) -> None:
    """Go on with the content as it is now; answers the ticket with the receipts of kept records that stand there."""
    machine.running = None
    kept = list(machine.inbox.groups())
    machine.trouble = None
    machine.revision, machine.tail = opened.revision, opened.tail
    machine.header = opened.header if opened.header is not None else machine.header
    machine.damaged = opened.damaged
    # What stands there now may never have been synced, whoever wrote it, and receipts may come to name it.
    machine.unsynced_bytes = 0 if machine.durability is Durability.NONE else opened.revision.length
    machine.ledger_from = machine.ledger.number
    skipped = _skip_present(machine, kept, iter(opened.present))
    machine.go(Trigger.REOPENED)
    records = sum(len(group.drafts) for group in kept)
    machine.events.append(SessionReopened(machine.path, machine.revision, records, len(skipped)))
    machine.inbox.admit()
    if machine.reopening is not None:
        ticket, machine.reopening = machine.reopening[0], None
        ticket.resolve(skipped)


def _skip_present(machine: Machine, kept: list[Group], present: Iterator[Placement | None]) -> list[Receipt]:
    skipped: list[Receipt] = []
    for group in [group for group in kept if group.attempt is not None]:
        places = [next(present, None) for _ in group.drafts]
        skipped += _receipts_of(machine, group, places)
        group.attempt = None
        _shrink(machine, group, places)
    return skipped


def _receipts_of(machine: Machine, group: Group, places: list[Placement | None]) -> list[Receipt]:
    receipts: list[Receipt] = []
    assert group.attempt is not None
    for line, place in zip(group.attempt.lines, places, strict=True):
        if place is not None:
            machine.sequence += 1
            record = machine.format.read(line) or {}
            identity = record.get("id")
            receipts.append(
                Receipt(
                    group.writer.name,
                    machine.sequence,
                    place.offset,
                    place.size,
                    identity if isinstance(identity, str) else None,
                    False,
                )
            )
    group.receipts += receipts
    count_written(group.writer, receipts)
    return receipts


def _shrink(machine: Machine, group: Group, places: list[Placement | None]) -> None:
    missing = [draft for draft, place in zip(group.drafts, places, strict=True) if place is None]
    if len(missing) == len(group.drafts):
        return
    if not missing:
        drop(machine, group)
        return
    pool = group.pool
    if pool is not None:
        pool.shrink(group, missing)
    else:
        group.drafts = missing


def drop(machine: Machine, group: Group) -> None:
    """Take a kept group out of the queue for good: it is in the file already, or in a side file."""
    queue = machine.inbox.held if group.stage is Stage.HELD else machine.inbox.queue
    queue.remove(group)
    machine.inbox.over(group)


# Parking


def can_park(machine: Machine) -> bool:
    """Say whether the session needs nothing of its file now, and nothing of it is at risk."""
    inbox, fences = machine.inbox, machine.fences
    busy = machine.running or inbox.queue or inbox.held or machine.comparisons or machine.unsynced_bytes
    turns = fences.turns.holders or fences.turns.line or fences.watching
    return machine.state is SessionState.OPEN and not (busy or turns or inbox.waiting())


def begin_park(machine: Machine) -> None:
    """Ask the store to give descriptor and lock back; nothing is accepted until the session is unparked."""
    assert can_park(machine), "parked while it was busy"
    machine.go(Trigger.PARKED)
    machine.running = Running(Park())
    machine.parked = Ticket()
    machine.ledger.forget()


def parked(machine: Machine) -> None:
    """The store holds nothing any more."""
    machine.running = None
    machine.parked.resolve()


def unparked(machine: Machine, opened: Opened) -> None:
    """Go on; if another owner has changed the file meanwhile, that was a hand-over and no takeover."""
    machine.go(Trigger.OPENED)
    handed_over = opened.revision != machine.revision
    machine.events.append(SessionUnparked(machine.path, opened.revision, handed_over=handed_over))
    if handed_over:
        machine.revision, machine.tail = opened.revision, opened.tail
        machine.header = opened.header if opened.header is not None else machine.header
        machine.damaged = opened.damaged
        machine.ledger_from = machine.ledger.number


# Closing


def begin_close(machine: Machine) -> None:
    """Refuse what is new: records (but those of a fence's holder) and fences; what was accepted goes on."""
    machine.refuses = True
    machine.go(Trigger.CLOSE)
    for group in machine.inbox.waiting():
        if not machine.fences.owned_by(group):
            machine.inbox.withdraw(group)
            machine.refuse(group, machine.closed_error(Outcome.NOT_WRITTEN))
    for fence in list(machine.fences.turns.line):
        machine.fences.turns.leave(fence)
        fence.turn.reject(machine.closed_error())


def break_fences(machine: Machine) -> None:
    """Closing gives up waiting: every fence ends with `ClosedError`, and held records go to the queue."""
    for fence in list(machine.fences.turns.holders):
        break_fence(machine, fence)


def break_fence(machine: Machine, fence: FenceState) -> None:
    """End one fence with `ClosedError`: what was given to it and is not begun comes back in `unwritten`."""
    fence.closed = True
    queued = [group for group in machine.inbox.groups() if group.fence is fence]
    for group in queued:
        machine.withdraw(group)
        fence.unwritten += [draft.record for draft in group.drafts]
    for group in queued:
        machine.refuse(group, machine.broken_error(fence))
    if fence.stage is FenceStage.TOKEN:
        fence.entered.reject(machine.broken_error(fence))
    if fence.stage in (FenceStage.TURN, FenceStage.TOKEN, FenceStage.ACTIVE):
        machine.abandon(fence)


class Unwritten(NamedTuple):
    """A record that is in no file for sure: as it was given, and the line of it whose write was tried, and where.

    `writer` is None for a foreign line that was adopted.
    """

    writer: str | None
    record: bytes
    tried: bytes | None = None
    offset: int = 0


def leftover(machine: Machine) -> list[Unwritten]:
    """List what could not be written, in order."""
    return [row for group in machine.inbox.groups() for row in unwritten(group)]


def unwritten(group: Group) -> Iterator[Unwritten]:
    """Give the records of a group that is kept."""
    attempt = group.attempt
    tried = attempt.lines if attempt is not None else (None,) * len(group.drafts)
    offset = attempt.offset if attempt is not None else 0
    for draft, line in zip(group.drafts, tried, strict=True):
        yield Unwritten(group.writer.name, draft.line, line, offset)


def give_up(machine: Machine, hint: str) -> None:
    """Answer whoever still waits for a record that the closed session has not written; `hint` says where it is."""
    for group in list(machine.inbox.groups()):
        message = "the session was closed before this record could be written"
        machine.refuse(group, ClosedError(message, path=machine.path, hint=hint, outcome=Outcome.KEPT))
        drop(machine, group)


def request_close(machine: Machine) -> Ticket:
    """Ask the store to give everything back; from here on the queue is not served any more."""
    if machine.closing is None:
        machine.closing = Ticket()
    return machine.closing


def closed(machine: Machine, answer: Report) -> None:
    """End: the store holds nothing any more."""
    machine.running = None
    machine.go(Trigger.CLOSED)
    reopen_failed(machine, machine.closed_error())
    for item in [item for item in machine.inbox.queue if isinstance(item, Barrier | Rewriting)]:
        machine.inbox.queue.remove(item)
        item.reject(machine.closed_error())
    if machine.closing is not None:
        machine.closing.resolve(answer)
