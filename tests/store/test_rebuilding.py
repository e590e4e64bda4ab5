"""After a failed sync the file is made anew: from what is known good and what is in memory, never from a read-back."""

import errno
import os

import pytest

from coordinator import Durability, WriteFailedError
from coordinator._core._effects import Fault

from .conftest import Desk, OpenDesk
from .scripted import append_to

EIO = OSError(errno.EIO, "lost")
FOREIGN = b'{"foreign":1}\n'


def lose(desk: Desk, size: int) -> None:
    """Do what a failing disk does: the pages since the last good sync become NUL bytes."""
    descriptor = os.open(desk.path, os.O_WRONLY)
    try:
        os.pwrite(descriptor, b"\0" * (len(desk.content) - size), size)
    finally:
        os.close(descriptor)


def test_what_a_failed_sync_has_lost_is_written_again_from_memory(desk: Desk) -> None:
    """The prefix of the last good sync and the acknowledged bytes since are in a new, durable file."""
    desk.sync()
    good = len(desk.content)
    desk.append(b'{"own":3}\n')
    whole, inode = desk.content, desk.path.stat().st_ino
    desk.system.fail("sync", EIO)
    assert desk.sync().fault is Fault.SYNC
    lose(desk, good)
    opened = desk.reopen()
    assert desk.content == whole
    assert desk.path.stat().st_ino != inode
    assert opened.revision.generation == 2
    assert desk.sync().synced


def test_a_batch_whose_sync_failed_is_not_taken_from_the_file(desk: Desk) -> None:
    """It was not acknowledged: the core has it and writes it again; what stands in the cache does not count."""
    desk.sync()
    desk.system.fail("sync", EIO)
    report = desk.append(b'{"own":3}\n', sync=True)
    assert (report.written, report.fault) == (None, Fault.SYNC)
    opened = desk.reopen(b'{"own":3}\n', since=report.attempted_at or 0)
    assert opened.present == (None,)
    assert desk.content == b'{"own":1}\n{"own":2}\n'
    assert desk.append(b'{"own":3}\n').written is not None


def test_foreign_lines_since_the_last_good_sync_are_kept(desk: Desk) -> None:
    """Adopted ones come from memory, later ones from the file."""
    desk.sync()
    append_to(desk.path, FOREIGN)()
    desk.compare()
    desk.system.fail("sync", EIO)
    desk.sync()
    append_to(desk.path, b'{"foreign":2}\n')()
    desk.reopen()
    assert desk.content == b'{"own":1}\n{"own":2}\n' + FOREIGN + b'{"foreign":2}\n'


def test_a_prefix_that_is_no_longer_good_is_not_built_upon(desk: Desk) -> None:
    """Then only a copy helps, and the error says so; the old file stays."""
    desk.sync()
    desk.append(b'{"own":3}\n')
    desk.system.fail("sync", EIO)
    desk.sync()
    lose(desk, 0)
    damaged = desk.content
    with pytest.raises(WriteFailedError, match="no longer there"):
        desk.reopen()
    assert desk.content == damaged


def test_without_durability_nothing_is_kept_and_that_is_said(new_desk: OpenDesk) -> None:
    """`NONE` accepts the file as it is."""
    desk = new_desk(durability=Durability.NONE)
    desk.open()
    desk.append(b'{"own":1}\n')
    desk.system.fail("sync", EIO)
    assert desk.sync().fault is Fault.SYNC
    assert any("NONE" in note for note in desk.reopen().notes)
