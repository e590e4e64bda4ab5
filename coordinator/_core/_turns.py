"""Turns: a first-come-first-served read-write lock, without anything that waits.

An exclusive fence is alone; shared ones overlap with each other only, and queue behind a waiting exclusive one, so that
nobody starves. The lock only says who goes next; whoever asks for a turn waits somewhere else.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto

from ._effects import Foreign
from ._tickets import Ticket, WriterState
from ._trouble import Trouble
from ._values import Receipt, Record

Accept = Callable[[Record], bool]


class FenceStage(Enum):
    """How far a fence has come; it goes through these in order and never back."""

    WAITING = auto()
    TURN = auto()
    """It owns the turn; the plugins' hooks run."""
    TOKEN = auto()
    """Its token is in the queue: what is accepted from here on is after the line."""
    ACTIVE = auto()
    LEAVING = auto()
    """Released, but an effect or a comparison of it is still under way."""
    OVER = auto()


class FenceState:
    """What the core knows of one fence: its turn, its window, and what was given to it."""

    __slots__ = (
        "accept", "appended_last", "cause", "closed", "comparing", "entered", "failed", "forked", "ledger_from",
        "shared", "since", "stage", "told", "turn", "unwritten", "writer", "written",
    )  # fmt: skip

    def __init__(self, writer: WriterState, *, shared: bool, accept: Accept | None, since: float) -> None:
        self.writer = writer
        self.shared = shared
        self.accept = accept
        self.since = since
        self.stage = FenceStage.WAITING
        self.turn = Ticket()
        """Answered when the turn is ours."""
        self.entered = Ticket()
        """Answered with the revision when the token was reached."""
        self.cause: Foreign | None = None
        self.failed: Trouble | None = None
        self.closed = False
        self.forked = False
        self.told = False
        """Whether the caller was told inside the body that this fence is broken."""
        self.appended_last = False
        """Whether the last thing done through the fence was a successful append: that was the comparison."""
        self.comparing = False
        """Whether a comparison at leaving is still to come."""
        self.ledger_from = 0
        self.written: list[Receipt] = []
        self.unwritten: list[Record] = []

    @property
    def broken(self) -> bool:
        """Whether somebody else has changed the file, the disk has failed, or closing has ended this turn."""
        return self.cause is not None or self.failed is not None or self.closed

    @property
    def holds(self) -> bool:
        """Whether records of hold writers have to wait for this fence."""
        return self.stage in (FenceStage.TOKEN, FenceStage.ACTIVE)

    @property
    def observes(self) -> bool:
        """Whether a foreign change that is found now belongs to this fence's window."""
        return self.stage is FenceStage.ACTIVE or (self.stage is FenceStage.LEAVING and self.comparing)

    def tolerates(self, foreign: Foreign) -> bool:
        """Ask the caller's `accept` about every foreign record; anything it cannot judge is not accepted."""
        if self.accept is None or foreign.slipped or foreign.damaged or not foreign.records:
            return False
        try:
            return all(self._accepts(self.accept(record)) for record in foreign.records)
        except BaseException:  # noqa: BLE001 - the caller's predicate: raising means no, and must not stop a report
            return False

    @staticmethod
    def _accepts(answer: object) -> bool:
        return bool(answer) and not hasattr(answer, "__await__")  # a coroutine would always be true


class Turns:
    """Who has the turn and who is next."""

    __slots__ = ("holders", "line")

    def __init__(self) -> None:
        self.holders: list[FenceState] = []
        self.line: list[FenceState] = []

    def request(self, fence: FenceState) -> None:
        """Queue for the turn; `grant` says when it came."""
        self.line.append(fence)

    def leave(self, fence: FenceState) -> None:
        """Give the turn back, or stop waiting for it; doing so twice is harmless."""
        if fence in self.holders:
            self.holders.remove(fence)
        elif fence in self.line:
            self.line.remove(fence)

    def grant(self, *, may_overlap: bool) -> list[FenceState]:
        """Give the turn to whoever is next; `may_overlap` False keeps shared ones from joining the present holders."""
        granted: list[FenceState] = []
        while self.line and self._may_enter(self.line[0], may_overlap=may_overlap or bool(granted)):
            fence = self.line.pop(0)
            fence.stage = FenceStage.TURN
            self.holders.append(fence)
            granted.append(fence)
        return granted

    def _may_enter(self, fence: FenceState, *, may_overlap: bool) -> bool:
        if not self.holders:
            return True
        return may_overlap and fence.shared and all(holder.shared for holder in self.holders)
