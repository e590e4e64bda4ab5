"""A disk that refuses: nothing torn, nothing lost, nothing cut that is not ours."""

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator import Change
from coordinator._core._effects import Fault, Report

from .conftest import Desk, OpenDesk
from .scripted import append_to

OWN = b'{"own":3}\n', b'{"own":4}\n', b'{"own":5}\n'
BEFORE = b'{"own":1}\n{"own":2}\n'
FOREIGN = b'{"foreign":1}\n'
ROOM = [errno.ENOSPC, errno.EDQUOT, errno.EFBIG]
FAULTS = [*((number, Fault.ROOM) for number in ROOM), (errno.EIO, Fault.WRITE), (errno.EROFS, Fault.WRITE)]


def error(number: int) -> OSError:
    """Return an error as the operating system raises it."""
    return OSError(number, os.strerror(number))


def outcome(report: Report) -> tuple[object, Fault | None, int | None]:
    """Return what the core goes by."""
    return report.written, report.fault, report.error and report.error.errno


@pytest.mark.parametrize(("number", "fault"), FAULTS)
def test_a_refused_write_leaves_the_file_as_it_was(desk: Desk, number: int, fault: Fault) -> None:
    """And the same batch is written when there is room again."""
    desk.system.fail("write", error(number))
    assert outcome(desk.append(*OWN)) == (None, fault, number)
    assert desk.content == BEFORE
    assert desk.append(*OWN).written is not None
    assert desk.content == BEFORE + b"".join(OWN)


@pytest.mark.parametrize(("number", "fault"), FAULTS)
@pytest.mark.parametrize("size", [1, 9, 10, 11, 29])
def test_a_short_write_that_cannot_be_finished_is_cut_back(desk: Desk, number: int, fault: Fault, size: int) -> None:
    """Whole lines of the batch included: it is written once, all of it, later."""
    desk.system.shorten(size)
    desk.system.fail("write", error(number), skip=1)
    assert outcome(desk.append(*OWN)) == (None, fault, number)
    assert desk.content == BEFORE
    assert desk.compare().foreign == ()
    assert desk.append(*OWN).written is not None
    assert desk.content == BEFORE + b"".join(OWN)
    assert desk.knows_the_content


def test_a_refused_creation_leaves_a_session_that_still_gets_its_header(new_desk: OpenDesk) -> None:
    """An empty file counts as new, also after the disk was full in between."""
    desk = new_desk()
    desk.open()
    desk.system.shorten(3)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    assert outcome(desk.append(OWN[0], header=b'{"h":1}\n')) == (None, Fault.ROOM, errno.ENOSPC)
    assert desk.store.revision.length == 0
    assert desk.append(OWN[0], header=b'{"h":1}\n').written is not None
    assert desk.content == b'{"h":1}\n' + OWN[0]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EMFILE, errno.EACCES])
def test_a_file_that_cannot_be_made_is_a_fault(new_desk: OpenDesk, session_path: Path, number: int) -> None:
    """No room is waited for, everything else is not."""
    desk = new_desk()
    desk.open()
    desk.system.fail("open", error(number))
    fault = Fault.ROOM if number == errno.ENOSPC else Fault.WRITE
    assert outcome(desk.append(OWN[0])) == (None, fault, number)
    assert not session_path.exists()
    assert desk.append(OWN[0]).written is not None


def test_a_copy_that_was_made_before_the_cut_may_hold_what_was_tried(desk: Desk) -> None:
    """A backup restored while the disk is full has a line of ours that the cut of the old file does not reach."""

    def restore_backup() -> None:
        other = desk.path.with_name("other")
        other.write_bytes(desk.content)
        other.replace(desk.path)

    desk.system.shorten(14)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    desk.system.act_at("truncate", restore_backup)
    report = desk.append(*OWN)
    assert (outcome(report), report.attempted_at) == ((None, Fault.ROOM, errno.ENOSPC), len(BEFORE))
    assert [foreign.change for foreign in desk.append(*OWN).foreign] == [Change.REPLACED]
    present = desk.reopen(*OWN, since=len(BEFORE)).present
    assert [place is None for place in present] == [False, True, True]


def test_bytes_that_are_not_ours_are_never_cut(desk: Desk) -> None:
    """A foreign line that landed behind our half line stays; ours is damage, and written again when there is room."""
    desk.system.shorten(4)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    desk.system.act_at("fstat", append_to(desk.path, FOREIGN + FOREIGN))
    assert outcome(desk.append(*OWN)) == (None, Fault.ROOM, errno.ENOSPC)
    assert desk.content == BEFORE + OWN[0][:4] + FOREIGN + FOREIGN
    report = desk.append(*OWN)
    (foreign,) = report.foreign
    assert (foreign.change, foreign.records, foreign.damaged) == (Change.TORN, ({"foreign": 1},), 1)
    assert (foreign.start, foreign.end) == (24, 24 + 2 * len(FOREIGN))
    assert desk.append(*OWN).written is not None
    assert desk.content.endswith(FOREIGN + b"".join(OWN))
    assert desk.knows_the_content


@pytest.mark.parametrize("header", [None, b'{"h":1}\n'], ids=["without a header", "with one"])
def test_the_beginning_of_a_file_that_is_glued_to_a_foreign_line(
    new_desk: OpenDesk, session_path: Path, header: bytes | None
) -> None:
    """It is damage like any other, unless it is half a header: behind that nothing can be written."""
    session_path.touch()
    desk = new_desk()
    desk.open()
    desk.system.shorten(4)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    desk.system.act_at("fstat", append_to(desk.path, FOREIGN))
    desk.append(OWN[0], header=header)
    desk.compare()
    report = desk.append(OWN[0], header=header)
    assert report.fault is (None if header is None else Fault.WRITE)
    assert desk.content == (header or OWN[0])[:4] + FOREIGN + (OWN[0] if header is None else b"")


def test_bytes_that_only_have_the_length_of_ours_are_never_cut(desk: Desk) -> None:
    """The tail is read before it is cut: a length proves nothing."""
    desk.system.shorten(4)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)

    def replace_tail() -> None:
        os.truncate(desk.path, len(BEFORE))
        append_to(desk.path, b"{ }\n")()

    desk.system.act_at("pread", replace_tail)
    assert desk.append(*OWN).written is None
    assert desk.content == BEFORE + b"{ }\n"
    assert [foreign.change for foreign in desk.compare().foreign] == [Change.REWRITTEN]


def test_what_is_appended_while_the_tail_is_read_is_not_cut_away(desk: Desk) -> None:
    """The size is looked at last: only the instant before the cut itself is left."""
    desk.system.shorten(4)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    desk.system.act_at("fstat", append_to(desk.path, FOREIGN))
    assert desk.append(*OWN).written is None
    assert desk.content.endswith(FOREIGN)


def test_a_write_that_takes_nothing_is_an_error_and_not_tried_for_ever(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broken file system, or a broken tracer, must not hang the writer."""
    monkeypatch.setattr(os, "write", lambda _fd, _data: 0)
    report = desk.append(*OWN)
    assert outcome(report) == (None, Fault.WRITE, errno.EIO)
    assert desk.content == BEFORE


def test_a_line_that_landed_below_the_length_we_knew_is_found_again(desk: Desk) -> None:
    """Somebody cut our last line before we wrote, and then nobody could look: reopening must not write it twice."""
    desk.system.act_at("write", lambda: os.truncate(desk.path, 10))
    desk.system.act_at("position", lambda: desk.system.fail("lstat", error(errno.EIO), for_ever=True))
    report = desk.append(*OWN)
    desk.system.mend()
    assert (report.fault, report.attempted_at) == (Fault.WRITE, 10)
    assert all(place is not None for place in desk.reopen(*OWN, since=10).present)


def test_pieces_with_foreign_bytes_between_them_fail_the_session(desk: Desk) -> None:
    """Some lines of the batch may stand whole, some not: only reopening can count them."""
    desk.system.shorten(14, 6)
    desk.system.fail("write", error(errno.ENOSPC), skip=2)
    desk.system.begin()
    desk.system.act_before(3, append_to(desk.path, FOREIGN))
    report = desk.append(*OWN)
    assert (report.written, report.fault, report.attempted_at) == (None, Fault.WRITE, 20)
    places = desk.reopen(*OWN, since=20).present
    assert [place is not None for place in places] == [True, False, False]


def test_whole_lines_that_foreign_bytes_follow_are_found_by_reopening(desk: Desk) -> None:
    """They cannot be cut and must not be written twice: the session fails, and counts them when it is reopened."""
    desk.system.shorten(14)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    desk.system.act_at("fstat", append_to(desk.path, FOREIGN))
    first = desk.append(*OWN)
    assert first.attempted_at == 20
    desk.append(*OWN)
    last = desk.append(*OWN)
    assert (last.fault, last.attempted_at) == (Fault.WRITE, None)
    places = desk.reopen(*OWN, since=20).present
    assert [place is not None for place in places] == [True, False, False]
    assert desk.append(*OWN[1:]).written is not None
    assert [desk.content.splitlines(keepends=True).count(line) for line in OWN] == [1, 1, 1]


@pytest.mark.parametrize("size", [4, 14])
def test_a_dirty_tail_is_cut_before_the_next_write(desk: Desk, size: int) -> None:
    """When cutting back fails too, it is remembered and done first; nobody takes it for a foreign change meanwhile."""
    desk.system.shorten(size)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    desk.system.fail("truncate", error(errno.EDQUOT))
    before = desk.store.revision
    assert outcome(desk.append(*OWN)) == (None, Fault.ROOM, errno.ENOSPC)
    assert desk.content == BEFORE + b"".join(OWN)[:size]
    assert desk.store.revision == before
    assert desk.compare().foreign == ()
    assert desk.append(*OWN).written is not None
    assert desk.content == BEFORE + b"".join(OWN)
    assert desk.knows_the_content


def test_a_dirty_tail_that_can_never_be_cut_is_ended(desk: Desk) -> None:
    """Where a file may only grow, half a line becomes a damaged line, and the batch stands whole behind it."""
    desk.system.shorten(4)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    desk.system.fail("truncate", error(errno.EPERM), for_ever=True)
    desk.append(*OWN)
    assert desk.append(*OWN).written is not None
    assert desk.content == BEFORE + OWN[0][:4] + b"\n" + b"".join(OWN)
    assert desk.knows_the_content


def test_whole_lines_in_a_dirty_tail_are_never_written_twice(desk: Desk) -> None:
    """They must be cut before anything is written; as long as that fails, nothing is."""
    desk.system.shorten(14)
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    desk.system.fail("truncate", error(errno.EDQUOT), for_ever=True)
    for _ in range(3):
        assert desk.append(*OWN).fault is Fault.ROOM
    desk.system.mend()
    assert desk.append(*OWN).written is not None
    assert desk.content == BEFORE + b"".join(OWN)


def test_a_glued_line_that_cannot_be_written_again_is_no_acknowledgement(desk: Desk) -> None:
    """A batch is whole or not at all, and what stands of it is found by reopening."""
    desk.system.act_at("write", append_to(desk.path, b'{"half'))
    desk.system.fail("write", error(errno.ENOSPC), skip=1)
    report = desk.append(*OWN)
    assert (report.written, report.fault) == (None, Fault.WRITE)
    assert report.attempted_at is not None
    places = desk.reopen(*OWN, since=report.attempted_at).present
    assert [place is not None for place in places] == [False, True, True]


def test_a_look_that_fails_after_the_write_is_no_acknowledgement(desk: Desk) -> None:
    """Where nobody could look, nobody knows."""
    desk.system.act_at("write", lambda: desk.system.fail("lstat", error(errno.EIO), for_ever=True))
    report = desk.append(*OWN)
    desk.system.mend()
    assert outcome(report) == (None, Fault.WRITE, errno.EIO)
    assert report.attempted_at == 20
    assert all(place is not None for place in desk.reopen(*OWN, since=20).present)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC, errno.EMFILE])
def test_every_system_call_of_a_batch_may_fail(tmp_path: Path, new_desk: OpenDesk, number: int) -> None:
    """Once or for ever: never an acknowledgement that is not true, never a file that reopening does not understand."""
    for position in range(40):
        for for_ever in (False, True):
            desk = new_desk(tmp_path / f"{position}-{for_ever}.jsonl")
            desk.open()
            desk.append(b'{"own":1}\n', b'{"own":2}\n')
            desk.system.begin()
            desk.system.shorten(14)
            desk.system.fail_at(position, error(number), for_ever=for_ever)
            report = desk.append(*OWN, sync=True, compare=True)
            reached = len(desk.system.calls) > position
            desk.system.mend()
            if report.fault is Fault.SYNC:
                assert report.written is None
                continue
            if report.written is None:
                since = 20 if report.attempted_at is None else report.attempted_at
                places = desk.reopen(*OWN, since=since).present
                missing = [line for line, place in zip(OWN, places, strict=True) if place is None]
                assert not missing or desk.append(*missing).written is not None
            assert [desk.content.splitlines(keepends=True).count(line) for line in OWN] == [1, 1, 1]
            assert desk.content.startswith(BEFORE)
            assert desk.knows_the_content
            desk.close()
        if not reached:
            assert position > 10
            return
    pytest.fail("no run was clean")


@contextmanager
def file_size_limit(size: int) -> Iterator[None]:
    """Let this process write files of this size only."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_real_limit_of_the_file_size_tears_nothing(desk: Desk) -> None:
    """The kernel writes what fits and refuses the rest; all of it is taken back."""
    with file_size_limit(34):
        assert outcome(desk.append(*OWN)) == (None, Fault.ROOM, errno.EFBIG)
        assert desk.content == BEFORE
        assert desk.append(OWN[0]).written is not None
    assert desk.append(*OWN[1:]).written is not None
    assert desk.content == BEFORE + b"".join(OWN)
