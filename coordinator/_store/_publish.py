"""Replacing a whole file: write a new one beside it, durably, then exchange the two in one step.

The exchange (`renameat2` with `RENAME_EXCHANGE`) leaves the displaced file under the temporary name, so nothing that
somebody else did in the last instant is lost: it can be looked at, and exchanged back. Where there is no exchange, a
second name for the old file is made first and a plain rename follows; another file that somebody puts there between
these two calls is replaced unseen, and no order of calls could see it.
"""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .._core._lines import LINE_FEED
from ._content import Content, Digest, Displaced, look, new_digest
from ._paths import Identity, identity
from ._scan import BLOCK_BYTES, ends_line, read_range
from ._system import EXISTING, NEW, System

SMALL_BYTES_MAX = 16 * 1024 * 1024
LOOKS = 2
NO_EXCHANGE = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP})


def temporary_prefix(path: Path) -> str:
    """Return how the names of all temporary files of a session file begin; none of them ends in `.jsonl`."""
    return f".{path.name}.rewrite-"


def remove_strays(system: System, path: Path) -> None:
    """Remove what a killed rewrite has left; call it only while holding the lock. Trying is enough."""
    prefix = temporary_prefix(path)
    with suppress(OSError):
        for name in system.list_directory(path.parent):
            if name.startswith(prefix):
                system.unlink(path.with_name(name))


class NewFile:
    """The file that is to take the place of another one."""

    def __init__(self, system: System, path: Path) -> None:
        self.path = path.with_name(f"{temporary_prefix(path)}{secrets.token_hex(8)}")
        self.length = 0
        self.digest: Digest = new_digest()
        self.fd = system.open(self.path, NEW)
        self.found: os.stat_result | None = None
        self._system = system
        self._kept = False

    def write(self, blocks: Iterable[bytes]) -> None:
        """Append blocks, all of each; raises `OSError`."""
        for block in _joined(blocks):
            write_all(self._system, self.fd, block)
            self.digest.update(block)
            self.length += len(block)

    def finish(self, like: os.stat_result) -> None:
        """Give it the mode and owner of the file it replaces, and put it on stable storage.

        Looks at it as well: once it is published, nothing may fail any more that has to be known.
        """
        self._system.copy_owner(self.fd, like)
        self._system.sync(self.fd)
        self.found = self._system.fstat(self.fd)

    def keep(self) -> int:
        """Hand the descriptor over."""
        self._kept = True
        return self.fd

    def close(self) -> None:
        """Close the descriptor, unless it was handed over."""
        if not self._kept:
            self._system.close(self.fd)


def _joined(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Join lines to blocks: a system call a line would cost more than the line."""
    block: list[bytes] = []
    size = 0
    for line in lines:
        block.append(line)
        size += len(line)
        if size >= BLOCK_BYTES:
            yield b"".join(block)
            block, size = [], 0
    yield b"".join(block)


@contextmanager
def new_file(system: System, path: Path) -> Generator[NewFile]:
    """Make a new file beside `path`; in the end its temporary name is gone, whichever file has it then."""
    new = NewFile(system, path)
    try:
        yield new
    finally:
        new.close()
        with suppress(OSError):
            system.unlink(new.path)


def exchange(system: System, new: Path, path: Path) -> None:
    """Let `new` and `path` change places; without an atomic exchange the old file gets the name of the new one."""
    try:
        system.exchange(new, path)
    except OSError as error:
        if error.errno not in NO_EXCHANGE:
            raise
        _rename_over(system, new, path)


def _rename_over(system: System, new: Path, path: Path) -> None:
    second_name = new.with_name(f"{new.name}-old")
    system.link(path, second_name)
    try:
        system.rename(new, path)
        system.rename(second_name, new)
    except BaseException:
        with suppress(OSError):
            system.unlink(second_name)
        raise


def exchange_back(system: System, new: NewFile, path: Path) -> None:
    """Give the path back to the file that `new` has displaced, or to the one that has displaced `new` meanwhile."""
    expected = None if new.found is None else identity(new.found)
    while True:
        returned = _file_at(system, new.path)
        exchange(system, new.path, path)
        taken = _file_at(system, new.path)
        if taken in (expected, None) or returned is None:
            _give_on(system, new, path)
            return
        # Whoever replaced the file last wins, as without us: what we have just taken away is newer.
        expected = returned


def _give_on(system: System, new: NewFile, path: Path) -> None:
    """Append to the file that has the path again what others appended to ours while ours had it."""
    end = system.fstat(new.fd).st_size
    if end <= new.length:
        return
    fd = system.open(path, EXISTING)
    try:
        end_line(system, fd)
        for block in read_range(system, new.fd, new.length, end):
            write_all(system, fd, block)
    finally:
        system.close(fd)


def _file_at(system: System, path: Path) -> Identity | None:
    with suppress(OSError):
        found = look(system, path)
        return None if found is None else identity(found)
    return None


def carry_over(system: System, content: Content) -> bool:
    """Bring over what others appended to files that ours have displaced, through descriptors they still have.

    The bytes are put behind ours like anybody's: the comparison that follows finds and adopts them. Returns False if
    something else was done to such a file since it was copied; that cannot be brought over.
    """
    if content.fd is None:
        return True
    return all(_look_at(system, content, content.fd, displaced) for displaced in content.displaced)


def _look_at(system: System, content: Content, fd: int, displaced: Displaced) -> bool:
    # Asked before the look: a file without a name, which nobody else has open now, will not change any more.
    others = system.is_open_elsewhere(displaced.fd)
    found = system.fstat(displaced.fd)
    if found.st_size > displaced.seen and ends_line(system, displaced.fd, displaced.seen):
        end_line(system, fd)
    for block in read_range(system, displaced.fd, displaced.seen, found.st_size):
        rest = memoryview(block)
        while rest:
            count = system.write(fd, rest)
            displaced.seen += count
            rest = rest[count:]
    displaced.looks += 1
    is_last = others is False or (others is None and displaced.looks == LOOKS)
    as_copied = _is_as_copied(system, displaced, found, is_last=is_last)
    if is_last or not as_copied:
        content.forget_displaced(keep=[other for other in content.displaced if other is not displaced])
    return as_copied


def _is_as_copied(system: System, displaced: Displaced, found: os.stat_result, *, is_last: bool) -> bool:
    """Whether what was copied still stands there; it is read if its time has moved, a small file also in the end."""
    moved, displaced.modified_ns = found.st_mtime_ns != displaced.modified_ns, found.st_mtime_ns
    if not moved and not (is_last and displaced.copied <= SMALL_BYTES_MAX):
        return True
    return found.st_size >= displaced.copied and digest_of(system, displaced.fd, displaced.copied) == displaced.digest


def digest_of(system: System, fd: int, size: int) -> bytes:
    """Read the beginning of a file; `MovedError` if it has become shorter."""
    digest = new_digest()
    for block in read_range(system, fd, 0, size):
        digest.update(block)
    return digest.digest()


def end_line(system: System, fd: int) -> None:
    """End somebody's unfinished line, so that a whole line that is brought over does not become a part of it."""
    if not ends_line(system, fd, system.fstat(fd).st_size):
        write_all(system, fd, LINE_FEED)


def write_all(system: System, fd: int, data: bytes) -> None:
    """Write all of it; raises `OSError`."""
    rest = memoryview(data)
    while rest:
        rest = rest[system.write(fd, rest) :]
