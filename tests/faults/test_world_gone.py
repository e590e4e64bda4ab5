"""Promises 10, 25 and 27: the disk, the file, the directory, the descriptors or the memory are gone."""

import json
import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator import (
    PI,
    Change,
    CoordinatorError,
    Limits,
    Outcome,
    PathError,
    Record,
    TakeoverError,
    WriteFailedError,
)
from coordinator.testing import open_session

from .disks import Mounts, fillable, run
from .scribe import Scribe
from .victim import text_of

LIMITS = Limits(close_seconds_max=1.0)
DROP_CACHES = Path("/proc/sys/vm/drop_caches")
KIB = 1024


def note(text: str) -> Record:
    """Return a record that can be known by its text."""
    return {"type": "custom", "customType": "note", "data": {"text": text}}


def texts(path: Path) -> list[str]:
    """Return the texts of all notes; every line must be whole."""
    records = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [record["data"]["text"] for record in records if "data" in record]


@contextmanager
def descriptors(more: int) -> Iterator[None]:
    """Allow only so many descriptors more than there are."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + more, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_too_many_open_files_is_a_clear_error_and_harms_no_open_session(tmp_path: Path) -> None:
    """EMFILE: opening another session says so, and the one that is open goes on."""
    path = tmp_path / "session.jsonl"
    async with open_session(path, format=PI) as session:
        chat = session.writer("chat")
        await chat.append(note("a"))
        await session.sync()
        with descriptors(more=0):
            with pytest.raises(PathError) as refused:
                async with open_session(tmp_path / "other.jsonl", format=PI):
                    pass
            await chat.append(note("b"))
            async with chat.fence() as fence:
                await fence.append(note("c"))
    assert refused.value.path is not None
    assert "ulimit" in refused.value.hint
    assert texts(path) == ["a", "b", "c"]


@pytest.mark.parametrize("more", range(6))
async def test_running_out_of_descriptors_at_any_moment_loses_nothing(tmp_path: Path, more: int) -> None:
    """With so many descriptors left, a session works or says why not; what it acknowledged is there."""
    path, acknowledged, errors = tmp_path / "session.jsonl", list[str](), list[CoordinatorError]()
    try:
        with descriptors(more):
            async with open_session(path, format=PI, limits=LIMITS) as session:
                for text in ("a", "b"):
                    await session.writer("chat").append(note(text))
                    acknowledged.append(text)
                await session.sync()
    except CoordinatorError as error:
        errors.append(error)
    assert all(error.path and error.hint for error in errors)
    assert errors or acknowledged == ["a", "b"]
    async with open_session(path, format=PI) as session:
        written = [text_of(entry.record) async for entry in session.records()]
    assert written[: len(acknowledged)] == acknowledged


async def test_a_file_that_is_unlinked_under_us_is_a_takeover_and_made_anew(session_path: Path) -> None:
    """Never an acknowledgement into a file that has no name any more."""
    async with open_session(session_path, format=PI) as session:
        chat = session.writer("chat")
        await chat.append(note("gone"))
        session_path.unlink()
        with pytest.raises(TakeoverError) as stopped:
            await chat.append(note("a"))
        assert stopped.value.change is Change.VANISHED
        assert stopped.value.outcome is Outcome.KEPT
        assert [receipt.id is not None for receipt in (await session.reopen()).written] == [True]
    assert texts(session_path) == ["a"]


async def test_a_directory_that_is_gone_is_an_error_until_it_is_back(tmp_path: Path) -> None:
    """The records stay in memory; nothing is acknowledged; when the directory is there again they are written."""
    path = tmp_path / "sessions" / "session.jsonl"
    path.parent.mkdir()
    async with open_session(path, format=PI, limits=LIMITS) as session:
        chat = session.writer("chat")
        await chat.append(note("gone"))
        shutil.rmtree(path.parent)
        with pytest.raises(TakeoverError) as stopped:
            await chat.append(note("a"))
        assert stopped.value.outcome is Outcome.KEPT
        with pytest.raises(PathError) as refused:
            await session.reopen()
        assert refused.value.hint
        path.parent.mkdir()
        await session.reopen()
        await chat.append(note("b"))
    assert texts(path) == ["a", "b"]


async def test_closing_without_a_directory_says_that_records_are_lost(tmp_path: Path) -> None:
    """There is no place left to put them, and that is said."""
    path = tmp_path / "sessions" / "session.jsonl"
    path.parent.mkdir()
    with pytest.raises(CoordinatorError) as closing:
        async with open_session(path, format=PI, limits=LIMITS) as session:
            await session.writer("chat").append(note("gone"))
            shutil.rmtree(path.parent)
            session.writer("chat").append_nowait(note("a"))
    assert closing.value.path == path
    assert closing.value.hint


@pytest.mark.root
async def test_a_disk_that_becomes_read_only_acknowledges_nothing(mounts: Mounts) -> None:
    """As after an error of the disk: writes are refused, the records are kept, and written down elsewhere or said."""
    directory = mounts.image(8, "mkfs.ext4")
    path = directory / "session.jsonl"
    with pytest.raises(CoordinatorError) as closing:
        async with open_session(path, format=PI, limits=LIMITS) as session:
            chat = session.writer("chat")
            await chat.append(note("a"))
            await session.sync()
            run("mount", "-o", "remount,abort", directory)
            with pytest.raises(WriteFailedError) as failed:
                await chat.append(note("b"))
            assert failed.value.outcome is Outcome.KEPT
            with pytest.raises(CoordinatorError):
                await session.reopen()
    assert closing.value.hint
    assert texts(path) == ["a"]


@pytest.mark.root
async def test_after_real_block_errors_the_records_are_written_from_memory(mounts: Mounts) -> None:
    """The disk below loses blocks, the sync fails, the cache is dropped: a new file is made from memory."""
    thin = fillable(mounts.tmpfs("6m"))
    directory = mounts.image(16, "mkfs.ext4", "-O", "^has_journal", where=thin.directory, mounting=",errors=continue")
    path = directory / "session.jsonl"
    async with open_session(path, format=PI, limits=LIMITS) as session:
        chat = session.writer("chat")
        await chat.append(note("a"))
        await session.sync()
        inode = path.stat().st_ino
        thin.fill()
        filling = note("b") | {"filling": "x" * 1_000_000}
        await chat.append(filling)
        with pytest.raises(WriteFailedError):
            await session.sync()
        with pytest.raises(WriteFailedError) as latched:
            await chat.append(note("c"))
        assert latched.value.outcome is Outcome.KEPT
        thin.make_room()
        DROP_CACHES.write_text("3")
        await session.reopen()
        assert path.stat().st_ino != inode
        await session.sync()
    DROP_CACHES.write_text("3")
    assert texts(path) == ["a", "b", "c"]


@pytest.mark.parametrize("room_kib", [0, 256, 4096, 9000, 16384, 32768, 65536])
def test_out_of_memory_is_no_worse_than_kill_9(session_path: Path, room_kib: int) -> None:
    """`ulimit -v`: a thread that cannot start, a buffer that cannot be had; what was acknowledged is there, whole."""
    acknowledged: list[str] = []
    with Scribe(session_path) as scribe:
        scribe.do("open")
        scribe.do("append", "first")
        scribe.do("starve", room_kib * KIB)
        for number in range(12):
            acknowledged += scribe.do("append_large", f"large-{number}", number * 300 * KIB).get("acknowledged", [])
    with Scribe(session_path) as after:
        assert after.do("open") == {"state": "OPEN"}
        assert after.do("append", "last")["acknowledged"]
    written = texts(session_path)
    assert [text for text in written if text in acknowledged] == acknowledged
    assert len({*written}) == len(written)
