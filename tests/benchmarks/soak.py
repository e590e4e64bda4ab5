"""Soak: `python -m tests.benchmarks.soak [--minutes 10]` fails if a load makes the process grow without end.

Loads of every kind run one after the other, round and round, on the same coordinator and the same open sessions; after
each turn the memory in use is noted, as the allocators count it: what is resident drifts with the holes between it.
What only warms up grows at the beginning: after that it has to be level.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from itertools import cycle
from pathlib import Path
from statistics import median
from time import monotonic

from coordinator import PI, PLAIN, Coordinator, Durability, Limits, Session

from .contenders.ours import OurJournal
from .memory import resident_bytes, used_bytes
from .pace import Load, append_all, records_per_second
from .records import Feed, feeds

GROWTH_MEGABYTES_MAX = 8.0
"""A byte and a half for each of the records written meanwhile: less than anything that is kept of a record."""
FILE_BYTES_MAX = 2_000_000_000
TURN_SECONDS = 1.0
FLOOD_RECORDS = 20_000
IDLE_SESSIONS = 200
FENCES = 200


class Desk:
    """What all loads share: sessions that stay open from the beginning to the end."""

    def __init__(self, coordinator: Coordinator, directory: Path) -> None:
        self._coordinator = coordinator
        self._directory = directory
        self.records = 0

    async def session(self, name: str) -> Session:
        """Return an open session; its file is made small again when it has become large."""
        path = self._directory / f"{name}.jsonl"
        session = self._coordinator.sessions.get(path) or await self._coordinator.open(path, format=PLAIN)
        if session.revision.length > FILE_BYTES_MAX:
            await session.rewrite(lambda _records: ())
        return session

    @asynccontextmanager
    async def journal(self, name: str, writers: int) -> AsyncIterator[tuple[OurJournal, list[Feed]]]:
        """Give a session and what its writers append, and count it."""
        fed = feeds(writers)
        yield OurJournal(await self.session(name)), fed
        self.records += sum(feed.taken for feed in fed)

    async def open_and_close(self, number: int) -> None:
        """Use a session that nobody else uses, for a moment."""
        path = self._directory / f"short-{number}.jsonl"
        async with await self._coordinator.open(path, format=PI) as session:
            async with session.writer("chat").fence() as fence:
                await fence.append({"type": "message", "text": "a short life"})
            assert len(await session.branch()) == 1
        path.unlink()


async def many_writers(desk: Desk) -> None:
    """W2: 64 writers that wait for every receipt."""
    async with desk.journal("many", 64) as (journal, fed):
        await records_per_second([(journal, fed)], TURN_SECONDS)


async def flood(desk: Desk) -> None:
    """W4: records submitted without waiting."""
    async with desk.journal("flood", 1) as (journal, fed):
        submit = journal.submit(0)
        for record in fed[0].take(FLOOD_RECORDS):
            await submit(record)
        await journal.drain()


async def turns(desk: Desk) -> None:
    """W6: fences beside paced writers, with records that are held meanwhile."""
    async with desk.journal("turns", 8) as (journal, fed):
        session = await desk.session("turns")
        follow_up = session.writer("follow-up", during_fence="hold")
        async with Load(journal, fed, interval_seconds=0.002):
            for _ in range(FENCES):
                async with journal.fence():
                    held = await follow_up.submit({"text": "and then?"})
                await held


async def many_sessions(desk: Desk) -> None:
    """W5: many sessions, most of them parked at any moment."""
    for number in range(IDLE_SESSIONS):
        async with desk.journal(f"idle-{number}", 1) as (journal, fed):
            await append_all(journal.append(0), fed[0], 1)


async def short_lives(desk: Desk) -> None:
    """Sessions that come and go."""
    for number in range(IDLE_SESSIONS // 4):
        await desk.open_and_close(number)


async def readers(desk: Desk) -> None:
    """Followers that come and go, beside a writer."""
    async with desk.journal("followed", 1) as (journal, fed):
        session = await desk.session("followed")
        entries = session.records(session.revision.length, follow=True)
        await append_all(journal.append(0), fed[0], 1)
        for _ in range(1_000):
            assert (await anext(entries)).writer == "writer 0"
            await append_all(journal.append(0), fed[0], 1)
        await entries.aclose()  # type: ignore[attr-defined]


LOADS: tuple[Callable[[Desk], Awaitable[None]], ...] = (
    many_writers, flood, turns, many_sessions, short_lives, readers,
)  # fmt: skip
Samples = list[tuple[float, int]]


async def soak(seconds: float, directory: Path) -> tuple[Mapping[str, Samples], int]:
    """Run all loads in turn for so long; return what was in memory after each, and how many records were written."""
    samples: dict[str, Samples] = {load.__name__: [] for load in LOADS}
    limits = Limits(open_files_max=100, content_check_bytes_max=1 << 20)
    async with Coordinator(durability=Durability.FENCE, limits=limits) as coordinator:
        desk, begun = Desk(coordinator, directory), monotonic()
        for load in _until(begun + seconds):
            await load(desk)
            samples[load.__name__].append((monotonic() - begun, used_bytes()))
            if load is LOADS[-1]:
                _say(samples, desk)
    return samples, desk.records


def _until(end: float) -> Iterator[Callable[[Desk], Awaitable[None]]]:
    for load in cycle(LOADS):
        if load is LOADS[0] and monotonic() > end:
            return
        yield load


def _say(samples: Mapping[str, Samples], desk: Desk) -> None:
    (now, used), rounds = samples[LOADS[-1].__name__][-1], len(samples[LOADS[-1].__name__])
    if rounds % 5 == 1:
        memory = f"{used / 1e6:7.1f} MB used, {resident_bytes() / 1e6:7.1f} MB resident"
        print(f"{now:6.0f} s  round {rounds:4}  {desk.records:>12,} records  {memory}", flush=True)


def growth_megabytes(samples: Samples) -> float:
    """Return by how much the least that was in memory has grown from the second quarter to the last one.

    The least, because what a load needs for a moment depends on how busy the machine is; what leaks never goes away.
    """
    quarter = max(1, len(samples) // 4)
    sizes = [size for _, size in samples]
    return (min(sizes[-quarter:]) - min(sizes[quarter : 2 * quarter] or sizes)) / 1e6


def main() -> int:
    """Run, say what was found, fail if something grew."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    minutes: float = parser.parse_args().minutes
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    try:
        samples, records = asyncio.run(soak(minutes * 60, directory))
    finally:
        shutil.rmtree(directory)
    drifts = {name: growth_megabytes(each) for name, each in samples.items()}
    for name, drift in drifts.items():
        sizes = [size / 1e6 for _, size in samples[name]]
        print(f"{name:14} {len(sizes):4} rounds, {median(sizes):7.1f} MB (at most {max(sizes):.1f}), {drift:+.2f} MB")
    print(f"{records:,} records; the least may grow by {GROWTH_MEGABYTES_MAX} MB after a quarter of the time")
    return int(max(drifts.values()) > GROWTH_MEGABYTES_MAX)


if __name__ == "__main__":
    sys.exit(main())
