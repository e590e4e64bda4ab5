"""Time that passes only when a test says so."""

from __future__ import annotations

import asyncio
import sys
import time
from types import ModuleType, TracebackType
from typing import Any, Self, final

START = 1_700_000_000.0
"""Some time in November 2023, in seconds since the epoch."""


@final
class ManualClock:
    """The clock of the running event loop and of the library, moved by `advance`.

    Use it around everything that shall live by it, in the loop that it drives: `with ManualClock() as clock:`, then
    the coordinator. Sleeps, time-outs and timers of the loop end when their time has come, records are stamped with
    this time. What stores do in their threads is real, so `await` them as always. Not for uvloop, whose clock is fixed.
    """

    def __init__(self, start: float = START) -> None:
        self._start = start
        self._passed = 0.0
        self._began = 0.0
        self._loop: Any = None
        self._modules: list[ModuleType] = []

    def advance(self, seconds: float) -> None:
        """Let time pass; all timers that are due by then run once, in their order, at the next await.

        What sleeps again and again sleeps once in it: advance in steps, and await in between.
        """
        if seconds < 0:
            raise ValueError(f"time does not go back: {seconds}")
        self._passed += seconds

    def time(self) -> float:
        """Return seconds since the epoch."""
        return self._start + self._passed

    def time_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        return round(self.time() * 1_000) * 1_000_000

    def monotonic(self) -> float:
        """Return the time of the loop."""
        return self._began + self._passed

    def perf_counter(self) -> float:
        """Return the time of the loop, for durations."""
        return self.monotonic()

    def __enter__(self) -> Self:
        loop: Any = asyncio.get_running_loop()
        began = loop.time()
        loop.time = self.monotonic
        self._loop, self._began = loop, began
        self._modules = [module for module in _clients() if vars(module).get("time") is time]
        self._replace(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._replace(time)
        del self._loop.time

    def _replace(self, clock: object) -> None:
        for module in self._modules:
            vars(module)["time"] = clock


def _clients() -> list[ModuleType]:
    """Return the modules of the library that ask for the time; stores bound their searches by real time."""
    others = ("coordinator._store", "coordinator._cli", "coordinator._demo", "coordinator.testing")
    return [
        module
        for name, module in list(sys.modules.items())
        if name.startswith("coordinator.") and not name.startswith(others)
    ]
