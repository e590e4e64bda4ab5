"""Rewrites, metadata, dead owners, full disks, large files and floods."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from pathlib import Path

import pytest

from coordinator import PI, PLAIN, Change, Coordinator, Limits, LockedError, Record, SessionState
from coordinator.testing import Interposer, foreign_append, open_session
from tests.support.chain import check_chain, read_session
from tests.support.foreign import ForeignProcess

from .gateway import Gateway, gateway, mark, say, together

MIB = 1024 * 1024


def keep_all(records: Iterator[Record]) -> Iterable[Record]:
    """Rewrite a file to what it is."""
    return records


async def test_scenario_06_a_compaction_that_replaces_the_file_is_an_own_write(session_path: Path) -> None:
    """Inside a fence and outside: a new inode, every accepted record in it, and no takeover."""
    async with gateway(session_path) as home:
        memory = home.session.writer("memory")
        await home.chat.append(say("user", "question"))
        inodes = [session_path.stat().st_ino]

        async def think(_fence: object) -> None:
            await together(*(memory.append(mark("memory")) for _ in range(20)), home.session.rewrite(keep_all))
            inodes.append(session_path.stat().st_ino)
            assert inodes[0] != inodes[1]

        await home.turn("reply", think)
        await home.session.rewrite(keep_all)
        await home.turn("next")
        home.assert_quiet("question", "reply", "next")
        assert home.session.generation == 3
        assert home.counted("memory") == 20


HARMLESS: dict[str, Callable[[ForeignProcess], object]] = {
    "14 hard link": ForeignProcess.hard_link,
    "15 drifting times": ForeignProcess.touch,
    "16 chmod": lambda foreign: foreign.chmod(0o640),
    "16 reader": ForeignProcess.read,
    "16 backup restored": ForeignProcess.replace_same,
}


@pytest.mark.parametrize("act", HARMLESS.values(), ids=HARMLESS)
@pytest.mark.parametrize("limit", [16 * MIB, 0], ids=["small file", "above the limit"])
async def test_scenario_14_15_16_what_changes_no_content_is_no_takeover(
    session_path: Path, act: Callable[[ForeignProcess], object], limit: int
) -> None:
    """Links, drifting times, modes, readers and backups: the content decides."""
    async with gateway(session_path, limits=Limits(content_check_bytes_max=limit)) as home:
        await home.chat.append(say("user", "question"))
        with ForeignProcess(session_path) as foreign:

            async def think(fence: object) -> None:
                act(foreign)
                await fence.check()  # type: ignore[attr-defined]
                act(foreign)

            await home.turn("reply", think)
            act(foreign)
            await home.turn("next")
        home.assert_quiet("question", "reply", "next")


HARMFUL: dict[str, tuple[Change, Callable[[ForeignProcess], object]]] = {
    "edit of one byte": (Change.REWRITTEN, ForeignProcess.edit_byte),
    "edit with its times restored": (Change.REWRITTEN, lambda foreign: foreign.edit_byte(restore_times=True)),
    "edit through a map": (Change.REWRITTEN, ForeignProcess.edit_map),
    "truncated": (Change.TRUNCATED, lambda foreign: foreign.truncate(200)),
    "truncated and grown": (Change.REWRITTEN, lambda foreign: foreign.truncate_and_grow(200, b"x" * 5000 + b"\n")),
    "replaced": (Change.REPLACED, lambda foreign: foreign.replace(b'{"other":1}\n')),
    "removed": (Change.VANISHED, ForeignProcess.delete),
}


@pytest.mark.parametrize(("change", "act"), HARMFUL.values(), ids=HARMFUL)
async def test_scenario_21_every_other_change_fires_with_its_name(
    session_path: Path, change: Change, act: Callable[[ForeignProcess], object]
) -> None:
    """The session stops, keeps what it accepted, and after the handler the reply is there once."""
    async with gateway(session_path) as home:
        for number in range(10):
            await home.chat.append(say("user", f"question {number}"))
        with ForeignProcess(session_path) as foreign:
            with pytest.raises(Exception, match="session") as caught:
                async with home.chat.fence() as fence:
                    act(foreign)
                    await fence.append(say("assistant", "reply"))
            assert caught.value.change is change  # type: ignore[attr-defined]
            assert not caught.value.usable  # type: ignore[attr-defined]
            if change is Change.REPLACED:
                foreign.replace(b"")
        await home.session.reopen()
        await home.chat.append_all(caught.value.unwritten)  # type: ignore[attr-defined]
        await home.turn("next")
        assert (home.count("reply"), home.count("next")) == (1, 1)


CALLS = ("lstat", "write", "position")


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("side", ["before", "after"])
async def test_scenario_22_a_foreign_write_between_two_of_our_calls_is_found_every_time(
    session_path: Path, call: str, side: str
) -> None:
    """Again and again while we write: each foreign line is reported, none is missed, no own record is lost."""
    interposer, found = Interposer(), []
    async with open_session(
        session_path, format=PI, interposer=interposer,
        observers=[lambda event: found.append(event) if event.name == "foreign_change" else None],
    ) as session:  # fmt: skip
        memory = session.writer("memory")
        receipts = [await memory.append(mark("memory"))]
        for number in range(50):
            line = b'{"type":"custom","id":"f%d","parentId":null,"customType":"foreign"}\n' % number
            getattr(interposer, side)(call, lambda line=line: foreign_append(session_path, line))
            receipts.append(await memory.append(mark("memory")))
        async with memory.fence():
            pass
        ids = read_session(session_path).ids
        assert sum(event.foreign.records is not None and len(event.foreign.records) for event in found) == 50
        assert [f"f{number}" in ids for number in range(50)] == [True] * 50
        assert {receipt.id for receipt in receipts} <= set(ids)


OWNER = """
import asyncio, sys, coordinator
async def main():
    async with coordinator.Coordinator() as c:
        session = await c.open(sys.argv[1], format=coordinator.PI)
        await session.writer("owner").append({"type": "custom", "customType": "owner"})
        print("owned", flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


async def test_scenario_28_a_dead_owner_is_replaced_at_once_a_stopped_one_never(session_path: Path) -> None:
    """SIGSTOP keeps the lock, however long; SIGKILL frees it in the same instant."""
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(session_path)], stdout=subprocess.PIPE)  # noqa: ASYNC220
    assert owner.stdout is not None
    try:
        assert owner.stdout.readline() == b"owned\n"
        owner.send_signal(signal.SIGSTOP)
        async with Coordinator() as coordinator:
            for _ in range(3):
                with pytest.raises(LockedError) as caught:
                    await coordinator.open(session_path, format=PI)
                assert caught.value.pid == owner.pid
            owner.kill()
            owner.wait()
            session = await coordinator.open(session_path, format=PI)
            await session.writer("heir").append(mark("heir"))
        assert [record["customType"] for record in check_chain(session_path)] == ["owner", "heir"]
    finally:
        owner.kill()
        owner.communicate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("needs a mount of a tmpfs")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.root
async def test_scenario_30_a_full_disk_is_said_once_and_overcome_without_help(small_disk: Path) -> None:
    """Nothing is torn or dropped; when there is room again everything is written, in order, once."""
    ballast, is_full = small_disk / "ballast", asyncio.Event()
    async with gateway(small_disk / "session.jsonl") as home:
        home.on_event("disk_full", is_full.set)
        memory = home.session.writer("memory")
        await home.chat.append(say("user", "question"))
        ballast.write_bytes(b"x" * (200 * 1024))
        pending = [await memory.submit(mark("memory", number=number, text="y" * 4000)) for number in range(20)]
        async with asyncio.timeout(10):
            await is_full.wait()
        assert home.session.state is SessionState.STALLED
        assert (small_disk / "session.jsonl").read_bytes()[-1:] == b"\n"
        ballast.unlink()
        await together(*pending)
        await home.turn("reply")
        home.assert_quiet("question", "reply")
        numbers = [r["data"]["number"] for r in read_session(home.path).records if r.get("customType") == "memory"]
        assert numbers == list(range(20))
        assert [event.name for event in home.events].count("disk_full") == 1


def large_file(path: Path, size: int) -> None:
    """Write a file of plain records of about this size."""
    line = b'{"text":"' + b"z" * 4000 + b'"}\n'
    with path.open("wb") as file:
        for _ in range(size // (len(line) * 256)):
            file.write(line * 256)


@pytest.mark.slow
async def test_scenario_32_a_large_file_is_usable_at_once_and_in_bounded_memory(session_path: Path) -> None:
    """The first append does not wait for the file to be read, and a fence reads it in bounded memory."""
    large_file(session_path, 256 * MIB)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with Coordinator() as coordinator:
        started = time.monotonic()
        session = await coordinator.open(session_path, format=PLAIN)
        chat = session.writer("chat")
        receipt = await chat.append({"text": "first"})
        assert time.monotonic() - started < 5, "opening read the whole file"
        assert [entry.record for entry in await session.tail(1)] == [{"text": "first"}]
        async with chat.fence() as fence:
            assert (await fence.append({"text": "reply"})).offset == receipt.offset + receipt.size
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "in KiB"


async def test_scenario_33_a_flood_does_not_starve_the_turn_and_is_seen(session_path: Path) -> None:
    """A chatty writer is bounded by its own room; the turn is written beside it, and statistics name the flood."""
    limits = Limits(writer_records_max=50, session_records_max=100)
    async with gateway(session_path, limits=limits) as home:
        flood = home.session.writer("flood")
        jobs: list[Awaitable[object]] = [flood.append(mark("flood", number=number)) for number in range(2000)]
        flooding = asyncio.gather(*jobs)
        await asyncio.sleep(0)
        seen = home.session.statistics()
        assert seen.writers["flood"].queued_records <= 50
        assert seen.waiting_calls > 1000
        await home.turn("reply")
        written_before_the_reply = home.session.statistics().writers["flood"].written_records
        assert written_before_the_reply < 2000, "the turn waited for the whole flood"
        await together(flooding)
        _assert_all_there(home)


def _assert_all_there(home: Gateway) -> None:
    assert home.counted("flood") == 2000
    assert home.errors == []
    check_chain(home.path)
    assert os.path.getsize(home.path) == home.session.revision.length
