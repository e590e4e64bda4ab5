"""W5: many sessions with two writers each, on one loop; and what an idle one weighs."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from ..memory import resident_bytes
from ..model import Bench, Contender, Mode, Outcome, Workload
from ..pace import append_all, records_per_second
from ..records import Feed, feeds

WRITERS = 2
RECORDS = 64


class Sessions(Workload):
    """Every file has its own records, so that together they are the whole mix."""

    unit = "records/s"

    def __init__(self, name: str, target: str, modes: Sequence[Mode]) -> None:
        self.name, self.target, self.modes = name, target, modes
        self.title = "1,000 sessions of two writers" + (", durable" if name.endswith("d") else "")

    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        paths, fed = _files(bench)
        async with contender.opened(bench) as open_file:
            before = resident_bytes()
            journals = [await open_file(path) for path in paths]
            idle_bytes = (resident_bytes() - before) / len(paths)
            files = list(zip(journals, fed, strict=True))
            await asyncio.gather(*(append_all(journal.append(0), feed[0], 1) for journal, feed in files))
            rate = await records_per_second(files, bench.scale.seconds)
            await asyncio.gather(*(journal.close() for journal in journals))
        return Outcome({self.unit: rate, "idle KB": idle_bytes / 1e3}, dict(zip(paths, fed, strict=True)))

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        count, sync = bench.scale.sessions, bench.mode == "ALWAYS"
        paths, fed = _files(bench)
        rows = [list(zip(*(feed.all() for feed in each), strict=True)) for each in fed]
        opened = list(zip(map(limit.open, paths), rows, strict=True))
        rounds, begun = 0, perf_counter()
        while (elapsed := perf_counter() - begun) < bench.scale.seconds or not rounds:
            for fd, batches in opened:
                limit.write(fd, batches[rounds % RECORDS], sync=sync)
            rounds += 1
        for feed in (feed for each in fed for feed in each):
            feed.taken = rounds
        return Outcome({self.unit: rounds * count * WRITERS / elapsed}, dict(zip(paths, fed, strict=True)))


def _files(bench: Bench) -> tuple[list[Path], list[list[Feed]]]:
    numbers = range(bench.scale.sessions)
    fed = [feeds(WRITERS, offset=number * RECORDS, length=RECORDS) for number in numbers]
    return [bench.directory / f"session-{number}.jsonl" for number in numbers], fed


WORKLOADS = [Sessions("W5", "≥ 0.50, ≤ 4 KB", ("NONE", "FENCE")), Sessions("W5d", "≥ 0.80", ("ALWAYS",))]
