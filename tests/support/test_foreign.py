"""The foreign process does what it is told, no more, and is done when it says so."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.chain import check_chain, read_session
from tests.support.foreign import ForeignProcess


@pytest.fixture
def path(copy_of: Callable[[str], Path]) -> Path:
    """Return a small real session."""
    return copy_of("short")


@pytest.fixture
def foreign(path: Path) -> Iterator[ForeignProcess]:
    """Return another process at that session."""
    with ForeignProcess(path) as process:
        yield process


def test_it_is_another_process(foreign: ForeignProcess) -> None:
    """And not a thread of ours."""
    assert foreign.pid != os.getpid()


def test_it_appends_bytes(foreign: ForeignProcess, path: Path) -> None:
    """Any bytes, in one piece or in two halves."""
    before = path.read_bytes()
    assert foreign.append(b"\xff\0\n") == len(before) + 3
    finish = foreign.append_half(b"one line\n", 3)
    assert path.read_bytes() == before + b"\xff\0\none"
    finish()
    assert path.read_bytes() == before + b"\xff\0\none line\n"


def test_it_appends_a_record_after_the_leaf(foreign: ForeignProcess, path: Path) -> None:
    """As a second session manager does."""
    record = foreign.append_record(customType="foreign")
    assert check_chain(path)[-1] == record
    assert record["customType"] == "foreign"


def test_it_appends_a_record_elsewhere(foreign: ForeignProcess, path: Path) -> None:
    """As a new root, or wherever it is told."""
    assert foreign.append_record(chained=False)["parentId"] is None
    first = read_session(path).ids[0]
    assert foreign.append_record(parentId=first)["parentId"] == first
    assert len(read_session(path).off_chain()) == 8


@pytest.mark.parametrize("restore_times", [False, True])
def test_it_edits_one_byte(restore_times: bool, foreign: ForeignProcess, path: Path) -> None:
    """At the same length, if told so with the same mtime."""
    before, times = path.read_bytes(), path.stat()
    offset = foreign.edit_byte(restore_times=restore_times)
    after = path.read_bytes()
    assert [place for place in range(len(before)) if before[place] != after[place]] == [offset]
    assert len(after) == len(before)
    assert (path.stat().st_mtime_ns == times.st_mtime_ns) == restore_times
    assert foreign.edit_byte(offset) == offset
    assert path.read_bytes() == before


def test_it_edits_through_a_map_without_moving_a_time_stamp(foreign: ForeignProcess, path: Path) -> None:
    """The change that no stat can see."""
    foreign.map_dirty()
    before, times = path.read_bytes(), path.stat()
    offset = foreign.edit_map()
    assert path.read_bytes()[offset] != before[offset]
    assert (path.stat().st_mtime_ns, path.stat().st_ctime_ns) == (times.st_mtime_ns, times.st_ctime_ns)


def test_it_cuts_and_grows(foreign: ForeignProcess, path: Path) -> None:
    """To another length or to the same."""
    before = path.read_bytes()
    foreign.truncate(100)
    assert path.read_bytes() == before[:100]
    foreign.truncate_and_grow(50, b"x" * 50)
    assert path.read_bytes() == before[:50] + b"x" * 50


def test_it_replaces(foreign: ForeignProcess, path: Path) -> None:
    """With the same bytes or with others, always under a new inode."""
    before = path.read_bytes()
    inodes = [path.stat().st_ino]
    foreign.replace_same()
    inodes.append(path.stat().st_ino)
    assert path.read_bytes() == foreign.read() == before
    foreign.replace(b"other\n")
    assert path.read_bytes() == b"other\n"
    assert inodes[0] != inodes[1]
    assert list(path.parent.iterdir()) == [path]


def test_it_deletes(foreign: ForeignProcess, path: Path) -> None:
    """And what it cannot do is an error, as it is for everybody."""
    foreign.delete()
    assert not path.exists()
    with pytest.raises(FileNotFoundError):
        foreign.touch()


def test_it_changes_only_what_stands_beside_the_content(foreign: ForeignProcess, path: Path) -> None:
    """Mode, times, names."""
    before = path.read_bytes()
    foreign.chmod(0o640)
    os.utime(path, ns=(0, 0))
    foreign.touch()
    link = foreign.hard_link()
    assert (path.stat().st_mode & 0o777, path.stat().st_nlink) == (0o640, 2)
    assert path.stat().st_mtime_ns > 0
    assert link.samefile(path)
    assert path.read_bytes() == before


@pytest.mark.skipif(not os.path.isdir("/proc/self/fd"), reason="looks into /proc")
def test_it_can_be_seen_holding_the_file(foreign: ForeignProcess, path: Path) -> None:
    """So that it can be suspected."""
    foreign.open_and_hold()
    held = {os.readlink(entry.path) for entry in os.scandir(f"/proc/{foreign.pid}/fd")}
    assert str(path.resolve()) in held
