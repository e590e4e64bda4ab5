"""The system calls of the store, made on the simulated disk; between any two of them the rest of the world may act."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from coordinator import LockedError
from coordinator._store import System

from .disk import OURS, Disk, Inode, Stat
from .tape import Kind, Tape


class PowerCut(BaseException):
    """The machine is off (or the process dead): no call returns any more."""


class SimulatedSystem(System):
    """Implements the store's system calls."""

    def __init__(self, tape: Tape, disk: Disk, *, quick: bool) -> None:
        self.quick = quick
        self.disk = disk
        self.acts: list[Callable[[], None]] = []
        """What others will do, each once, in this order, at an instant of the tape's choice."""
        self.crash: Callable[[], None] | None = None
        self.crashed = False
        self.faults: list[tuple[str, int]] = []
        """Which calls may fail with which error, each once."""
        self.short_writes = 0
        self.ticks = 0
        self.calls = 0
        self.is_owned = False
        """Whether the lock was taken and not given back, although it may be lost."""
        self.on_trespass: Callable[[str], None] = lambda call: None
        self.cut_away: set[int] = set()
        """Whose bytes our own cuts have removed: a system without a conditional cut cannot do better."""
        self.withdrawn: set[Inode] = set()
        """Files that had the path until a refused rewrite took back what it had put there."""
        self._exchanged: set[str] = set()
        self.on_look: Callable[[str], None] = lambda name: None
        self.on_write: Callable[[], None] = lambda: None
        self.on_comparison: Callable[[bool], None] = lambda has_ended: None
        """Called where a comparison begins and where it has ended."""
        self._tape = tape
        self._utc = datetime(2026, 1, 1, tzinfo=UTC)

    def _before(self, call: str) -> None:
        """Let others act, then perhaps fail."""
        if self.crashed:
            raise PowerCut
        self.calls += 1
        while self._others_act(call):
            if self.crashed:
                raise PowerCut

    def before_locking(self) -> None:
        """Let others act as long as nobody has the lock."""
        self._before("lock")

    def _before_change(self, call: str) -> None:
        """The same, for what changes something: only the owner may."""
        self._before(call)
        if not self.is_owned:
            self.on_trespass(call)

    def _others_act(self, call: str) -> bool:
        faults = [number for number, fault in enumerate(self.faults) if fault[0] == call]
        acts, crash, ticks = bool(self.acts), self.crash is not None, bool(self.ticks)
        choice = self._tape.choose(1 + acts + crash + ticks + len(faults), Kind.ACT)
        if not choice:
            return False
        if choice <= acts:
            self.acts.pop(0)()
        elif choice <= acts + crash and self.crash is not None:
            self.crashed = True
            self.crash()
        elif choice <= acts + crash + ticks:
            self.ticks -= 1
            self.disk.tick()
        else:
            _, number = self.faults.pop(faults[choice - 1 - acts - crash - ticks])
            raise OSError(number, os.strerror(number))
        return True

    # Looking

    def lstat(self, path: str | Path) -> Stat:
        """Look at a name."""
        self._before("lstat")
        name = os.path.basename(path)
        self.on_look(name)
        return self.disk.stat(self.disk.find(name))

    def fstat(self, fd: int) -> Stat:
        """Look at an open file."""
        self._before("fstat")
        return self.disk.stat(self.disk.file(fd)[0])

    def pread(self, fd: int, size: int, offset: int) -> bytes:
        """Read."""
        self._before("pread")
        return bytes(self.disk.file(fd)[0].data[offset : offset + size])

    def position(self, fd: int) -> int:
        """Return the file offset."""
        return self.disk.file(fd)[1]

    def list_directory(self, path: Path) -> list[str]:
        """Return all names."""
        del path
        self._before("list_directory")
        return [*self.disk.names]

    # Content

    def open(self, path: Path, flags: int) -> int:
        """Open a file, or make one."""
        self._before("open")
        return self.disk.open(self.disk.make(path.name) if flags & os.O_CREAT else self.disk.find(path.name))

    def close(self, fd: int) -> None:
        """Close."""
        if self.crashed:
            raise PowerCut
        self.disk.close(fd)

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Write at the end, all of it or less."""
        self._before_change("write")
        size = len(data)
        if self.short_writes and size > 1 and self._tape.choose(2, Kind.ACT):
            self.short_writes -= 1
            size = 1 + self._tape.choose(min(size - 1, 250), Kind.WORLD)
        count = self.disk.append(fd, bytes(data[:size]))
        self.on_write()
        return count

    def truncate(self, fd: int, size: int) -> None:
        """Cut."""
        self._before_change("truncate")
        inode = self.disk.file(fd)[0]
        self.cut_away |= {*inode.owners[size:]}
        self.disk.truncate(inode, size)

    def sync(self, fd: int) -> None:
        """Put the content on stable storage, or lose it."""
        inode = self.disk.file(fd)[0]
        try:
            self._before("sync")
        except OSError:
            self.disk.fail_to_sync(inode)
            raise
        self.disk.sync(inode)

    def sync_directory(self, path: Path) -> None:
        """Put the names on stable storage."""
        del path
        self._before("sync_directory")
        self.disk.sync_names()

    # Names

    def rename(self, old: Path, new: Path) -> None:
        """Give a file another name."""
        self._before_change("rename")
        inode = self.disk.find(old.name)
        self.disk.put(new.name, inode)
        self.disk.put(old.name, None)

    def exchange(self, one: Path, other: Path) -> None:
        """Let two names change places."""
        self._before_change("exchange")
        self.disk.exchange(one.name, other.name)
        taken, given = self.disk.names[one.name], self.disk.names[other.name]
        self.withdrawn.discard(given)
        if one.name in self._exchanged:
            self.withdrawn.add(taken)
        self._exchanged.add(one.name)

    def link(self, path: Path, name: Path) -> None:
        """Give a second name."""
        self._before_change("link")
        if name.name in self.disk.names:
            raise OSError(errno.EEXIST, os.strerror(errno.EEXIST))
        self.disk.put(name.name, self.disk.find(path.name))

    def unlink(self, path: Path) -> None:
        """Remove a name."""
        self._before_change("unlink")
        self.disk.find(path.name)
        self.disk.put(path.name, None)

    def copy_owner(self, fd: int, like: Stat) -> None:
        """Give a file the mode of another."""
        self.disk.file(fd)[0].mode = like.st_mode

    def make_directory(self, path: Path) -> None:
        """All directories are there."""
        del path
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST))

    # Clocks

    def utc_now(self) -> datetime:
        """Return a time that names can be made of."""
        return self._utc

    def monotonic(self) -> float:
        """Return seconds; nothing of the store depends on them."""
        return 0.0


class SimulatedLock:
    """Stands in for the kernel lock: held as long as the name still means the inode that was locked."""

    def __init__(self, system: SimulatedSystem, path: Path) -> None:
        self._system = system
        self._name = path.with_name(f".{path.name}.lock")
        self._inode: Inode | None = None

    def acquire(self) -> None:
        """Take the lock now, if nobody else has it."""
        if self.held():
            return
        self.release()
        self._system.before_locking()
        disk = self._system.disk
        if self._name.name not in disk.names:
            disk.make(self._name.name)
        inode = disk.find(self._name.name)
        if inode.holder is not None:
            raise LockedError("somebody else has it", path=self._name)
        inode.opened += 1
        inode.holder = OURS
        self._inode = inode
        self._system.is_owned = True

    def release(self) -> None:
        """Give it back; the file stays."""
        inode, self._inode = self._inode, None
        self._system.is_owned = False
        if inode is not None:
            inode.opened -= 1
            inode.holder = None

    def held(self) -> bool:
        """Look whether the name is still our lock."""
        if self._inode is None:
            return False
        try:
            return self._system.lstat(self._name).st_ino == self._inode.number
        except FileNotFoundError:
            return False
