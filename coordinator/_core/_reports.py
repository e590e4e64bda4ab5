"""What a report changes: receipts, the tail, verdicts, faults, and the answers of everybody it concerns.

The order matters and is the same for every report: first what is in the file becomes receipts (so that an error can
name them), then foreign changes break fences or stop the session, then faults, then the answers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import compress, islice, repeat

from ._effects import Append, Fault, Foreign, Report, Sync
from ._errors import CoordinatorError
from ._events import DiskFailed, DiskFull, DiskRoom, FenceEntered, ForeignChange, RecordsWritten, SessionRewritten
from ._format import StampedBatch
from ._inbox import Item
from ._machine import Machine
from ._running import Comparison, Running
from ._states import Trigger
from ._tickets import Attempt, Group, Rewriting, Stage, WriterState
from ._trouble import Trouble
from ._turns import FenceStage, FenceState
from ._values import Durability, Outcome, Receipt, Tail

_new_receipt: Callable[[Iterable[object]], Receipt] = partial(tuple.__new__, Receipt)  # pyright: ignore[reportUnknownMemberType]
"""Makes a receipt of a row: the constructor of a named tuple is a function in Python, and takes twice as long."""


def report(machine: Machine, answer: Report, *, now: float) -> None:
    """Take the store's answer to the outstanding effect; `now` is seconds since the epoch, for the ledger."""
    running, machine.running = machine.running, None
    assert running is not None, "a report without an effect"
    machine.revision = answer.revision
    before = machine.trouble
    written = _receive(machine, running, answer, now)
    _learn(machine, running, answer, written=written)
    if answer.fault is not None:
        _stumble(machine, answer, answer.fault)
    _answer_groups(machine, running, answer, written=written)
    if machine.trouble is not None and before is None:
        clear_queue(machine, machine.trouble)
    if machine.fences.turns.holders or machine.fences.watching or not written:  # or none can be in the queue
        _drop_broken(machine)
    _answer_fences(machine, running, answer)
    machine.inbox.admit()


def fail(machine: Machine, error: OSError, running: Running | None = None) -> None:
    """Latch the session out of memory: the next effect could not be made, or the answer to `running` not be taken in.

    Then its lines may be in the file; nobody was told so, so they are kept, and `reopen` looks for them.
    """
    unanswered = [group for group in running.groups if not group.done] if running else []
    if running and unanswered and isinstance(running.effect, Append):
        _remember_attempt(running, running.effect.expected.length, in_doubt=True)
        machine.inbox.put_back(unanswered)
    machine.running = Running(Sync(machine.revision))
    report(machine, Report(machine.revision, fault=Fault.WRITE, error=error), now=0.0)


# What is in the file


def _receive(machine: Machine, running: Running, answer: Report, now: float) -> bool:
    written, size = False, 0
    if answer.standing:
        _receive_standing(machine, running, answer, now)
    if answer.written is not None and answer.fault is None and running.groups:
        written, lines = True, running.stamped.lines
        size = sum(map(len, lines))
        receipts = _receipts(machine, running, answer.written, durable=answer.synced)
        machine.ledger.add(receipts, time=now)
        machine.events.append(RecordsWritten(machine.path, receipts, tuple(lines)))
        machine.retry_due, machine.conflicts = False, 0
        if machine.stall is not None:
            _recover(machine)
    if answer.synced:
        machine.unsynced_bytes = 0
    elif machine.durability is not Durability.NONE:
        machine.unsynced_bytes += size + sum(_adopted_bytes(foreign) for foreign in answer.foreign)
    return written


def _adopted_bytes(foreign: Foreign) -> int:
    if foreign.change.stops or foreign.start is None or foreign.end is None:
        return 0
    return foreign.end - foreign.start


def _receipts(machine: Machine, running: Running, offsets: Sequence[int], *, durable: bool) -> tuple[Receipt, ...]:
    lines, ids, _ = running.stamped
    names = [group.writer.name for group in running.groups for _ in group.drafts]
    sequences, sizes, all_durable = _sequences(machine.sequence, offsets), map(len, lines), repeat(durable, len(lines))
    rows = zip(names, sequences, offsets, sizes, ids, all_durable, strict=True)  # in the order of a receipt's fields
    receipts = tuple(map(_new_receipt, rows))
    machine.sequence += len(receipts)
    _hand_out(running.groups, receipts)
    return receipts


def _hand_out(groups: Sequence[Group], receipts: Sequence[Receipt]) -> None:
    rest = iter(receipts)
    for group in groups:
        writer = group.writer
        for receipt in islice(rest, len(group.drafts)):
            group.receipts.append(receipt)
            writer.written_records += 1
            writer.written_bytes += receipt.size


def count_written(writer: WriterState, receipts: Sequence[Receipt]) -> None:
    """Count records that were found to stand in the file."""
    writer.written_records += len(receipts)
    writer.written_bytes += sum(receipt.size for receipt in receipts)


def _sequences(before: int, offsets: Sequence[int]) -> Iterable[int]:
    """Number the lines in the order of the file: one that was glued to a foreign half line stands behind its batch."""
    numbers = range(before + 1, before + 1 + len(offsets))
    in_order = sorted(offsets)
    if in_order == [*offsets]:
        return numbers
    sequence_of = dict(zip(in_order, numbers, strict=True))
    return [sequence_of[offset] for offset in offsets]


def _receive_standing(machine: Machine, running: Running, answer: Report, now: float) -> None:
    """Count as written what a fence was given and what stands in the file all the same, or it would be given back."""
    fence = running.groups[0].fence
    if fence not in machine.fences.watching:
        return
    (group,) = running.groups
    lines, ids, tail = running.stamped
    for record_id, place in zip(ids, answer.standing, strict=True):
        if place is not None:
            machine.sequence += 1
            group.receipts.append(
                Receipt(group.writer.name, machine.sequence, place.offset, place.size, record_id, durable=False)
            )
    count_written(group.writer, group.receipts)
    machine.ledger.add(group.receipts, time=now)
    fence.written += group.receipts
    lacking = [place is None for place in answer.standing]
    group.drafts = list(compress(group.drafts, lacking))
    running.stamped = StampedBatch(list(compress(lines, lacking)), list(compress(ids, lacking)), tail)


def _recover(machine: Machine) -> None:
    machine.stall = None
    machine.go(Trigger.ROOM)
    machine.events.append(DiskRoom(machine.path))


# What somebody else did


def _learn(machine: Machine, running: Running, answer: Report, *, written: bool) -> None:
    machine.tail = _new_tail(answer.tail or machine.tail, running, answer.foreign, written=written)
    if written and running.groups[0].fence is not None:
        running.groups[0].fence.written += running.groups[0].receipts
    if answer.foreign:
        _learn_of_others(machine, answer)


def _learn_of_others(machine: Machine, answer: Report) -> None:
    ledger = tuple(machine.ledger.since(machine.ledger_from))
    for foreign in answer.foreign:
        # A file that appeared where there was none brings its own header: ours was never written.
        machine.header = machine.header if foreign.header is None else foreign.header
        machine.events.append(ForeignChange(machine.path, foreign, foreign.slipped, ledger))
        machine.events += machine.fences.found(foreign)
        machine.damaged += 0 if foreign.change.stops else foreign.damaged
        if foreign.change.stops and machine.trouble is None:
            machine.trouble = Trouble(machine.path, foreign=foreign, ledger=ledger)
            machine.stall = None
            machine.go(Trigger.TAKEN_OVER)
    machine.last_change = answer.foreign[-1]
    machine.ledger_from = machine.ledger.number


def _new_tail(tail: Tail, running: Running, found: Sequence[Foreign], *, written: bool) -> Tail:
    if not found:  # nearly always
        return tail.merge(running.stamped.tail) if written else tail
    tails = [foreign.tail for foreign in found if not written or foreign.slipped]
    tails += [running.stamped.tail] if written else []
    tails += [foreign.tail for foreign in found if written and not foreign.slipped]
    for later in tails:
        tail = tail if later is None else tail.merge(later)
    return tail


# What the disk refused


def _stumble(machine: Machine, answer: Report, fault: Fault) -> None:
    if machine.trouble is not None:
        return
    error = answer.error or OSError("the store gave no reason")
    if fault is Fault.ROOM:
        machine.retry_due = False
        if machine.stall is None:
            machine.go(Trigger.NO_ROOM)
            machine.events.append(DiskFull(machine.path, error))
        machine.stall = error
        return
    machine.trouble = Trouble(machine.path, fault=fault, cause=error)
    machine.stall = None
    for fence in machine.fences.watching:
        fence.failed = machine.trouble
    machine.events.append(DiskFailed(machine.path, error, fault is Fault.SYNC))
    machine.go(Trigger.DISK_FAILED)


# The answers


def _answer_groups(machine: Machine, running: Running, answer: Report, *, written: bool) -> None:
    if written:
        for group in running.groups:
            _confirm(machine, group)
    elif running.groups:
        if answer.attempted_at is not None:
            _remember_attempt(running, answer.attempted_at, in_doubt=answer.fault is not None)
        machine.inbox.put_back(running.groups)
        machine.conflicts += 1
    for group in running.groups:
        if group.fence is not None and group.fence.stage is FenceStage.LEAVING:
            _end_deferred(machine, group)


def _remember_attempt(running: Running, offset: int, *, in_doubt: bool) -> None:
    """Keep the exact lines that may stand in the file without having been confirmed, for `reopen`."""
    lines = iter(running.stamped.lines)
    for group in running.groups:
        group.attempt = Attempt(tuple(islice(lines, len(group.drafts))), offset, in_doubt)


def _end_deferred(machine: Machine, group: Group) -> None:
    """The fence was left while this append was under way: now its turn ends, whatever became of the append."""
    if group.stage is not Stage.OVER and not group.fence.broken:
        machine.withdraw(group)
        machine.refuse(group, machine.fence_over_error())
    machine.end_turn(group.fence)


def _confirm(machine: Machine, group: Group) -> None:
    machine.inbox.over(group)
    fence: FenceState | None = group.fence
    if fence is not None and fence.cause is not None:
        fence.told = group.reject(machine.broken_error(fence)) or fence.told
        return
    if fence is not None:
        fence.appended_last = True
    group.resolve(group.receipts)


def clear_queue(machine: Machine, trouble: Trouble) -> None:
    """Answer everybody who waits, now that nothing is written any more; accepted records stay where they are."""
    items, machine.inbox.queue = machine.inbox.queue, list[Item]()
    for item in items:
        if isinstance(item, FenceState):
            item.entered.reject(trouble.error())
        elif isinstance(item, Group):
            _keep(machine, item, trouble)
        else:
            item.reject(trouble.error())
    for group in machine.inbox.held:
        _refuse_kept(machine, group, trouble)
    for group in machine.inbox.waiting():
        machine.inbox.withdraw(group)
        machine.refuse(group, trouble.error(Outcome.NOT_WRITTEN))
    for fence in list(machine.fences.turns.line):
        machine.fences.turns.leave(fence)
        fence.turn.reject(trouble.error())
    # Ending a turn accepts whoever waits, so it comes last: by now everybody was answered.
    for token in [item for item in items if isinstance(item, FenceState)]:
        machine.abandon(token)


def _keep(machine: Machine, group: Group, trouble: Trouble) -> None:
    machine.inbox.queue.append(group)
    # A broken fence gives its records back, but not one that a failing disk has left in doubt: `reopen` looks for it.
    in_doubt = group.attempt is not None and group.attempt.in_doubt
    if group.fence is None or group.fence.cause is None or in_doubt:
        group.fence = None
        _refuse_kept(machine, group, trouble)


def _refuse_kept(machine: Machine, group: Group, trouble: Trouble) -> None:
    machine.refuse(group, trouble.error(Outcome.KEPT))


def _drop_broken(machine: Machine) -> None:
    dropped = [group for group in machine.inbox.groups() if group.fence is not None and group.fence.broken]
    for group in dropped:
        machine.inbox.queue.remove(group)
        machine.inbox.over(group)
        group.fence.unwritten += [draft.record for draft in group.drafts]
    for group in dropped:
        fence: FenceState = group.fence
        outcome = None if group.receipts else Outcome.NOT_WRITTEN  # of a group that was cut apart the lists tell
        fence.told = group.reject(machine.broken_error(fence, outcome)) or fence.told


def _answer_fences(machine: Machine, running: Running, answer: Report) -> None:
    trouble = machine.trouble
    if trouble is None and running.groups:
        return
    comparisons = running.comparisons
    if trouble is not None:
        comparisons, machine.comparisons = comparisons + machine.comparisons, []
    for comparison in comparisons:
        _answer_comparison(machine, comparison)
    if running.token is not None and running.token.stage is FenceStage.TOKEN:
        _admit_fence(machine, running.token)
    if running.rewriting is not None:
        _answer_rewriting(machine, running.rewriting, answer)
    if running.barrier is not None:
        running.barrier.resolve() if trouble is None else running.barrier.reject(trouble.error())
    if trouble is None and not answer.foreign and not running.groups:
        machine.ledger_from = machine.ledger.number


def _answer_comparison(machine: Machine, comparison: Comparison) -> None:
    fence, trouble = comparison.fence, machine.trouble
    error: CoordinatorError | None = None
    if fence.broken and comparison.look:
        error = machine.broken_error(fence)
    elif trouble is not None and trouble.fault is not None and comparison.sync:
        error = trouble.error()
    if comparison.leaving:
        machine.fences.close_window(fence)
        fence.stage = FenceStage.OVER if fence not in machine.fences.turns.holders else fence.stage
    if error is None:
        comparison.resolve()
    else:
        fence.told = (comparison.reject(error) and not comparison.leaving) or fence.told


def _answer_rewriting(machine: Machine, rewriting: Rewriting, answer: Report) -> None:
    if machine.trouble is not None:
        rewriting.reject(machine.trouble.error())
    elif answer.refused is not None:
        rewriting.reject(answer.refused)
    else:
        machine.events.append(SessionRewritten(machine.path, machine.revision))
        rewriting.resolve(machine.revision)


def _admit_fence(machine: Machine, fence: FenceState) -> None:
    if machine.trouble is not None:
        fence.entered.reject(machine.trouble.error())
        machine.abandon(fence)
        return
    machine.fences.activate(fence)
    machine.events.append(FenceEntered(machine.path, fence.writer.name, machine.revision))
    fence.entered.resolve(machine.revision)
