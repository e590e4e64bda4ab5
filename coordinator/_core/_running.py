"""What is outstanding: the effect that the store performs right now, and whom its report concerns."""

from __future__ import annotations

from dataclasses import dataclass, field

from ._effects import Effect
from ._format import StampedBatch
from ._tickets import Barrier, Group, Rewriting, Ticket
from ._turns import FenceState
from ._values import Tail

_NOTHING = StampedBatch([], [], Tail())


class Comparison(Ticket):
    """A fence's `check`, or its last look when it is left."""

    __slots__ = ("fence", "leaving", "look", "sync")

    def __init__(self, fence: FenceState, *, leaving: bool, look: bool, sync: bool) -> None:
        super().__init__()
        self.fence = fence
        self.leaving = leaving
        self.look = look
        self.sync = sync


@dataclass(slots=True)
class Running:
    """The effect that is outstanding, and whom its report concerns."""

    effect: Effect
    groups: list[Group] = field(default_factory=list[Group])
    stamped: StampedBatch = _NOTHING
    comparisons: list[Comparison] = field(default_factory=list[Comparison])
    token: FenceState | None = None
    barrier: Barrier | None = None
    rewriting: Rewriting | None = None
