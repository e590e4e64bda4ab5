"""What has to be synced, and the one failure after which no sync of this file is believed any more."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ._system import System


class Durable:
    """Keeps count of what is not on stable storage yet: the file's bytes, and the names in directories."""

    __slots__ = ("_directories", "_file_is_dirty", "_system", "failure")

    def __init__(self, system: System, directories: list[Path]) -> None:
        self._system = system
        self._file_is_dirty = True
        self._directories = directories
        """Shared by all that come after each other on one path: a name stays owed when the file is opened again."""
        self.failure: OSError | None = None
        """The first failed sync; the kernel may have dropped the data and report success from now on."""

    def wrote(self) -> None:
        """The file has bytes that no sync has covered."""
        self._file_is_dirty = True

    def named(self, directories: Iterable[Path]) -> None:
        """A new name is in these directories."""
        self._directories += [directory for directory in directories if directory not in self._directories]

    @property
    def is_due(self) -> bool:
        """Whether a sync would have something to do."""
        return self._file_is_dirty or bool(self._directories)

    def sync(self, fd: int | None) -> OSError | None:
        """Put everything on stable storage; the error if that failed, now or ever before."""
        if self.failure is None and self.is_due and fd is not None:
            try:
                self._sync(fd)
            except OSError as error:
                self.failure = error
        return self.failure

    def _sync(self, fd: int) -> None:
        if self._file_is_dirty:
            self._system.sync(fd)
            self._file_is_dirty = False
        while self._directories:
            self._system.sync_directory(self._directories[-1])
            self._directories.pop()
