"""Reading along: from the file while behind, from memory while live, and never a gap at the seam.

A follower is nothing but an offset. What it has not seen yet is either in the recent lines (a bounded number of bytes,
kept only while somebody follows) or in the file; there is no inbox that could grow, and no follower is ever waited for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Iterator
from typing import TYPE_CHECKING

from ._core._errors import PositionLostError
from ._core._events import Event, ForeignChange, RecordsWritten, SessionReopened, SessionRewritten, StateChanged
from ._core._tickets import Ticket
from ._core._values import Entry, Position, SessionState
from ._reading import read_entries
from ._waiting import wait

if TYPE_CHECKING:
    from ._engine import Engine

RECENT_BYTES_MAX = 1024 * 1024


class Recent:
    """The last own lines of a session, without a gap, as long as somebody follows."""

    __slots__ = ("_bytes", "_changed", "_lines", "followers")

    def __init__(self) -> None:
        self.followers = 0
        self._changed: Ticket | None = None
        self._lines: deque[tuple[int, bytes, str]] | None = None
        self._bytes = 0

    def notice(self, event: Event) -> None:
        """Keep new lines, forget all of them where others have written in between."""
        if isinstance(event, RecordsWritten):
            if not self.followers:
                return
            self._add(event)
        elif isinstance(event, (ForeignChange, SessionReopened, SessionRewritten)):
            self._forget()
        elif not isinstance(event, StateChanged):
            return
        changed, self._changed = self._changed, None
        if changed is not None:
            changed.resolve()

    def next_change(self) -> Ticket:
        """Return what is answered as soon as there may be something new to read."""
        self._changed = self._changed or Ticket()
        return self._changed

    def _add(self, event: RecordsWritten) -> None:
        lines = self._lines = self._lines or deque()
        for receipt, line in zip(event.receipts, event.lines, strict=True):
            if lines and _end(lines) != receipt.offset:
                lines.clear()
                self._bytes = 0
            lines.append((receipt.offset, line, receipt.writer))
            self._bytes += len(line)
        while self._bytes > RECENT_BYTES_MAX:
            self._bytes -= len(lines.popleft()[1])

    def _forget(self) -> None:
        self._lines, self._bytes = None, 0

    def since(self, offset: int, end: int) -> list[tuple[int, bytes, str]] | None:
        """Return the lines from `offset` to `end`, None if they are not all here."""
        if not self._lines or self._lines[0][0] > offset or _end(self._lines) != end:
            return None
        found = [row for row in self._lines if row[0] >= offset]
        return found if found and found[0][0] == offset else None


def _end(lines: deque[tuple[int, bytes, str]]) -> int:
    offset, line, _ = lines[-1]
    return offset + len(line)


async def follow(engine: Engine, start: Position | int) -> AsyncGenerator[Entry, None]:
    """Give every record from `start` on, then each new one when it is acknowledged, until the session is closed."""
    machine, recent = engine.machine, engine.recent
    generation = machine.revision.generation
    cursor: Position | int = start
    recent.followers += 1
    try:
        while True:
            changed, end = recent.next_change(), machine.revision.length
            if machine.revision.generation != generation:
                raise _lost(engine)
            async for entry in _entries(engine, cursor, end):
                cursor = entry.position
                yield entry
                if machine.revision.generation != generation:
                    raise _lost(engine)
            cursor = end if end > _offset(cursor) else cursor
            if machine.revision.length != end or changed.done:
                continue
            if machine.state is SessionState.CLOSED:
                return
            await wait(changed)
    finally:
        recent.followers -= 1


async def _entries(engine: Engine, cursor: Position | int, end: int) -> AsyncGenerator[Entry, None]:
    offset = _offset(cursor)
    if offset >= end and not isinstance(cursor, Position):
        return
    live = engine.recent.since(offset, end)
    if live is not None:
        for entry in _parsed(engine, live):
            yield entry
        return
    machine = engine.machine
    async for entry in read_entries(machine.path, machine.format, start=cursor, end=end, author=engine.authors):
        yield entry


def _parsed(engine: Engine, rows: list[tuple[int, bytes, str]]) -> Iterator[Entry]:
    for offset, line, writer in rows:
        record = engine.machine.format.read(line)
        if record is not None:
            yield Entry(record, offset, len(line), writer, Position.after(offset, line))


def _offset(cursor: Position | int) -> int:
    return cursor if isinstance(cursor, int) else cursor.offset


def _lost(engine: Engine) -> PositionLostError:
    hint = "start again from 0: the whole file was replaced"
    return PositionLostError("the position is of an earlier generation of the file", path=engine.path, hint=hint)
