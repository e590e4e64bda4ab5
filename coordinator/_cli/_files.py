"""Reading a session file that others may be writing to: nothing is locked, nothing is changed, memory is bounded."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

from coordinator import PI, PLAIN, PathError, Record, RecordFormat

from ._inside import LINE_BYTES_MAX, LINE_FEED, Line, LineSplitter, TailRepair, find_repair, path_error, session_path
from ._inside import System as Calls
from ._options import FormatName

BLOCK_BYTES = 256 * 1024
FIRST_LINE_BYTES_MAX = 1024 * 1024
LOOKS_MAX = 10
LOOK_SECONDS = 0.02
FRESH_SECONDS = 1.0


class Reader:
    """One session file, open for reading up to where it ended when it was looked at."""

    def __init__(self, path: Path, fd: int, format_name: FormatName) -> None:
        self.path = path
        self.fd = fd
        self.end = _settled_end(fd)
        self.found = os.fstat(fd)
        self.first_line = self.read(0, min(FIRST_LINE_BYTES_MAX, self.end)).partition(LINE_FEED)[0]
        self.format: RecordFormat = format_name.given or _format_of(self.first_line)
        self.repair: TailRepair = find_repair(Calls(), fd, self.end)
        self.lines_end = self.end - self.repair.cut - self.repair.keep
        """Where the last whole line ends."""
        self.records_end = self.end - self.repair.cut
        """Where the last record ends, which may lack its line feed."""

    def read(self, start: int, size: int) -> bytes:
        """Read exactly this much; `PathError` if the file has become shorter."""
        pieces: list[bytes] = []
        while size > 0:
            piece = os.pread(self.fd, size, start)
            if not piece:
                hint = "somebody is changing it just now: look again"
                raise PathError("the file became shorter while it was read", path=self.path, hint=hint)
            pieces.append(piece)
            start, size = start + len(piece), size - len(piece)
        return b"".join(pieces)

    def whole_lines(self, start: int) -> bytes:
        """Read a block, and return the lines that end in it; nothing if none does."""
        block = self.read(start, min(BLOCK_BYTES, self.lines_end - start))
        return block[: block.rfind(LINE_FEED) + 1]

    def lines(self, start: int = 0) -> Iterator[Line]:
        """Give the lines, oldest first, the header included, and a last record that lacks only its line feed."""
        splitter = LineSplitter(start)
        while start < self.lines_end:
            block = self.read(start, min(BLOCK_BYTES, self.lines_end - start))
            start += len(block)
            yield from splitter.feed(block)
        yield from self._unended()

    def _unended(self) -> Iterator[Line]:
        if self.repair.keep:
            yield Line(self.lines_end, self.repair.keep, self.read(self.lines_end, self.repair.keep))

    def lines_backwards(self) -> Iterator[Line]:
        """Give the same lines, newest first, without reading what comes before the last one asked for."""
        yield from self._unended()
        at, begun, passed = max(self.lines_end - len(LINE_FEED), 0), b"", 0
        while at > 0:
            size = min(max(BLOCK_BYTES, len(begun)), at)
            at -= size
            begun, *pieces = (self.read(at, size) + begun).split(LINE_FEED)
            end = at + len(begun) + sum(map(len, pieces)) + len(pieces)
            for piece in reversed(pieces):
                start = end - len(piece)
                yield _line(start, piece, passed)
                end, passed = start - len(LINE_FEED), 0
            if len(begun) > LINE_BYTES_MAX:
                begun, passed = b"", passed + len(begun)
        if self.lines_end:
            yield _line(0, begun, passed)

    def is_header(self, line: Line) -> bool:
        """Whether a line is the header, and so no record."""
        return line.offset == 0 and self.format.has_header

    def record(self, line: Line) -> Record | None:
        """Parse a line; None if it is damaged."""
        return None if line.content is None else self.format.read(line.content)


def _line(start: int, piece: bytes, passed: int) -> Line:
    size = len(piece) + passed + len(LINE_FEED)
    return Line(start, size, None if passed else piece + LINE_FEED)


def _format_of(first_line: bytes) -> RecordFormat:
    first = PLAIN.read(first_line)
    return PI if first is not None and first.get("type") == "session" else PLAIN


def _settled_end(fd: int) -> int:
    """Return where the file ends; a line that is being written this instant gets the time to end.

    A large write becomes visible page by page, so on a busy file half a line is no news.
    """
    found, looks = os.fstat(fd), 1
    while not _ends_whole(fd, found.st_size) and looks < LOOKS_MAX and time.time() - found.st_mtime < FRESH_SECONDS:
        time.sleep(LOOK_SECONDS)
        found, looks = os.fstat(fd), looks + 1
    return found.st_size


def _ends_whole(fd: int, size: int) -> bool:
    return size == 0 or os.pread(fd, 1, size - 1) in (LINE_FEED, b"")


@contextmanager
def reading(path: Path, format_name: FormatName = FormatName.AUTO) -> Generator[Reader]:
    """Open a session file for reading; every failure is a `PathError`."""
    resolved = session_path(path)
    try:
        fd = open_regular(resolved)
    except OSError as error:
        raise _read_error(path, error) from error
    try:
        yield Reader(path, fd, format_name)
    except PathError:
        raise
    except OSError as error:
        raise _read_error(path, error) from error
    finally:
        os.close(fd)


def _read_error(path: Path, error: OSError) -> PathError:
    if error.errno == errno.ENOENT:
        return PathError("there is no such file", path=path, hint="look for where it went")
    return path_error(path, error, "reading")


def open_regular(path: Path) -> int:
    """Open a file for reading; what is no regular file is refused, and a pipe does not make us wait."""
    fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    raise OSError(errno.EINVAL, "it is not a regular file", str(path))
