"""The system calls of the store, one method each, so that a test can fail any of them or act between any two."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import signal
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

EXISTING = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
NEW = EXISTING | os.O_CREAT | os.O_EXCL
PRIVATE_FILE = 0o600
PRIVATE_DIRECTORY = 0o700


class System:
    """The operating system as the store uses it; every method may raise `OSError`."""

    quick = True
    """Whether looks, and small writes into the page cache, return at once, so that the event loop may make them."""

    def lstat(self, path: str | Path) -> os.stat_result:
        """Look at what is at a path, without following a symbolic link."""
        return os.lstat(path)

    def fstat(self, fd: int) -> os.stat_result:
        """Look at an open file."""
        return os.fstat(fd)

    def open(self, path: Path, flags: int) -> int:
        """Open a file; what is created is private."""
        return os.open(path, flags, PRIVATE_FILE)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Write, possibly less than was given; the interpreter repeats an interrupted call."""
        count = os.write(fd, data)
        if count <= 0 and data:  # no file system should; asking it again for ever would be worse than an error
            raise OSError(errno.EIO, "the write took nothing and gave no reason")
        return count

    def position(self, fd: int) -> int:
        """Return the file offset, which is the end of our own bytes after a write with `O_APPEND`."""
        return os.lseek(fd, 0, os.SEEK_CUR)

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read at an offset."""
        return os.pread(fd, size, offset)

    def truncate(self, fd: int, size: int) -> None:
        """Cut a file."""
        os.ftruncate(fd, size)

    def sync(self, fd: int) -> None:
        """Put the content of a file on stable storage."""
        _SYNC(fd)

    def sync_directory(self, path: Path) -> None:
        """Put the names in a directory on stable storage."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name, replacing what has it."""
        os.rename(old, new)

    def exchange(self, one: Path, other: Path) -> None:
        """Let two names change places in one step; `ENOSYS` where the system cannot."""
        if _RENAMEAT2 is None:
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        if _RENAMEAT2(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(one), None, str(other))

    def link(self, path: Path, name: Path) -> None:
        """Give a file a second name."""
        os.link(path, name, follow_symlinks=False)

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        os.unlink(path)

    def is_open_elsewhere(self, fd: int) -> bool | None:
        """Say whether anybody has another descriptor of this file; None where that cannot be known.

        The kernel grants a write lease only while there is no other descriptor. It is given back at once; should
        somebody open the file in between, the signal that tells us is one that is ignored.
        """
        if not hasattr(fcntl, "F_SETLEASE"):  # not Linux
            return None
        try:
            fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
            fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        except BlockingIOError:
            return True
        except OSError:  # a file system without leases, or a file of another user
            return None
        return False

    def copy_owner(self, fd: int, like: os.stat_result) -> None:
        """Give a file the mode of another, and its owner where that is allowed."""
        with suppress(PermissionError):
            os.fchown(fd, like.st_uid, like.st_gid)
        os.fchmod(fd, stat.S_IMODE(like.st_mode))

    def make_directory(self, path: Path) -> None:
        """Make one private directory."""
        os.mkdir(path, PRIVATE_DIRECTORY)

    def list_directory(self, path: Path) -> list[str]:
        """Return the names in a directory."""
        return os.listdir(path)

    def utc_now(self) -> datetime:
        """Return the wall clock, for names and for people."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()


def _strongest_sync() -> Callable[[int], object]:
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    if full_sync is not None:  # macOS: a plain fsync stops at the drive's cache
        return lambda fd: fcntl.fcntl(fd, full_sync)
    return getattr(os, "fdatasync", os.fsync)


def _find_renameat2() -> Callable[..., int] | None:
    try:
        return ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):  # macOS, or a C library that is too old
        return None


_SYNC = _strongest_sync()
_RENAMEAT2 = _find_renameat2()
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
