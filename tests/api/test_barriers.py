"""`drain` and `sync`: what they cover, when they give up, and what they say then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coordinator import (
    ClosedError,
    Coordinator,
    DrainTimeoutError,
    Durability,
    Limits,
    SessionState,
    TakeoverError,
    WriteFailedError,
)
from coordinator.testing import Interposer

from .desk import BROKEN, NO_ROOM, Desk, Gate, check_clear, desk, elsewhere, note, soon, until


@pytest.fixture
async def home(session_path: Path) -> AsyncIterator[Desk]:
    """Return a session with one record."""
    async with desk(session_path) as home:
        await home.chat.append(note("before"))
        yield home


async def test_drain_covers_everything_that_was_accepted_before_it(home: Desk) -> None:
    """Of all writers; when it returns, the records are in the file."""
    pending = [home.session.writer(f"w{number}").append_nowait(note(f"{number}")) for number in range(50)]
    await soon(home.session.drain())
    assert all(receipt.done for receipt in pending)
    assert home.texts() == ["before", *map(str, range(50))]


async def test_drain_does_not_wait_for_what_comes_after_it(home: Desk) -> None:
    """Otherwise a writer that never pauses would keep it waiting for ever."""
    with home.gate() as first:
        home.chat.append_nowait(note("first"))
        await first.reached()
        draining = elsewhere(home.session.drain())
        await asyncio.sleep(0)
        with home.gate():
            later = home.chat.append_nowait(note("later"))
            first.open()
            await soon(draining)
            assert not later.done
            assert home.texts() == ["before", "first"]
    await soon(later)


async def test_drain_of_nothing_returns_at_once(home: Desk) -> None:
    """Also twice, also before there is a file."""
    for _ in range(2):
        await soon(home.session.drain(timeout=10))
        await soon(home.session.sync(timeout=10))


@pytest.mark.parametrize("call", ["drain", "sync"])
async def test_a_timeout_says_what_was_still_waiting(home: Desk, call: str) -> None:
    """By writer; it is a `TimeoutError` too, and nothing is withdrawn."""
    with home.gate() as gate:
        pending = [home.chat.append_nowait(note("1")), home.session.writer("other").append_nowait(note("2"))]
        await gate.reached()
        third = home.chat.append_nowait(note("3"))
        with pytest.raises(DrainTimeoutError) as caught:
            await soon(getattr(home.session, call)(timeout=0.01))
        check_clear(caught.value, home.path)
        assert isinstance(caught.value, TimeoutError)
        assert caught.value.pending == {"chat": 2, "other": 1}
    await soon(asyncio.gather(third, *pending))
    assert home.texts() == ["before", "1", "2", "3"]


async def test_sync_puts_everything_on_stable_storage(home: Desk) -> None:
    """One fdatasync, and none if nothing is new."""
    assert home.session.statistics().unsynced_bytes > 0
    calls = len(home.interposer.calls)
    await soon(home.session.sync())
    assert home.session.statistics().unsynced_bytes == 0
    await soon(home.session.sync())
    assert home.interposer.calls[calls:].count("sync") == 1


async def test_a_full_disk_lets_a_barrier_wait_until_its_timeout(home: Desk) -> None:
    """The cause is the error of the disk; when there is room everything goes on by itself."""
    for _ in range(50):
        home.fail("write", NO_ROOM)
    pending = home.chat.append_nowait(note("no room"))
    await until(lambda: home.session.state is SessionState.STALLED)
    with pytest.raises(DrainTimeoutError) as caught:
        await soon(home.session.drain(timeout=0.01))
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == NO_ROOM
    assert caught.value.pending == {"chat": 1}
    while home.interposer.waiting:
        await home.session.reopen()
        await asyncio.sleep(0)
    await soon(pending)
    assert home.texts() == ["before", "no room"]
    assert home.session.state is SessionState.OPEN
    assert len(home.told("disk_full")) == 1


@pytest.mark.parametrize("trouble", ["stopped", "failed"])
async def test_in_trouble_a_barrier_raises_at_once(home: Desk, trouble: str) -> None:
    """Waiting would be for ever."""
    if trouble == "stopped":
        home.path.unlink()
    else:
        home.fail("write", BROKEN)
    error = TakeoverError if trouble == "stopped" else WriteFailedError
    with pytest.raises(error):
        await soon(home.chat.append(note("kept")))
    for barrier in (home.session.drain, home.session.sync):
        with pytest.raises(error) as caught:
            await soon(barrier())
        check_clear(caught.value, home.path)
    await home.session.reopen()
    await soon(home.session.drain())
    assert home.texts()[-1] == "kept"


async def test_a_barrier_that_is_waiting_hears_of_the_trouble(home: Desk) -> None:
    """It is not left alone when the session stops."""
    with home.gate() as gate:
        pending = home.chat.append_nowait(note("kept"))
        await gate.reached()
        draining = elsewhere(home.session.drain())
        await asyncio.sleep(0)
        home.path.unlink()
    for waiting in (pending, draining):
        with pytest.raises(TakeoverError):
            await soon(waiting)
    await home.session.reopen()


async def test_a_coordinator_drains_all_its_sessions(tmp_path: Path) -> None:
    """One call before a shutdown."""
    async with Coordinator() as coordinator:
        sessions = [await coordinator.open(tmp_path / f"{number}.jsonl") for number in range(5)]
        pending = [
            session.writer("w").append_nowait({"number": number}) for number in range(20) for session in sessions
        ]
        await soon(coordinator.drain(timeout=10))
        assert all(receipt.done for receipt in pending)
        assert coordinator.statistics().queued_records == 0
        sessions[0].path.unlink()
        with pytest.raises(TakeoverError):
            await sessions[0].writer("w").append({})
        with pytest.raises(TakeoverError):
            await soon(coordinator.drain())
        await sessions[0].reopen()


async def test_a_coordinator_drains_beside_somebody_who_closes(tmp_path: Path) -> None:
    """A session that is closed meanwhile was drained by that."""
    interposer, gate = Interposer(), Gate()
    async with Coordinator() as coordinator:
        coordinator._system = interposer  # type: ignore[assignment]
        sessions = [await coordinator.open(tmp_path / f"{number}.jsonl") for number in range(3)]
        pending = [session.writer("w").append_nowait({}) for session in sessions]
        await soon(coordinator.drain())
        interposer.before("close", gate)
        closing = elsewhere(sessions[1].aclose())
        try:
            await gate.reached()  # by then its queue is not served any more
            draining = elsewhere(coordinator.drain())
            await asyncio.sleep(0)
            assert not draining.done()
        finally:
            gate.open()
        await soon(asyncio.gather(draining, closing))
        assert all(receipt.done for receipt in pending)


async def test_a_drain_beside_a_closing_waits_no_longer_than_it_may(
    session_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its side file may lie on any disk."""
    gate = Gate()

    def held_up(_path: Path) -> int:
        gate()
        return 0

    monkeypatch.setattr("coordinator._sidefile._size_of", held_up)
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path)
        await session.writer("w").append({})
        session_path.unlink()
        with pytest.raises(TakeoverError):
            await session.writer("w").append({})
        closing = elsewhere(session.aclose())
        try:
            await gate.reached()
            with pytest.raises(DrainTimeoutError):
                await soon(coordinator.drain(timeout=0.01))
        finally:
            gate.open()
        with pytest.raises(TakeoverError):
            await soon(closing)


async def test_a_sync_of_a_parked_session_that_is_closed_first_says_so(tmp_path: Path) -> None:
    """Nothing has failed: there is no file any more that could be synced."""
    async with Coordinator(durability=Durability.NONE, limits=Limits(open_files_max=2)) as coordinator:
        session, other = [await coordinator.open(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
        for each in (session, other):
            await each.writer("w").append({})
        await until(lambda: session.state is SessionState.PARKED)
        closing = elsewhere(session.aclose())
        await asyncio.sleep(0)
        with pytest.raises(ClosedError):
            await soon(session.sync())
        await soon(closing)
