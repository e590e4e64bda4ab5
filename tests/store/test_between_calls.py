"""A foreign writer between any two of our system calls: what is acknowledged is there, what changed is found."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import Change
from coordinator._core._effects import Report

from .conftest import Desk, OpenDesk
from .scripted import append_to

OWN = (b'{"own":3}\n', b'{"own":4}\n', b'{"own":5}\n')
FOREIGN = b'{"foreign":1}\n'
Act = Callable[[Path], object]


def append_line(path: Path) -> None:
    """Append a whole record."""
    append_to(path, FOREIGN)()


def append_two_lines(path: Path) -> None:
    """Append two whole records."""
    append_to(path, FOREIGN + b'{"foreign":2}\n')()


def append_half(path: Path) -> None:
    """Append half a record."""
    append_to(path, b'{"foreign":')()


def append_damage(path: Path) -> None:
    """Append lines that are no records."""
    append_to(path, b"damage\n\n")()


def edit_first(path: Path) -> None:
    """Edit bytes without changing the length."""
    with path.open("r+b") as file:
        file.write(b'{"OWN":1}\n')


def edit_and_append(path: Path) -> None:
    """Edit and append."""
    edit_first(path)
    append_line(path)


def truncate_a_little(path: Path) -> None:
    """Cut the last line in two."""
    os.truncate(path, 15)


def truncate_and_grow(path: Path) -> None:
    """Cut the file and write something else there."""
    os.truncate(path, 10)
    append_to(path, b'{"OWN":2}\n' + OWN[0] + OWN[1] + OWN[2])()


def empty_file(path: Path) -> None:
    """Cut everything."""
    os.truncate(path, 0)


def replace(path: Path) -> None:
    """Put another file there."""
    other = path.with_name("other")
    other.write_bytes(b'{"other":1}\n')
    other.replace(path)


def replace_with_more(path: Path) -> None:
    """Put a copy there that has one line more."""
    other = path.with_name("other")
    other.write_bytes(path.read_bytes() + FOREIGN)
    other.replace(path)


def remove(path: Path) -> None:
    """Remove the file."""
    path.unlink()


def steal_lock(path: Path) -> None:
    """Remove the lock."""
    path.with_name(f".{path.name}.lock").unlink()


def make_directory_of_it(path: Path) -> None:
    """Put a directory there."""
    path.unlink()
    path.mkdir()


def link_elsewhere(path: Path) -> None:
    """Put a symbolic link there."""
    path.rename(path.with_name("moved"))
    path.symlink_to(path.with_name("moved"))


def restore_backup(path: Path) -> None:
    """Put the same bytes there under a new inode."""
    other = path.with_name("other")
    shutil.copy2(path, other)
    other.replace(path)


def change_mode(path: Path) -> None:
    """Change the mode."""
    path.chmod(0o640)


def hard_link(path: Path) -> None:
    """Make a second name."""
    path.with_name("link").hardlink_to(path)


def touch(path: Path) -> None:
    """Set the times."""
    os.utime(path)


def rewrite_equal(path: Path) -> None:
    """Write the same bytes over the file."""
    path.write_bytes(path.read_bytes())


QUIET: dict[Act, set[Change]] = {
    act: {Change.TOUCHED} for act in (restore_backup, change_mode, hard_link, touch, rewrite_equal)
}
GROWING: dict[Act, set[Change]] = {
    append_line: {Change.APPENDED},
    append_two_lines: {Change.APPENDED},
    append_half: {Change.TORN},
    append_damage: {Change.APPENDED},
}
STOPPING: dict[Act, set[Change]] = {
    edit_first: {Change.REWRITTEN},
    edit_and_append: {Change.REWRITTEN},
    # Between a write and its second look these two cannot be told apart: the length alone may fit again.
    truncate_a_little: {Change.TRUNCATED},
    truncate_and_grow: {Change.TRUNCATED, Change.REWRITTEN},
    empty_file: {Change.TRUNCATED},
    replace: {Change.REPLACED},
    replace_with_more: {Change.REPLACED},
    remove: {Change.VANISHED},
    make_directory_of_it: {Change.VANISHED},
    link_elsewhere: {Change.VANISHED},
    steal_lock: {Change.LOCK_LOST},
}
ALL = QUIET | GROWING | STOPPING


def named(acts: dict[Act, set[Change]]) -> list[object]:
    """Give each act its name in the list of tests."""
    return [pytest.param(act, id=act.__name__) for act in acts]


def calls_of_an_append(new_desk: OpenDesk, path: Path, **options: bool) -> int:
    """Count how many places there are to act in."""
    desk = opened(new_desk, path)
    desk.system.begin()
    desk.append(*OWN, **options)
    return len(desk.system.calls)


def opened(new_desk: OpenDesk, path: Path) -> Desk:
    """Return a store with two lines of ours in its file."""
    desk = new_desk(path)
    desk.open()
    desk.append(b'{"own":1}\n', b'{"own":2}\n')
    return desk


def append_until_written(desk: Desk, **options: bool) -> list[Report]:
    """Do what the core does: try again with what was refused for foreign lines."""
    reports = [desk.append(*OWN, **options)]
    while reports[-1].written is None and not any(foreign.change.stops for foreign in reports[-1].foreign):
        assert reports[-1].fault is None
        reports.append(desk.append(*OWN, **options))
        assert len(reports) < 5
    return reports


@pytest.mark.parametrize("options", [{}, {"compare": True}, {"sync": True}, {"insist": True}], ids=str)
@pytest.mark.parametrize("act", named(ALL))
def test_nothing_is_lost_doubled_or_laundered(
    tmp_path: Path, new_desk: OpenDesk, act: Act, options: dict[str, bool]
) -> None:
    """Whatever somebody does before whichever of our calls, it is found, and our receipts tell the truth."""
    for number in range(calls_of_an_append(new_desk, tmp_path / "counted.jsonl", **options) + 1):
        path = tmp_path / str(number) / "session.jsonl"
        path.parent.mkdir()
        desk = opened(new_desk, path)
        desk.system.begin()
        desk.system.act_before(number, lambda path=path: act(path))
        reports = append_until_written(desk, **options)
        if desk.system.calls[number:] == []:
            act(path)
            desk.system.begin()
        if not any(foreign.change.stops for report in reports for foreign in report.foreign):
            reports.append(desk.compare())
        check(desk, reports, ALL[act], stops=act in STOPPING)
        desk.close()


def check(desk: Desk, reports: list[Report], changes: set[Change], *, stops: bool) -> None:
    """Every change is found once, and every placement of a written line is true."""
    found = [foreign.change for report in reports for foreign in report.foreign]
    if changes == {Change.TOUCHED}:
        # Between a write and its second look the times say nothing: the next look begins with what this one saw.
        assert set(found) <= changes
    else:
        assert set(found) <= changes
        assert found
    (written,) = [report.written for report in reports if report.written is not None] or [None]
    if stops:
        assert found[-1].stops
        check_what_stands(desk.path, reports[-1])
        return
    content = desk.content
    assert written is not None
    for line, offset in zip(OWN, written, strict=True):
        assert content[offset : offset + len(line)] == line
        assert offset == 0 or content[offset - 1 : offset] == b"\n"
        assert content.splitlines(keepends=True).count(line) == 1
    assert content.startswith(b'{"own":1}\n{"own":2}\n')
    assert content.endswith(b"\n")
    assert desk.knows_the_content


def check_what_stands(path: Path, report: Report) -> None:
    """A fence is told which of its lines are in the file all the same, so that none is written twice."""
    content = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
    for line, place in zip(OWN, report.standing, strict=False):
        there = b"" if place is None else content[place.offset : place.offset + place.size]
        assert there == (line if line in content.splitlines(keepends=True) else b"")


@pytest.mark.parametrize("act", named(STOPPING))
def test_a_stopped_batch_says_where_it_may_stand(tmp_path: Path, new_desk: OpenDesk, act: Act) -> None:
    """Bytes of ours that are in a file which we no longer know are found again when it is accepted, or written anew."""
    for number in range(calls_of_an_append(new_desk, tmp_path / "counted.jsonl")):
        path = tmp_path / str(number) / "session.jsonl"
        path.parent.mkdir()
        desk = opened(new_desk, path)
        desk.system.begin()
        desk.system.act_before(number, lambda path=path: act(path))
        report = desk.append(*OWN)
        if report.written is not None:
            report = desk.compare()
            assert [foreign.change.stops for foreign in report.foreign] == [True]
            desk.close()
            continue
        if path.is_symlink() or path.is_dir():
            desk.close()
            continue
        attempted = OWN if report.attempted_at is not None else ()
        opened_again = desk.reopen(*attempted, since=report.attempted_at or 0)
        places = [*opened_again.present, *[None] * (len(OWN) - len(attempted))]
        missing = [line for line, place in zip(OWN, places, strict=True) if place is None]
        if missing:
            assert desk.append(*missing).written is not None
        lines = desk.content.splitlines(keepends=True)
        assert [lines.count(line) for line in OWN] == [1, 1, 1] or act is truncate_and_grow
        assert desk.knows_the_content
        desk.close()


@pytest.mark.parametrize("act", named(ALL))
def test_a_comparison_finds_what_was_there_when_it_looked(tmp_path: Path, new_desk: OpenDesk, act: Act) -> None:
    """A change before the comparison is found by it; one in its middle by it or by the next, exactly once."""
    desk = opened(new_desk, tmp_path / "counted.jsonl")
    desk.system.begin()
    desk.compare()
    for number in range(len(desk.system.calls) + 1):
        path = tmp_path / str(number) / "session.jsonl"
        path.parent.mkdir()
        desk = opened(new_desk, path)
        desk.system.begin()
        desk.system.act_before(number, lambda path=path: act(path))
        reports = [desk.compare()]
        if desk.system.calls[number:] == []:
            act(path)
            desk.system.begin()
        assert number > 0 or reports[0].foreign
        reports.append(desk.compare())
        found = [foreign for report in reports for foreign in report.foreign]
        assert {foreign.change for foreign in found} <= ALL[act] | ({Change.APPENDED} if act is append_half else set())
        assert found
        if act not in STOPPING:
            assert len(found) == 1
            assert desk.knows_the_content
            assert desk.compare().foreign == ()
        desk.close()


@pytest.mark.parametrize("act", named(GROWING))
def test_a_line_that_slips_into_the_creation_is_found(tmp_path: Path, new_desk: OpenDesk, act: Act) -> None:
    """The first batch makes the file; somebody else may be quicker, or right behind."""
    number, done = 0, False
    while not done:
        path = tmp_path / str(number) / "session.jsonl"
        path.parent.mkdir()
        desk = new_desk(path)
        desk.open()
        desk.system.begin()
        desk.system.act_before(number, lambda path=path: act(path))
        reports = append_until_written(desk)
        done = desk.system.calls[number:] == []
        if done:
            desk.system.begin()
        reports.append(desk.compare())
        content = desk.content
        lines = content.splitlines(keepends=True)
        assert [lines.count(line) for line in OWN] == [1, 1, 1]
        assert desk.knows_the_content
        # A half line that was there before we opened the file is torn: its bytes are put aside, not ended.
        if not done and content != b"".join(OWN):
            assert [foreign for report in reports for foreign in report.foreign]
        desk.close()
        number += 1
    assert number > 3
