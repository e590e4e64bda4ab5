"""What the sweep has found, each as a test of its own: one small fault at the very call."""

import errno
import fcntl
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from coordinator import PI, Coordinator, PathError, Session, WriteFailedError
from tests.store.scripted import ScriptedSystem

from .victim import note, text_of

EIO = OSError(errno.EIO, os.strerror(errno.EIO))
CopyOf = Callable[[str], Path]


@asynccontextmanager
async def opened(path: Path, system: ScriptedSystem) -> AsyncIterator[Session]:
    """Open a session on a scripted operating system, which is mended for the closing."""
    coordinator = Coordinator()
    coordinator._system = system
    async with coordinator:
        yield await coordinator.open(path, format=PI)
        system.mend()


def texts(path: Path) -> list[str]:
    """Return the texts of all notes."""
    return [text for line in path.read_bytes().splitlines() if (text := text_of(json.loads(line)))]


@pytest.mark.parametrize("call", ["fstat", "close"])
async def test_a_first_look_that_fails_is_a_path_error(copy_of: CopyOf, call: str) -> None:
    """Before the lock is taken the file is opened once, only to see whether it can be; that can fail, too."""
    system = ScriptedSystem()
    system.fail(call, EIO)
    with pytest.raises(PathError) as refused:
        async with opened(copy_of("short"), system):
            pass
    assert refused.value.hint


async def test_a_descriptor_that_cannot_be_closed_does_not_hide_why_opening_failed(copy_of: CopyOf) -> None:
    """The first error is the one that helps."""
    system, unreadable = ScriptedSystem(), OSError(errno.EIO, "unreadable")
    system.fail("pread", unreadable, for_ever=True)
    system.fail("close", EIO, skip=1)
    with pytest.raises(PathError) as refused:
        async with opened(copy_of("short"), system):
            pass
    assert refused.value.__cause__ is unreadable


async def test_a_lock_that_cannot_be_given_back_does_not_hide_why_opening_failed(
    copy_of: CopyOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same of the lock: the caller gets an error of ours, with a hint."""
    system, lock = ScriptedSystem(), fcntl.flock

    def flock(fd: int, operation: int) -> None:
        if operation == fcntl.LOCK_UN:
            raise EIO
        lock(fd, operation)

    system.fail("pread", EIO, for_ever=True)
    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "flock", flock)
        with pytest.raises(PathError):
            async with opened(copy_of("short"), system):
                pass


async def test_a_line_that_lacks_only_its_end_is_not_written_twice(copy_of: CopyOf) -> None:
    """The write stopped one byte before its end and cannot be cut: ended by a line feed it would count, too."""
    path, system = copy_of("short"), ScriptedSystem()
    async with opened(path, system) as session:
        chat = session.writer("chat")
        await chat.append(note("a"))
        size = (await chat.append(note("b"))).size
        system.shorten(size - 1)
        system.fail("write", OSError(errno.ENOSPC, "full"), skip=1)
        system.fail("truncate", OSError(errno.EPERM, "append only"), for_ever=True)
        with pytest.raises(WriteFailedError):
            await chat.append(note("c"))
        assert path.read_bytes().endswith(b"}"), "there was no line that lacks its end"
        await session.reopen()
    assert texts(path) == ["a", "b", "c"]


async def test_a_foreign_line_is_not_lost_while_a_file_is_made_anew_after_a_failed_sync(copy_of: CopyOf) -> None:
    """It came between the copy and the exchange: the old file stays in use, and the next attempt takes it along."""
    path, system = copy_of("short"), ScriptedSystem()
    foreign = json.dumps({"id": "foreign1", "parentId": None} | note("foreign")).encode() + b"\n"

    def append() -> None:
        with path.open("ab") as file:
            file.write(foreign)

    async with opened(path, system) as session:
        await session.writer("chat").append(note("a"))
        system.fail("sync", EIO)
        with pytest.raises(WriteFailedError):
            await session.sync()
        system.act_at("exchange", append)
        with pytest.raises(WriteFailedError):
            await session.reopen()
        await session.reopen()
        await session.writer("chat").append(note("b"))
    assert sorted(texts(path)) == ["a", "b", "foreign"]
