"""The batch when nobody interferes: creation, offsets, looks, syncs."""

import errno
import hashlib
from pathlib import Path

import pytest

from coordinator import PI, Change, Durability
from coordinator._core._effects import Append

from .conftest import Desk, OpenDesk
from .scripted import append_to

HEADER = b'{"type":"session","version":3,"id":"x"}\n'
RECORD = b'{"type":"custom","id":"a","parentId":null}\n'


def test_a_session_without_writes_leaves_no_file(session_path: Path, new_desk: OpenDesk) -> None:
    """Until the first batch, "no file" is a content of length 0."""
    desk = new_desk()
    opened = desk.open()
    assert (opened.revision.length, opened.revision.digest) == (0, hashlib.sha256().digest())
    assert desk.compare().foreign == ()
    desk.close()
    assert not session_path.exists()


def test_a_new_file_is_private_and_begins_with_its_header(session_path: Path, new_desk: OpenDesk) -> None:
    """Header and first records come in one write, in a file that nobody else may read."""
    desk = new_desk(record_format=PI)
    desk.open()
    desk.system.begin()
    report = desk.append(RECORD, header=HEADER)
    assert report.written == [len(HEADER)]
    assert session_path.read_bytes() == HEADER + RECORD
    assert session_path.stat().st_mode & 0o777 == 0o600
    assert desk.system.calls.count("write") == 1
    assert desk.knows_the_content


def test_placements_are_where_the_lines_are(desk: Desk) -> None:
    """Offset and size cut each line out of the file."""
    lines = b'{"a":"\xc3\xa9"}\n', b"{}\n", b'{"b":2}\n'
    report = desk.append(*lines)
    assert report.written is not None
    assert [desk.content[offset:].splitlines(keepends=True)[0] for offset in report.written] == list(lines)
    assert desk.knows_the_content


def test_a_batch_costs_four_system_calls(desk: Desk) -> None:
    """Look, write, position, look: no read, nothing that grows with the file."""
    desk.system.begin()
    desk.append(b"{}\n", b"{}\n")
    assert desk.system.calls == ["lstat", "write", "position", "lstat"]


def test_the_revision_is_the_same_object_until_the_content_changes(desk: Desk) -> None:
    """While a digest is unknown a revision equals only itself, so it has to stay itself."""
    before = desk.store.revision
    assert desk.compare().revision is before
    assert desk.append(b"{}\n").revision != before


def test_another_revision_than_ours_is_a_bug(desk: Desk) -> None:
    """The core and the store never disagree about the content."""
    old = desk.store.revision
    desk.append(b"{}\n")
    with pytest.raises(AssertionError):
        desk.store.perform(Append(old, (b"{}\n",)))


def test_an_empty_file_that_appears_is_used(session_path: Path, new_desk: OpenDesk) -> None:
    """Somebody may make the file for us, as `touch` does."""
    desk = new_desk(record_format=PI)
    desk.open()
    session_path.touch()
    report = desk.append(RECORD, header=HEADER)
    assert (report.written, report.foreign) == ([len(HEADER)], ())
    assert session_path.read_bytes() == HEADER + RECORD


def test_a_session_that_appears_is_healed_and_adopted(session_path: Path, new_desk: OpenDesk) -> None:
    """One made by another program is a foreign append from offset 0, chained after as such."""
    desk = new_desk(record_format=PI)
    desk.open()
    session_path.write_bytes(HEADER + RECORD + b'{"torn')
    report = desk.append(RECORD, header=HEADER)
    (foreign,) = report.foreign
    assert (report.written, foreign.change) == (None, Change.APPENDED)
    assert (foreign.start, foreign.end, foreign.damaged) == (0, len(HEADER + RECORD), 0)
    assert foreign.tail is not None
    assert foreign.tail.leaf == "a"
    assert foreign.header is not None
    assert foreign.header["id"] == "x"
    assert session_path.read_bytes() == HEADER + RECORD
    assert desk.knows_the_content


def test_something_else_that_appears_stops(session_path: Path, new_desk: OpenDesk) -> None:
    """A file that is no session of this format is nobody's history to append to."""
    desk = new_desk(record_format=PI)
    desk.open()
    session_path.write_bytes(b"no session\n")
    assert [foreign.change for foreign in desk.append(RECORD, header=HEADER).foreign] == [Change.REPLACED]
    assert session_path.read_bytes() == b"no session\n"


def test_a_file_that_appears_and_cannot_be_opened_is_an_error(session_path: Path, new_desk: OpenDesk) -> None:
    """Too many open files are no takeover; with one less, it is looked at again."""
    desk = new_desk()
    desk.open()
    session_path.write_bytes(b"{}\n")
    desk.system.fail("open", OSError(errno.EMFILE, "too many"))
    report = desk.append(RECORD)
    assert (report.foreign, report.error and report.error.errno) == ((), errno.EMFILE)
    assert [foreign.change for foreign in desk.append(RECORD).foreign] == [Change.APPENDED]


def test_a_torn_file_that_appears_and_cannot_be_healed_is_an_error(session_path: Path, new_desk: OpenDesk) -> None:
    """A full disk is no takeover either."""
    desk = new_desk()
    desk.open()
    session_path.write_bytes(b'{}\n{"torn')
    desk.system.fail("write", OSError(errno.ENOSPC, "full"))
    report = desk.compare()
    assert (report.foreign, report.error and report.error.errno) == ((), errno.ENOSPC)
    assert [foreign.change for foreign in desk.compare().foreign] == [Change.APPENDED]


def test_a_directory_that_appears_is_an_error(session_path: Path, new_desk: OpenDesk) -> None:
    """The file cannot be made, and nobody tries for ever."""
    desk = new_desk()
    desk.open()
    session_path.mkdir()
    report = desk.append(b"{}\n")
    assert (report.written, report.error is not None) == (None, True)


def test_a_header_that_is_cut_apart_stops_the_session(session_path: Path, new_desk: OpenDesk) -> None:
    """Nobody could open such a file: what is written into it must not be acknowledged."""
    desk = new_desk(record_format=PI)
    desk.open()
    desk.system.shorten(10)
    desk.system.act_at("position", append_to(session_path, b'{"f":1}\n'))
    report = desk.append(RECORD, header=HEADER)
    assert [foreign.change for foreign in report.foreign] == [Change.REPLACED]
    assert report.written is None


def test_foreign_bytes_right_after_creation_stop_a_format_with_a_header(session_path: Path, new_desk: OpenDesk) -> None:
    """A header that is not the first line is no header; where our lines may stand is said."""
    desk = new_desk(record_format=PI)
    desk.open()
    desk.system.act_at("write", append_to(session_path, b"first\n"))
    report = desk.append(RECORD, header=HEADER)
    assert [foreign.change for foreign in report.foreign] == [Change.REPLACED]
    assert (report.written, report.attempted_at) == (None, len(b"first\n"))


@pytest.mark.parametrize(
    ("durability", "syncs"), [(Durability.NONE, []), (Durability.FENCE, ["sync", "sync_directory"])]
)
def test_the_directory_of_a_new_file_is_synced(new_desk: OpenDesk, durability: Durability, syncs: list[str]) -> None:
    """A durable record in a file without a durable name is lost."""
    desk = new_desk(durability=durability)
    desk.open()
    desk.system.begin()
    report = desk.append(b"{}\n", sync=durability is Durability.FENCE)
    assert report.synced is bool(syncs)
    assert [call for call in desk.system.calls if call.startswith("sync")] == syncs


@pytest.mark.parametrize("again", ["reopened", "parked", "opened by another"])
def test_a_name_that_was_never_synced_stays_owed(session_path: Path, new_desk: OpenDesk, again: str) -> None:
    """However the file was opened again: a sync that leaves the name out makes nothing durable."""
    desk = new_desk()
    desk.open()
    desk.append(b"{}\n")
    if again == "reopened":
        desk.reopen()
    elif again == "parked":
        desk.store.park()
        desk.store.unpark()
    else:
        desk.close()
        desk = new_desk(session_path)
        desk.open()
    desk.system.begin()
    assert desk.sync().synced
    assert [call for call in desk.system.calls if call.startswith("sync")] == ["sync", "sync_directory"]


def test_a_batch_is_synced_before_the_second_look(desk: Desk) -> None:
    """Slow as it is, it belongs between write and acknowledgement, and the look has the last word."""
    desk.sync()
    desk.system.begin()
    assert desk.append(b"{}\n", sync=True).synced
    assert desk.system.calls == ["lstat", "write", "position", "sync", "lstat"]


def test_nothing_new_needs_no_second_sync(desk: Desk) -> None:
    """What is on stable storage stays there."""
    assert desk.compare(sync=True).synced
    desk.system.begin()
    assert desk.compare(sync=True).synced
    assert "sync" not in desk.system.calls


def test_adopted_bytes_are_synced_too(desk: Desk) -> None:
    """A sync speaks of everything up to the revision, foreign lines included."""
    desk.sync()
    desk.system.act_at("lstat", append_to(desk.path, b"{}\n"))
    desk.system.begin()
    report = desk.compare(sync=True)
    assert (report.synced, len(report.foreign)) == (True, 1)
    assert desk.system.calls[-1] == "sync"


@pytest.mark.parametrize("call", ["sync", "sync_directory"])
def test_a_failed_sync_is_never_asked_again(new_desk: OpenDesk, call: str) -> None:
    """The kernel may drop the data and report success the next time; nothing of the batch is acknowledged."""
    desk = new_desk()
    desk.open()
    desk.system.fail(call, OSError(errno.EIO, "lost"))
    report = desk.append(b"{}\n", sync=True)
    assert (report.written, report.fault and report.fault.value, report.attempted_at) == (None, "sync", 0)
    desk.system.begin()
    assert [desk.sync().fault, desk.compare(sync=True).fault] == [report.fault] * 2
    assert desk.close(sync=True).fault is report.fault
    assert "sync" not in desk.system.calls


def test_closing_syncs_and_may_be_done_twice(desk: Desk) -> None:
    """The second close has nothing to give back."""
    desk.system.begin()
    assert desk.close(sync=True).synced
    assert desk.system.calls[:2] == ["sync", "sync_directory"]
    assert desk.close().fault is None
