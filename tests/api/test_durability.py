"""What a receipt promises in each mode, seen by the syncs that the store really makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from coordinator import Coordinator, DrainTimeoutError, Durability, Limits, Outcome, SessionState, WriteFailedError
from coordinator.testing import Interposer

from .desk import BROKEN, Desk, Gate, desk, elsewhere, note, soon, texts_of, until


def syncs(home: Desk) -> int:
    """Return how often the file was put on stable storage."""
    return home.interposer.calls.count("sync")


async def test_none_leaves_everything_to_the_system(session_path: Path) -> None:
    """No sync, whatever happens, and no receipt claims one."""
    async with desk(session_path, durability=Durability.NONE) as home:
        receipts = [await home.chat.append(note(f"{number}")) for number in range(3)]
        async with home.chat.fence() as fence:
            receipts.append(await fence.append(note("reply")))
        assert not any(receipt.durable for receipt in receipts)
        assert home.session.statistics().unsynced_bytes == 0
    assert syncs(home) == 0


async def test_a_sync_that_is_asked_for_makes_a_new_file_durable_with_its_name(session_path: Path) -> None:
    """Also in NONE: `sync()` means stable storage in every mode, and a file without a name is on none."""
    async with desk(session_path, durability=Durability.NONE) as home:
        await home.chat.append(note("first"))
        await home.session.sync()
    assert home.interposer.calls.count("sync_directory") == 1


async def test_a_sync_of_a_parked_session_is_one_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NONE nothing was synced before the file was given back, so it is taken again for that."""
    synced: list[int] = []
    monkeypatch.setattr("coordinator._store._system._SYNC", synced.append)
    async with Coordinator(durability=Durability.NONE, limits=Limits(open_files_max=2)) as coordinator:
        session, other = [await coordinator.open(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
        await session.writer("chat").append({"n": 1})
        await other.writer("chat").append({"n": 1})
        await until(lambda: session.state is SessionState.PARKED)
        assert synced == []
        await session.sync()
    assert len(synced) == 1


async def test_a_sync_of_a_parked_session_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    """Taking the file back may take as long as any disk, so it is part of what `timeout` bounds."""
    interposer = Interposer()
    async with Coordinator(durability=Durability.NONE, limits=Limits(open_files_max=2)) as coordinator:
        coordinator._system = interposer
        session, other = [await coordinator.open(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
        await session.writer("chat").append({"n": 1})
        await other.writer("chat").append({"n": 1})
        await until(lambda: session.state is SessionState.PARKED)
        gate = Gate()
        interposer.before("open", gate)
        try:
            with pytest.raises(DrainTimeoutError):
                await session.sync(timeout=0.01)
        finally:
            gate.open()


async def test_always_syncs_each_batch_before_its_receipts(session_path: Path) -> None:
    """One fdatasync for all records of a batch."""
    async with desk(session_path, durability=Durability.ALWAYS) as home:
        first = await home.chat.append(note("first"))
        before = syncs(home)
        pending = [home.chat.append_nowait(note(f"{number}")) for number in range(50)]
        receipts = [await soon(receipt) for receipt in pending]
        assert syncs(home) == before + 1
        assert all(receipt.durable for receipt in [first, *receipts])
        assert home.session.statistics().unsynced_bytes == 0


async def test_always_answers_nobody_before_the_sync(session_path: Path) -> None:
    """The record is in the file, but not acknowledged."""
    async with desk(session_path, durability=Durability.ALWAYS) as home:
        await home.chat.append(note("first"))
        with home.gate("sync") as gate:
            task = elsewhere(home.chat.append(note("second")))
            await gate.reached()
            assert home.texts() == ["first", "second"]
            assert not task.done()
        assert (await soon(task)).durable


async def test_fence_syncs_around_the_turn(session_path: Path) -> None:
    """On entering, what was written before; on leaving, if anything was written; otherwise not."""
    async with desk(session_path) as home:
        assert not (await home.chat.append(note("before"))).durable
        before = syncs(home)
        async with home.chat.fence() as fence:
            assert syncs(home) == before + 1
            await fence.append(note("reply"))
            assert syncs(home) == before + 1
        assert syncs(home) == before + 2
        async with home.chat.fence():
            pass
        assert syncs(home) == before + 2
        assert home.session.statistics().unsynced_bytes == 0


async def test_fence_syncs_what_is_too_much_to_keep(session_path: Path) -> None:
    """More than `unsynced_bytes_max` is never at risk."""
    async with desk(session_path, limits=Limits(unsynced_bytes_max=3000)) as home:
        for _ in range(10):
            await home.chat.append(note("x" * 900))
            assert home.session.statistics().unsynced_bytes <= 3000
        assert 1 < syncs(home) < 10


async def test_fence_syncs_when_the_process_has_too_much_unsynced(session_path: Path) -> None:
    """`unsynced_bytes_total_max` counts all sessions together."""
    async with desk(session_path, limits=Limits(unsynced_bytes_total_max=2000)) as home:
        for _ in range(4):
            await home.chat.append(note("x" * 900))
        await until(lambda: home.session.statistics().unsynced_bytes < 2000)


async def test_fence_syncs_an_idle_session(session_path: Path) -> None:
    """After `sync_idle_seconds` without any turn."""
    async with desk(session_path, limits=Limits(sync_idle_seconds=0.01)) as home:
        await home.chat.append(note("x"))
        await until(lambda: home.session.statistics().unsynced_bytes == 0)
        assert "sync" in home.interposer.calls


async def test_closing_syncs(session_path: Path) -> None:
    """What was written before the end is durable after it."""
    async with desk(session_path) as home:
        await home.chat.append(note("x"))
        before = syncs(home)
    assert syncs(home) == before + 1


@pytest.mark.parametrize("durability", [Durability.FENCE, Durability.ALWAYS])
async def test_a_failed_sync_acknowledges_nothing_more(session_path: Path, durability: Durability) -> None:
    """The session fails, says so to everybody, and writes what it still knows to a new file when told to."""
    async with desk(session_path, durability=durability) as home:
        await home.chat.append(note("before"))
        await home.session.sync()
        home.fail("sync", BROKEN)
        home.chat.append_nowait(note("at risk"))
        with pytest.raises(WriteFailedError):
            await soon(home.session.sync())
        assert home.session.state is SessionState.FAILED
        with pytest.raises(WriteFailedError) as caught:
            await soon(home.chat.append(note("kept")))
        assert caught.value.outcome is Outcome.KEPT
        assert len(home.told("disk_failed")) == 1
        inode = session_path.stat().st_ino
        await soon(home.session.reopen())
        assert session_path.stat().st_ino != inode
        await soon(home.session.sync())
    assert texts_of(session_path) == ["before", "at risk", "kept"]
