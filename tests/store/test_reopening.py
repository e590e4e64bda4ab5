"""Accepting a file as it is now: generations, kept lines that stand there already, what cannot be accepted."""

from pathlib import Path

import pytest

from coordinator import PI, FormatError, PathError
from coordinator._core._effects import Placement

from .conftest import Desk, OpenDesk
from .scripted import append_to

OWN = b'{"own":3}\n', b'{"own":4}\n'


def test_an_unchanged_file_keeps_its_generation(desk: Desk) -> None:
    """Nothing was replaced."""
    before = desk.store.revision
    assert desk.reopen().revision == before


def test_a_replaced_content_is_a_new_generation(desk: Desk) -> None:
    """Counted within one opening."""
    desk.path.write_bytes(b'{"other":1}\n')
    assert desk.reopen().revision.generation == 2
    desk.path.write_bytes(b'{"other":2}\n')
    assert desk.reopen().revision.generation == 3
    assert desk.knows_the_content


def test_a_replaced_file_is_written_to_from_then_on(desk: Desk) -> None:
    """The old descriptor is not used any more."""
    other = desk.path.with_name("other")
    other.write_bytes(b"{}\n")
    other.replace(desk.path)
    desk.reopen()
    assert desk.append(*OWN).written is not None
    assert desk.content == b"{}\n" + b"".join(OWN)


def test_reopening_heals_as_opening_does(desk: Desk) -> None:
    """A torn tail is cut, its bytes are kept."""
    append_to(desk.path, b'{"torn')()
    healed = desk.reopen().healed
    assert healed.cut_bytes == 6
    assert healed.side_file is not None
    assert Path(healed.side_file).read_bytes() == b'{"torn'
    assert desk.knows_the_content


def test_a_vanished_file_is_made_anew_with_the_next_batch(desk: Desk) -> None:
    """With the header that comes along."""
    desk.path.unlink()
    opened = desk.reopen()
    assert (opened.revision.length, opened.revision.generation, opened.header) == (0, 2, None)
    assert not desk.path.exists()
    assert desk.append(OWN[0], header=b'{"h":1}\n').written is not None
    assert desk.content == b'{"h":1}\n' + OWN[0]


def test_a_vanished_file_is_not_made_if_it_must_not(desk: Desk) -> None:
    """The session stays as it was, and may be reopened otherwise."""
    desk.path.unlink()
    with pytest.raises(PathError):
        desk.reopen(create=False)
    assert not desk.path.exists()
    desk.reopen(create=True)


def test_what_is_no_session_is_not_accepted(session_path: Path, new_desk: OpenDesk) -> None:
    """Refused untouched, as at opening; mended, it is accepted."""
    header = b'{"type":"session","version":3,"id":"x"}\n'
    session_path.write_bytes(header)
    desk = new_desk(record_format=PI)
    desk.open()
    session_path.write_bytes(b"no header\n")
    with pytest.raises(FormatError):
        desk.reopen()
    assert session_path.read_bytes() == b"no header\n"
    session_path.write_bytes(header)
    desk.reopen()


def test_attempted_lines_are_counted_with_multiplicity(desk: Desk) -> None:
    """Each line of the file stands for one of those that were tried."""
    start = len(desk.content)
    append_to(desk.path, OWN[0] + b'{"foreign":1}\n' + OWN[0] + OWN[1][:-1])()
    present = desk.reopen(OWN[0], OWN[0], OWN[0], OWN[1], since=start).present
    assert present == (Placement(20, 10), Placement(44, 10), None, Placement(54, 10))


def test_lines_before_the_attempt_do_not_count(desk: Desk) -> None:
    """An equal record that was acknowledged long ago is another one."""
    assert desk.reopen(b'{"own":2}\n', since=20).present == (None,)
    assert desk.reopen(b'{"own":2}\n', since=10).present == (Placement(10, 10),)


def test_the_end_of_a_line_is_no_line(desk: Desk) -> None:
    """Bytes that happen to be equal in the middle of another line, or glued to one, are not there."""
    desk.path.write_bytes(b'{"own":1}\n' + b'x{"own":3}\n')
    assert desk.reopen(OWN[0], since=11).present == (None,)
    assert desk.reopen(OWN[0], since=10).present == (None,)


@pytest.mark.parametrize("since", [20, 21, 10**9])
def test_an_attempt_at_the_end_or_behind_it_is_not_there(desk: Desk, since: int) -> None:
    """A file that was truncated holds nothing of what was tried."""
    assert desk.reopen(*OWN, since=since).present == (None, None)


def test_a_closed_store_can_be_opened_by_another(desk: Desk, new_desk: OpenDesk) -> None:
    """What was believed is what the next one finds."""
    revision = desk.store.revision
    desk.close()
    assert new_desk().open().revision == revision
