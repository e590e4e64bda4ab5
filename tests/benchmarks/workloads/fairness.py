"""W9: how long the appends of a paced writer take beside a flood of another one, in the same file."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter

from ..model import Append, Bench, Contender, Journal, Mode, Outcome, Workload
from ..pace import microseconds
from ..records import Feed, feeds

INTERVAL_SECONDS = 0.005
BACKLOG = 512


class BesideFlood(Workload):
    """The paced writer is the turn that a person waits for; what was accepted before it is in front of it."""

    unit = "p99 µs"
    more_is_better = False
    modes: Sequence[Mode] = ("NONE", "FENCE")
    baseline = "aiofiles"
    has_limit = False

    def __init__(self, name: str, title: str, flood: Callable[[Journal, Feed], Awaitable[None]]) -> None:
        self.name, self._flood = name, flood
        self.title = f"append of a paced writer (200 records/s) beside a flood of another one, {title}"

    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        fed, seconds = feeds(2), bench.scale.seconds * 4
        async with contender.opened(bench) as open_file:
            journal = await open_file(bench.path)
            flood = asyncio.create_task(self._run_flood(journal, fed[1], perf_counter() + seconds))
            times = await _paced(journal.append(0), fed[0], perf_counter() + seconds)
            await flood
            await journal.drain()
            await journal.close()
        return Outcome({**microseconds(times), "flood records/s": fed[1].taken / seconds}, {bench.path: fed})

    async def _run_flood(self, journal: Journal, feed: Feed, end: float) -> None:
        while perf_counter() < end:
            await self._flood(journal, feed)
            await asyncio.sleep(0)  # who never waits leaves the loop to nobody


async def _backlog(journal: Journal, feed: Feed) -> None:
    """The same backlog for everybody: so many appends at once, all awaited."""
    append = journal.append(1)
    await asyncio.gather(*(append(record) for record in feed.take(BACKLOG)))


async def _submitted(journal: Journal, feed: Feed) -> None:
    """As in W4: whoever has a queue fills it up to its bounds."""
    submit = journal.submit(1)
    for record in feed.take(BACKLOG):
        await submit(record)


async def _paced(append: Append, feed: Feed, end: float) -> list[float]:
    times = list[float]()
    while (due := perf_counter() + INTERVAL_SECONDS) < end:
        begun = perf_counter()
        await append(feed.take(1)[0])
        times.append(perf_counter() - begun)
        await asyncio.sleep(due - perf_counter())
    return times


WORKLOADS = [
    BesideFlood("W9", f"{BACKLOG} appends at once", _backlog),
    BesideFlood("W9s", "submitted up to the bounds of its queue", _submitted),
]
