"""Parked sessions hold nothing, and know afterwards whether somebody else has used their file."""

import os
from pathlib import Path

import pytest

from coordinator import LockedError

from .conftest import Desk, OpenDesk
from .scripted import append_to


@pytest.mark.parametrize("limit", [1024, 0])
def test_an_untouched_file_is_recognised(new_desk: OpenDesk, limit: int) -> None:
    """The revision is the one that was parked, also where the file is too large to be read."""
    desk = new_desk(content_check_bytes_max=limit)
    desk.open()
    desk.append(b"{}\n")
    before = desk.store.revision
    desk.store.park()
    assert desk.store.unpark().revision == before
    assert desk.append(b"{}\n").written is not None


def test_a_large_file_that_was_only_touched_is_read_and_recognised(new_desk: OpenDesk) -> None:
    """Where times or the inode have moved its bytes decide: nobody has to be told of a hand-over that was none."""
    desk = new_desk(content_check_bytes_max=0)
    desk.open()
    desk.append(b"{}\n")
    before = desk.store.revision
    desk.store.park()
    os.utime(desk.path, ns=(1, 1))
    assert desk.store.unpark().revision == before
    desk.store.park()
    desk.path.write_bytes(b"[]\n")
    assert desk.store.unpark().revision.generation == before.generation + 1


def test_a_suspicion_is_not_forgotten(new_desk: OpenDesk) -> None:
    """An edit that only the times have told of is found when the file is taken back, for nobody has read it before."""
    desk = new_desk(content_check_bytes_max=0)
    desk.open()
    desk.append(b'{"own":1}\n')
    with desk.path.open("r+b") as file:
        file.write(b'{"not":1}\n')
    assert desk.append(b'{"own":2}\n').written is not None
    before = desk.store.revision
    desk.store.park()
    assert desk.store.unpark().revision.generation == before.generation + 1


def test_a_parked_session_may_be_owned_by_another(new_desk: OpenDesk, desk: Desk) -> None:
    """Its lock is free; while the other has it, unparking is refused and holds nothing."""
    desk.store.park()
    other = new_desk(desk.path)
    other.open()
    with pytest.raises(LockedError):
        desk.store.unpark()
    other.append(b'{"other":1}\n')
    other.close()
    opened = desk.store.unpark()
    assert opened.revision.generation == 2
    assert desk.knows_the_content


def test_what_was_appended_meanwhile_is_a_hand_over(desk: Desk) -> None:
    """The content is taken as it is, healed as at opening."""
    desk.store.park()
    append_to(desk.path, b'{"other":1}\n{"torn')()
    opened = desk.store.unpark()
    assert opened.healed.cut_bytes == len(b'{"torn')
    assert desk.compare().foreign == ()


def test_a_file_that_is_gone_is_made_anew(desk: Desk) -> None:
    """As at opening: no file is a length of nothing."""
    desk.store.park()
    Path(desk.path).unlink()
    assert desk.store.unpark().revision.length == 0
