"""How workloads keep writers busy, and what they take from a row of times."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from itertools import batched
from pathlib import Path
from time import perf_counter
from typing import Any

from .model import Append, Figures, Journal, Outcome
from .records import Feed, feeds

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


async def append_paced(append: Append, feed: Feed, interval_seconds: float) -> None:
    """Append at a steady pace until cancelled."""
    due = perf_counter()
    while True:
        due = max(due + interval_seconds, perf_counter() - interval_seconds)
        await asyncio.sleep(due - perf_counter())
        for record in feed.take(1):
            await append(record)


async def append_gladly(append: Append, feed: Feed) -> None:
    """Append without a pause until cancelled, giving way after each record, as a gateway's handlers do."""
    while True:
        for record in feed.take(1):
            await append(record)
        await asyncio.sleep(0)


async def end(tasks: Sequence[asyncio.Task[Any]], journal: Journal) -> None:
    """Stop the writers; what they had handed over is written all the same."""
    for task in tasks:
        task.cancel()
    for task in tasks:
        with suppress(asyncio.CancelledError):
            await task
    await journal.drain()


def limit_records_per_second(limit: Any, path: Path, writers: int, seconds: float, *, sync: bool) -> Outcome:
    """Write batches of as many records as there are writers, for so long."""
    fed = feeds(writers)
    (fd, count), rows = (limit.open(path), 0), list(zip(*(feed.take(64) for feed in fed), strict=True))
    limit.write(fd, rows[0], sync=sync)
    begun = perf_counter()
    while (elapsed := perf_counter() - begun) < seconds:
        limit.write(fd, rows[(count := count + 1) % len(rows)], sync=sync)
    return Outcome({"records/s": count * writers / elapsed}, {path: fed})


def microseconds(times: Sequence[float], name: str = "") -> Figures:
    """Return the median and the 99th percentile of a row of seconds."""
    ordered = sorted(times)
    rank = min(len(ordered) - 1, int(len(ordered) * 0.99))
    return {f"{name}p50 µs": ordered[len(ordered) // 2] * 1e6, f"{name}p99 µs": ordered[rank] * 1e6}


def in_batches(records: Sequence[Any], size: int) -> list[tuple[Any, ...]]:
    """Cut records into batches."""
    return list(batched(records, size))
