"""Taking back what a failing disk has written of a batch: only if it is provably ours, and nothing follows it."""

from __future__ import annotations

import errno
import os

from .._core._effects import Fault
from ._batch import Batch, Round, room_or_write
from ._content import Content, Debris, look
from ._scan import MovedError, read_exactly
from ._system import System


class TakeBack:
    """Cuts the beginning of a batch off again, at once or before the next write."""

    __slots__ = ("_system",)

    def __init__(self, system: System) -> None:
        self._system = system

    def give_up(self, content: Content, batch: Batch, current: Round, error: OSError) -> Fault:
        """Take back what was written, or account for it as debris; say how bad it is."""
        fault = Fault.WRITE if batch.is_begun else room_or_write(error)
        if current.pieces and not self._cut_back(content, current):
            batch.may_stand_at(current.lowest)
            (run, *others) = current.runs
            if others or run.start != content.length:
                fault = Fault.WRITE
            else:
                content.leave_debris(current.data[: run.last], error, has_header=current.has_header)
        found = self._accept_own_times(content)
        if current.pieces and found is not None and not content.is_at(found):
            batch.may_stand_at(current.lowest)  # a copy that was made before the cut may have our path now
        return fault

    def repair(self, content: Content, debris: Debris) -> None:
        """Cut what an earlier write has left, or leave it to be ended by our line feed.

        Raises `OSError` if nothing may be written yet, `MovedError` if it is not the end of the file any more.
        """
        if debris.buried and debris.must_be_cut:
            raise OSError(errno.EIO, "foreign bytes follow the beginning of a batch that could not be cut back")
        if not debris.buried and self._cut(content, debris.start, debris.data, needed=debris.must_be_cut):
            content.cut(debris)
        content.debris = None

    def _cut_back(self, content: Content, current: Round) -> bool:
        (run, *others) = current.runs
        try:
            return not others and self._cut(content, run.start, current.data[: run.last], needed=True)
        except OSError:
            return False

    def _cut(self, content: Content, start: int, data: bytes, *, needed: bool) -> bool:
        """Cut these bytes of ours, looked at directly before; False if that failed and is not `needed`."""
        assert content.fd is not None
        end = start + len(data)
        # The size last: what somebody appends while we read must not be cut away.
        if read_exactly(self._system, content.fd, start, end) != data or self._system.fstat(content.fd).st_size != end:
            raise MovedError
        try:
            self._system.truncate(content.fd, start)
        except OSError:
            if needed:
                raise
            return False
        return True

    def _accept_own_times(self, content: Content) -> os.stat_result | None:
        """What we did to the file ourselves has moved its times; that is nothing to be suspicious of."""
        try:
            found = look(self._system, content.path)
        except OSError:
            return None
        if found is not None and content.is_at(found) and found.st_size == content.length:
            content.accept_times(found)
        return found
