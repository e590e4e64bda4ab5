"""One batch: look, write, position, sync, look; and sorting out what happened when somebody else wrote meanwhile."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .._core._effects import Append, Fault, Foreign, Placement, Report
from .._core._lines import LINE_FEED
from .._core._values import Change
from ._compare import Comparer, Verdict
from ._content import Content, Debris, look
from ._durable import Durable
from ._placing import Run, join_pieces, place_lines, place_lines_in_order
from ._scan import MovedError, ends_line, find_lines, read_exactly
from ._system import EXISTING, NEW, System

ROOM_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
ROUNDS_MAX = 64


@dataclass(slots=True)
class Batch:
    """What an `Append` has come to so far; `offsets` has None for lines that do not stand in the file yet."""

    effect: Append
    foreign: list[Foreign]
    offsets: list[int | None]
    lowest: int | None = None
    rounds: int = 0

    @property
    def missing(self) -> list[int]:
        """Return the numbers of the lines that are still to be written."""
        return [number for number, offset in enumerate(self.offsets) if offset is None]

    @property
    def is_begun(self) -> bool:
        """Whether a line stands in the file already."""
        return any(offset is not None for offset in self.offsets)

    def may_stand_at(self, offset: int) -> None:
        """Remember that bytes of ours may stand at this offset."""
        self.lowest = offset if self.lowest is None else min(offset, self.lowest)


@dataclass(slots=True)
class Round:
    """One write of what is missing, and where its pieces went.

    `sizes` begins with the part before the lines: a header, a line feed that ends what is torn, or nothing.
    """

    has_header: bool
    numbers: Sequence[int]
    data: bytes
    sizes: list[int]
    pieces: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])

    @property
    def runs(self) -> list[Run]:
        """Return where the bytes went."""
        return join_pieces(self.pieces)


def room_or_write(error: OSError) -> Fault:
    """Say which promise a failed write broke."""
    return Fault.ROOM if error.errno in ROOM_ERRORS else Fault.WRITE


class Appender:
    """Writes batches behind the content, and says exactly where each line stands."""

    def __init__(self, system: System, comparer: Comparer, durable: Durable, *, syncs_directory: bool) -> None:
        self._system = system
        self._comparer = comparer
        self._durable = durable
        self._syncs_directory = syncs_directory
        self._parked: Batch | None = None

    def append(self, content: Content, effect: Append) -> Report:
        """Write a batch, if the file is still what we believe; otherwise say what it is and write nothing."""
        self._parked = None
        verdict = self._first_look(content, effect)
        batch = Batch(effect, verdict.foreign, [None] * len(effect.lines))
        if verdict.changes:
            if verdict.stops or not effect.insist:
                return self._unwritten(content, batch, torn=verdict.torn)
            batch.foreign = [replace(foreign, slipped=True) for foreign in verdict.foreign]
            if verdict.torn:
                return self._park(content, batch)
        return self._write(content, batch)

    def finish(self, content: Content, report: Report) -> Report:
        """End the unfinished foreign line that `report` told of, then complete the batch."""
        batch, self._parked = self._parked, None
        verdict = self._comparer.compare(content, end_torn=True)
        if batch is None:
            return replace(
                report, revision=content.revision, foreign=(*report.foreign, *verdict.foreign), torn=verdict.torn
            )
        slipped = bool(batch.missing)
        batch.foreign += [replace(foreign, slipped=slipped) for foreign in verdict.foreign]
        if verdict.stops:
            return self._unwritten(content, batch)
        if verdict.torn:
            return self._park(content, batch)
        return self._write(content, batch) if batch.missing else self._done(content, batch)

    # Before the write

    def _first_look(self, content: Content, effect: Append) -> Verdict:
        if effect.compare:
            return self._comparer.compare(content)
        found = look(self._system, content.path)
        if found is None or content.fd is None:
            return Verdict() if found is None and content.fd is None else self._comparer.compare(content)
        if not content.is_at(found) or found.st_size != content.length:
            return self._comparer.compare(content)
        content.note_times(found)
        return Verdict()

    def _prepare(self, content: Content) -> Verdict:
        if content.fd is None:
            return self._create(content)
        return Verdict() if content.debris is None else self._repair(content, content.fd, content.debris)

    def _create(self, content: Content) -> Verdict:
        try:
            fd = self._system.open(content.path, NEW)
        except FileExistsError:
            verdict = self._comparer.compare(content)
            if content.fd is None and not verdict.changes:
                raise
            return verdict
        content.hold(fd, self._system.fstat(fd))
        if self._syncs_directory:
            self._durable.named([content.path.parent])
        return Verdict()

    def _repair(self, content: Content, fd: int, debris: Debris) -> Verdict:
        """Cut what an earlier failed write has left, or leave it to be ended by our line feed."""
        if debris.buried and debris.must_be_cut:
            raise OSError(errno.EIO, "foreign bytes follow the beginning of a batch that could not be cut back")
        if not debris.buried:
            if not self._is_tail(fd, debris.start, debris.data):
                return self._comparer.compare(content)
            try:
                self._system.truncate(fd, debris.start)
            except OSError:
                if debris.must_be_cut:
                    raise
            else:
                content.cut(debris)
        content.debris = None
        return Verdict()

    def _is_tail(self, fd: int, start: int, data: bytes) -> bool:
        """Whether exactly these bytes of ours end the file: looked at directly before they are cut."""
        end = start + len(data)
        return self._system.fstat(fd).st_size == end and read_exactly(self._system, fd, start, end) == data

    # The write

    def _write(self, content: Content, batch: Batch) -> Report:
        try:
            verdict = self._prepare(content)
        except OSError as error:
            return self._fault(content, batch, room_or_write(error), error)
        batch.foreign += verdict.foreign
        if verdict.changes:
            return self._unwritten(content, batch, torn=verdict.torn)
        while batch.rounds < ROUNDS_MAX:
            batch.rounds += 1
            report = self._write_round(content, batch)
            if report is not None:
                return report
        hopeless = OSError(errno.EBUSY, "unfinished lines of another process broke every attempt to write")
        return self._fault(content, batch, Fault.WRITE, hopeless)

    def _write_round(self, content: Content, batch: Batch) -> Report | None:
        """Write what is missing; the report if that ends the batch, None if lines are still missing."""
        current = self._next_round(content, batch)
        error = self._write_all(content, current)
        if error is not None:
            return self._give_up(content, batch, current, error)
        self._durable.wrote()
        failure = self._durable.sync(content.fd) if batch.effect.sync else None
        if failure is not None:
            batch.may_stand_at(current.pieces[0][0])
            return self._fault(content, batch, Fault.SYNC, failure)
        found = look(self._system, content.path)
        if found is not None and self._is_as_expected(content, current, found):
            content.extend(current.data)
            content.accept_times(found)
            self._place(batch, current, place_lines_in_order(current.sizes, found.st_size - len(current.data)))
            return self._done(content, batch)
        return self._sort_out(content, batch, current, found)

    def _next_round(self, content: Content, batch: Batch) -> Round:
        header = batch.effect.header if content.length == 0 else None
        first = header or (LINE_FEED if content.inside_line else b"")
        numbers = batch.missing
        parts = [first, *(batch.effect.lines[number] for number in numbers)]
        return Round(header is not None, numbers, b"".join(parts), [len(part) for part in parts])

    def _write_all(self, content: Content, current: Round) -> OSError | None:
        fd, rest = content.fd, memoryview(current.data)
        assert fd is not None
        try:
            while rest:
                count = self._system.write(fd, rest)
                current.pieces.append((self._system.position(fd) - count, count))
                rest = rest[count:]
        except OSError as error:
            return error
        return None

    def _is_as_expected(self, content: Content, current: Round, found: os.stat_result) -> bool:
        size = len(current.data)
        in_place = current.pieces == [(content.length, size)]
        return in_place and content.is_at(found) and found.st_size == content.length + size

    def _place(self, batch: Batch, current: Round, offsets: Sequence[int | None]) -> None:
        for number, offset in zip(current.numbers, offsets[1:], strict=True):
            batch.offsets[number] = offset

    # When somebody else was there too

    def _sort_out(self, content: Content, batch: Batch, current: Round, found: os.stat_result | None) -> Report | None:
        batch.may_stand_at(current.pieces[0][0])
        if found is not None and not content.is_at(found) and self._comparer.held():
            return self._find_in_other_file(content, batch, current, found)
        try:
            change = self._lost(content, current, found)
            if change is None and found is not None:
                return self._sort_in(content, batch, current, found)
        except MovedError:
            change = Change.TRUNCATED
        assert change is not None
        return self._stop(content, batch, change, found)

    def _lost(self, content: Content, current: Round, found: os.stat_result | None) -> Change | None:
        """Say why what we knew of the file no longer holds, None if it does."""
        if not self._comparer.held():
            return Change.LOCK_LOST
        if found is None:
            return Change.VANISHED
        end = content.length
        for start, size in current.pieces:
            if start < end:
                return Change.TRUNCATED
            end = start + size
        if found.st_size < end:
            return Change.TRUNCATED
        if current.has_header and current.pieces[0][0] > 0:
            return Change.REPLACED
        return None if self._comparer.prefix_equal(content) else Change.REWRITTEN

    def _sort_in(self, content: Content, batch: Batch, current: Round, found: os.stat_result) -> Report | None:
        """Tell our bytes from those of others by where our writes ended, and adopt the others."""
        assert content.fd is not None
        runs, glued = current.runs, list[bool]()
        for run in runs:
            if run.start > content.length:
                batch.foreign.append(self._comparer.adopt(content, run.start, found, slipped=True))
            glued.append(content.inside_line)
            own = current.data[run.first : run.last]
            if read_exactly(self._system, content.fd, run.start, run.end) != own:
                return self._stop(content, batch, Change.REWRITTEN, found)
            content.extend(own)
        self._place(batch, current, place_lines(current.sizes, runs, glued))
        if not ends_line(self._system, content.fd, found.st_size):
            return self._park(content, batch)
        if found.st_size > content.length:
            slipped = bool(batch.missing)
            batch.foreign.append(self._comparer.adopt(content, found.st_size, found, slipped=slipped))
        content.accept_times(found)
        self._comparer.settle(content, found)
        return None if batch.missing else self._done(content, batch)

    def _find_in_other_file(
        self, content: Content, batch: Batch, current: Round, found: os.stat_result
    ) -> Report | None:
        """Another file has our path: with our batch, without it but otherwise equal, or something else."""
        fd, batch_is_there = None, found.st_size == content.length + len(current.data)
        if len(current.runs) == 1 and self._comparer.prefix_equal(content) and content.digest is not None:
            after = content.digest.copy()
            after.update(current.data)
            sizes = [content.length + len(current.data), content.length]
            fd = self._comparer.open_other(content, found, [after, content.digest], sizes)
        if fd is None:
            return self._stop(content, batch, Change.REPLACED, found)
        batch.foreign.append(self._comparer.foreign(Change.TOUCHED, content, found))
        if batch_is_there:
            self._place(batch, current, place_lines_in_order(current.sizes, content.length))
            content.extend(current.data)
        self._comparer.switch(content, fd, found)
        if batch_is_there:
            return self._done(content, batch)
        return None if batch.is_begun else self._unwritten(content, replace(batch, lowest=None))

    def _give_up(self, content: Content, batch: Batch, current: Round, error: OSError) -> Report:
        """The disk refused: take back what it did write, if it is provably ours and nothing follows it."""
        fault = Fault.WRITE if batch.is_begun else room_or_write(error)
        if current.pieces and not self._cut_back(content, current):
            batch.may_stand_at(current.pieces[0][0])
            (run, *others) = current.runs
            if others or run.start != content.length:
                fault = Fault.WRITE
            else:
                content.leave_debris(current.data[: run.last], error)
                self._durable.wrote()
        if fault is Fault.WRITE:
            batch.may_stand_at(content.revision.length)
        return self._fault(content, batch, fault, error)

    def _cut_back(self, content: Content, current: Round) -> bool:
        fd, (run, *others) = content.fd, current.runs
        assert fd is not None
        try:
            if others or not self._is_tail(fd, run.start, current.data[: run.last]):
                return False
            self._system.truncate(fd, run.start)
            found = look(self._system, content.path)
        except (OSError, MovedError):
            return False
        if found is not None and content.is_at(found) and found.st_size == content.length:
            content.accept_times(found)
        return True

    # Reports

    def _done(self, content: Content, batch: Batch) -> Report:
        failure = self._durable.sync(content.fd) if batch.effect.sync else None
        if failure is not None:
            return self._fault(content, batch, Fault.SYNC, failure)
        written = tuple(
            Placement(offset, len(line))
            for offset, line in zip(batch.offsets, batch.effect.lines, strict=True)
            if offset is not None
        )
        return Report(content.revision, written, tuple(batch.foreign), synced=batch.effect.sync)

    def _park(self, content: Content, batch: Batch) -> Report:
        self._parked = batch
        return Report(content.revision, torn=True, attempted_at=batch.lowest)

    def _unwritten(self, content: Content, batch: Batch, *, torn: bool = False) -> Report:
        return Report(
            content.revision, None, tuple(batch.foreign), torn=torn, attempted_at=batch.lowest,
            standing=self._standing(content, batch),
        )  # fmt: skip

    def _standing(self, content: Content, batch: Batch) -> tuple[Placement | None, ...]:
        """Look for a fence's lines in what the file has become: what stands there is not to be written again."""
        stops = any(foreign.change.stops for foreign in batch.foreign)
        if not (stops and batch.effect.compare) or batch.lowest is None:
            return ()
        try:
            fd = self._system.open(content.path, EXISTING)
        except OSError:
            return ()
        try:
            return find_lines(self._system, fd, batch.effect.lines, batch.lowest, self._system.fstat(fd).st_size)
        except OSError:
            return ()
        finally:
            self._system.close(fd)

    def _stop(self, content: Content, batch: Batch, change: Change, found: os.stat_result | None) -> Report:
        batch.foreign.append(self._comparer.foreign(change, content, found))
        return self._unwritten(content, batch)

    def _fault(self, content: Content, batch: Batch, fault: Fault, error: OSError) -> Report:
        return Report(content.revision, None, tuple(batch.foreign), fault=fault, error=error, attempted_at=batch.lowest)
