"""The fences of one session: who has the turn, whose window is open, and what breaks it.

A fence watches from the moment its token is reached until it is left (or its last comparison is done). A foreign
change that is found meanwhile breaks every watching fence that does not accept it, each alone.
"""

from __future__ import annotations

from pathlib import Path

from ._effects import Foreign
from ._errors import ClosedError, CoordinatorError
from ._events import Event, FenceBroken
from ._ledger import Ledger
from ._tickets import Group
from ._trouble import takeover
from ._turns import FenceStage, FenceState, Turns
from ._values import Change, Outcome


class Fences:
    """Turns and windows; every method is synchronous and leaves the list of watching fences true."""

    __slots__ = ("_ledger", "_path", "turns", "watching")

    def __init__(self, path: Path, ledger: Ledger) -> None:
        self._path = path
        self._ledger = ledger
        self.turns = Turns()
        self.watching: list[FenceState] = []

    @property
    def holding(self) -> bool:
        """Whether records of hold writers have to wait now."""
        return any(fence.holds or fence.stage is FenceStage.LEAVING for fence in self.turns.holders)

    def owned_by(self, group: Group) -> bool:
        """Whether the writer of `group` has the turn itself: a fence's own writer always advances."""
        return any(fence.writer is group.writer for fence in self.turns.holders)

    def activate(self, fence: FenceState) -> None:
        """Open the window: the token was reached and the file is as we believe."""
        fence.stage = FenceStage.ACTIVE
        fence.ledger_from = self._ledger.number
        self.watching.append(fence)

    def close_window(self, fence: FenceState) -> None:
        """Stop watching: what is found from here on is after the turn."""
        fence.comparing = False
        if fence in self.watching:
            self.watching.remove(fence)

    def end(self, fence: FenceState) -> None:
        """Give the turn back for good."""
        fence.stage = FenceStage.OVER if not fence.comparing else FenceStage.LEAVING
        self.turns.leave(fence)

    def found(self, foreign: Foreign) -> list[Event]:
        """Break every watching fence that does not tolerate this change."""
        if foreign.change is Change.TOUCHED:
            return []
        return [event for fence in self.watching for event in self._judge(fence, foreign)]

    def _judge(self, fence: FenceState, foreign: Foreign) -> list[Event]:
        if not foreign.change.stops and (fence.cause is not None or self._tolerated(fence, foreign)):
            fence.forked = fence.forked or (fence.cause is not None and foreign.slipped)
            return []
        fence.cause = foreign
        fence.forked = fence.forked or foreign.slipped
        ledger = tuple(self._ledger.since(fence.ledger_from))
        return [FenceBroken(self._path, fence.writer.name, foreign, ledger)]

    @staticmethod
    def _tolerated(fence: FenceState, foreign: Foreign) -> bool:
        return foreign.change is Change.APPENDED and fence.tolerates(foreign)

    def error(self, fence: FenceState, *, usable: bool, outcome: Outcome | None = None) -> CoordinatorError:
        """Build a fresh error for a broken fence, with everything that was given to it so far."""
        error = self._error(fence, usable=usable)
        error.outcome = error.outcome or outcome
        return error

    def _error(self, fence: FenceState, *, usable: bool) -> CoordinatorError:
        if fence.cause is not None:
            return takeover(
                fence.cause,
                path=self._path,
                usable=usable,
                ledger=self._ledger.since(fence.ledger_from),
                writer=fence.writer.name,
                written=tuple(fence.written),
                unwritten=tuple(fence.unwritten),
                forked=fence.forked,
            )
        if fence.failed is not None:
            return fence.failed.error()
        error = ClosedError("the session was closed during the turn", path=self._path, hint="open it again and retry")
        error.unwritten = list(fence.unwritten)
        return error
