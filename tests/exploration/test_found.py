"""What the exploration has found, each in its shortest form."""

from __future__ import annotations

import pytest

from coordinator._core._effects import Close
from coordinator._core._endings import begin_close, break_fences, closed, request_close
from coordinator._core._errors import ClosedError
from coordinator._core._invariants import check
from coordinator._core._tickets import WriterState

from .settings import short
from .world import World


def test_closing_ends_a_turn_whose_hook_still_runs() -> None:
    """A closed session owns no turn; whoever comes back from the hook is told that it is closed."""
    world = World(short()[0])
    fence = world.machine.request_turn(WriterState("slow"), shared=False, accept=None, since=0.0)
    begin_close(world.machine)
    break_fences(world.machine)
    request_close(world.machine)
    effect = world.machine.next_effect(now_ms=1)
    assert isinstance(effect, Close)
    closed(world.machine, world.disk.begin(effect, world.machine.revision).report)
    check(world.machine)
    world.machine.enter(fence)
    with pytest.raises(ClosedError):
        fence.entered.result()
