"""File systems on which locks, inodes or times mean little: said at opening, and contents decide."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from coordinator import Event, Limits, Record, TakeoverError
from coordinator._store import _kinds
from coordinator.testing import Interposer, open_session
from tests.faults.disks import Mounts, need

ROOT_IS_EXT4 = "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
MIDDLE = "rw,relatime shared:5"


@pytest.fixture
def mount_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mount table that a test writes itself; at first everything is one local disk."""
    table = tmp_path / "mountinfo"
    table.write_text(ROOT_IS_EXT4)
    monkeypatch.setattr(_kinds, "MOUNTS", table)
    return table


def mounted(table: Path, kind: str, point: Path) -> None:
    """Add a mount, with the name of its point as the kernel writes it."""
    name = str(point).replace(" ", r"\040")
    with table.open("a") as file:
        file.write(f"40 27 0:50 / {name} {MIDDLE} - {kind} server:/share rw\n")


async def notes_at_opening(path: Path) -> str:
    """Return what is said when an existing file is opened."""
    path.write_bytes(b'{"text":"one"}\n')
    events = list[Event]()
    async with open_session(path, observers=[events.append]):
        (opened,) = [event for event in events if event.name == "session_opened"]
    return " ".join(opened.notes)


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "9p", "vfat", "exfat", "fuse.sshfs", "virtiofs"])
async def test_a_place_where_metadata_means_little_is_named(tmp_path: Path, mount_table: Path, kind: str) -> None:
    """A person who keeps sessions on a share learns at opening what cannot be promised there."""
    mounted(mount_table, kind, tmp_path)
    assert f"the file system is {kind}" in await notes_at_opening(tmp_path / "session.jsonl")


async def test_a_new_file_there_is_spoken_of_too(session_path: Path, mount_table: Path) -> None:
    """Before its first record, and as long as it is open."""
    mounted(mount_table, "nfs", session_path.parent)
    async with open_session(session_path) as session:
        (note,) = session.statistics().notes
    assert "the file system is nfs" in note


@pytest.mark.parametrize(("kind", "where"), [("nfs", "thread"), ("ext4", "loop")])
async def test_the_event_loop_never_asks_another_machine(
    session_path: Path, mount_table: Path, kind: str, where: str
) -> None:
    """On a share every look may wait for the network."""
    mounted(mount_table, kind, session_path.parent)
    system, main = Interposer(quick=True), threading.current_thread()
    threads = list[str]()
    async with open_session(session_path, interposer=system) as session:
        await session.writer("chat").append({"makes": "the file"})
        system.after("write", lambda: threads.append("loop" if threading.current_thread() is main else "thread"))
        await session.writer("chat").append({"a": 1})
    assert threads == [where]


async def test_a_local_disk_is_nothing_to_speak_of(tmp_path: Path, mount_table: Path) -> None:
    """Neither the disk itself nor a share that is mounted elsewhere."""
    mounted(mount_table, "nfs", tmp_path / "other")
    mounted(mount_table, "nfs", tmp_path.with_name(tmp_path.name[:-1]))
    assert await notes_at_opening(tmp_path / "session.jsonl") == ""


async def test_the_innermost_and_latest_mount_counts(tmp_path: Path, mount_table: Path) -> None:
    """A local disk inside a share is a local disk; of two mounts at one place the later covers the earlier."""
    inside = tmp_path / "with space"
    inside.mkdir()
    mounted(mount_table, "ext4", inside)
    mounted(mount_table, "nfs", tmp_path)
    assert await notes_at_opening(inside / "session.jsonl") == ""
    mounted(mount_table, "cifs", inside)
    assert "cifs" in await notes_at_opening(inside / "session.jsonl")


@pytest.mark.parametrize(
    "table", [None, b"", b"no mount table\n", b"1 2 3 - x\n"], ids=["none", "empty", "odd", "short"]
)
async def test_an_unreadable_mount_table_is_no_obstacle(tmp_path: Path, mount_table: Path, table: bytes | None) -> None:
    """Where the kind cannot be known nothing is said, and the session opens."""
    mount_table.unlink() if table is None else mount_table.write_bytes(table)
    assert await notes_at_opening(tmp_path / "session.jsonl") == ""


@pytest.mark.parametrize("kind", ["ext4", "nfs"])
async def test_contents_decide_where_metadata_means_little(tmp_path: Path, mount_table: Path, kind: str) -> None:
    """A file over the bound is not read at a comparison on a local disk; on a share it is, every time."""
    mounted(mount_table, kind, tmp_path)
    path, interposer = tmp_path / "session.jsonl", Interposer()
    path.write_bytes(b'{"text":"one"}\n' * 10)
    async with (
        open_session(path, interposer=interposer, limits=Limits(content_check_bytes_max=10)) as session,
        session.writer("chat").fence() as fence,
    ):
        await fence.check()
        before = len(interposer.calls)
        await fence.check()
        assert ("pread" in interposer.calls[before:]) == (kind == "nfs")


def mark(records: Iterator[Record]) -> Iterable[Record]:
    """Make another content of it."""
    return ({**record, "rewritten": True} for record in records)


async def test_a_session_on_a_real_share(tmp_path: Path, mounts: Mounts) -> None:
    """A directory that a program serves: appends, fences and rewrites work, and foreign lines are found."""
    need("bindfs")
    served = tmp_path / "served"
    served.mkdir()
    path = mounts.mount("-t", "fuse.bindfs", served) / "session.jsonl"
    assert "the file system is fuse" in await notes_at_opening(path)
    async with open_session(path) as session:
        chat = session.writer("chat")
        await session.rewrite(mark)
        async with chat.fence() as fence:
            await fence.append({"text": "reply"})
        with pytest.raises(TakeoverError) as caught:
            async with chat.fence() as fence:
                with path.open("ab") as file:
                    file.write(b'{"text":"foreign"}\n')
                await fence.append({"text": "late"})
    assert caught.value.usable
    lines = [b'{"text":"one","rewritten":true}', b'{"text":"reply"}', b'{"text":"foreign"}']
    assert path.read_bytes().splitlines() == lines
