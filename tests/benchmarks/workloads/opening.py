"""W8: how long until the last records of a large file are there."""

from collections.abc import Sequence
from time import perf_counter
from typing import Any

from ..memory import Peak
from ..model import Bench, Contender, Mode, Outcome, Scale, Workload
from ..records import lines

COUNT = 10


class Opening(Workload):
    """Open, and read the tail."""

    unit = "ms"
    more_is_better = False
    modes: Sequence[Mode] = ("FENCE",)
    target = "≤ 5 ms"

    def __init__(self, megabytes: int) -> None:
        self.name = f"W8:{megabytes}"
        self.title = f"open {megabytes} MB, read the last {COUNT} records; limit: read the end; plain: parse every line"
        self._megabytes = megabytes

    def is_of(self, scale: Scale) -> bool:
        return self._megabytes in scale.file_megabytes

    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        path = bench.file(self._megabytes)
        before, peak, begun = path.stat(), Peak(), perf_counter()
        found = await contender.tail(path, COUNT)
        milliseconds = (perf_counter() - begun) * 1e3
        _check(found, (before.st_size, before.st_mtime_ns) == (path.stat().st_size, path.stat().st_mtime_ns))
        return Outcome({self.unit: milliseconds, "peak MB": peak.megabytes()}, {})

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        path, peak = bench.file(self._megabytes), Peak()
        begun = perf_counter()
        found = limit.tail(path, COUNT)
        milliseconds = (perf_counter() - begun) * 1e3
        _check(found, True)
        return Outcome({self.unit: milliseconds, "peak MB": peak.megabytes()}, {})


def _check(found: Sequence[dict[str, Any]], is_untouched: bool) -> None:
    numbers = [record["number"] for record in found]
    assert numbers == list(range(len(lines()) - COUNT, len(lines()))), f"these are not the last records: {numbers}"
    assert is_untouched, "the file was changed by reading it"


WORKLOADS = [Opening(20), Opening(100), Opening(1_000)]
