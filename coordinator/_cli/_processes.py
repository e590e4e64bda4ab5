"""Who owns a session, by its lock, and who has its file open, by what `/proc` lets this user see."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from coordinator import LockedError

from ._inside import find_owner, lock_path, session_path

PROC = Path("/proc")
SIGNATURE_BYTES_MAX = 4096
ACCESS = {os.O_RDONLY: "reads", os.O_WRONLY: "writes", os.O_RDWR: "reads and writes"}


@dataclass(frozen=True, slots=True)
class Owner:
    """The live process that holds the lock of a session."""

    pid: int
    name: str
    host: str
    opened: str | None

    def __str__(self) -> str:
        since = f", since {self.opened}" if self.opened else ""
        return f"process {self.pid} ({self.name}) on {self.host}{since}"


@dataclass(frozen=True, slots=True)
class Opener:
    """A process that has the session file open."""

    pid: int
    name: str
    access: str


@dataclass(frozen=True, slots=True)
class Openers:
    """Who has a file open; not `complete` if there are processes this user may not look into."""

    found: tuple[Opener, ...]
    complete: bool


def find_live_owner(path: Path) -> Owner | None:
    """Name the live process that owns a session; None if nobody does, as far as can be seen from here.

    The signature in a lock outlives the holding of it, so who signed must also have the lock open.
    """
    lock = lock_path(session_path(path))
    signed = find_owner(lock)
    if signed.pid is None or not _may_hold(signed.pid, lock):
        return None
    opened = read_signature(path).get("opened")
    host = signed.host or socket.gethostname()
    return Owner(signed.pid, process_name(signed.pid), host, opened if isinstance(opened, str) else None)


def refuse_owned(path: Path) -> None:
    """Raise `LockedError` if a live process owns the session."""
    owner = find_live_owner(path)
    if owner is not None:
        hint = "use the session there, or end that process; a lock is never broken"
        raise LockedError(f"the session is open in {owner}", path=path, hint=hint, pid=owner.pid, host=owner.host)


def _may_hold(pid: int, lock: Path) -> bool:
    try:
        return any(_descriptors(pid, lock, lock.stat()))
    except PermissionError:
        return True
    except OSError:
        return False


def read_signature(path: Path) -> dict[str, Any]:
    """Return what the last owner wrote into the lock, whether or not it still holds it."""
    try:
        with lock_path(session_path(path)).open("rb") as file:
            signature: object = json.loads(file.read(SIGNATURE_BYTES_MAX))
    except (OSError, ValueError, RecursionError):
        return {}
    return cast("dict[str, Any]", signature) if isinstance(signature, dict) else {}


def find_openers(path: Path) -> Openers:
    """Look through all processes for those that have the file open."""
    wanted, found, complete = path.stat(), list[Opener](), PROC.is_dir()
    for pid in _other_processes():
        try:
            modes = set(_descriptors(pid, path, wanted))
        except PermissionError:
            complete = False
        except OSError:
            continue  # it has ended
        else:
            if modes:
                found.append(Opener(pid, process_name(pid), _access(modes)))
    return Openers(tuple(found), complete)


def _other_processes() -> list[int]:
    names = os.listdir(PROC) if PROC.is_dir() else []
    return sorted(int(name) for name in names if name.isdigit() and int(name) != os.getpid())


def _descriptors(pid: int, path: Path, wanted: os.stat_result) -> Iterator[int]:
    """Give the access mode of each descriptor that a process has of a file."""
    with os.scandir(PROC / str(pid) / "fd") as descriptors:
        for descriptor in descriptors:
            try:
                # The name first: asking a file system that hangs about somebody else's file would hang us too.
                name = os.readlink(descriptor.path).rpartition("/")[2].removesuffix(" (deleted)")
                if name == path.name and os.path.samestat(os.stat(descriptor.path), wanted):
                    yield _mode(pid, descriptor.name)
            except OSError:
                continue


def _mode(pid: int, descriptor: str) -> int:
    for row in (PROC / str(pid) / "fdinfo" / descriptor).read_text().splitlines():
        name, _, value = row.partition(":")
        if name == "flags":
            return int(value, 8) & os.O_ACCMODE
    return os.O_RDWR


def _access(modes: set[int]) -> str:
    return ACCESS[modes.pop() if len(modes) == 1 else os.O_RDWR]


def process_name(pid: int) -> str:
    """Return what a process calls itself."""
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "unknown"
