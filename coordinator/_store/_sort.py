"""Sorting out a batch that somebody else wrote around: our bytes are known by where our writes ended."""

from __future__ import annotations

import os
from enum import Enum

from .._core._lines import LINE_FEED
from .._core._values import Change
from ._batch import Batch, Round
from ._compare import Comparer
from ._content import Content, look
from ._placing import Run, place_lines, place_lines_in_order
from ._scan import MovedError, ends_line, read_exactly
from ._system import System

LOOKS_MAX = 3


class Sorted(Enum):
    """What a write has come to."""

    PLACED = "placed"
    """What stands whole has its place; lines that were harmed are still missing."""
    TORN = "torn"
    """The same, and an unfinished foreign line ends the file."""
    UNDONE = "undone"
    """Another file has the path, equal to what was before the write: nothing of the batch is in it."""
    STOPPED = "stopped"
    """What we knew of the file no longer holds."""


class Sorter:
    """Tells our bytes from those of others after a write, and adopts the others."""

    __slots__ = ("_comparer", "_system")

    def __init__(self, system: System, comparer: Comparer) -> None:
        self._system = system
        self._comparer = comparer

    def sort(self, content: Content, batch: Batch, current: Round, found: os.stat_result | None) -> Sorted:
        """Say what has become of a write whose second look did not show what was expected."""
        batch.may_stand_at(current.lowest)
        for _ in range(LOOKS_MAX):
            if found is None or content.is_at(found) or not self._comparer.held():
                break
            try:
                return self._sort_other_file(content, batch, current, found)
            except MovedError:  # it is yet another one by now
                found = look(self._system, content.path)
        else:
            return self._stop(content, batch, Change.REPLACED, found)
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
        if current.has_header and not _begins_with_header(current):
            return Change.REPLACED
        return None if self._comparer.prefix_equal(content) else Change.REWRITTEN

    def _sort_in(self, content: Content, batch: Batch, current: Round, found: os.stat_result) -> Sorted:
        assert content.fd is not None
        runs, glued, ended = current.runs, list[bool](), list[bool]()
        for run in runs:
            if run.start > content.length:
                batch.foreign.append(self._comparer.adopt(content, run.start, found, slipped=True))
            glued.append(content.inside_line)
            if not self._believe(content, current, run):
                return self._stop(content, batch, Change.REWRITTEN, found)
            ended.append(self._system.pread(content.fd, 1, run.end) == LINE_FEED)
        batch.place(current, place_lines(current.sizes, runs, glued, ended))
        if not ends_line(self._system, content.fd, found.st_size):
            return Sorted.TORN
        if found.st_size > content.length:
            slipped = bool(batch.missing)
            batch.foreign.append(self._comparer.adopt(content, found.st_size, found, slipped=slipped))
        content.accept_times(found)
        return Sorted.PLACED

    def _believe(self, content: Content, current: Round, run: Run) -> bool:
        """Believe in our own bytes, if they stand where our write ended."""
        assert content.fd is not None
        own = current.data[run.first : run.last]
        if read_exactly(self._system, content.fd, run.start, run.end) != own:
            return False
        content.extend(own)
        return True

    def _sort_other_file(self, content: Content, batch: Batch, current: Round, found: os.stat_result) -> Sorted:
        """Another file has our path: with our batch, without it but otherwise equal, or something else."""
        fd, is_there = None, found.st_size == content.length + len(current.data)
        # A write that landed lower tells of a cut, also where the digest of what was there is not known yet.
        in_one_place = len(current.runs) == 1 and current.lowest >= content.length
        if in_one_place and self._comparer.prefix_equal(content) and content.digest is not None:
            after = content.digest.copy()
            after.update(current.data)
            sizes = [content.length + len(current.data), content.length]
            fd = self._comparer.open_other(content, found, [after, content.digest], sizes)
        if fd is None:
            return self._stop(content, batch, Change.REPLACED, found)
        batch.foreign.append(self._comparer.foreign(Change.TOUCHED, content, found))
        if is_there:
            batch.place(current, place_lines_in_order(current.sizes, content.length))
            content.extend(current.data)
        self._comparer.switch(content, fd, found)
        return Sorted.PLACED if is_there or batch.is_begun else Sorted.UNDONE

    def _stop(self, content: Content, batch: Batch, change: Change, found: os.stat_result | None) -> Sorted:
        batch.foreign.append(self._comparer.foreign(change, content, found))
        return Sorted.STOPPED


def _begins_with_header(current: Round) -> bool:
    """Whether the header is the first line, whole: nobody could open what is written into another file."""
    first = current.runs[0]
    return first.start == 0 and first.last >= current.sizes[0]
