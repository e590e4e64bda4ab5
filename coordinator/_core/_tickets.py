"""What waits in a session: groups of records, fence tokens, barriers, and the answer each of them gets exactly once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from ._effects import Transform
from ._format import Draft
from ._values import Receipt


class Ticket:
    """One answer, given once, to whoever listens then (and to whoever asks later)."""

    __slots__ = ("done", "error", "listeners", "value")

    def __init__(self) -> None:
        self.done = False
        self.value: Any = None
        self.error: Exception | None = None
        self.listeners: tuple[Callable[[], bool], ...] = ()

    def listen(self, listener: Callable[[], bool]) -> None:
        """Have this called when the answer is given; it says whether it (still) has somebody to tell."""
        self.listeners += (listener,)

    def unlisten(self, listener: Callable[[], bool]) -> None:
        """Have it called no more."""
        self.listeners = tuple(other for other in self.listeners if other is not listener)

    def resolve(self, value: object = None) -> None:
        """Answer with success; a second answer is ignored, because a kept record was already answered."""
        if not self.done:
            self.done, self.value = True, value
            self._tell()

    def reject(self, error: Exception) -> bool:
        """Answer with an error; returns whether somebody hears it (or has had an answer before)."""
        if self.done:
            return True
        self.done, self.error = True, error
        return self._tell()

    def _tell(self) -> bool:
        heard = False
        listeners, self.listeners = self.listeners, ()
        for listener in listeners:
            heard = listener() or heard
        return heard

    def result(self) -> Any:
        """Return the answer, or raise it."""
        assert self.done, "asked for an answer that is not there yet"
        if self.error is not None:
            raise self.error
        return self.value


@dataclass(slots=True, eq=False)
class WriterState:
    """What a session knows of one writer: its rights and its counts."""

    name: str
    hold: bool = False
    closed: bool = False
    queued_records: int = 0
    queued_bytes: int = 0
    written_records: int = 0
    written_bytes: int = 0
    refused: int = 0


class Stage(Enum):
    """Where a group of records is on its way to the file."""

    WAITING = auto()
    QUEUED = auto()
    HELD = auto()
    WRITING = auto()
    OVER = auto()


@dataclass(frozen=True, slots=True)
class Attempt:
    """The exact lines of a group whose write was tried and not confirmed, and where they can stand at the earliest."""

    lines: tuple[bytes, ...]
    offset: int
    in_doubt: bool = False
    """Whether nobody could look where they stand: only `reopen` can tell."""


class Group(Ticket):
    """The records of one call: adjacent in the file, in one write, accepted or refused together."""

    __slots__ = ("admitted", "arrival", "attempt", "bytes", "drafts", "fence", "pool", "receipts", "stage", "writer")

    def __init__(self, writer: WriterState, drafts: Sequence[Draft], size: int, fence: Any = None) -> None:
        self.done = False  # as `Ticket` has it: a call of its constructor would be a tenth of an append
        self.value = None
        self.error = None
        self.listeners = ()
        self.writer = writer
        self.drafts = drafts
        self.bytes = size
        self.fence = fence
        self.stage = Stage.WAITING
        self.arrival = 0
        self.admitted: Ticket | None = None
        """Answered when a group that had to wait got room."""
        self.pool: Any = None
        self.attempt: Attempt | None = None
        self.receipts: list[Receipt] = []

    def __len__(self) -> int:
        return len(self.drafts)


class Barrier(Ticket):
    """`drain` or `sync`: answered when everything before it in the queue is in the file (and durable)."""

    __slots__ = ("sync",)

    def __init__(self, *, sync: bool) -> None:
        super().__init__()
        self.sync = sync


class Rewriting(Ticket):
    """`rewrite`: answered when the content is the new one, or the old one is still in use."""

    __slots__ = ("transform",)

    def __init__(self, transform: Transform) -> None:
        super().__init__()
        self.transform = transform
