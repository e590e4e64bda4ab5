"""Reading the entries of a session file while it is being appended to.

Every function reads up to `end`, a length that is known to end with a line feed, and never beyond: what stands behind
it may be half written. Reading has a descriptor of its own, takes one block after the other in a thread, and holds
neither thread nor lock in between, so it never delays a write. Memory is bounded by a block and the longest line.

The file is trusted for nothing: if it is shorter than `end`, or has no line feed there, somebody else has changed it,
and what was read says so with a `PositionLostError` rather than looking like a short history.
"""

from __future__ import annotations

import asyncio
import errno
import os
import stat
from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import asynccontextmanager
from io import BufferedReader
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from aiofiles.threadpool import wrap

from ._core._errors import ArgumentTypeError, ArgumentValueError, PathError, PositionLostError
from ._core._format import RecordFormat
from ._core._limits import KIB
from ._core._lines import LINE_BYTES_MAX, LINE_FEED, Line, LineSplitter
from ._core._values import Entry, Position, line_digest
from ._store._paths import path_error

if TYPE_CHECKING:
    from aiofiles.threadpool.binary import AsyncBufferedReader

BLOCK_BYTES = 256 * KIB

Author = Callable[[int], str | None]
"""Says which writer wrote the record at an offset, None if it is not known."""


async def read_entries(
    path: Path, record_format: RecordFormat, *, start: Position | int = 0, end: int, author: Author
) -> AsyncGenerator[Entry, None]:
    """Iterate over the entries between `start` and `end`.

    `start` is a position (go on after that entry) or the byte offset of a line. Raises `PositionLostError` if the file
    no longer has that position, an `ArgumentValueError` for an offset inside a line, `PathError` if there is no file.
    """
    _check_start(path, start, end)
    if end == 0:
        return
    async with _opened(path) as file:
        at = await _first_line(file, start)
        splitter = LineSplitter(at)
        while at < end:
            block = await file.read(at, min(BLOCK_BYTES, end - at))
            at += len(block)
            for line in splitter.feed(block):
                entry = _entry(line, record_format, author)
                if entry is not None:
                    yield entry
        if splitter.rest_size:
            raise file.changed()


async def read_tail(path: Path, record_format: RecordFormat, n: int, *, end: int, author: Author) -> list[Entry]:
    """Return the last `n` entries before `end`, oldest first; reads backwards, no more blocks than needed."""
    if not isinstance(n, int):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentTypeError(f"not a number of records: {n!r}", path=path, hint="pass an integer")
    if n < 0:
        raise ArgumentValueError(f"not a number of records: {n}", path=path, hint="pass 0 or more")
    tail: list[Entry] = []
    if n == 0 or end == 0:
        return tail
    async with _opened(path) as file:
        backwards = _Backwards(file, end)
        while backwards.at and len(tail) < n:
            entries = (_entry(line, record_format, author) for line in await backwards.next_lines())
            tail += islice((entry for entry in entries if entry is not None), n - len(tail))
    return tail[::-1]


async def read_branch(
    path: Path, record_format: RecordFormat, *, leaf: str | None, end: int, author: Author
) -> list[Entry]:
    """Return the way from the root to `leaf`, oldest first; without a leaf (no tree) every entry before `end`.

    A record whose parent is nowhere in the file ends the way. Of several records with one id the last one before the
    child counts. A parent that stands behind its child is found as well, for the price of another pass: a record that
    was glued to a foreign half line is written again, behind its children.
    """
    if leaf is None:
        return [entry async for entry in read_entries(path, record_format, end=end, author=author)]
    if end == 0:
        return []
    climb = _Climb(record_format, author, leaf)
    async with _opened(path) as file:
        while climb.begins_pass():
            backwards = _Backwards(file, end)
            while backwards.at and climb.wanted is not None:
                climb.take_from(await backwards.next_lines())
    return climb.branch[::-1]


def _entry(line: Line, record_format: RecordFormat, author: Author) -> Entry | None:
    is_header = line.offset == 0 and record_format.has_header
    if is_header or line.content is None:
        return None
    record = record_format.read(line.content)
    if record is None:
        return None
    return Entry(record, line.offset, line.size, author(line.offset), Position.after(line.offset, line.content))


class _Climb:
    """The way from a leaf to the root, as lines come by, the last one first."""

    def __init__(self, record_format: RecordFormat, author: Author, leaf: str) -> None:
        self.branch: list[Entry] = []
        self.wanted: str | None = leaf
        self._format = record_format
        self._author = author
        self._seen: set[str | None] = set()
        self._seen_before = -1

    def begins_pass(self) -> bool:
        """Say whether looking through the file (once more) can lead further."""
        before, self._seen_before = self._seen_before, len(self._seen)
        return self.wanted is not None and before < len(self._seen)

    def take_from(self, lines: Iterable[Line]) -> None:
        """Take what is on the way."""
        for line in lines:
            entry = _entry(line, self._format, self._author)
            if entry is not None and self._format.tail_of(entry.record).leaf == self.wanted:
                self._step(entry, self.wanted)
            if self.wanted is None:
                return

    def _step(self, entry: Entry, record_id: str | None) -> None:
        self.branch.append(entry)
        self._seen.add(record_id)
        parent = self._format.parent_of(entry.record)
        self.wanted = None if parent in self._seen else parent  # ids that follow each other in a ring lead nowhere


class _File:
    """A session file, open for reading by offset."""

    def __init__(self, path: Path, file: AsyncBufferedReader) -> None:
        self.path = path
        self._file = file
        self._offset = 0

    async def read(self, offset: int, size: int) -> bytes:
        """Return exactly `size` bytes; PositionLostError if the file does not have them."""
        try:
            if offset != self._offset:
                await self._file.seek(offset)
            block = await self._file.read(size)
        except OSError as error:
            raise _read_error(self.path, error) from error
        self._offset = offset + len(block)
        if len(block) < size:
            raise self.changed()
        return block

    def changed(self) -> PositionLostError:
        """Return the error that says that this is not the content we believe in."""
        hint = "`await session.drain()` or a fence says what happened; then read again from the start"
        return PositionLostError("the file was changed by somebody else while it was read", path=self.path, hint=hint)


class _Backwards:
    """The lines before `end`, block by block, the last one first."""

    def __init__(self, file: _File, end: int) -> None:
        self.at = end
        """Everything from here on was read; 0 when there is nothing more."""
        self._file = file
        self._begun: list[bytes] = []
        """The pieces of a line that begins before `at`, the last one first."""
        self._begun_bytes = 0

    async def next_lines(self) -> list[Line]:
        """Return the lines that the next block completes; there can be none if one is longer than a block."""
        size = min(BLOCK_BYTES, self.at)
        block = await self._file.read(self.at - size, size)
        if not self._begun_bytes and not block.endswith(LINE_FEED):
            raise self._file.changed()
        self.at -= size
        first = block.find(LINE_FEED) + 1 if self.at else 0
        if self.at and not first:
            self._keep(block)
            return []
        whole = b"".join((block[first:], *reversed(self._begun)))
        offset = self.at + first
        self._begun, self._begun_bytes = [], 0
        self._keep(block[:first])
        return list(LineSplitter(offset).feed(whole))[::-1]

    def _keep(self, piece: bytes) -> None:
        """Keep a piece, unless the line is so long that it is damage anyway."""
        self._begun_bytes += len(piece)
        if self._begun_bytes <= LINE_BYTES_MAX:
            self._begun.append(piece)
        else:
            self._begun.clear()


async def _first_line(file: _File, start: Position | int) -> int:
    """Return the offset to begin at, after looking at what stands before it."""
    if isinstance(start, Position):
        backwards, lines = _Backwards(file, start.offset), list[Line]()
        try:
            while backwards.at and not lines:
                lines = await backwards.next_lines()
        except PositionLostError:
            lines = []
        if not lines or lines[0].content is None or line_digest(lines[0].content) != start.digest:
            hint = "the file was replaced or rewritten: start again from 0"
            raise PositionLostError(f"the file has no longer the position {start}", path=file.path, hint=hint)
        return start.offset
    if start and await file.read(start - 1, 1) != LINE_FEED:
        hint = "use an entry's `position`, or the offset of an entry"
        raise ArgumentValueError(f"no line begins at offset {start}", path=file.path, hint=hint)
    return start


def _check_start(path: Path, start: Position | int, end: int) -> None:
    if isinstance(start, Position):
        if not 0 < start.offset <= end:
            hint = "the file is shorter than it was: start again from 0"
            raise PositionLostError(f"the file has no longer the position {start}", path=path, hint=hint)
        return
    hint = "pass 0, the offset of an entry, or an entry's `position` (`Position.parse` reads a stored one)"
    if not isinstance(start, int):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ArgumentTypeError(f"not a place to start from: {start!r}", path=path, hint=hint)
    if not 0 <= start <= end:
        raise ArgumentValueError(f"offset {start} is not inside the file ({end} bytes)", path=path, hint=hint)


@asynccontextmanager
async def _opened(path: Path) -> AsyncGenerator[_File, None]:
    """Open a file for reading, and close it whatever happens.

    A thread that opens a file or waits to close it cannot be called back, so a cancelled reader leaves both to plain
    futures, which nothing cancels: not the reader's scope, and not the end of the loop.
    """
    loop = asyncio.get_running_loop()
    opening = loop.run_in_executor(None, _open, path)
    try:
        file = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_unwanted)
        raise
    except OSError as error:
        raise _read_error(path, error) from error
    try:
        yield _File(path, wrap(file))
    finally:
        await asyncio.shield(loop.run_in_executor(None, file.close))


def _open(path: Path) -> BufferedReader:
    return open(path, "rb", opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    """Open what the store would take for the session file; a pipe that was put in its place must not block a thread."""
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", path)


def _close_unwanted(opening: asyncio.Future[BufferedReader]) -> None:
    """Close a file whose reader was cancelled before it had it."""
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _read_error(path: Path, error: OSError) -> PathError:
    if isinstance(error, FileNotFoundError):
        ours = PathError("the session file is gone", path=path, hint="`await session.reopen()` makes it anew")
        ours.errno = error.errno
        return ours
    return path_error(path, error, "reading the session file")
