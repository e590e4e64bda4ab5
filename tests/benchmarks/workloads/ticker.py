"""W7: how late a millisecond ticker is while writers are at work: what everybody else on the loop feels."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from typing import Any

from ..model import Bench, Contender, Mode, Outcome, Workload
from ..pace import Load, microseconds
from ..records import feeds

TICK_SECONDS = 0.001


async def lateness(seconds: float) -> list[float]:
    """Tick for so long and return how late each tick was."""
    late, now = list[float](), perf_counter()
    end = now + seconds
    while now < end:
        due = now + TICK_SECONDS
        await asyncio.sleep(TICK_SECONDS)
        now = perf_counter()
        late.append(max(0.0, now - due))
    return late


class Ticker(Workload):
    """The load has a name; the limit is an idle loop."""

    unit = "p99 µs"
    more_is_better = False
    baseline = "plain"

    def __init__(
        self, name: str, title: str, target: str, *, writers: int, mode: Mode, records_per_second: int | None = None
    ) -> None:
        self.name, self.title, self.target = name, f"ticker beside {title}; limit: an idle loop", target
        self.modes: Sequence[Mode] = (mode,)
        self._writers = writers
        self._interval_seconds = None if records_per_second is None else writers / records_per_second

    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        fed = feeds(self._writers)
        async with contender.opened(bench) as open_file:
            journal = await open_file(bench.path)
            async with Load(journal, fed, interval_seconds=self._interval_seconds):
                late = await lateness(bench.scale.seconds * 2)
            await journal.close()
        return Outcome(microseconds(late), {bench.path: fed})

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        del limit
        return Outcome(microseconds(asyncio.run(lateness(bench.scale.seconds * 2))), {})


WORKLOADS = [
    Ticker("W7:W2", "W2:64", "", writers=64, mode="NONE"),
    Ticker("W7:W3", "W3:64", "≤ 0.05", writers=64, mode="ALWAYS"),
    Ticker("W7:paced", "8 writers of 4,000 records/s", "≤ 1.25", writers=8, mode="NONE", records_per_second=4_000),
]
