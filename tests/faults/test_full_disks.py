"""Promises 2, 4 and 5: a disk that is really full, in every way a disk can be."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import PLAIN, Event, Limits, Record, SessionState
from coordinator.testing import Interposer, open_session

from .disks import Disk, Mounts, btrfs_quota, ext4, file_size_limit, run, tmpfs

RECORDS = 5
LIMITS = Limits(close_seconds_max=1.0)


def large(number: int, size: int = 9000) -> Record:
    """Return a record that is larger than a block."""
    return {"number": number, "filling": "x" * size}


def numbers(path: Path) -> list[int]:
    """Return the numbers of all records; every line must be a whole one."""
    content = path.read_bytes()
    assert content.endswith(b"\n")
    return [json.loads(line)["number"] for line in content.split(b"\n")[:-1]]


def whole_lines(path: Path) -> list[int]:
    """Return the numbers of the lines that can be read."""
    lines = [line for line in path.read_bytes().split(b"\n") if line.endswith(b"}")]
    return [json.loads(line)["number"] for line in lines]


class Told:
    """An observer that lets a test wait for an event."""

    def __init__(self) -> None:
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    async def of(self, name: str) -> Event:
        """Wait for the next event of this name."""
        while (event := await self.events.get()).name != name:
            pass
        return event


@pytest.mark.parametrize("kind", [tmpfs, ext4, btrfs_quota, file_size_limit], ids=lambda kind: kind.__name__)
async def test_a_full_disk_tears_nothing_and_the_session_goes_on_when_there_is_room(
    mounts: Mounts, kind: Callable[[Mounts], Disk]
) -> None:
    """ENOSPC, EDQUOT and EFBIG are waited out: no half line is left, nothing is lost or doubled, the order stays."""
    disk, told, interposer = kind(mounts), Told(), Interposer()
    observers = [told.events.put_nowait]
    async with open_session(
        disk.session, format=PLAIN, limits=LIMITS, interposer=interposer, observers=observers
    ) as session:
        writer = session.writer("chat")
        await writer.append(large(0))
        disk.fill()
        waiting = [writer.append_nowait(large(number)) for number in range(1, RECORDS)]
        await told.of("disk_full")
        assert session.state is SessionState.STALLED
        assert numbers(disk.session) == [0]
        disk.make_room()
        await session.reopen()
        receipts = [await pending for pending in waiting]
    assert numbers(disk.session) == list(range(RECORDS))
    assert [receipt.sequence for receipt in receipts] == list(range(2, RECORDS + 1))
    if kind in (tmpfs, file_size_limit):
        assert "truncate" in interposer.calls, "there was no short write to be cut back"


@pytest.mark.parametrize("is_mended", [True, False], ids=["cut at last", "never cut"])
async def test_a_tail_that_cannot_be_cut_back_is_repaired_before_the_next_write(
    mounts: Mounts, is_mended: bool
) -> None:
    """On a full disk with an append-only file (`chattr +a`) half a line stays: remembered, then cut or ended."""
    disk, told = ext4(mounts), Told()
    observers = [told.events.put_nowait]
    async with open_session(disk.session, format=PLAIN, limits=LIMITS, observers=observers) as session:
        writer = session.writer("chat")
        await writer.append(large(0, 100))
        run("chattr", "+a", disk.session)
        disk.fill()
        os.truncate(disk.filler, disk.filler.stat().st_size - 300_000)
        pending = writer.append_nowait(large(1, 2_000_000))
        await told.of("disk_full")
        torn = disk.session.read_bytes()
        assert not torn.endswith(b"\n"), "there was no short write"
        if is_mended:
            run("chattr", "-a", disk.session)
        disk.make_room()
        await session.reopen()
        await pending
        assert (await session.tail(1))[0].record["number"] == 1
    run("chattr", "-a", disk.session)
    if is_mended:
        assert numbers(disk.session) == [0, 1]
    else:
        assert whole_lines(disk.session) == [0, 1]
        assert disk.session.read_bytes().startswith(torn + b"\n")
