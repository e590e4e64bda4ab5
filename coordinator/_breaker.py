"""When to stop writing on the event loop: a disk that keeps it waiting gets threads for a while."""

from __future__ import annotations

import time

WAIT_SECONDS_MAX = 0.005
OPEN_FACTOR = 2
OPEN_SECONDS_MAX = 1.0


class Breaker:
    """Ask `begin` before what should return at once, and tell `end`: if it did not, threads are used for a while.

    The while is twice as long as what was waited, because on a busy machine a process that lost its turn for 8 ms looks
    like a slow disk, and it doubles each time that the loop waits again soon after. One for all sessions of a
    coordinator: the disk that is slow is most often theirs together.
    """

    __slots__ = ("_open_seconds", "_open_until")

    def __init__(self) -> None:
        self._open_seconds = 0.0
        self._open_until = 0.0

    def begin(self) -> float | None:
        """Return when it began, None if it is not to be tried on the event loop now."""
        now = time.monotonic()
        return now if now >= self._open_until else None

    def end(self, began: float) -> None:
        """Judge what has begun then, and is over now."""
        now = time.monotonic()
        if now - began > WAIT_SECONDS_MAX:
            soon = began - self._open_until < self._open_seconds
            waited = max(now - began, self._open_seconds if soon else 0.0)
            self._open_seconds = min(OPEN_FACTOR * waited, OPEN_SECONDS_MAX)
            self._open_until = now + self._open_seconds
