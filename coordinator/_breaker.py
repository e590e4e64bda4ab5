"""When to stop writing on the event loop: a disk that once kept it waiting gets threads for a while."""

from __future__ import annotations

import time

WAIT_SECONDS_MAX = 0.005
OPEN_SECONDS = 1.0


class Breaker:
    """Use it around what should return at once; after it did not, `closed` is false for a second.

    One for all sessions of a coordinator: the disk that is slow is most often theirs together.
    """

    __slots__ = ("_began", "_open_until")

    def __init__(self) -> None:
        self._began = 0.0
        self._open_until = 0.0

    @property
    def closed(self) -> bool:
        """Whether it may be tried on the event loop now."""
        return time.monotonic() >= self._open_until

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        now = time.monotonic()
        if now - self._began > WAIT_SECONDS_MAX:
            self._open_until = now + OPEN_SECONDS
