"""W1, W2, W3: writers on one file, each append awaited; W3 durable before it is acknowledged."""

from collections.abc import Sequence
from itertools import cycle
from time import perf_counter
from typing import Any

from ..model import Bench, Contender, Mode, Outcome, Workload
from ..pace import records_per_second
from ..records import feeds


class Appends(Workload):
    """So many writers, one file."""

    unit = "records/s"

    def __init__(self, name: str, writers: int, target: str, *, modes: Sequence[Mode] = ("NONE", "FENCE")) -> None:
        self.name, self.target, self.modes = name, target, modes
        self.title = f"{writers} writers, each append awaited" if writers > 1 else "one writer, each append awaited"
        self._writers = writers

    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        fed = feeds(self._writers)
        async with contender.opened(bench) as open_file:
            journal = await open_file(bench.path)
            rate = await records_per_second([(journal, fed)], bench.scale.seconds)
            await journal.close()
        return Outcome({self.unit: rate}, {bench.path: fed})

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        fed, count, sync = feeds(self._writers), 0, bench.mode == "ALWAYS"
        batches = cycle(zip(*(feed.all() for feed in fed), strict=True))
        fd, begun = limit.open(bench.path), perf_counter()
        while (elapsed := perf_counter() - begun) < bench.scale.seconds:
            limit.write(fd, next(batches), sync=sync)
            count += 1
        for feed in fed:
            feed.taken = count
        return Outcome({self.unit: count * self._writers / elapsed}, {bench.path: fed})


WORKLOADS = [
    Appends("W1", 1, "≥ 0.40"),
    Appends("W2:64", 64, "≥ 0.40 (uvloop 0.50)"),
    Appends("W2:512", 512, "≥ 0.40"),
    Appends("W3:8", 8, "≥ 0.80", modes=("ALWAYS",)),
    Appends("W3:64", 64, "≥ 0.70", modes=("ALWAYS",)),
    Appends("W3:512", 512, "≥ 0.60", modes=("ALWAYS",)),
]
