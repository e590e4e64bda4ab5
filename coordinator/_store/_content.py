"""What we believe the file to be: its bytes (as a running digest), its identity, and the times we saw last."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from .._core._errors import PathError
from .._core._lines import LINE_FEED, is_object
from .._core._values import Fingerprint, Revision
from ._paths import Identity, identity, open_files
from ._system import System

DISPLACED_MAX = 8
Times = tuple[int, int]


class Digest(Protocol):
    """A running SHA-256."""

    def update(self, data: bytes | memoryview, /) -> None:
        """Take more bytes."""
        ...

    def digest(self) -> bytes:
        """Return the digest of all bytes so far."""
        ...

    def copy(self) -> Self:
        """Branch off."""
        ...


def new_digest() -> Digest:
    """Return the digest of nothing."""
    return hashlib.sha256(usedforsecurity=False)


def digesting(digest: Digest, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Pass blocks on, and take them into a digest on the way."""
    for block in blocks:
        digest.update(block)
        yield block


def times_of(found: os.stat_result) -> Times:
    """Return the times that move when somebody changes a file."""
    return found.st_mtime_ns, found.st_ctime_ns


def fingerprint(found: os.stat_result | None) -> Fingerprint | None:
    """Keep of a look what belongs into an error."""
    if found is None:
        return None
    return Fingerprint(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def look(system: System, path: Path) -> os.stat_result | None:
    """Look at the path; None if there is no regular file. Other failures are raised: unreadable is never empty."""
    try:
        found = system.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found if stat.S_ISREG(found.st_mode) else None


@dataclass(slots=True)
class Debris:
    """The beginning of a batch that a failing disk left at the end of the file, to be cut before anything is written.

    `has_header`: it begins with that of the file. `buried`: foreign bytes follow, so it cannot be cut any more.
    """

    start: int
    data: bytes
    digest_before: Digest | None
    error: OSError
    has_header: bool
    buried: bool = False

    @property
    def must_be_cut(self) -> bool:
        """Whether ending it is not enough: it holds half a header, or lines that the core believes unwritten.

        The last of them may lack only its end.
        """
        return LINE_FEED in self.data or self.has_header or is_object(self.data)


@dataclass(slots=True)
class Displaced:
    """A file that ours has displaced: others may still change it through a descriptor they have.

    It is looked at right after the exchange, and at every comparison as long as somebody has it open (where that cannot
    be known: once more). `copied` bytes with this digest were copied from it; what stands behind them was brought over
    as far as it was `seen`.
    """

    fd: int
    copied: int
    digest: bytes
    modified_ns: int | None
    seen: int
    looks: int = 0


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of the content of a parked session."""

    revision: Revision
    digest: Digest | None
    times: Times | None
    file: Identity | None

    @property
    def generation(self) -> int:
        """Return how often the whole content had been replaced."""
        return self.revision.generation

    def may_be(self, other: Content) -> bool:
        """Whether only reading can tell that another content is this one: its times, or its file, are not the same."""
        return self.revision.digest is not None and other.digest is None and other.length == self.revision.length

    def looks_like(self, other: Content) -> bool:
        """Whether two contents of unknown digest are the same by all that metadata says."""
        unknown = self.revision.digest is None or other.digest is None
        known = self.revision.length, self.times, self.file
        return unknown and known == (other.length, other.times, other.file)


class Content:
    """The bytes we believe in. The descriptor stays open, so that its inode cannot be used again for another file."""

    __slots__ = (
        "_revision", "_system", "debris", "digest", "displaced", "fd", "file", "generation", "inside_line",
        "length", "path", "retains", "suspect", "synced_digest", "synced_length", "times", "unsynced",
    )  # fmt: skip

    def __init__(self, system: System, path: Path, *, generation: int) -> None:
        self.path = path
        self.generation = generation
        self.fd: int | None = None
        self.file: Identity | None = None
        self.length = 0
        self.digest: Digest | None = new_digest()
        self.times: Times | None = None
        self.suspect = False
        self.inside_line = False
        self.debris: Debris | None = None
        self.displaced: tuple[Displaced, ...] = ()
        self.retains = True
        """Whether bytes that are not on stable storage are kept: after a failed sync they are needed again."""
        self.synced_length = 0
        self.synced_digest: Digest | None = new_digest()
        self.unsynced: list[bytes] = []
        self._system = system
        self._revision: Revision | None = None

    @property
    def revision(self) -> Revision:
        """Return the name of this content; it stays the same object until the content changes."""
        if self._revision is None:
            length, digest = self.length, self.digest
            if self.debris is not None and not self.debris.buried:
                length, digest = self.debris.start, self.debris.digest_before
            self._revision = Revision(self.generation, length, None if digest is None else digest.digest())
        return self._revision

    def next_generation(self) -> None:
        """Count a replacement of the whole content."""
        self.generation += 1
        self._revision = None

    def remember(self, *, is_small: bool) -> Remembered:
        """Return what is needed to recognise this content later; a small or suspect one will be read anyway."""
        times = None if self.suspect else self.times
        return Remembered(self.revision, None if is_small else self.digest, times, self.file)

    def recognise(self, before: Remembered) -> None:
        """Go by the name that this content had before the session was parked."""
        self.digest, self._revision = before.digest, before.revision

    def hold(self, fd: int, found: os.stat_result) -> None:
        """Use this descriptor from now on; `PathError` (and it is closed) if the file has another name here."""
        try:
            open_files.claim(identity(found), self.path)
        except PathError:
            self._system.close(fd)
            raise
        self.release()
        self.fd, self.file = fd, identity(found)

    def release(self) -> None:
        """Give the descriptor back."""
        fd, self.fd = self.fd, None
        file, self.file = self.file, None
        if file is not None:
            open_files.release(file)
        if fd is not None:
            self._system.close(fd)
        self.forget_displaced()

    def watch(self, before: Content) -> None:
        """Go on looking at the files that were displaced by those of another content."""
        self.displaced, before.displaced = before.displaced, ()

    def forget_displaced(self, *, keep: Sequence[Displaced] = ()) -> None:
        """Close the files that ours have displaced, but for those to `keep`."""
        displaced, self.displaced = self.displaced, tuple(keep)
        for file in displaced:
            if file not in keep:
                self._system.close(file.fd)

    def move_to(
        self, fd: int, found: os.stat_result, length: int, digest: Digest, *, copied: tuple[int, bytes]
    ) -> None:
        """Go on with a file that has displaced ours; ours stays open, to be looked at once more.

        `copied`: how many bytes of it, and which, are in the new file in one way or another.
        """
        open_files.claim(identity(found), self.path)
        self.forget_displaced(keep=self.displaced[1 - DISPLACED_MAX :])
        if self.file is not None and self.fd is not None:
            open_files.release(self.file)
            modified_ns = None if self.times is None else self.times[0]
            self.displaced += (Displaced(self.fd, *copied, modified_ns, seen=copied[0]),)
        self.fd, self.file = fd, identity(found)
        self.length, self.digest, self.inside_line = length, digest, False
        self.suspect = True
        self.generation += 1
        self.mark_synced()
        self._revision = None

    def extend(self, data: bytes) -> None:
        """Believe in these bytes too, behind the others."""
        if not data:
            return
        if self.digest is not None:
            self.digest.update(data)
        self.length += len(data)
        self.inside_line = data[-1:] != LINE_FEED
        if self.retains:
            self.unsynced.append(data)
        self._revision = None

    def retain(self, data: bytes) -> None:
        """Keep what no sync has covered yet."""
        if self.retains:
            self.unsynced.append(data)

    def mark_synced(self) -> None:
        """Everything that we believe in is on stable storage."""
        self.synced_length = self.length
        self.synced_digest = None if self.digest is None else self.digest.copy()
        self.unsynced = []

    def grow(self, length: int, digest: Digest | None, *, inside_line: bool) -> None:
        """Believe in foreign bytes behind ours; `digest` covers them too. Debris before them can no longer be cut."""
        self.length, self.digest, self.inside_line = length, digest, inside_line
        if self.debris is not None:
            self.debris.buried = True
        self._revision = None

    def take(self, other: Content) -> None:
        """Take the descriptor of another content, but none of its bytes."""
        self.release()
        self.fd, self.file, self.times, self.suspect = other.fd, other.file, other.times, other.suspect
        other.fd = other.file = None

    def replace_digest(self, digest: Digest | None) -> None:
        """Learn what the digest of the believed bytes is."""
        self.digest = digest
        self._revision = None

    def cut(self, debris: Debris) -> None:
        """Believe in what was there before the debris, which has been cut."""
        self.length, self.digest = debris.start, debris.digest_before
        self.debris, self.inside_line = None, False
        if self.synced_length > debris.start:
            self.synced_length, self.synced_digest = debris.start, debris.digest_before
        elif self.unsynced:
            self.unsynced.pop()
        self._revision = None

    def leave_debris(self, data: bytes, error: OSError, *, has_header: bool) -> None:
        """Account for the beginning of a batch that cannot be cut now; the revision does not show it."""
        before = None if self.digest is None else self.digest.copy()
        debris = Debris(self.length, data, before, error, has_header)
        self.extend(data)
        self.debris = debris

    def is_at(self, found: os.stat_result) -> bool:
        """Whether a look shows our file."""
        return self.file == (found.st_dev, found.st_ino)

    def accept_times(self, found: os.stat_result) -> None:
        """Take the times of this look as the hint for the next one."""
        self.times = times_of(found)

    def note_times(self, found: os.stat_result) -> None:
        """Become suspicious if the times differ from the hint: a change of the same length may be behind it."""
        if self.times != times_of(found):
            self.suspect = True
