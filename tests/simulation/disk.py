"""A file system in memory: names, inodes, what of both would survive a power cut, and who wrote each byte.

One directory, which is all that a session needs. What a crash leaves of a file is what the last sync covered plus a
prefix of the writes since, the last of them perhaps torn; of the directory, any of its states since its last sync, as
a journal would leave it. Where blocks reach the disk in any order, each block may also be as it was before.
"""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass, field
from typing import NamedTuple

OURS = 0
THEIRS = 255
"""What stood there before we came."""
BLOCK_BYTES = 16
"""Small, so that a line spans a few."""
TICK_NS = 4_000_000
"""How coarse the time stamps of a kernel without multigrain stamps are."""


class Stat(NamedTuple):
    """What a look shows of an inode: the part of `os.stat_result` that matters here."""

    st_mode: int
    st_ino: int
    st_dev: int
    st_nlink: int
    st_size: int
    st_mtime_ns: int
    st_ctime_ns: int
    st_uid: int = 0
    st_gid: int = 0


@dataclass(slots=True, eq=False)
class Inode:
    """One file: its bytes, who wrote each of them, and what the disk has of them."""

    number: int
    stamped_ns: int
    data: bytearray = field(default_factory=bytearray)
    owners: bytearray = field(default_factory=bytearray)
    """For each byte 0 if it is ours, otherwise the number of the foreign deed."""
    durable: bytes = b""
    dirty: list[tuple[int, bytes | None]] = field(default_factory=list)
    """What was done since the last sync: bytes at an offset, or None for a cut there."""
    lost: list[tuple[int, int]] = field(default_factory=list)
    """Ranges that a failed sync has dropped although the cache still shows them."""
    modified_ns: int = 0
    mode: int = stat.S_IFREG | 0o600
    links: int = 0
    opened: int = 0
    looked_at: bool = False
    holder: int | None = None
    """Who has locked it."""


class Disk:
    """The files, the open descriptors, and the clock of the kernel."""

    def __init__(self, *, multigrain: bool, reuses_inodes: bool) -> None:
        self.names: dict[str, Inode] = {}
        self.history: list[dict[str, Inode]] = [{}]
        """The states of the directory since its last sync; the first one is durable."""
        self.room: int | None = None
        """How many bytes still fit; None is no bound."""
        self._multigrain = multigrain
        self._reuses_inodes = reuses_inodes
        self._free: list[int] = []
        self._next_inode = 11
        self._next_fd = 3
        self._files: dict[int, tuple[Inode, int]] = {}
        self._now_ns = 1_000_000_000 * TICK_NS

    # Time

    def tick(self) -> None:
        """Let the coarse clock move on."""
        self._now_ns += TICK_NS - self._now_ns % TICK_NS

    def _stamp(self, inode: Inode, *, content: bool) -> None:
        if self._multigrain and inode.looked_at:
            self._now_ns += 1
            inode.looked_at = False
        inode.stamped_ns = self._now_ns
        if content:
            inode.modified_ns = self._now_ns

    # Names

    def find(self, name: str) -> Inode:
        """Return the inode of a name."""
        try:
            return self.names[name]
        except KeyError:
            raise _error(errno.ENOENT, name) from None

    def make(self, name: str) -> Inode:
        """Make an empty file of this name."""
        if name in self.names:
            raise _error(errno.EEXIST, name)
        number = self._free.pop() if self._free and self._reuses_inodes else self._next_inode
        self._next_inode += number == self._next_inode
        inode = Inode(number, self._now_ns, modified_ns=self._now_ns)
        self.put(name, inode)
        return inode

    def put(self, name: str, inode: Inode | None) -> None:
        """Let a name mean this inode, or nothing."""
        before = self.names.pop(name, None)
        if inode is not None:
            self.names[name] = inode
            inode.links += 1
            self._stamp(inode, content=False)
        if before is not None:
            before.links -= 1
            self._stamp(before, content=False)
            self._let_go(before)
        self.history.append(dict(self.names))

    def exchange(self, one: str, other: str) -> None:
        """Let two names change places."""
        self.names[one], self.names[other] = self.find(other), self.find(one)
        for name in (one, other):
            self._stamp(self.names[name], content=False)
        self.history.append(dict(self.names))

    def sync_names(self) -> None:
        """Put the directory on stable storage."""
        self.history = [dict(self.names)]

    def _let_go(self, inode: Inode) -> None:
        if not inode.links and not inode.opened and inode.number not in self._free:
            self._free.append(inode.number)

    # Descriptors

    def open(self, inode: Inode) -> int:
        """Return a new descriptor."""
        fd, self._next_fd = self._next_fd, self._next_fd + 1
        inode.opened += 1
        self._files[fd] = (inode, 0)
        return fd

    def close(self, fd: int) -> None:
        """Give a descriptor back."""
        inode, _ = self.file(fd)
        del self._files[fd]
        inode.opened -= 1
        self._let_go(inode)

    def file(self, fd: int) -> tuple[Inode, int]:
        """Return what a descriptor has open, and its position."""
        try:
            return self._files[fd]
        except KeyError:
            raise _error(errno.EBADF, str(fd)) from None

    def append(self, fd: int, data: bytes) -> int:
        """Write at the end, as far as there is room."""
        inode, _ = self.file(fd)
        if self.room is not None:
            if not self.room:
                raise _error(errno.ENOSPC, str(fd))
            data = data[: self.room]
            self.room -= len(data)
        self.write(inode, len(inode.data), data, OURS)
        self._files[fd] = (inode, len(inode.data))
        return len(data)

    # Content

    def stat(self, inode: Inode) -> Stat:
        """Look."""
        inode.looked_at = True
        return Stat(
            inode.mode, inode.number, 1, inode.links, len(inode.data), inode.modified_ns, inode.stamped_ns
        )  # fmt: skip

    def write(self, inode: Inode, offset: int, data: bytes, owner: int) -> None:
        """Put bytes at an offset, on behalf of somebody."""
        end = offset + len(data)
        inode.data[offset:end] = data
        inode.owners[offset:end] = bytes([owner]) * len(data)
        inode.dirty.append((offset, bytes(data)))
        self._stamp(inode, content=True)

    def truncate(self, inode: Inode, size: int) -> None:
        """Cut, or lengthen with zeros."""
        missing = size - len(inode.data)
        if missing > 0:
            self.write(inode, len(inode.data), bytes(missing), OURS)
        del inode.data[size:], inode.owners[size:]
        inode.dirty.append((size, None))
        self._stamp(inode, content=True)

    def touch(self, inode: Inode) -> None:
        """Move the times and change nothing."""
        self._stamp(inode, content=True)

    def sync(self, inode: Inode) -> None:
        """Put the content on stable storage, but for what an earlier failure has dropped."""
        image = bytearray(inode.data)
        for start, end in inode.lost:
            image[start:end] = bytes(len(image[start:end]))
        inode.durable, inode.dirty = bytes(image), []

    def fail_to_sync(self, inode: Inode) -> None:
        """Drop what was not on stable storage yet, and believe it is clean: the next sync will succeed."""
        inode.lost += [(offset, offset + len(data)) for offset, data in inode.dirty if data]
        inode.dirty = []

    # Crashes

    def kill(self) -> None:
        """End the process: its descriptors are gone, the cache stays."""
        for fd in [*self._files]:
            self.close(fd)
        for inode in self.names.values():
            inode.holder = None

    def cut_power(self, names: dict[str, Inode], images: dict[Inode, bytes]) -> None:
        """Go back to a state of the directory and to these contents."""
        self._files.clear()
        self.names, self.history = names, [dict(names)]
        for inode in set(names.values()):
            inode.data[:] = images[inode]
            inode.holder = None
            owners = inode.owners[: len(inode.data)]
            inode.owners[:] = owners + bytes(len(inode.data) - len(owners))
            inode.durable, inode.dirty, inode.lost = bytes(inode.data), [], []
            inode.opened, inode.links = 0, sum(other is inode for other in names.values())


def unsynced_steps(inode: Inode) -> int:
    """Return how many steps lie between the durable content and the present one: bytes written, and cuts."""
    return sum(1 if data is None else len(data) for _, data in inode.dirty)


def image_after(inode: Inode, steps: int) -> bytes:
    """Return the content after the last sync and that many steps of what was done since."""
    image = bytearray(inode.durable)
    for offset, data in inode.dirty:
        if data is None:
            if not steps:
                break
            del image[offset:]
            steps -= 1
            continue
        part = data[:steps]
        if part:
            image.extend(bytes(max(0, offset - len(image))))
            image[offset : offset + len(part)] = part
        steps -= len(part)
        if len(part) < len(data):
            break
    return bytes(image)


def image_of(inode: Inode, count: int) -> bytes:
    """Return the content after the last sync and that many writes and cuts since."""
    return image_after(inode, sum(1 if data is None else len(data) for _, data in inode.dirty[:count]))


def without_block(inode: Inode, image: bytes, start: int) -> bytes:
    """Return the content if this block never reached the disk: it has what is durable, or nothing, as a hole has."""
    end = min(start + BLOCK_BYTES, len(image))
    return image[:start] + inode.durable[start:end].ljust(end - start, b"\0") + image[end:]


def has_mixed_line(inode: Inode, start: int) -> bool:
    """Whether a line from there on has bytes of ours and of others, not counting its end: we end torn lines."""
    for line in bytes(inode.data[start:]).split(b"\n"):
        if len({owner == OURS for owner in inode.owners[start : start + len(line)]}) > 1:
            return True
        start += len(line) + 1
    return False


def _error(number: int, name: str) -> OSError:
    return OSError(number, os.strerror(number), name)
