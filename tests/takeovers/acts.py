"""What somebody else does to a session file: one plain function for each way, with nothing of the library in it."""

import json
import mmap
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from coordinator import Change
from coordinator.testing import foreign_append

FOREIGN_ID = "foreign1"
PAD = b"pppppppp"
"""Stands in the first record of every session here, so that one byte of it can be edited."""


def last_id(path: Path) -> str:
    """Return the id of the last whole record, which other programs chain their own after."""
    return json.loads(path.read_bytes().splitlines()[-1])["id"]


def foreign_line(path: Path) -> bytes:
    """Return a record as another session manager would append it now."""
    time = "2026-11-22T12:00:00.000Z"
    record = {"type": "custom", "customType": "foreign", "id": FOREIGN_ID, "parentId": last_id(path), "timestamp": time}
    return json.dumps(record).encode() + b"\n"


def _aside(path: Path) -> Path:
    return path.with_name("aside")


def change_mode(path: Path) -> None:
    """Change the mode, as an administrator does."""
    path.chmod(0o640)


def touch(path: Path) -> None:
    """Set the times to now."""
    os.utime(path)


def link(path: Path) -> None:
    """Make a hard link, as some backups and sync clients do."""
    os.link(path, path.with_name("linked"))


def restore_backup(path: Path) -> None:
    """Put the same bytes there under a new inode."""
    os.replace(shutil.copy2(path, _aside(path)), path)


def append_line(path: Path) -> None:
    """Append one whole record."""
    foreign_append(path, foreign_line(path))


def append_half_a_line(path: Path) -> None:
    """Append a line and die in the middle of it."""
    foreign_append(path, foreign_line(path)[:30])


def edit(path: Path) -> None:
    """Change one byte, without changing the length."""
    with path.open("r+b") as file:
        file.seek(path.read_bytes().index(PAD))
        file.write(PAD[:1].upper())


def edit_and_restore_times(path: Path) -> None:
    """Change one byte, and put the times back as they were."""
    before = path.stat()
    edit(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def edit_through_mmap(path: Path) -> None:
    """Change one byte through a mapping, which need not move any time stamp."""
    with path.open("r+b") as file, mmap.mmap(file.fileno(), 0) as mapping:
        mapping[mapping.find(PAD)] = ord("P")


def cut_last_line(path: Path) -> None:
    """Truncate the file by its last line."""
    content = path.read_bytes()
    os.truncate(path, content.rindex(b"\n", 0, -1) + 1)


def cut_into_last_line(path: Path) -> None:
    """Truncate the file in the middle of its last line."""
    os.truncate(path, path.stat().st_size - 9)


def replace_longer(path: Path) -> None:
    """Rename another file over it, which begins with all our bytes."""
    _aside(path).write_bytes(path.read_bytes() + foreign_line(path))
    os.replace(_aside(path), path)


def replace_shorter(path: Path) -> None:
    """Rename another file over it, which lacks the last line."""
    content = path.read_bytes()
    _aside(path).write_bytes(content[: content.rindex(b"\n", 0, -1) + 1])
    os.replace(_aside(path), path)


def replace_edited(path: Path) -> None:
    """Rename a copy over it in which one byte is another one."""
    edit(Path(shutil.copy2(path, _aside(path))))
    os.replace(_aside(path), path)


def remove(path: Path) -> None:
    """Delete the file."""
    path.unlink()


def remove_lock(path: Path) -> None:
    """Delete the lock beside the file, as a clean-up script does."""
    path.with_name(f".{path.name}.lock").unlink()


@dataclass(frozen=True)
class Act:
    """One foreign act, and what the library must call it."""

    change: Change
    do: Callable[[Path], None]

    def __str__(self) -> str:
        return f"{self.change.name}:{self.do.__name__}"


ACTS = [
    Act(Change.TOUCHED, change_mode),
    Act(Change.TOUCHED, touch),
    Act(Change.TOUCHED, link),
    Act(Change.TOUCHED, restore_backup),
    Act(Change.APPENDED, append_line),
    Act(Change.TORN, append_half_a_line),
    Act(Change.REWRITTEN, edit),
    Act(Change.REWRITTEN, edit_and_restore_times),
    Act(Change.REWRITTEN, edit_through_mmap),
    Act(Change.TRUNCATED, cut_last_line),
    Act(Change.TRUNCATED, cut_into_last_line),
    Act(Change.REPLACED, replace_longer),
    Act(Change.REPLACED, replace_shorter),
    Act(Change.REPLACED, replace_edited),
    Act(Change.VANISHED, remove),
    Act(Change.LOCK_LOST, remove_lock),
]
