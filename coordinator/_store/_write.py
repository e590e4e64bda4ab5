"""One batch: look, write, position, sync, look. `_sort` has what follows when somebody else was there too."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from typing import cast

from .._core._effects import Append, Fault, Placement, Report
from .._core._lines import LINE_FEED
from ._batch import Batch, Round, room_or_write
from ._compare import Comparer, Verdict
from ._content import Content, look
from ._durable import Durable
from ._placing import Run, place_lines_in_order
from ._scan import MovedError, find_lines
from ._sort import Sorted, Sorter
from ._system import EXISTING, NEW, System
from ._takeback import TakeBack

ROUNDS_MAX = 64
QUICK_BYTES_MAX = 256 * 1024
"""Copying more into the page cache takes longer than a thread does to begin."""


class Appender:
    """Writes batches behind the content, and says exactly where each line stands."""

    __slots__ = ("_begun", "_comparer", "_durable", "_parked", "_sorter", "_system", "_takeback")

    def __init__(self, system: System, comparer: Comparer, durable: Durable) -> None:
        self._system = system
        self._comparer = comparer
        self._durable = durable
        self._sorter = Sorter(system, comparer)
        self._takeback = TakeBack(system)
        self._parked: Batch | None = None
        self._begun: tuple[Batch, Round] | None = None
        """What the event loop has written of a batch, and a thread has to complete."""

    def append(self, content: Content, effect: Append) -> Report:
        """Write a batch, if the file is still what we believe; otherwise say what it is and write nothing."""
        begun, self._begun, self._parked = self._begun, None, None
        batch = begun[0] if begun else Batch(effect, [], [None] * len(effect.lines))
        try:
            return self._go_on(content, *begun) if begun else self._append(content, batch)
        except OSError as error:
            return self._fault(content, batch, Fault.WRITE, error)

    def append_quickly(self, content: Content, effect: Append) -> Report | None:
        """Write a batch with one write and a look on either side; where that is not all of it, `append` goes on."""
        if not self._is_simple(content, effect):
            return None
        lines = effect.lines
        current = Round(False, range(len(lines)), b"".join(lines), [0, *map(len, lines)])
        self._begun = Batch(effect, [], [None] * len(lines), rounds=1, pieces=current.pieces), current
        self._write_piece(content, current)
        try:
            found = look(self._system, content.path) if current.is_complete else None
        except OSError:
            return None
        if found is None or not self._is_as_expected(content, current, found):
            return None
        self._begun = None
        offsets = self._accept(content, current, found)
        return Report(content.revision, offsets[1:])

    def _is_simple(self, content: Content, effect: Append) -> bool:
        """Whether this batch needs no sync, no reading and no mending, and is small, and nobody was here."""
        if effect.sync or content.fd is None or content.debris is not None or not content.length or content.inside_line:
            return False
        if sum(map(len, effect.lines)) > QUICK_BYTES_MAX:
            return False
        try:
            return self._comparer.is_quiet(content) if effect.compare else self._is_accounted_for(content)
        except OSError:
            return False

    def _go_on(self, content: Content, batch: Batch, current: Round) -> Report:
        """Complete what the event loop has begun."""
        self._write_all(content, current)
        report = self._complete_round(content, batch, current)
        return self._write(content, batch) if report is None else report

    def finish(self, content: Content, effect: Append, report: Report) -> Report:
        """End the unfinished foreign line that `report` told of, then complete the batch."""
        parked, self._parked = self._parked, None
        batch = parked or Batch(effect, [*report.foreign], [None] * len(effect.lines))
        before = len(batch.foreign)
        try:
            torn = self._comparer.compare(content, end_torn=True, into=batch.foreign).torn
            if parked is None or batch.is_stopped:
                return self._unwritten(content, batch)  # torn again or not: the next look tells
            if batch.missing:
                batch.mark_slipped(since=before)
            batch.rounds += 1
            if torn:
                return self._park(content, batch) if batch.rounds < ROUNDS_MAX else self._broken(content, batch)
            return self._write(content, batch) if batch.missing else self._done(content, batch)
        except OSError as error:
            return self._fault(content, batch, Fault.WRITE, error)

    def _append(self, content: Content, batch: Batch) -> Report:
        verdict = self._first_look(content, batch)
        if verdict.changes:
            if verdict.stops or not batch.effect.insist:
                return self._unwritten(content, batch, torn=verdict.torn)
            batch.mark_slipped(since=0)
            if verdict.torn:
                return self._park(content, batch)
        return self._write(content, batch)

    # Before the write

    def _first_look(self, content: Content, batch: Batch) -> Verdict:
        if not batch.effect.compare and self._is_accounted_for(content):
            return Verdict()
        return self._comparer.compare(content, into=batch.foreign)

    def _is_accounted_for(self, content: Content) -> bool:
        found = look(self._system, content.path)
        if found is None or content.fd is None:
            return found is None and content.fd is None
        if not content.is_at(found) or found.st_size != content.length:
            return False
        content.note_times(found)
        return True

    def _prepare(self, content: Content) -> Verdict:
        """Have a file whose end is whole or can be ended; what is found on the way is in the verdict."""
        if content.fd is None:
            return self._create(content)
        if content.debris is not None:
            try:
                self._takeback.repair(content, content.debris)
            except MovedError:
                return self._comparer.compare(content)
        return Verdict()

    def _create(self, content: Content) -> Verdict:
        try:
            fd = self._system.open(content.path, NEW)
        except FileExistsError:
            verdict = self._comparer.compare(content)
            if content.fd is None and not verdict.changes:
                raise
            return verdict
        content.hold(fd, self._system.fstat(fd))
        self._durable.named([content.path.parent])
        return Verdict()

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
        return self._broken(content, batch)

    def _write_round(self, content: Content, batch: Batch) -> Report | None:
        """Write what is missing; the report if that ends the batch, None if lines are still missing."""
        current = self._next_round(content, batch)
        self._write_all(content, current)
        return self._complete_round(content, batch, current)

    def _complete_round(self, content: Content, batch: Batch, current: Round) -> Report | None:
        if current.error is not None:
            fault = self._takeback.give_up(content, batch, current, current.error)
            return self._fault(content, batch, fault, current.error)
        failure = self._durable.sync(content.fd) if batch.effect.sync else None
        if failure is not None:
            return self._fault(content, batch, Fault.SYNC, failure)
        found = look(self._system, content.path)
        if found is not None and self._is_as_expected(content, current, found):
            batch.place(current, self._accept(content, current, found))
            return self._done(content, batch)
        return self._end_round(content, batch, self._sorter.sort(content, batch, current, found))

    def _accept(self, content: Content, current: Round, found: os.stat_result) -> list[int]:
        """Believe in a round that stands where it was expected, and return where its parts do."""
        offsets = place_lines_in_order(current.sizes, content.length)
        content.extend(current.data)
        content.accept_times(found)
        return offsets

    def _end_round(self, content: Content, batch: Batch, outcome: Sorted) -> Report | None:
        if outcome is Sorted.TORN:
            return self._park(content, batch)
        if outcome is Sorted.UNDONE:
            return self._unwritten(content, replace(batch, lowest=None))
        if outcome is Sorted.STOPPED:
            return self._unwritten(content, batch)
        return None if batch.missing else self._done(content, batch)

    def _next_round(self, content: Content, batch: Batch) -> Round:
        header = batch.effect.header if content.length == 0 else None
        first = header or (LINE_FEED if content.inside_line else b"")
        lines = batch.effect.lines
        numbers = batch.missing if batch.rounds > 1 else range(len(lines))
        parts = [first, *lines] if len(numbers) == len(lines) else [first, *[lines[number] for number in numbers]]
        current = Round(header is not None, numbers, b"".join(parts), [*map(len, parts)])
        batch.pieces = current.pieces
        return current

    def _write_all(self, content: Content, current: Round) -> None:
        """Write what is left, up to the first refusal."""
        while not current.is_complete and current.error is None:
            self._write_piece(content, current)

    def _write_piece(self, content: Content, current: Round) -> None:
        """Write once; a refusal is noted. What follows a write that was taken raises: it stands there."""
        fd, written = content.fd, current.written
        assert fd is not None
        self._durable.wrote()
        try:
            count = self._system.write(fd, memoryview(current.data)[written:] if written else current.data)
        except OSError as error:
            current.error = error
        else:
            current.took(self._system.position(fd) - count, count)

    def _is_as_expected(self, content: Content, current: Round, found: os.stat_result) -> bool:
        size = len(current.data)
        in_place = current.pieces == [(content.length, size)] or current.runs == [Run(content.length, 0, size)]
        return in_place and content.is_at(found) and found.st_size == content.length + size

    # Reports

    def _done(self, content: Content, batch: Batch) -> Report:
        failure = self._durable.sync(content.fd) if batch.effect.sync else None
        if failure is not None:
            return self._fault(content, batch, Fault.SYNC, failure)
        written = cast("list[int]", batch.offsets)
        return Report(content.revision, written, tuple(batch.foreign), synced=batch.effect.sync)

    def _park(self, content: Content, batch: Batch) -> Report:
        self._parked = batch
        return Report(content.revision, torn=True, attempted_at=batch.lowest)

    def _unwritten(self, content: Content, batch: Batch, *, torn: bool = False) -> Report:
        try:
            standing = self._standing(content, batch)
        except OSError as error:
            return self._fault(content, batch, Fault.WRITE, error)
        foreign = tuple(batch.foreign)
        return Report(content.revision, None, foreign, torn=torn, attempted_at=batch.lowest, standing=standing)

    def _standing(self, content: Content, batch: Batch) -> tuple[Placement | None, ...]:
        """Look for a fence's lines in what the file has become: what stands there is not to be written again."""
        if not (batch.is_stopped and batch.effect.compare) or batch.lowest is None:
            return ()
        try:
            fd = self._system.open(content.path, EXISTING)
        except FileNotFoundError:
            return ()
        try:
            return find_lines(self._system, fd, batch.effect.lines, batch.lowest, self._system.fstat(fd).st_size)
        finally:
            self._system.close(fd)

    def _broken(self, content: Content, batch: Batch) -> Report:
        error = OSError(errno.EBUSY, "unfinished lines of others broke every attempt")
        return self._fault(content, batch, Fault.WRITE, error)

    def _fault(self, content: Content, batch: Batch, fault: Fault, error: OSError) -> Report:
        if fault is not Fault.ROOM and batch.rounds:
            # Below the length that we knew too: somebody may have cut the file just before we wrote.
            batch.may_stand_at(min([batch.effect.expected.length, *(start for start, _ in batch.pieces)]))
        return Report(content.revision, None, tuple(batch.foreign), fault=fault, error=error, attempted_at=batch.lowest)
