"""Reading ranges of a file in bounded memory: what lines there are, and what they mean to the format."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain

from .._core._effects import Placement
from .._core._format import RecordFormat
from .._core._lines import LINE_FEED, Line, LineSplitter
from .._core._values import Record, Tail
from ._system import System

BLOCK_BYTES = 256 * 1024
FIRST_RECORDS_MAX = 10
FIRST_RECORDS_BYTES_MAX = 64 * 1024
RECORDS_MAX = 10_000
RECORDS_BYTES_MAX = 16 * 1024 * 1024
DAMAGED_AT_MAX = 100


class MovedError(OSError):
    """The file became shorter, or another one, while it was read: look again."""


def read_range(system: System, fd: int, start: int, end: int) -> Iterator[bytes]:
    """Read `start` to `end` in blocks; `MovedError` if the file ends before."""
    while start < end:
        block = system.pread(fd, min(BLOCK_BYTES, end - start), start)
        if not block:
            raise MovedError
        start += len(block)
        yield block


def read_exactly(system: System, fd: int, start: int, end: int) -> bytes:
    """Read a range that is known to be small."""
    return b"".join(read_range(system, fd, start, end))


def ends_line(system: System, fd: int, end: int) -> bool:
    """Whether a line (or nothing at all) ends at this offset."""
    return end == 0 or read_exactly(system, fd, end - 1, end) == LINE_FEED


def find_line_start(system: System, fd: int, end: int) -> int:
    """Return where the line starts that has a byte just before `end`, not counting a line feed there."""
    stop = max(end - 1, 0)
    while stop > 0:
        start = max(stop - BLOCK_BYTES, 0)
        found = read_exactly(system, fd, start, stop).rfind(LINE_FEED)
        if found >= 0:
            return start + found + 1
        stop = start
    return 0


@dataclass(slots=True)
class Findings:
    """What a range of whole lines means: its records, its damage, its tail."""

    record_format: RecordFormat
    records: list[Record] | None = field(default_factory=list[Record])
    records_bytes: int = 0
    damaged: int = 0
    damaged_at: list[int] = field(default_factory=list[int])
    first_records: list[Record] = field(default_factory=list[Record])
    last_record: Record | None = None

    @property
    def tail(self) -> Tail | None:
        """Return what the last record means as the end of the file, None if there is no record."""
        return None if self.last_record is None else self.record_format.tail_of(self.last_record)

    def add(self, line: Line) -> None:
        """Learn from a whole line; a header is neither record nor damage."""
        if line.offset == 0 and self.record_format.has_header:
            return
        record = None if line.content is None else self.record_format.read(line.content)
        if record is None:
            self.add_damage(line.offset)
        else:
            self._add_record(record, line.size)

    def add_damage(self, offset: int) -> None:
        """Count a line that is no record."""
        self.damaged += 1
        if len(self.damaged_at) < DAMAGED_AT_MAX:
            self.damaged_at.append(offset)

    def _add_record(self, record: Record, size: int) -> None:
        self.last_record = record
        self.records_bytes += size
        if len(self.first_records) < FIRST_RECORDS_MAX and self.records_bytes <= FIRST_RECORDS_BYTES_MAX:
            self.first_records.append(record)
        if self.records is not None:
            self.records.append(record)
            if len(self.records) > RECORDS_MAX or self.records_bytes > RECORDS_BYTES_MAX:
                self.records = None


def scan_lines(blocks: Iterable[bytes], offset: int, findings: Findings, *, inside_line: bool = False) -> int:
    """Learn from the whole lines of a stream that starts at `offset`; return how many bytes have no end yet.

    `inside_line`: the stream begins in the middle of something torn, so its first line is damage.
    """
    splitter = LineSplitter(offset)
    for block in blocks:
        for line in splitter.feed(block):
            if inside_line:
                findings.add_damage(line.offset)
            else:
                findings.add(line)
            inside_line = False
    return splitter.rest_size


def find_lines(system: System, fd: int, lines: Sequence[bytes], since: int, end: int) -> tuple[Placement | None, ...]:
    """Find lines from an offset on; each line of the file stands for one of those looked for.

    The last one may lack its line feed: whoever opens the file next gives it to a whole record.
    """
    places: list[Placement | None] = [None] * len(lines)
    if since >= end or not lines:
        return tuple(places)
    wanted: defaultdict[bytes, deque[int]] = defaultdict(deque)
    for number, line in enumerate(lines):
        wanted[line].append(number)
    splitter, torn = LineSplitter(since), not ends_line(system, fd, since)
    for block in chain(read_range(system, fd, since, end), [LINE_FEED]):
        for there in splitter.feed(block):
            numbers = wanted.get(there.content or b"")
            if numbers and not torn:
                places[numbers.popleft()] = Placement(there.offset, there.size)
            torn = False
    return tuple(places)
