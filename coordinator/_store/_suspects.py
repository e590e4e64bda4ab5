"""Who else has the file open: the best lead a person gets when bytes appear that nobody here wrote."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from .._core._values import Suspect
from ._paths import Identity, identity
from ._system import System

PROC = Path("/proc")
SEARCH_SECONDS_MAX = 0.02
SEARCH_INTERVAL_SECONDS = 1.0
SUSPECTS_MAX = 16


class SuspectSearch:
    """Looks through `/proc`, as far as this user may read it. Never fails, never takes long.

    A whole search is made once a second at most: otherwise a busy foreign writer would have us search for ever, and
    while we search it writes again.
    """

    __slots__ = ("_last", "_name", "_searched", "_system")

    def __init__(self, system: System, path: Path) -> None:
        self._system = system
        self._name = path.name
        self._searched: float | None = None
        self._last: tuple[Suspect, ...] = ()

    def search(self, files: Iterable[Identity]) -> tuple[Suspect, ...]:
        """Name processes other than ours that have one of these files open now."""
        wanted, now = frozenset(files), self._system.monotonic()
        if self._searched is not None and now - self._searched < SEARCH_INTERVAL_SECONDS:
            return tuple(suspect for suspect in self._last if self._has_open(suspect.pid, wanted))
        self._last = tuple(self._search(wanted, now + SEARCH_SECONDS_MAX))
        self._searched = now
        return self._last

    def _search(self, wanted: frozenset[Identity], deadline: float) -> Iterator[Suspect]:
        found = 0
        for pid in _other_processes():
            if found == SUSPECTS_MAX or self._system.monotonic() > deadline:
                return
            if self._has_open(pid, wanted):
                found += 1
                yield Suspect(pid, _name_of(pid))

    def _has_open(self, pid: int, wanted: frozenset[Identity]) -> bool:
        try:
            with os.scandir(PROC / str(pid) / "fd") as descriptors:
                return any(self._is_wanted(descriptor, wanted) for descriptor in descriptors)
        except OSError:
            return False

    def _is_wanted(self, descriptor: os.DirEntry[str], wanted: frozenset[Identity]) -> bool:
        # The name first: asking a file system that hangs about a file of somebody else would hang us too.
        try:
            name = os.readlink(descriptor.path).rpartition("/")[2].removesuffix(" (deleted)")
            return name == self._name and identity(os.stat(descriptor.path)) in wanted
        except OSError:
            return False


def _other_processes() -> list[int]:
    try:
        names = os.listdir(PROC)
    except OSError:
        return []
    own = os.getpid()
    # The youngest first: whoever came last is the likelier surprise, should time run out.
    return sorted((int(name) for name in names if name.isdigit() and int(name) != own), reverse=True)


def _name_of(pid: int) -> str:
    try:
        return (PROC / str(pid) / "comm").read_text().strip()
    except OSError:
        return "unknown"
