"""A reader holds one descriptor while it reads, nothing afterwards, and never keeps anybody from writing."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from io import BufferedReader
from pathlib import Path

import pytest

from coordinator import _reading as reading
from tests.reading.reference import branch, entries, iterate, tail

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks at the descriptors in /proc")


def descriptors_of(path: Path) -> int:
    """Count how often this process has a file open."""
    found = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            found += os.readlink(f"/proc/self/fd/{name}") == str(path)
        except FileNotFoundError:
            continue
    return found


async def until_closed(path: Path) -> None:
    """Wait for what a cancelled reader left to a thread."""
    while descriptors_of(path):  # noqa: ASYNC110 - there is no event: the file is closed in a thread
        await asyncio.sleep(0)


@pytest.fixture
def session(copy_of: Callable[[str], Path]) -> Path:
    """Return a copy of a session of a few blocks."""
    return copy_of("long-2000").resolve()


async def test_a_file_is_closed_at_the_end(session: Path) -> None:
    """Whichever way it was read."""
    await entries(session)
    await tail(session, 5)
    await branch(session, "nowhere")
    assert descriptors_of(session) == 0


async def test_a_reader_that_stops_early_closes_the_file(session: Path) -> None:
    """Leaving the loop is enough, if the generator is closed."""
    async with aclosing(iterate(session)) as found:
        async for _ in found:
            assert descriptors_of(session) == 1
            break
    assert descriptors_of(session) == 0


async def test_a_reader_that_is_forgotten_closes_the_file(session: Path) -> None:
    """The loop closes a generator that nobody refers to any more."""
    found = iterate(session)
    await anext(found)
    del found
    await until_closed(session)


async def test_a_reader_that_fails_closes_the_file(session: Path) -> None:
    """Also when the file turns out to be another one."""
    found = iterate(session)
    await anext(found)
    os.truncate(session, 300_000)
    with pytest.raises(reading.PositionLostError):
        async for _ in found:
            continue
    assert descriptors_of(session) == 0


@pytest.mark.parametrize(
    "read",
    [lambda path: tail(path, 2_000), lambda path: branch(path, "none"), entries],
    ids=["tail", "branch", "entries"],
)
async def test_a_reader_that_is_cancelled_anywhere_closes_the_file(
    read: Callable[[Path], Awaitable[object]], session: Path, block_bytes: Callable[[int], None]
) -> None:
    """Before it has the file, while it reads, while it closes."""
    block_bytes(64 * 1024)
    for steps in range(0, 90, 3):
        task = asyncio.ensure_future(read(session))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await until_closed(session)


def test_a_loop_that_ends_while_a_reader_opens_its_file_closes_it(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a thread still opens is waited for and closed, so nothing is left to the garbage collector."""
    reached, go_on = threading.Event(), threading.Event()
    files: list[BufferedReader] = []
    original = reading._open

    def slow(path: Path) -> BufferedReader:
        reached.set()
        go_on.wait()
        files.append(original(path))
        return files[0]

    async def main() -> None:
        readers.append(asyncio.ensure_future(tail(session, 1)))
        await asyncio.to_thread(reached.wait)
        readers[0].add_done_callback(lambda _: go_on.set())

    readers: list[asyncio.Future[object]] = []
    monkeypatch.setattr(reading, "_open", slow)
    asyncio.run(main())
    assert readers[0].cancelled()
    assert files[0].closed


async def test_a_reader_that_is_cancelled_while_the_file_is_opened_closes_it(
    session: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread that opens it cannot be stopped, so what it opens is closed behind it."""
    reached, go_on = threading.Event(), threading.Event()
    original = reading._open_regular

    def slow(path: str, flags: int) -> int:
        descriptor = original(path, flags)
        reached.set()
        go_on.wait()
        return descriptor

    monkeypatch.setattr(reading, "_open_regular", slow)
    task = asyncio.ensure_future(tail(session, 1))
    await asyncio.to_thread(reached.wait)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert descriptors_of(session) == 1
    go_on.set()
    await until_closed(session)


async def test_a_reader_that_is_cancelled_while_it_waits_to_close_closes_the_file(session: Path) -> None:
    """Also when every thread is busy at that moment, and the closing has not begun."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
    found, go_on = iterate(session), threading.Event()
    await anext(found)
    busy = asyncio.ensure_future(asyncio.to_thread(go_on.wait))
    await asyncio.sleep(0)
    closing = asyncio.ensure_future(found.aclose())
    for _ in range(5):
        await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert descriptors_of(session) == 1
    go_on.set()
    await busy
    await until_closed(session)


async def test_a_reader_between_two_entries_keeps_no_thread(session: Path) -> None:
    """A hundred readers that wait for their callers do not use up the threads."""
    readers = [iterate(session) for _ in range(100)]
    firsts = [await anext(found) for found in readers]
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), timeout=10) == "free"
    assert len({entry.offset for entry in firsts}) == 1
    for found in readers:
        await found.aclose()
