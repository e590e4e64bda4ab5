"""A guard against getting slower: what a record costs, in calls, which no noisy machine can change.

Times of a shared machine drift by a factor of two; the number of calls that the interpreter makes for a record does not
drift at all, and nearly everything that made this library slower was another call per record. A bound that is passed is
a reason to look at `make bench`, and to move the bound if what was gained is worth it.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from coordinator import PLAIN, Coordinator, Durability, Limits
from coordinator.testing import Interposer, open_session

RECORD = {"type": "custom", "data": {"text": "x" * 500, "numbers": [1, 2, 3]}}
ROUNDS = 20

Work = Callable[[], Awaitable[object]]


async def calls_of(work: Work) -> int:
    """Count the calls, of Python and of C, that this thread makes meanwhile."""
    count = 0

    def note(_frame: object, event: str, _what: object) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        await work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize(
    ("writers", "calls_max"),
    [
        pytest.param(1, 303, id="one writer"),
        pytest.param(64, 110, id="64 writers"),
        pytest.param(512, 107, id="512 writers"),
    ],
)
async def test_an_awaited_append_costs_few_calls(session_path: Path, writers: int, calls_max: int) -> None:
    """One writer pays for a batch of its own; many share it."""
    async with Coordinator(durability=Durability.NONE) as coordinator:
        session = await coordinator.open(session_path, format=PLAIN)
        appends = [session.writer(f"writer {number}").append for number in range(writers)]

        async def one_round() -> None:
            await asyncio.gather(*(append(RECORD) for append in appends))

        for _ in range(3):
            await one_round()
        calls = await calls_of(lambda: _times(ROUNDS, one_round))
    assert calls / (ROUNDS * writers) <= calls_max


async def test_a_record_of_a_flood_costs_few_calls(session_path: Path) -> None:
    """Nobody waits for its receipt, so there is no task to wake."""
    async with Coordinator(durability=Durability.NONE) as coordinator:
        session = await coordinator.open(session_path, format=PLAIN)
        submit = session.writer("flood").submit
        await submit(RECORD)
        await session.drain()
        calls = await calls_of(lambda: _times(2000, lambda: submit(RECORD)))
    assert calls / 2000 <= 44


async def test_a_fence_that_only_looks_costs_few_calls(session_path: Path) -> None:
    """Above `content_check_bytes_max` a quiet fence is looks, on the event loop."""
    limits = Limits(content_check_bytes_max=0)
    async with Coordinator(durability=Durability.NONE, limits=limits) as coordinator:
        session = await coordinator.open(session_path, format=PLAIN)
        writer = session.writer("chat")

        async def turn() -> None:
            async with writer.fence():
                pass

        await writer.append(RECORD)
        for _ in range(3):
            await turn()
        calls = await calls_of(lambda: _times(ROUNDS, turn))
    assert calls / ROUNDS <= 333


@pytest.mark.parametrize("durability", [Durability.NONE, Durability.ALWAYS])
async def test_a_batch_costs_two_looks_a_write_and_a_position(session_path: Path, durability: Durability) -> None:
    """And a sync where that was asked for: system calls are what a batch waits for."""
    system = Interposer(quick=True)
    async with open_session(session_path, format=PLAIN, interposer=system, durability=durability) as session:
        writer = session.writer("chat")
        await writer.append(RECORD)
        system.calls.clear()
        await writer.append(RECORD)
        sync = ["sync"] if durability is Durability.ALWAYS else []
        assert system.calls == ["lstat", "write", "position", *sync, "lstat"]


async def _times(count: int, work: Work) -> None:
    for _ in range(count):
        await work()
