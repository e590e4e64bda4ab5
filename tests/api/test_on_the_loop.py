"""Small batches are written on the event loop: when, when not, and what a slow disk changes."""

import asyncio
import threading
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest

from coordinator import PLAIN, Coordinator, Durability, Limits
from coordinator._breaker import Breaker
from coordinator._driver import AT_ONCE_MAX
from coordinator.testing import Interposer, open_session

LOOKS_OF_A_CHECK = 2
"""At the lock, and at the file."""


class Where(Interposer):
    """Notes the thread of every write."""

    def __init__(self) -> None:
        super().__init__(quick=True)
        self.threads: list[str] = []

    def write(self, fd: int, data: bytes) -> int:
        """Write, and note where."""
        self.threads.append("loop" if threading.current_thread() is threading.main_thread() else "thread")
        return self._system.write(fd, data)


@pytest.mark.parametrize(
    ("durability", "size", "where"),
    [
        (Durability.NONE, 10, "loop"),
        (Durability.FENCE, 10, "loop"),
        (Durability.FENCE, 300_000, "thread"),
        (Durability.ALWAYS, 10, "thread"),
    ],
)
async def test_only_what_waits_for_no_disk_is_written_on_the_loop(
    session_path: Path, durability: Durability, size: int, where: str
) -> None:
    """A large batch, and one that has to be synced, would keep everybody waiting."""
    system = Where()
    async with open_session(session_path, format=PLAIN, interposer=system, durability=durability) as session:
        writer = session.writer("chat")
        await writer.append({"makes": "the file"})
        await writer.append({"text": "x" * size})
    assert system.threads == ["thread", where]


async def test_a_slow_write_sends_the_next_ones_to_a_thread(session_path: Path, monkeypatch) -> None:
    """The loop is kept waiting once, not for as long as the disk is slow."""
    system = Where()
    async with open_session(session_path, format=PLAIN, interposer=system, durability=Durability.NONE) as session:
        writer = session.writer("chat")
        for number in range(2):
            await writer.append({"number": number})
        monkeypatch.setattr("coordinator._breaker.WAIT_SECONDS_MAX", 0.0)
        monkeypatch.setattr("coordinator._breaker.OPEN_FACTOR", 1e9)
        for number in range(3):
            await writer.append({"number": number})
        monkeypatch.setattr("coordinator._breaker.OPEN_SECONDS_MAX", 0.0)
    assert system.threads == ["thread", "loop", "loop", "thread", "thread"]


async def test_a_writer_that_never_waits_lets_others_run(session_path: Path) -> None:
    """A record that is in the file at once costs no turn of the loop, so turns are taken all the same now and then."""
    async with Coordinator(durability=Durability.NONE) as coordinator:
        writer = (await coordinator.open(session_path)).writer("chat")
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count_turns())
        for number in range(320):
            await writer.append({"number": number})
        counting.cancel()
        assert turns >= 9


async def test_many_tasks_that_never_wait_let_others_run(session_path: Path) -> None:
    """What may be done before the loop turns is shared by all tasks: five of them do not have five times as much."""
    system = Interposer(quick=True)
    limits, durability = Limits(content_check_bytes_max=0), Durability.NONE
    async with open_session(
        session_path, format=PLAIN, interposer=system, limits=limits, durability=durability
    ) as session:
        await session.writer("chat").append({"makes": "the file"})
        looks = [0]

        async def check() -> None:
            async with session.writer("chat").fence(shared=True) as fence:
                while len(looks) < 200:
                    await fence.check()

        checking = [asyncio.create_task(check()) for _ in range(5)]
        while len(looks) < 200:
            await asyncio.sleep(0)
            looks.append(system.calls.count("lstat"))
        await asyncio.gather(*checking)
    assert max(after - before for before, after in pairwise(looks)) <= LOOKS_OF_A_CHECK * AT_ONCE_MAX * 1.5


async def test_records_of_one_turn_share_a_write_also_on_the_loop(session_path: Path) -> None:
    """After a batch of several nobody writes alone: 50 writers that go on together cost one write a round."""
    system = Where()
    async with open_session(session_path, format=PLAIN, interposer=system, limits=Limits()) as session:
        writers = [session.writer(f"writer {number}") for number in range(50)]
        await writers[0].append({"makes": "the file"})
        await asyncio.gather(*(writer.append({"round": 1}) for writer in writers))

        async def go_on(number: int) -> None:
            for turn in range(10):
                await writers[number].append({"number": number, "turn": turn})

        await asyncio.gather(*map(go_on, range(50)))
    assert len(system.threads) == 2 + 10


async def test_what_an_observer_appends_while_it_is_told_of_a_write_is_written_too(session_path: Path) -> None:
    """It is called in the middle of the very code that it calls again."""
    written: list[str] = []

    def observe(event: object) -> None:
        if type(event).__name__ == "RecordsWritten" and len(written) < 3:
            written.append("again")
            echo.append_nowait({"echo": len(written)})

    async with Coordinator(observers=[observe], durability=Durability.NONE) as coordinator:
        session = await coordinator.open(session_path)
        echo = session.writer("echo")
        for number in range(3):
            await session.writer("chat").append({"number": number})
        await session.drain()
    assert session_path.read_bytes().count(b"\n") == 6


def test_threads_are_used_for_twice_as_long_as_the_loop_has_waited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that lost its turn for a moment looks like a slow disk; one that is slow again and again is one."""
    now = 100.0
    monkeypatch.setattr("coordinator._breaker.time", SimpleNamespace(monotonic=lambda: now))
    breaker = Breaker()
    open_for: list[float] = []
    for _ in range(3):
        began = breaker.begin()
        assert began is not None
        now += 0.1
        breaker.end(began)
        slow_until = now
        while breaker.begin() is None:
            now += 0.01
        open_for.append(round(now - slow_until, 1))
    assert open_for == [0.2, 0.4, 0.8]
