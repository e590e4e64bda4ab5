"""W8: how long until the last records of a large file are there; W8i: until all of its ids are known."""

from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from ..memory import Peak
from ..model import Bench, Contender, Mode, Outcome, Scale, Workload
from ..records import lines

COUNT = 10


class Opening(Workload):
    """Open, and read the tail: first in a process that has opened nothing yet, then as a gateway does all day."""

    unit = "ms"
    more_is_better = False
    modes: Sequence[Mode] = ("FENCE",)
    target = "≤ 5 ms"

    def __init__(self, megabytes: int) -> None:
        self.name = f"W8:{megabytes}"
        self.title = f"open {megabytes} MB, read the last {COUNT} records; limit: read the end; plain: read every line"
        self._megabytes = megabytes

    def is_of(self, scale: Scale) -> bool:
        return self._megabytes in scale.file_megabytes

    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        path = bench.file(self._megabytes)
        before, peak, milliseconds = _state(path), Peak(), list[float]()
        async with contender.tails() as tail:
            for _ in range(2):
                begun = perf_counter()
                found = await tail(path, COUNT)
                milliseconds.append((perf_counter() - begun) * 1e3)
        _check(found)
        assert before == _state(path), "the file was changed by reading it"
        return Outcome({self.unit: milliseconds[1], "first ms": milliseconds[0], "peak MB": peak.megabytes()}, {})

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        path, peak = bench.file(self._megabytes), Peak()
        begun = perf_counter()
        found = limit.tail(path, COUNT)
        milliseconds = (perf_counter() - begun) * 1e3
        _check(found)
        return Outcome({self.unit: milliseconds, "peak MB": peak.megabytes()}, {})


class Indexing(Workload):
    """What `coordinator check` does with a file, beside a bare list of its ids; in processor time, as nothing waits."""

    unit = "GB/s"
    modes: Sequence[Mode] = ("FENCE",)
    target = "≥ 1 GB/s, ≤ 100 MB"

    def __init__(self, megabytes: int) -> None:
        self.name = f"W8i:{megabytes}"
        self.title = f"check all ids of {megabytes} MB; limit: find them; floor: in blocks; plain: json.loads of each"
        self._megabytes = megabytes

    def is_of(self, scale: Scale) -> bool:
        return self._megabytes in scale.file_megabytes

    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        return self.run_limit(contender, bench)

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        path = bench.tree(self._megabytes)
        with path.open("rb") as file:
            records = sum(1 for _ in file) - 1  # it is in memory now, for everybody
        peak, begun = Peak(), process_time()
        found = limit.index(path)
        seconds = process_time() - begun
        assert found == records, f"{found} of {records} ids"
        return Outcome({self.unit: path.stat().st_size / seconds / 1e9, "peak MB": peak.megabytes()}, {})


def _state(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _check(found: Sequence[dict[str, Any]]) -> None:
    numbers = [record["number"] for record in found]
    assert numbers == list(range(len(lines()) - COUNT, len(lines()))), f"these are not the last records: {numbers}"


WORKLOADS = [Opening(20), Opening(100), Opening(1_000), Indexing(20), Indexing(100), Indexing(1_000)]
"""One file per family of workloads; a new one needs `WORKLOADS` and nothing else."""
