"""W6: what a turn pays for its fence: entering and leaving, with an empty body."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Any

from ..model import Bench, Contender, Journal, Mode, Outcome, Workload
from ..pace import Load, append_all, microseconds
from ..records import Feed, feeds, lines

WRITERS = 8
RECORDS_PER_SECOND = 4_000


class Fences(Workload):
    """One fence after the other."""

    unit = "p99 µs"
    more_is_better = False

    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        fed, times = feeds(WRITERS), list[float]()
        self.prepare(bench, fed)
        async with contender.opened(bench) as open_file:
            journal = await open_file(bench.path)
            async with self.load(journal, fed):
                for _ in range(self.count(bench)):
                    times.append(await self.turn(journal, fed))
                    await asyncio.sleep(0.001)
            await journal.close()
        return Outcome(microseconds(times), {bench.path: fed})

    def count(self, bench: Bench) -> int:
        """How many fences."""
        return bench.scale.fences

    def prepare(self, bench: Bench, fed: Sequence[Feed]) -> None:
        """Make the file."""

    @asynccontextmanager
    async def load(self, journal: Journal, fed: Sequence[Feed]) -> AsyncIterator[None]:
        """Write beside the fences."""
        await append_all(journal.append(0), fed[0], 1)
        yield

    async def turn(self, journal: Journal, fed: Sequence[Feed]) -> float:
        """Measure one fence."""
        begun = perf_counter()
        async with journal.fence():
            pass
        return perf_counter() - begun

    def _limit(self, bench: Bench, step: Callable[[], object], fed: Sequence[Feed]) -> Outcome:
        times = list[float]()
        for _ in range(self.count(bench)):
            begun = perf_counter()
            step()
            times.append(perf_counter() - begun)
        return Outcome(microseconds(times), {bench.path: fed})


class BesideWriters(Fences):
    """W6: metadata only, beside paced writers."""

    name = "W6"
    title = f"fence beside {WRITERS} writers of {RECORDS_PER_SECOND:,} records/s together, metadata only"
    modes: Sequence[Mode] = ("NONE",)
    content_check_bytes_max = 0
    baseline = "plain"
    has_limit = False
    target = "p99 ≤ 150 µs"

    def load(self, journal: Journal, fed: Sequence[Feed]) -> Any:
        return Load(journal, fed, interval_seconds=WRITERS / RECORDS_PER_SECOND)


class WithContent(Fences):
    """W6c: the whole content is read and compared, at entering and at leaving."""

    modes: Sequence[Mode] = ("NONE",)
    unit = "p50 µs"
    target = "≤ 1.3"

    def __init__(self, megabytes: int) -> None:
        self.name = f"W6c:{megabytes}"
        self.title = f"fence that reads {megabytes} MB twice; limit: reading and digesting them twice"
        self._bytes = megabytes * 1_000_000

    def count(self, bench: Bench) -> int:
        return max(5, bench.scale.fences * 200_000 // self._bytes)

    def prepare(self, bench: Bench, fed: Sequence[Feed]) -> None:
        size, rounds = 0, 0
        with bench.path.open("wb") as file:
            while size < self._bytes:
                rounds += 1
                size += sum(file.write(lines()[feed.numbers[(rounds - 1) % len(feed.numbers)]]) for feed in fed)
        for feed in fed:
            feed.taken = rounds

    @asynccontextmanager
    async def load(self, journal: Journal, fed: Sequence[Feed]) -> AsyncIterator[None]:
        yield

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        fed = feeds(WRITERS)
        self.prepare(bench, fed)
        return self._limit(bench, lambda: (limit.compare(bench.path), limit.compare(bench.path)), fed)


class Durable(Fences):
    """W6d: entering syncs what was written before."""

    name = "W6d"
    title = "append, then a fence that syncs it; limit: one write and fdatasync"
    modes: Sequence[Mode] = ("FENCE",)
    content_check_bytes_max = 0
    unit = "p50 µs"
    target = "≤ 1.3"

    async def turn(self, journal: Journal, fed: Sequence[Feed]) -> float:
        begun = perf_counter()
        await append_all(journal.append(0), fed[0], 1)
        async with journal.fence():
            pass
        return perf_counter() - begun

    def run_limit(self, limit: Any, bench: Bench) -> Outcome:
        fed = feeds(WRITERS)
        fd = limit.open(bench.path)
        return self._limit(bench, lambda: limit.write(fd, fed[0].take(1), sync=True), fed)


WORKLOADS = [BesideWriters(), WithContent(1), WithContent(16), Durable()]
