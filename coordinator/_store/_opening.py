"""Opening a file as a session: is it one, is its end whole, and what does it hold?"""

from __future__ import annotations

import stat
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from .._core._effects import Healed
from .._core._errors import FormatError, PathError, WriteFailedError
from .._core._format import RecordFormat
from .._core._lines import LINE_BYTES_MAX, TailRepair
from .._core._values import Record, Tail
from ._content import Content, digesting, look, new_digest
from ._heal import find_repair, heal
from ._kinds import find_doubt
from ._paths import identity, open_files, path_error
from ._scan import Findings, MovedError, find_line_start, read_exactly, read_range, scan_lines
from ._system import EXISTING, System

HEADER_BYTES_MAX = 1024 * 1024
ATTEMPTS_MAX = 10


@dataclass(slots=True)
class Loaded:
    """A file as it was found: the content to believe from now on, and what it means."""

    content: Content
    header: Record | None = None
    tail: Tail = field(default_factory=Tail)
    healed: Healed = field(default_factory=Healed)
    damaged: int = 0
    damaged_at: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


class Opener:
    """Opens one path: finds, heals and reads the file there."""

    __slots__ = ("_content_check_bytes_max", "_doubt", "_path", "_system", "format")

    def __init__(
        self, system: System, path: Path, record_format: RecordFormat, *, content_check_bytes_max: int | None
    ) -> None:
        self._system = system
        self._path = path
        self.format = record_format
        self._content_check_bytes_max = content_check_bytes_max
        self._doubt: str | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """Return what a person should know of the place where the file is."""
        return () if self._doubt is None else (self._doubt,)

    def is_small(self, size: int) -> bool:
        """Whether a file of this size is read at opening and at every comparison."""
        most = self._content_check_bytes_max
        return most is None or size <= most or self._doubt is not None

    def probe(self) -> bool:
        """Say whether there is a file, raise `PathError` if it could not be opened; touches nothing."""
        fd = self.open_descriptor()
        if fd is None:
            return False
        try:
            try:
                open_files.check(identity(self._system.fstat(fd)), self._path)
            finally:
                self._system.close(fd)
        except PathError:
            raise
        except OSError as error:
            raise path_error(self._path, error, "opening") from error
        return True

    def open_descriptor(self) -> int | None:
        """Open the regular file at the path; None if there is nothing, `PathError` for everything else."""
        try:
            self._refuse_other_things()
            return self._system.open(self._path, EXISTING)
        except PathError:
            raise
        except FileNotFoundError:
            return None
        except OSError as error:
            raise path_error(self._path, error, "opening") from error

    def _refuse_other_things(self) -> None:
        # With one look: a file that somebody makes between two of them would be "no regular file".
        if not stat.S_ISREG(self._system.lstat(self._path).st_mode):
            raise PathError("this is no regular file", path=self._path, hint="name a file, such as session.jsonl")

    def load(self, *, generation: int) -> Loaded | None:
        """Open, heal and read the file; None if there is none.

        Raises `PathError`, `FormatError` (both leave the file as it is) and `WriteFailedError` (healing failed).
        """
        self._doubt = find_doubt(self._path)
        for _ in range(ATTEMPTS_MAX):
            fd = self.open_descriptor()
            if fd is None:
                return None
            content = Content(self._system, self._path, generation=generation)
            try:
                content.hold(fd, self._system.fstat(fd))
                return self._load(content, fd)
            except MovedError:
                _let_go(content)
            except OSError as error:
                _let_go(content)
                raise error if isinstance(error, PathError) else path_error(self._path, error, "reading") from error
            except BaseException:
                _let_go(content)
                raise
        hint = "find out who writes to it, for example with `fuser`"
        raise PathError("the file does not stop changing while it is opened", path=self._path, hint=hint)

    def _load(self, content: Content, fd: int) -> Loaded:
        size = self._system.fstat(fd).st_size
        repair = find_repair(self._system, fd, size)
        header = self._read_header(fd, size - repair.cut)
        healed = self._heal(fd, size, repair)
        size = size - repair.cut + repair.needs_line_feed
        loaded = Loaded(content, header, healed=healed, notes=self.notes)
        before = self._system.fstat(fd)
        self._read(loaded, fd, size)
        content.mark_synced()
        after = look(self._system, self._path)
        if after is None or not content.is_at(after):
            raise MovedError
        # Whoever changed it while it was read has moved the times, and the next look will see that.
        content.accept_times(before)
        return loaded

    def _heal(self, fd: int, size: int, repair: TailRepair) -> Healed:
        try:
            return heal(self._system, self._path, fd, size, repair)
        except MovedError:
            raise
        except OSError as error:
            hint = "see to the disk, then open the session again; nothing was cut whose bytes are not kept"
            raise WriteFailedError(f"healing failed: {error}", path=self._path, hint=hint) from error

    def _read_header(self, fd: int, size: int) -> Record | None:
        if not self.format.has_header or size == 0:
            return None
        start = read_exactly(self._system, fd, 0, min(size, HEADER_BYTES_MAX))
        try:
            return self.format.read_header(start.partition(b"\n")[0])
        except FormatError as error:
            error.path = self._path
            raise

    def _read(self, loaded: Loaded, fd: int, size: int) -> None:
        content = loaded.content
        content.length = size
        if not self.is_small(size):
            content.replace_digest(None)
            loaded.tail = self._find_tail(fd, size)
            loaded.notes += ("a large file: only its end was read, damage before it was not looked for",)
            return
        findings, digest = Findings(self.format, records=None), new_digest()
        scan_lines(digesting(digest, read_range(self._system, fd, 0, size)), 0, findings)
        content.replace_digest(digest)
        loaded.tail = findings.tail or Tail()
        loaded.damaged, loaded.damaged_at = findings.damaged, tuple(findings.damaged_at)

    def _find_tail(self, fd: int, end: int) -> Tail:
        """Read backwards to the last record; damaged lines behind it mean nothing."""
        while end > 0:
            start = find_line_start(self._system, fd, end)
            if end - start <= LINE_BYTES_MAX and not (start == 0 and self.format.has_header):
                record = self.format.read(read_exactly(self._system, fd, start, end))
                if record is not None:
                    return self.format.tail_of(record)
            end = start
        return Tail()


def _let_go(content: Content) -> None:
    """Close what could not be used; what went wrong before says more than what closing says."""
    with suppress(OSError):
        content.release()
