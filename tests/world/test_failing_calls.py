"""Replacing the whole file while a system call fails: the old file or the new one, and a session that goes on."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from coordinator import Change, CoordinatorError, Event, Record, Session, SessionState, WriteFailedError
from coordinator.testing import Interposer, open_session

CALLS_MAX = 100
Step = Callable[[Session], Awaitable[object]]


def fail() -> None:
    """Fail as a flaky disk does."""
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def mark(records: Iterator[Record]) -> Iterable[Record]:
    """Make another content of it."""
    return ({**record, "rewritten": True} for record in records)


async def rewrite(session: Session) -> None:
    """Replace the file by a compacted one."""
    with suppress(WriteFailedError):
        await session.rewrite(mark)


async def reopen(session: Session) -> None:
    """Replace the file whose sync has failed; once more if that fails too."""
    with suppress(CoordinatorError):
        await session.reopen()
    await session.reopen()


async def break_a_sync(session: Session, interposer: Interposer) -> None:
    """Let a sync fail, so that the file has to be made anew."""
    interposer.before("sync", fail)
    await session.writer("memory").append({"text": "unsynced"})
    with pytest.raises(WriteFailedError):
        await session.sync()


class Disk:
    """Fails when it is told to, as long as it is bad."""

    def __init__(self) -> None:
        self.is_bad = True

    def fail(self) -> None:
        """Fail now, or not at all."""
        if self.is_bad:
            fail()


async def one_life(path: Path, step: Step, number: int, *, broken: bool) -> bool:
    """Let the call of this number fail; False if the step makes no so many."""
    interposer, disk, foreign = Interposer(), Disk(), list[Event]()

    def observe(event: Event) -> None:
        if event.name == "foreign_change" and event.foreign.change is not Change.TOUCHED:
            foreign.append(event)

    async with open_session(path, interposer=interposer, observers=[observe]) as session:
        await session.writer("memory").append({"text": "synced"})
        await session.sync()
        if broken:
            await break_a_sync(session, interposer)
        interposer.at(number, disk.fail)
        await step(session)
        failed, disk.is_bad = not interposer.waiting, False
        if session.state is SessionState.FAILED:
            await session.reopen()
        async with session.writer("chat").fence() as fence:
            await fence.append({"text": "reply"})
    check(path, ["synced", *["unsynced"] * broken, "reply"], f"call {number} fails: {interposer.calls}")
    assert foreign == [], f"call {number} fails: {interposer.calls}"
    async with open_session(path):
        assert sorted(os.listdir(path.parent)) == [f".{path.name}.lock", path.name]
    return failed


def check(path: Path, texts: list[str], where: str) -> None:
    """Ask for every record once, in order."""
    assert [json.loads(line)["text"] for line in path.read_bytes().splitlines()] == texts, where


@pytest.mark.parametrize(("step", "broken"), [(rewrite, False), (reopen, True)])
async def test_whichever_call_fails_the_session_goes_on(tmp_path: Path, step: Step, *, broken: bool) -> None:
    """Nothing is lost, nothing left over, and what we did ourselves is no takeover."""
    for number in range(CALLS_MAX):
        directory = tmp_path / str(number)
        directory.mkdir()
        if not await one_life(directory / "session.jsonl", step, number, broken=broken):
            break
    assert 10 < number < CALLS_MAX
