"""What others do to a session file: one method each, done at an instant that the tape chooses."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .disk import OURS, THEIRS, Disk, Inode
from .records import Lines

APPENDING = ("append", "append friend", "append two", "append half")
DESTROYING = ("edit", "truncate", "replace other", "unlink")
HARMLESS = ("touch", "replace same", "hard link")
OTHER = ("lose lock", "replace more", "append late", "finish half", "take lock", "give lock")
IN_PLACE = (*APPENDING, "edit", "truncate", "finish half")
ALL = APPENDING + DESTROYING + HARMLESS + OTHER


@dataclass(slots=True)
class Deed:
    """One foreign change that has happened; `clock` counts system calls: it came before the one of that number."""

    number: int
    name: str
    clock: int
    changes: bool
    """Whether the content at the path, or the lock, is not what it was."""
    is_sized: bool
    """Whether a look alone shows it: another length or another inode."""
    must_show: bool
    """Whether it changes something that the session may have known already; the rest is part of an earlier deed."""
    is_friendly: bool = False
    content: bytes | None = None
    """What stood at the path then."""
    size_before: int = 0
    file: Inode | None = None
    """What had the path then."""
    is_handed_over: bool = False
    """Whether the file was not ours then: it was parked, or is locked again just now."""
    is_amid: bool = False
    """Whether it came between the first and the last system call of an effect."""

    @property
    def may_break(self) -> bool:
        """Whether a turn may break for it.

        A copy that was made in the middle of a batch is another content soon, and what is appended to a file that a
        rewrite has displaced is brought over.
        """
        return self.changes or (self.is_amid and self.is_sized) or self.name == "append late"


class Foreigner:
    """Somebody who knows nothing of us."""

    def __init__(self, disk: Disk, name: str, lines: Lines) -> None:
        self.done: list[Deed] = []
        self.destroyed: set[str] = set()
        """Our records that stood in the file and were removed or changed by others."""
        self.copied_early: set[str] = set()
        """Our records of which somebody has put a line of an earlier try in place, while a later try was under way.

        The line of the earlier try is known to nobody then: such a record may come to stand there twice.
        """
        self.lines = lines
        self._disk = disk
        self._name = name
        self._descriptor: Inode | None = None
        self.under_way: Callable[[], bytes] = lambda: b""
        """What we are just writing."""
        self.believed: Callable[[], int] = lambda: 0
        """How many bytes the session counts on now."""
        self.is_amid: Callable[[int], bool] = lambda clock: False
        """Whether an effect is under way, and has looked already."""

        self.is_owned: Callable[[], bool] = lambda: True
        """Whether the file is ours now."""

    def remember_file(self) -> None:
        """Hold a descriptor from now on, for late appends."""
        self._descriptor = self._disk.names.get(self._name)
        if self._descriptor is not None:
            self._descriptor.opened += 1

    def act(self, name: str, clock: int) -> None:
        """Do what the name says; nothing if it cannot be done now."""
        before = self._disk.names.get(self._name)
        content = None if before is None else bytes(before.data)
        lock = self._disk.names.get(f".{self._name}.lock")
        getattr(self, f"_{name.replace(' ', '_')}")(len(self.done) + 1)
        after = self._disk.names.get(self._name)
        now = None if after is None else bytes(after.data)
        locked = self._disk.names.get(f".{self._name}.lock") is lock
        moved = before is not after or (before is not None and len(content or b"") != len(now or b""))
        self.destroyed |= {*self.lines.own_names(content or b"")} - {*self.lines.own_names(now or b"")}
        changes = content != now or not locked
        # A cut may take only what the session does not count on yet: an unfinished batch, a deed not found.
        cuts_news = name in ("truncate", "unlink") and len(now or b"") >= self.believed()
        must_show = changes and not cuts_news
        self._disk.sync_names()  # whoever puts a name in place sees to it that it lasts
        deed = Deed(len(self.done) + 1, name, clock, changes, moved or not locked, must_show, "friend" in name)
        deed.content, deed.file, deed.size_before = now, after, len(content or b"")
        deed.is_handed_over = not self.is_owned()
        deed.is_amid = self.is_amid(clock)
        if changes and name in DESTROYING:
            self.destroyed |= {*self.lines.own_names(self.under_way())}  # perhaps half of it stood there
        if after is not before:
            self.copied_early |= self._of_earlier_tries(now or b"")
        self.done.append(deed)

    def _of_earlier_tries(self, copy: bytes) -> set[str]:
        trying = self.under_way()
        others = [line for line in copy.splitlines(keepends=True) if line not in trying]
        return {*self.lines.own_names(b"".join(others))} & {*self.lines.own_names(trying)}

    # Appending

    def _append(self, number: int) -> None:
        self._write(self._line(number), number)

    def _append_friend(self, number: int) -> None:
        self._write(self._line(number, friend=True), number)

    def _append_two(self, number: int) -> None:
        self._append(number)
        self._append(number)

    def _append_half(self, number: int) -> None:
        self._write(self._line(number)[:-6], number)

    def _finish_half(self, number: int) -> None:
        inode = self._disk.names.get(self._name)
        if inode is not None and inode.data and inode.data[-1:] != b"\n" and inode.owners[-1]:
            self._write(b"0}\n", number)

    def _append_late(self, number: int) -> None:
        if self._descriptor is not None and self._descriptor.data:
            self._disk.write(self._descriptor, len(self._descriptor.data), self._line(number), number)

    def _write(self, line: bytes, number: int) -> None:
        inode = self._disk.names.get(self._name)
        if inode is None:
            inode = self._disk.make(self._name)
        if not inode.data:
            line = self.lines.header() + line
        self._disk.write(inode, len(inode.data), line, number)

    def _line(self, number: int, **more: Any) -> bytes:
        inode = self._disk.names.get(self._name)
        return self.lines.foreign(number, b"" if inode is None else bytes(inode.data), **more)

    # Destroying

    def _edit(self, number: int) -> None:
        inode = self._disk.names.get(self._name)
        if inode is None:
            return
        starts = [found.end() for found in re.finditer(b'"n":"', inode.data)]
        at = next((at for at in starts if inode.owners[at] in (OURS, THEIRS)), None)
        if at is not None:
            letter = b"x" if inode.data[at : at + 1] != b"x" else b"y"
            self._disk.write(inode, at, letter, number)

    def _truncate(self, number: int) -> None:
        del number
        inode = self._disk.names.get(self._name)
        if inode is not None and len(inode.data) > 1:
            self._disk.truncate(inode, bytes(inode.data).rstrip(b"\n").rfind(b"\n") + 1)

    def _unlink(self, number: int) -> None:
        del number
        if self._name in self._disk.names:
            self._disk.put(self._name, None)

    def _lose_lock(self, number: int) -> None:
        del number
        name = f".{self._name}.lock"
        if name in self._disk.names:
            self._disk.put(name, None)
            self._disk.make(name)

    # Owning

    def _take_lock(self, number: int) -> None:
        del number
        lock = self._disk.names.get(f".{self._name}.lock")
        if lock is not None and lock.holder is None:
            lock.holder = THEIRS

    def _give_lock(self, number: int) -> None:
        del number
        lock = self._disk.names.get(f".{self._name}.lock")
        if lock is not None and lock.holder == THEIRS:
            lock.holder = None

    # Replacing

    def _replace_same(self, number: int) -> None:
        self._replace(b"", number)

    def _replace_more(self, number: int) -> None:
        self._replace(self._line(number), number)

    def _replace_other(self, number: int) -> None:
        if self._name in self._disk.names:
            self._put_new(number, self.lines.header() + self._line(number), None)

    def _replace(self, more: bytes, number: int) -> None:
        old = self._disk.names.get(self._name)
        if old is not None:
            self._put_new(number, (bytes(old.data) or self.lines.header()) + more, old)

    def _put_new(self, number: int, content: bytes, old: Inode | None) -> None:
        inode = self._disk.make("other")
        self._disk.write(inode, 0, content, number)
        if old is not None:
            inode.owners[: len(old.owners)] = old.owners
        self._disk.sync(inode)  # whoever replaces a file sees to it that the new one lasts
        self._disk.put(self._name, inode)
        self._disk.put("other", None)

    # Harmless

    def _touch(self, number: int) -> None:
        del number
        if self._name in self._disk.names:
            self._disk.touch(self._disk.names[self._name])

    def _hard_link(self, number: int) -> None:
        if self._name in self._disk.names:
            self._disk.put(f"link-{number}", self._disk.names[self._name])
