"""Comparisons: what is looked at, what is read, when suspicion begins and ends."""

import errno
import mmap
import os
import shutil
from pathlib import Path

import pytest

from coordinator import Change
from coordinator._core._effects import Report
from coordinator._store import _compare

from .conftest import Desk, OpenDesk
from .scripted import append_to

FOREIGN = b'{"foreign":1}\n'


def changes(report: Report) -> list[Change]:
    """Return the verdicts of a report."""
    return [foreign.change for foreign in report.foreign]


def edit(path: Path) -> None:
    """Edit a byte and put the time of the last change back."""
    before = path.stat()
    with path.open("r+b") as file:
        file.seek(2)
        file.write(b"O")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit_through_memory(path: Path) -> None:
    """Edit a byte of the page cache; on many systems that moves no time."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[2:3] = b"O"


@pytest.fixture
def large(new_desk: OpenDesk, tmp_path: Path) -> Desk:
    """Return a store whose file is above the limit for reading at every comparison, its digest known."""
    desk = new_desk(tmp_path / "large.jsonl", content_check_bytes_max=10)
    desk.open()
    desk.append(b'{"own":1}\n', b'{"own":2}\n')
    desk.compare()
    return desk


def test_a_quiet_comparison_of_a_small_file_reads_it_once(desk: Desk) -> None:
    """Look, lock, content, look: the content is the proof, the looks say that nothing moved meanwhile."""
    desk.system.begin()
    assert desk.compare().foreign == ()
    assert desk.system.calls == ["lstat", "lstat", "pread", "lstat"]


def test_a_quiet_comparison_of_a_large_file_reads_nothing(large: Desk) -> None:
    """Metadata and the lock decide."""
    large.system.begin()
    assert large.compare().foreign == ()
    assert large.system.calls == ["lstat", "lstat"]


def test_a_large_file_that_cannot_be_read_to_its_end_is_not_what_we_believe(new_desk: OpenDesk) -> None:
    """Its digest was never known, and its inode was cut before an equal copy of the rest took the path."""
    desk = new_desk(content_check_bytes_max=0)
    desk.path.write_bytes(b'{"old":1}\n{"old":2}\n')
    desk.open()
    with desk.path.open("r+b") as file:
        file.truncate(10)
    shutil.copy(desk.path, desk.path.with_name("copy"))
    desk.path.with_name("copy").replace(desk.path)
    assert changes(desk.compare()) == [Change.REPLACED]


def test_a_file_that_is_never_the_one_that_was_looked_at_is_not_what_we_believe(new_desk: OpenDesk) -> None:
    """Every attempt to read it ends before its end: that is no proof that nothing has changed."""
    desk = new_desk(content_check_bytes_max=0)
    desk.path.write_bytes(b'{"old":1}\n{"old":2}\n')
    desk.open()

    def cut_and_grow() -> None:
        desk.path.write_bytes(b"")
        desk.system.act_at("lstat", lambda: desk.path.write_bytes(b'{"new":1}\n{"new":2}\n'))
        desk.system.act_at("pread", cut_and_grow)

    os.utime(desk.path, ns=(1, 1))
    desk.system.act_at("pread", cut_and_grow)
    assert changes(desk.compare())[-1].stops


@pytest.mark.parametrize("when", ["compare", "append"])
def test_an_equal_copy_that_is_replaced_by_another_while_it_is_opened_is_no_takeover(desk: Desk, when: str) -> None:
    """An editor that saves twice has changed nothing."""

    def save() -> None:
        copy = desk.path.with_name("copy")
        copy.write_bytes(desk.path.read_bytes())
        copy.replace(desk.path)

    if when == "compare":
        save()
        desk.system.act_at("open", save)
        assert changes(desk.compare()) == [Change.TOUCHED]
    else:
        desk.system.act_at("position", lambda: (save(), desk.system.act_at("open", save)))
        report = desk.append(b'{"own":3}\n')
        assert (changes(report), desk.content.count(b'{"own":3}')) == ([Change.TOUCHED], 1)
        assert report.written is not None
    assert desk.knows_the_content


def test_a_suspect_large_file_is_read_until_it_is_quiet(large: Desk) -> None:
    """Suspicion ends with one equal read that had the same stat before and after it."""
    large.path.chmod(0o640)
    assert changes(large.compare()) == [Change.TOUCHED]
    large.system.begin()
    assert large.compare().foreign == ()
    assert "pread" not in large.system.calls


@pytest.mark.parametrize("edit_one_byte", [edit])
def test_an_edit_of_the_same_length_in_a_large_file_is_found(large: Desk, edit_one_byte: type[edit]) -> None:
    """The change time cannot be put back; the content is read because of it."""
    edit_one_byte(large.path)
    assert changes(large.compare()) == [Change.REWRITTEN]


@pytest.mark.parametrize("edit_one_byte", [edit, edit_through_memory])
def test_an_edit_of_the_same_length_in_a_small_file_is_found(desk: Desk, edit_one_byte: type[edit]) -> None:
    """Times prove nothing: whatever they say, the content is read."""
    edit_one_byte(desk.path)
    assert changes(desk.compare()) == [Change.REWRITTEN]


def test_an_edit_before_a_batch_makes_a_large_file_suspect(large: Desk) -> None:
    """The batch goes on, for nothing is cheaper than a look; the next comparison reads."""
    edit(large.path)
    assert large.append(b"{}\n").written is not None
    assert changes(large.compare()) == [Change.REWRITTEN]


def test_an_own_append_does_not_end_suspicion(large: Desk) -> None:
    """The times seen by the second look are ours; what was seen before them is not forgotten."""
    large.path.chmod(0o640)
    large.append(b"{}\n")
    large.append(b"{}\n")
    assert changes(large.compare()) == [Change.TOUCHED]
    assert large.compare().foreign == ()


def test_a_file_that_never_rests_is_read_three_times_and_stays_suspect(large: Desk) -> None:
    """A comparison is bounded; an equal read decides it, and the next one looks again."""
    large.path.chmod(0o640)
    large.system.begin()
    for number in range(40):
        large.system.act_before(number, lambda: os.utime(large.path))
    assert changes(large.compare()) == [Change.TOUCHED]
    assert large.system.calls.count("pread") == 3
    large.system.begin()
    assert changes(large.compare()) == [Change.TOUCHED]
    assert large.compare().foreign == ()


def test_a_file_that_grows_while_it_is_read_is_adopted_bit_by_bit(desk: Desk) -> None:
    """Three reads at most; what comes later is found by the next comparison."""
    desk.system.begin()
    for number in range(40):
        desk.system.act_before(number, append_to(desk.path, FOREIGN))
    found = changes(desk.compare())
    assert found == [Change.APPENDED] * 3
    desk.system.begin()
    assert changes(desk.compare()) == [Change.APPENDED]
    assert desk.knows_the_content


def test_what_was_cut_again_after_it_was_read_is_not_believed(
    new_desk: OpenDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where stamps are coarse, a line that came and went between two looks shows in neither."""
    monkeypatch.setattr(_compare, "times_of", lambda found: (0, 0))
    desk = new_desk()
    desk.open()
    append_to(desk.path, b"{}\n")()

    def cut_before_the_last_look() -> None:
        desk.system.act_at("lstat", lambda: os.truncate(desk.path, 3))

    def append_while_it_is_opened() -> None:
        append_to(desk.path, b'{"cut":1}\n')()
        desk.system.act_at("lstat", cut_before_the_last_look)

    desk.system.act_at("open", append_while_it_is_opened)
    assert changes(desk.compare()) == [Change.APPENDED, Change.TRUNCATED]


def test_a_foreign_range_is_described_exactly(desk: Desk) -> None:
    """Where it is, what is in it, what it means to the format, and what the file looked like."""
    lines = [b'{"foreign":%d}\n' % number for number in range(12)]
    foreign_bytes = b"".join(lines[:6]) + b"damage\n\n[]\n" + b"".join(lines[6:])
    expected = desk.store.revision
    append_to(desk.path, foreign_bytes)()
    (foreign,) = desk.compare().foreign
    assert (foreign.start, foreign.end) == (20, 20 + len(foreign_bytes))
    assert foreign.records == tuple({"foreign": number} for number in range(12))
    assert foreign.first_records == foreign.records[:10]
    assert (foreign.damaged, foreign.expected) == (3, expected)
    assert foreign.found is not None
    assert foreign.found.inode == desk.path.stat().st_ino
    assert foreign.found.size == foreign.end


def test_first_records_are_few_bytes(desk: Desk) -> None:
    """An error is something to read."""
    append_to(desk.path, b'{"a":"%s"}\n' % (b"x" * 40_000) + b'{"a":"%s"}\n' % (b"x" * 40_000))()
    (foreign,) = desk.compare().foreign
    assert (len(foreign.first_records), len(foreign.records or ())) == (1, 2)


def test_records_are_not_kept_without_bound(desk: Desk) -> None:
    """A flood of foreign records is adopted, but not held in memory."""
    append_to(desk.path, b"{}\n" * 10_001)()
    (foreign,) = desk.compare().foreign
    assert (foreign.records, len(foreign.first_records), foreign.damaged) == (None, 10, 0)
    assert desk.knows_the_content


def test_the_missing_range_of_a_truncated_file_is_known(desk: Desk) -> None:
    """For a cut the place is certain; for an edit only that there is one."""
    os.truncate(desk.path, 13)
    (foreign,) = desk.compare().foreign
    assert (foreign.change, foreign.start, foreign.end) == (Change.TRUNCATED, 13, 20)


def test_a_stopping_change_is_found_again_until_it_is_accepted(desk: Desk) -> None:
    """Nothing that the store does makes it go away."""
    edit(desk.path)
    assert [changes(desk.compare()) for _ in range(2)] == [[Change.REWRITTEN]] * 2
    assert desk.append(b"{}\n").written is not None or True
    assert changes(desk.append(b"{}\n", compare=True)) == [Change.REWRITTEN]


def test_the_inode_of_a_removed_file_is_not_used_again(desk: Desk) -> None:
    """Our descriptor keeps it, so a new file with equal content is seen to be another one."""
    content, inode = desk.content, desk.path.stat().st_ino
    desk.path.unlink()
    desk.path.write_bytes(content)
    assert desk.path.stat().st_ino != inode
    assert changes(desk.compare()) == [Change.TOUCHED]
    assert desk.append(b"{}\n").written is not None
    assert desk.knows_the_content


def test_a_backup_restored_over_a_large_file_is_read(large: Desk) -> None:
    """The content of another inode decides, whatever its size."""
    shutil.copy2(large.path, large.path.with_name("other"))
    large.path.with_name("other").replace(large.path)
    assert changes(large.compare()) == [Change.TOUCHED]
    edit(large.path)
    assert changes(large.compare()) == [Change.REWRITTEN]


def test_a_reader_is_no_change(desk: Desk, large: Desk) -> None:
    """Access times are nobody's business."""
    for each in (desk, large):
        os.utime(each.path, ns=(0, each.path.stat().st_mtime_ns))
        each.compare()
        each.path.read_bytes()
        assert each.compare().foreign == ()


def test_the_digest_of_a_large_file_is_learned_by_the_first_comparison(session_path: Path, new_desk: OpenDesk) -> None:
    """Opening does not wait for it; the first fence does, and then knows what was there."""
    session_path.write_bytes(b"{}\n" * 100)
    desk = new_desk(content_check_bytes_max=10)
    revision = desk.open().revision
    assert revision.digest is None
    desk.append(b"{}\n")
    assert desk.store.revision.digest is None
    assert desk.compare().foreign == ()
    assert desk.knows_the_content
    edit(session_path)
    assert changes(desk.compare()) == [Change.REWRITTEN]


@pytest.mark.parametrize("limit", [None, 0, 10**9])
def test_every_limit_finds_what_the_metadata_show(session_path: Path, new_desk: OpenDesk, limit: int | None) -> None:
    """`None` reads always, 0 hardly ever; neither misses what a stat shows."""
    desk = new_desk(content_check_bytes_max=limit)
    desk.open()
    desk.append(b'{"own":1}\n')
    desk.compare()
    append_to(session_path, FOREIGN)()
    assert changes(desk.compare()) == [Change.APPENDED]
    edit(session_path)
    assert changes(desk.compare()) == [Change.REWRITTEN]


def test_what_cannot_be_read_is_an_error_not_an_answer(desk: Desk) -> None:
    """A failing disk is reported as such: neither as unchanged nor as somebody's doing."""
    desk.system.fail("pread", OSError(errno.EIO, "broken"))
    report = desk.compare()
    assert (report.foreign, report.fault and report.fault.value, report.error and report.error.errno) == (
        (),
        "write",
        errno.EIO,
    )
    assert desk.compare().fault is None


def test_the_lock_is_looked_at_by_every_comparison(desk: Desk) -> None:
    """Whoever removed or replaced it may have let a second owner in."""
    lock = desk.path.with_name(f".{desk.path.name}.lock")
    kept = lock.with_name("kept")
    lock.rename(kept)
    assert changes(desk.compare()) == [Change.LOCK_LOST]
    lock.touch()
    assert changes(desk.compare()) == [Change.LOCK_LOST]
    kept.replace(lock)
    assert desk.compare().foreign == ()


def test_the_directory_may_vanish_altogether(new_desk: OpenDesk, tmp_path: Path) -> None:
    """An error or a takeover, never an acknowledgement into nowhere."""
    directory = tmp_path / "gone"
    directory.mkdir()
    desk = new_desk(directory / "session.jsonl")
    desk.open()
    desk.append(b"{}\n")
    directory.rename(tmp_path / "elsewhere")
    assert changes(desk.append(b"{}\n")) == [Change.LOCK_LOST]
