"""What one run did, noted while it happened: the judge and the picture are made from this."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field

from coordinator import Record, TakeoverError


class ReplyDroppedError(Exception):
    """A turn failed, and a reply that was paid for is gone."""


@dataclass
class Window:
    """The time from the fence (or what a gateway has in its place) to its end; times are seconds of the run."""

    part: str
    opened: float
    closed: float = 0.0


@dataclass(frozen=True)
class Write:
    """One record that a part of the gateway appended."""

    part: str
    time: float
    record: Record = field(repr=False)


@dataclass(frozen=True)
class ForeignWrite:
    """What the second process says it did."""

    record: Record
    start: int
    end: int


@dataclass
class RunLog:
    """The diary of one run; its times are seconds since `begin()`."""

    began: float = 0.0
    asked: dict[str, float] = field(default_factory=dict[str, float])
    windows: list[Window] = field(default_factory=list[Window])
    writes: list[Write] = field(default_factory=list[Write])
    replies: dict[str, Record] = field(default_factory=dict[str, Record])
    """What the model said, by part: paid for, whatever became of it."""
    dropped: dict[str, ReplyDroppedError] = field(default_factory=dict[str, ReplyDroppedError])
    takeovers: dict[str, TakeoverError] = field(default_factory=dict[str, TakeoverError])
    foreign: ForeignWrite | None = None
    foreign_at: float | None = None
    found_at: float | None = None

    def begin(self) -> None:
        """Start the clock of this run."""
        self.began = time.perf_counter()

    def now(self) -> float:
        """Return the seconds since this run began."""
        return time.perf_counter() - self.began

    @contextmanager
    def window(self, part: str) -> Generator[None]:
        """Note how long a part was exposed to the writes of others."""
        window = Window(part, opened=self.now())
        self.windows.append(window)
        try:
            yield
        finally:
            window.closed = self.now()

    def wrote(self, part: str, record: Record) -> None:
        """Note that a record is in the file, as far as its writer was told."""
        self.writes.append(Write(part, self.now(), record))

    def intruded(self, foreign: ForeignWrite) -> None:
        """Note what the second process did."""
        self.foreign, self.foreign_at = foreign, self.now()

    def found(self) -> None:
        """Note that the foreign write was noticed."""
        self.found_at = self.now()
