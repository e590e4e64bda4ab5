"""Another process that still has a file open which ours has displaced: what it does there is not lost in silence."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coordinator import Change, Event, Record, Session, SessionState, TakeoverError, WriteFailedError
from coordinator.testing import Interposer, open_session

OWN = b'{"text":"own"}\n'
FOREIGN = b'{"text":"foreign"}\n'


@pytest.fixture
def stranger(session_path: Path) -> Iterator[int]:
    """Another process's descriptor of a file that has one record."""
    session_path.write_bytes(OWN)
    fd = os.open(session_path, os.O_RDWR | os.O_APPEND)
    yield fd
    os.close(fd)


def noting(found: list[Change]) -> Callable[[Event], None]:
    """Return an observer that notes which changes were found."""

    def observe(event: Event) -> None:
        if event.name == "foreign_change":
            found.append(event.foreign.change)

    return observe


def mark(records: Iterator[Record]) -> Iterable[Record]:
    """Make another content of it."""
    return ({**record, "rewritten": True} for record in records)


async def look(session: Session) -> None:
    """Look as a turn does when it begins."""
    with suppress(TakeoverError):
        async with session.writer("chat").fence():
            pass


def fail() -> None:
    """Fail as a flaky disk does."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


async def fail_a_sync(session: Session, interposer: Interposer) -> None:
    """Let a sync fail: no sync of this file is believed from now on."""
    interposer.before("sync", fail)
    await session.writer("memory").append({"text": "later"})
    with pytest.raises(WriteFailedError):
        await session.sync()
    assert session.state is SessionState.FAILED


async def test_a_line_for_a_file_that_was_made_anew_is_brought_over(session_path: Path, stranger: int) -> None:
    """After a failed sync a new file has the path; who still has the old one open appends there."""
    found, interposer = list[Change](), Interposer()
    async with open_session(session_path, interposer=interposer, observers=[noting(found)]) as session:
        await fail_a_sync(session, interposer)
        await session.reopen()
        os.write(stranger, FOREIGN)
        await look(session)
        assert found == [Change.APPENDED]
        assert session_path.read_bytes() == OWN + b'{"text":"later"}\n' + FOREIGN


async def test_an_edit_of_a_file_that_was_made_anew_is_told_of(session_path: Path) -> None:
    """It cannot be brought over, so the session stops."""
    session_path.write_bytes(OWN)
    found, interposer = list[Change](), Interposer()
    async with open_session(session_path, interposer=interposer, observers=[noting(found)]) as session:
        with session_path.open("r+b", buffering=0) as file:
            await fail_a_sync(session, interposer)
            await session.reopen()
            file.write(OWN.upper())
        await look(session)
        assert found == [Change.REWRITTEN]
        assert session.state is SessionState.STOPPED
        await session.reopen()
        await look(session)
        assert found == [Change.REWRITTEN]


async def test_who_keeps_a_rewritten_file_open_is_never_lost(session_path: Path, stranger: int) -> None:
    """A program that keeps its log open writes to the file it has, after any number of rewrites and turns."""
    found = list[Change]()
    async with open_session(session_path, observers=[noting(found)]) as session:
        for _ in range(3):
            await session.rewrite(mark)
            await look(session)
        assert found == []
        os.write(stranger, FOREIGN)
        await look(session)
        await session.rewrite(mark)
        os.write(stranger, FOREIGN.upper())
        await look(session)
        assert found == [Change.APPENDED] * 2
    texts = [json.loads(line.lower())["text"] for line in session_path.read_bytes().splitlines()]
    assert texts == ["own", "foreign", "foreign"]


async def test_a_rewritten_file_that_nobody_has_open_takes_no_room(session_path: Path) -> None:
    """Compaction is there to make room: the old file is gone when it ends."""
    session_path.write_bytes(OWN)
    async with open_session(session_path) as session:
        await session.rewrite(mark)
        assert deleted_files(session_path.parent) == []


def deleted_files(directory: Path) -> list[str]:
    """Return what this process has open that has no name any more, of what was a session file there."""
    names = list[str]()
    for fd in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the one that this directory is read through
            names.append(str(fd.readlink()))
    return [name for name in names if name.startswith(str(directory)) and ".rewrite-" in name]


async def test_a_line_for_a_rewritten_file_is_brought_over_when_the_session_closes(
    session_path: Path, stranger: int
) -> None:
    """Closing is the last chance: nobody looks at the old file after that."""
    async with open_session(session_path) as session:
        await session.rewrite(mark)
        os.write(stranger, FOREIGN)
    assert session_path.read_bytes() == b'{"text":"own","rewritten":true}\n' + FOREIGN
