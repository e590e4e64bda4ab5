"""How workloads keep writers busy, and what they take from a row of times."""

import asyncio
from collections.abc import Sequence
from time import perf_counter

from .model import Append, Figures, Journal
from .records import Feed

PROBE_SECONDS = 0.04


async def append_all(append: Append, feed: Feed, count: int) -> None:
    """Append so many records, each awaited."""
    for record in feed.take(count):
        await append(record)


async def records_per_second(journals: Sequence[tuple[Journal, Sequence[Feed]]], seconds: float) -> float:
    """Let every writer append for about so long, each append awaited; a short probe decides how many records."""
    writers = [(journal.append(number), feed) for journal, fed in journals for number, feed in enumerate(fed)]
    begun, rounds = perf_counter(), 0
    while (elapsed := perf_counter() - begun) < PROBE_SECONDS or not rounds:
        await asyncio.gather(*(append_all(append, feed, 1) for append, feed in writers))
        rounds += 1
    count = max(1, round(rounds * seconds / elapsed))
    begun = perf_counter()
    await asyncio.gather(*(append_all(append, feed, count) for append, feed in writers))
    return count * len(writers) / (perf_counter() - begun)


class Load:
    """Writers that keep one file busy while something else is measured; the way out ends them."""

    def __init__(self, journal: Journal, fed: Sequence[Feed], *, interval_seconds: float | None = None) -> None:
        self._journal, self._fed, self._interval_seconds = journal, fed, interval_seconds
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> None:
        for number, feed in enumerate(self._fed):
            await append_all(self._journal.append(number), feed, 1)
            self._tasks.append(asyncio.create_task(self._write(self._journal.append(number), feed)))

    async def _write(self, append: Append, feed: Feed) -> None:
        due = perf_counter()
        while not self._over:
            await append(feed.take(1)[0])
            if self._interval_seconds is None:
                await asyncio.sleep(0)  # a gateway's handlers give way too
            else:
                due = max(due + self._interval_seconds, perf_counter() - self._interval_seconds)
                await asyncio.sleep(due - perf_counter())

    async def __aexit__(self, *raised: object) -> None:
        self._over = True
        await asyncio.gather(*self._tasks)
        await self._journal.drain()


def microseconds(times: Sequence[float]) -> Figures:
    """Return the 99th percentile and the median of a row of seconds."""
    ordered = sorted(times)
    rank = min(len(ordered) - 1, int(len(ordered) * 0.99))
    return {"p99 µs": ordered[rank] * 1e6, "p50 µs": ordered[len(ordered) // 2] * 1e6}
