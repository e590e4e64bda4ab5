"""Promises 18 to 21: another process changes the file in every way there is, and clocks go as they like."""

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from coordinator import PI, Change, Coordinator, Fence, Record, TakeoverError
from coordinator._store import System
from coordinator.testing import open_session
from tests.support.foreign import ForeignProcess

NOTE: Record = {"type": "custom", "customType": "note", "data": {"text": "filling to be edited"}}
HOUR_SECONDS = 3600


@pytest.fixture
def other(session_path: Path) -> Iterator[ForeignProcess]:
    """Return another process that can do everything to the session file."""
    with ForeignProcess(session_path) as process:
        yield process


@asynccontextmanager
async def turn(path: Path) -> AsyncIterator[Fence]:
    """Write something and take a turn."""
    async with open_session(path, format=PI) as session:
        await session.writer("chat").append_all([NOTE] * 3)
        async with session.writer("chat").fence() as fence:
            yield fence


def _truncate_and_grow(other: ForeignProcess) -> None:
    content = other.read()
    at = content.rindex(b"\n", 0, -1) + 1
    other.truncate_and_grow(at, content[at:].replace(b"filling", b"padding"))


def _rename_over(other: ForeignProcess) -> None:
    other.replace(other.read().replace(b"filling", b"padding"))


def _new_inode_with_our_prefix(other: ForeignProcess) -> None:
    other.replace(other.read() + other.read().splitlines(keepends=True)[-1])


def _reuse_inode(other: ForeignProcess) -> None:
    content = other.read()
    other.delete()
    other.path.write_bytes(content.replace(b"filling", b"padding"))


def _edit_through_map(other: ForeignProcess) -> None:
    other.map_dirty()
    other.edit_map()


CHANGES: list[tuple[Callable[[ForeignProcess], object], Change]] = [
    (lambda other: other.edit_byte(), Change.REWRITTEN),
    (lambda other: other.edit_byte(restore_times=True), Change.REWRITTEN),
    (_edit_through_map, Change.REWRITTEN),
    (_truncate_and_grow, Change.REWRITTEN),
    (_rename_over, Change.REPLACED),
    (_new_inode_with_our_prefix, Change.REPLACED),
    (_reuse_inode, Change.REPLACED),
    (lambda other: other.truncate(100), Change.TRUNCATED),
    (lambda other: other.delete(), Change.VANISHED),
    (lambda other: other.append_record(), Change.APPENDED),
]
CHANGE_IDS = [
    "edit", "edit with restored mtime", "edit through mmap", "truncate and grow again", "rename over",
    "new inode with our prefix", "unlink and create again", "truncate", "unlink", "append",
]  # fmt: skip


@pytest.mark.parametrize(("change", "verdict"), CHANGES, ids=CHANGE_IDS)
async def test_a_foreign_change_is_found_whatever_it_hides(
    session_path: Path, other: ForeignProcess, change: Callable[[ForeignProcess], object], verdict: Change
) -> None:
    """Same length, old times, an inode used again: the content decides."""
    with pytest.raises(TakeoverError) as found:
        async with turn(session_path) as fence:
            change(other)
            await fence.check()
    assert found.value.change is verdict


async def test_an_inode_is_not_used_again_while_a_session_is_open(session_path: Path, other: ForeignProcess) -> None:
    """Our descriptor keeps it: a file that was unlinked and created again is another one."""
    with pytest.raises(TakeoverError):
        async with turn(session_path) as fence:
            inode = session_path.stat().st_ino
            _reuse_inode(other)
            assert session_path.stat().st_ino != inode
            await fence.check()


HARMLESS: list[Callable[[ForeignProcess], object]] = [
    lambda other: other.hard_link(),
    lambda other: other.chmod(0o640),
    lambda other: other.touch(),
    lambda other: other.read(),
    lambda other: other.open_and_hold(),
    lambda other: other.replace_same(),
]


@pytest.mark.parametrize("act", HARMLESS, ids=["hard link", "chmod", "touch", "reader", "descriptor", "same bytes"])
async def test_what_leaves_the_content_alone_is_no_takeover(
    session_path: Path, other: ForeignProcess, act: Callable[[ForeignProcess], object]
) -> None:
    """Backups, administrators and readers do not kill a turn."""
    async with turn(session_path) as fence:
        act(other)
        await fence.check()
        await fence.append(NOTE)
        act(other) if act is not HARMLESS[0] else None
    assert session_path.read_bytes().count(b"\n") == 5


class Clock(System):
    """A file system whose stamps are coarse, and whose clock can be set."""

    def __init__(self, step_ns: int) -> None:
        self.step_ns = step_ns
        self.offset_ns = 0

    def lstat(self, path: Path) -> os.stat_result:
        """Look at a path through this clock."""
        return self._seen(super().lstat(path))

    def fstat(self, fd: int) -> os.stat_result:
        """Look at an open file through this clock."""
        return self._seen(super().fstat(fd))

    def _seen(self, found: os.stat_result) -> os.stat_result:
        stamps = {name: getattr(found, name) + self.offset_ns for name in ("st_atime_ns", "st_mtime_ns", "st_ctime_ns")}
        coarse = {name: stamp - stamp % self.step_ns for name, stamp in stamps.items()}
        return os.stat_result(tuple(found)[:10], coarse)


@pytest.mark.parametrize("offset_seconds", [0, HOUR_SECONDS, -HOUR_SECONDS], ids=["steady", "forward", "back"])
@pytest.mark.parametrize("step_seconds", [1e-9, 2, 10**6], ids=["fine", "2 s", "never moving"])
@pytest.mark.parametrize("change", [None, 1, 3, 4, 9], ids=lambda number: CHANGE_IDS[number] if number else "none")
async def test_clock_steps_and_coarse_stamps_change_no_verdict(
    session_path: Path, other: ForeignProcess, offset_seconds: int, step_seconds: float, change: int | None
) -> None:
    """An hour forward, an hour back, stamps of two seconds or useless ones: the same verdict as ever."""
    clock = Clock(int(step_seconds * 1e9))
    coordinator = Coordinator()
    coordinator._system = clock
    verdict = None
    async with coordinator:
        session = await coordinator.open(session_path, format=PI)
        chat = session.writer("chat")
        await chat.append_all([NOTE] * 3)
        try:
            async with chat.fence() as fence:
                clock.offset_ns = int(offset_seconds * 1e9)
                if change is not None:
                    CHANGES[change][0](other)
                await fence.check()
        except TakeoverError as error:
            verdict = error.change
            if not error.usable:
                await session.reopen()
    assert verdict is (None if change is None else CHANGES[change][1])
