"""What a gateway that runs for months meets: followers, thousands of sessions, files of any size.

The short forms run with every `make test`; `make world` runs the long ones (`SCALE=1`).
"""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import statistics
import time
import tracemalloc
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from coordinator import (
    PLAIN,
    Coordinator,
    Durability,
    Limits,
    PositionLostError,
    Record,
    Session,
    SessionState,
    WriteFailedError,
)
from coordinator._parking import ParkingLot
from coordinator.testing import Interposer

SCALE = float(os.environ.get("SCALE", "0.05"))
MIB = 1024 * 1024


def keep_all(records: Iterator[Record]) -> Iterable[Record]:
    """Rewrite a file to what it is."""
    return records


async def follow(session: Session, seen: list[list[int]]) -> None:
    """Follow from the first record of each generation, as a plugin does that begins again after a rewrite."""
    while True:
        seen.append([])
        try:
            async for entry in session.records(follow=True):
                seen[-1].append(entry.record["n"])
        except PositionLostError:
            continue
        return


@pytest.mark.slow
async def test_a_follower_sees_every_record_once_in_each_generation(session_path: Path) -> None:
    """It starts at 0, beside appends at full speed and three rewrites, and begins again after each of them."""
    count, seen = int(50_000 * SCALE), list[list[int]]()
    async with Coordinator(durability=Durability.NONE) as coordinator:
        session = await coordinator.open(session_path)
        writer = session.writer("writer")
        following = asyncio.create_task(follow(session, seen))
        for number in range(count):
            await writer.submit({"n": number})
            if number % (count // 4) == count // 5:
                await session.rewrite(keep_all)
        await session.drain()
    await asyncio.wait_for(following, 60)
    assert seen[-1] == list(range(count))
    for generation in seen:
        assert generation == list(range(len(generation))), "a gap or a double"


@pytest.mark.slow
async def test_thousands_of_idle_sessions_hold_few_descriptors(
    tmp_path: Path, record_property: pytest.RecordProperty
) -> None:
    """One record each, then idle: descriptors stay within `open_files_max`, and closing is orderly."""
    count, open_files_max = int(5_000 * SCALE), 100
    before = len(os.listdir("/proc/self/fd"))
    tracemalloc.start()
    async with Coordinator(limits=Limits(open_files_max=open_files_max, sync_idle_seconds=0.01)) as coordinator:
        sessions = [await coordinator.open(tmp_path / f"{number}.jsonl") for number in range(count)]
        for session in sessions:
            await session.writer("writer").append({"n": 1})
        async with asyncio.timeout(60):
            while sum(session.state is not SessionState.PARKED for session in sessions) > open_files_max // 2:
                await coordinator.drain()
        assert len(os.listdir("/proc/self/fd")) - before <= open_files_max + 16, "threads and the loop have a few"
        gc.collect()
        record_property("bytes_per_idle_session", tracemalloc.get_traced_memory()[0] // count)
        tracemalloc.stop()
    assert all(session.state is SessionState.CLOSED for session in sessions)


def large_file(path: Path, size: int) -> None:
    """Write a file of plain records of about this size."""
    line = b'{"text":"' + b"z" * 4000 + b'"}\n'
    with path.open("wb") as file:
        for _ in range(size // (len(line) * 256)):
            file.write(line * 256)


async def first_append(path: Path) -> float:
    """Open a file and return after how many seconds the first append is acknowledged."""
    async with Coordinator() as coordinator:
        started = time.perf_counter()
        session = await coordinator.open(path, format=PLAIN)
        await session.writer("chat").append({"text": "first"})
        return time.perf_counter() - started


@pytest.mark.slow
async def test_the_first_append_to_a_file_of_any_size_is_quick_and_a_fence_reads_it_in_bounded_memory(
    session_path: Path, record_property: pytest.RecordProperty
) -> None:
    """Only the end is read at opening; the digest of the rest is taken in blocks when a fence first needs it."""
    large_file(session_path, int(1024 * MIB * SCALE))
    seconds = statistics.median([await first_append(session_path) for _ in range(5)])
    record_property("first_append_ms", round(seconds * 1000, 1))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with Coordinator(limits=Limits(content_check_bytes_max=MIB)) as coordinator:
        session = await coordinator.open(session_path)
        chat = session.writer("chat")
        await chat.append({"text": "question"})
        async with chat.fence() as fence:
            await fence.append({"text": "reply"})
    growth_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
    record_property("growth_mib", growth_kib // 1024)
    assert growth_kib <= 64 * 1024


async def test_writers_that_were_closed_are_forgotten(session_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may name one for each request; those in use stay, and so do the counts of the last ones."""
    monkeypatch.setattr("coordinator._authors.NAMES_MAX", 2000)
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path)
        steady = session.writer("steady")
        for number in range(5000):
            writer = session.writer(f"request {number}")
            await writer.append({"n": number})
            writer.close()
        assert len(session.statistics().writers) <= 1024
        assert session.writer("steady") is steady
        assert session.statistics().writers["request 4999"].written_records == 1
        assert len(coordinator._names) <= 2000
        writers = [entry.writer async for entry in session.records()]
        assert writers[:2] == ["request 0", "request 1"]
        assert writers[-1] is None


async def test_sessions_that_cannot_be_parked_do_not_keep_others_from_it(tmp_path: Path) -> None:
    """Those that somebody follows stay open; they must not be all that is ever looked at."""
    async with Coordinator(durability=Durability.NONE, limits=Limits(open_files_max=20)) as coordinator:
        sessions = [await coordinator.open(tmp_path / f"{number}.jsonl") for number in range(100)]
        following = [asyncio.ensure_future(anext(session.records(follow=True), None)) for session in sessions[:70]]
        await asyncio.sleep(0)
        for _ in range(5):
            for session in sessions[70:]:
                await session.writer("w").append({})
            await coordinator.drain()
        assert sum(session.state is SessionState.PARKED for session in sessions[70:]) >= 20
    await asyncio.wait_for(asyncio.gather(*following), 20)


async def test_sessions_in_trouble_that_cannot_be_parked_cost_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They ask for a sync that is never made: not again and again."""
    looks = list[int]()
    park = ParkingLot._park_some
    monkeypatch.setattr(ParkingLot, "_park_some", lambda lot, excess: (looks.append(excess), park(lot, excess)))

    def refuse() -> None:
        raise OSError(errno.EIO, "broken")

    coordinator, interposer = Coordinator(limits=Limits(open_files_max=2)), Interposer()
    coordinator._system = interposer  # type: ignore[assignment]
    await coordinator.start()
    for name in ("a.jsonl", "b.jsonl"):
        session = await coordinator.open(tmp_path / name)
        await session.writer("w").append({})
        interposer.before("sync", refuse)
        with pytest.raises(WriteFailedError):
            await session.sync()
    looks.clear()
    for _ in range(1000):
        await asyncio.sleep(0)
    assert len(looks) < 10
    with pytest.raises(WriteFailedError):
        await coordinator.aclose()
