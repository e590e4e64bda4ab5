"""W5: many sessions with two writers each, on one loop; and what an idle one weighs."""

import asyncio
from collections.abc import Sequence
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
        count = bench.scale.sessions
        fed = [feeds(WRITERS, offset=number * RECORDS, length=RECORDS) for number in range(count)]
        paths = [bench.directory / f"session-{number}.jsonl" for number in range(count)]
        async with contender.opened(bench) as open_file:
            before = resident_bytes()
            journals = [await open_file(path) for path in paths]
            idle_bytes = (resident_bytes() - before) / count
            files = list(zip(journals, fed, strict=True))
            await asyncio.gather(*(append_all(journal.append(0), feed[0], 1) for journal, feed in files))
            rate = await records_per_second(files, bench.scale.seconds)
            await asyncio.gather(*(journal.close() for journal in journals))
        return Outcome({self.unit: rate, "idle KB": idle_bytes / 1e3}, dict(zip(paths, fed, strict=True)))

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        count, sync = bench.scale.sessions, bench.mode == "ALWAYS"
        files = {
            bench.directory / f"session-{number}.jsonl": feeds(WRITERS, offset=number * RECORDS, length=RECORDS)
            for number in range(count)
        }
        opened = [
            (limit.open(path), list(zip(*(feed.all() for feed in fed), strict=True))) for path, fed in files.items()
        ]
        rounds, begun = 0, perf_counter()
        while (elapsed := perf_counter() - begun) < bench.scale.seconds or not rounds:
            for fd, rows in opened:
                limit.write(fd, rows[rounds % RECORDS], sync=sync)
            rounds += 1
        _count(files.values(), rounds)
        return Outcome({self.unit: rounds * count * WRITERS / elapsed, "idle KB": 0.0}, files)


def _count(files: Any, rounds: int) -> None:
    feed: Feed
    for feed in (feed for fed in files for feed in fed):
        feed.taken = rounds


WORKLOADS = [Sessions("W5", "≥ 0.50, ≤ 4 KB", ("NONE", "FENCE")), Sessions("W5d", "≥ 0.80", ("ALWAYS",))]
