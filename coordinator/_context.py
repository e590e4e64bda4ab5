"""What the running code is inside of: fences that it must not wait for, and the hook that may always advance.

Kept in context variables, so that tasks started inside a fence know of it too. Only used to raise `FenceOrderError`
instead of waiting for oneself. Never reset by token: a fence may be entered in one task and left in another.
"""

from __future__ import annotations

from contextvars import ContextVar

from ._core._machine import Machine
from ._core._turns import FenceStage, FenceState

_inside: ContextVar[tuple[tuple[Machine, FenceState], ...]] = ContextVar("coordinator_inside", default=())
_hook_of: ContextVar[Machine | None] = ContextVar("coordinator_hook_of", default=None)


def active_fence(machine: Machine) -> FenceState | None:
    """Return the active fence of this session that the running code is inside of."""
    for owner, fence in _inside.get():  # most code is inside of nothing: a generator would cost more than the answer
        if owner is machine and _is_active(fence):
            return fence
    return None


def enter_fence(machine: Machine, fence: FenceState) -> None:
    """Remember that the running code, and what it starts, is inside this fence."""
    _inside.set((*(pair for pair in _inside.get() if _is_active(pair[1])), (machine, fence)))


def leave_fence(fence: FenceState) -> None:
    """Forget a fence, where this context knows it; elsewhere it counts no more because it is not active."""
    _inside.set(tuple(pair for pair in _inside.get() if pair[1] is not fence))


def in_hook(machine: Machine) -> bool:
    """Whether the running code is a plugin's hook while a fence of this session is being entered."""
    return _hook_of.get() is machine


def enter_hook(machine: Machine) -> None:
    """Let what the running hook appends advance, also through hold writers."""
    _hook_of.set(machine)


def _is_active(fence: FenceState) -> bool:
    return fence.stage is FenceStage.ACTIVE and not fence.closed
