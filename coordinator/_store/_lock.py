"""The kernel lock beside a session file: one process owns a session, until it gives it back or dies."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson
from filelock import Timeout, UnixFileLock

from .._core._errors import LockedError, PathError
from .._core._lines import is_object
from ._paths import Identity, identity, path_error
from ._system import PRIVATE_FILE, System

OWNER_BYTES_MAX = 4096
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Owner:
    """Who holds a lock, as far as it can be verified; the start time tells a process from a later one with its pid."""

    pid: int | None = None
    host: str | None = None


def lock_path(path: Path) -> Path:
    """Return where the lock of a session file is."""
    return path.with_name(f".{path.name}.lock")


class SessionLock:
    """Holds the lock of one session file.

    The library used closes the lock's descriptor in a forked child without unlocking it, so that a child keeps
    nothing alive. The file is never deleted: a deleted lock file is two locks.
    """

    __slots__ = ("_file", "_lock", "_path", "_system")

    def __init__(self, system: System, path: Path) -> None:
        self._system = system
        self._path = path
        self._lock: UnixFileLock | None = None
        self._file: Identity | None = None

    @property
    def _lock_path(self) -> str:
        # Made when it is needed: thousands of idle sessions would keep one each. As text, because a fence needs it four
        # times, and `Path` takes ten times as long to make one.
        directory, slash, name = os.fspath(self._path).rpartition("/")
        return f"{directory}{slash}.{name}.lock"

    def acquire(self) -> None:
        """Take the lock now or raise `LockedError` that names its holder; taking it twice does nothing."""
        if self._is_held_already():
            return
        self.release()
        self._refuse_unusual_file()
        lock = UnixFileLock(
            self._lock_path, mode=PRIVATE_FILE, thread_local=False, blocking=False,
            fallback_to_soft=False, preserve_lock_file=True, on_acquired=self._sign,
        )  # fmt: skip
        try:
            lock.acquire()
        except Timeout:
            raise self._locked_error() from None
        except OSError as error:
            raise path_error(self._path, error, "locking") from error
        except ExceptionGroup as group:  # signing failed, and so did giving the lock back
            first = next(error for error in group.exceptions if isinstance(error, OSError))
            raise path_error(self._path, first, "locking") from group
        self._lock = lock

    def release(self) -> None:
        """Give the lock back; its file stays. What the system does not take back now, it takes when we end."""
        lock, self._lock, self._file = self._lock, None, None
        if lock is not None:
            with suppress(OSError):
                lock.release()

    def held(self) -> bool:
        """Whether the lock's path is still our lock: whoever removed or replaced it may let a second owner in."""
        if self._lock is None or not self._lock.is_locked:
            return False
        try:
            return identity(self._system.lstat(self._lock_path)) == self._file
        except (FileNotFoundError, NotADirectoryError):
            return False

    def _is_held_already(self) -> bool:
        try:
            return self.held()
        except OSError as error:
            raise path_error(self._path, error, "locking") from error

    def _refuse_unusual_file(self) -> None:
        # The lock is opened through links and written to, so whatever else is there must not be touched.
        try:
            found = self._system.lstat(self._lock_path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise path_error(self._path, error, "locking") from error
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1:
            hint = f"remove {self._lock_path}, which is no lock file of ours"
            raise PathError("the lock cannot be taken", path=self._path, hint=hint)

    def _sign(self, fd: int) -> None:
        """Write who we are into the lock, for people; only the winner gets here, so it erases nobody else."""
        found = self._system.fstat(fd)
        self._file = identity(found)
        text = _signature(self._system.utc_now().isoformat(timespec="seconds"))
        try:
            os.pwrite(fd, text, 0)
            os.ftruncate(fd, len(text))
        except OSError:
            # A full disk is no reason to refuse a lock that is held: others then read an unknown holder.
            return

    def _locked_error(self) -> LockedError:
        owner = find_owner(lock_path(self._path))
        if owner.pid is None:
            who, hint = "a process that cannot be named", "find out with `fuser` who has the lock file open"
        else:
            who = "this process" if owner.pid == os.getpid() else f"process {owner.pid} on {owner.host}"
            hint = "use the session there, or end that process; a lock is never broken"
        return LockedError(f"the session is open in {who}", path=self._path, hint=hint, pid=owner.pid, host=owner.host)


def _signature(opened: str) -> bytes:
    pid = os.getpid()
    about = {"pid": pid, "host": socket.gethostname(), "opened": opened, "start_ticks": _own_start_ticks(pid)}
    return orjson.dumps(about, option=orjson.OPT_APPEND_NEWLINE)


@lru_cache(maxsize=1)
def _own_start_ticks(pid: int) -> int | None:
    # Asked once per process (a forked child has another pid): the kernel takes a millisecond to answer.
    return start_ticks(pid)


def start_ticks(pid: int) -> int | None:
    """Return when a process began, in ticks since the machine did; None if that cannot be known."""
    try:
        text = (PROC / str(pid) / "stat").read_bytes()
        return int(text.rpartition(b")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return None


def find_owner(lock: Path) -> Owner:
    """Name the holder of a lock file; what cannot be verified stays unknown."""
    try:
        found = os.stat(lock)
        signed = _read_signature(lock)
    except OSError:
        return Owner()
    host = socket.gethostname()
    pid = _pid_in_kernel_table(found)
    if pid is not None:
        return Owner(pid, host)
    claimed, ticks = signed.get("pid"), signed.get("start_ticks")
    if signed.get("host") == host and isinstance(claimed, int) and ticks is not None and start_ticks(claimed) == ticks:
        return Owner(claimed, host)
    return Owner()


def _read_signature(lock: Path) -> dict[str, Any]:
    with lock.open("rb") as file:
        text = file.read(OWNER_BYTES_MAX)
    try:
        signature: dict[str, Any] = orjson.loads(text) if is_object(text) else {}
    except ValueError:  # JSON to others, such as with half a character
        return {}
    return signature


def _pid_in_kernel_table(found: os.stat_result) -> int | None:
    where = f"{os.major(found.st_dev):02x}:{os.minor(found.st_dev):02x}:{found.st_ino}"
    try:
        rows = (PROC / "locks").read_text().splitlines()
    except OSError:
        return None
    for row in rows:
        columns = row.split()
        if columns[1:2] == ["FLOCK"] and columns[5:6] == [where] and int(columns[4]) > 0:
            return int(columns[4])
    return None
