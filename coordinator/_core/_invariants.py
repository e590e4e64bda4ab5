"""The invariants of `_machine`, as code: the tests assert them after every step.

1. At most one effect is outstanding, and groups are in `WRITING` only then.
2. Room in use equals the accepted records that are not over, in every pool, and stays within its bounds.
3. In trouble nothing is written: no token and no barrier is in the queue, and every kept group was answered.
4. Records are held only while a fence holds them back.
5. The turn belongs to one exclusive fence or to shared ones.
6. Every watching fence has been entered, and is either active or still owes its last comparison.
7. Nobody waits for room that is there for him.
8. A closed session holds nothing.
"""

from __future__ import annotations

from ._machine import Machine
from ._tickets import Barrier, Group, Stage
from ._turns import FenceStage, FenceState
from ._values import SessionState


def check(machine: Machine) -> None:
    """Assert every numbered invariant of the machine."""
    _effects(machine)
    _room(machine)
    _trouble(machine)
    _fences(machine)
    if machine.state is SessionState.CLOSED:
        assert machine.running is None, "8: a closed session performs nothing"
        assert not machine.fences.turns.holders, "8: a closed session has no fence"


def _effects(machine: Machine) -> None:
    running = machine.running.groups if machine.running else []
    assert all(group.stage is Stage.WRITING for group in running), "1: an outstanding group is being written"
    queued = list(machine.inbox.groups())
    assert all(group.stage is not Stage.WRITING for group in queued), "1: a queued group is not being written"


def _room(machine: Machine) -> None:
    inbox = machine.inbox
    running = machine.running.groups if machine.running else []
    for pool in (inbox.room, inbox.held_room):
        using = [group for group in (*inbox.groups(), *running) if group.pool is pool]
        assert pool.records == sum(len(group.drafts) for group in using), "2: records in use are those not over"
        assert pool.bytes == sum(group.bytes for group in using), "2: bytes in use are those not over"
        assert pool.records <= pool.records_max, "2: records stay within their bound"
        assert pool.bytes <= pool.bytes_max, "2: bytes stay within their bound"


def _trouble(machine: Machine) -> None:
    if machine.trouble is None:
        return
    waiting = [item for item in machine.inbox.queue if isinstance(item, (FenceState, Barrier))]
    assert not waiting, "3: in trouble no token and no barrier waits"
    groups = [item for item in machine.inbox.groups() if isinstance(item, Group)]
    assert all(group.done for group in groups), "3: in trouble every kept group was answered"


def _fences(machine: Machine) -> None:
    fences = machine.fences
    assert not machine.inbox.held or fences.holding, "4: records are held only while a fence holds them back"
    holders = fences.turns.holders
    assert len(holders) <= 1 or all(fence.shared for fence in holders), "5: an exclusive fence is alone"
    for fence in fences.watching:
        active = fence.stage is FenceStage.ACTIVE
        assert active or fence.comparing, "6: a watching fence is active or owes a comparison"
    if not machine.trouble and not machine.refuses:
        assert holders or not fences.turns.line, "7: nobody waits for a free turn"
