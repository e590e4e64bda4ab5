"""Closing a session: refuse what is new, end the turns, write what was accepted, and lose nothing of the rest."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import anyio

from ._core._effects import Report
from ._core._endings import Unwritten, begin_close, break_fences, give_up, leftover, request_close
from ._core._errors import CoordinatorError, WriteFailedError
from ._core._events import SessionClosed
from ._core._lines import LineSplitter
from ._core._tickets import Ticket
from ._core._values import SessionState
from ._engine import Engine
from ._plugin import Call
from ._sidefile import write_unwritten
from ._waiting import empty_context, wait


class Closing:
    """Runs the one closing of a session; everybody who closes it waits for the same end."""

    __slots__ = ("_driver", "_engine", "_forget", "_machine", "_parking", "_task")

    def __init__(self, engine: Engine, forget: Callable[[Path], None]) -> None:
        self._engine = engine
        self._parking = engine.parking
        self._machine = engine.machine
        self._driver = engine.driver
        self._forget = forget
        self._task: asyncio.Task[None] | None = None

    async def close(self) -> None:
        """Close; cancelling stops the waiting, closing goes on."""
        await asyncio.shield(self.begin())

    def begin(self) -> asyncio.Task[None]:
        """Return the closing that is under way (or over); whoever ends all tasks of a loop has ended it, too."""
        if self._task is None or self._task.cancelled():
            last_records = self._engine.call_session_closing() if self._task is None else []
            self._machine.refuses = self._machine.refuses or not last_records
            self._task = asyncio.get_running_loop().create_task(self._run(last_records), context=empty_context())
        return self._task

    async def _run(self, last_records: list[Call]) -> None:
        try:
            await self._engine.closing_over(last_records)
            self._machine.refuses = True
            await self._parking.settled()
            if self._machine.state is not SessionState.CLOSING:  # as it is after a closing that was cancelled
                begin_close(self._machine)
            self._driver.wake()
            await self._end_turns()
            trouble = await self._drain()
            await self._engine.closing_over(self._engine.last_turns)
            report: Report = await self._give_back()
            async with self._engine.putting_aside():
                error = await self._put_aside(trouble or self._failed_sync(report), report)
        finally:
            task = asyncio.current_task()
            if self._machine.state is SessionState.CLOSED or task is None or not task.cancelling():
                self._forget(self._machine.path)  # a closing that was cancelled half way can be begun again
        if error is not None:
            raise error

    async def _end_turns(self) -> None:
        machine = self._machine
        with anyio.move_on_after(machine.limits.close_seconds_max):
            while machine.fences.turns.holders:
                machine.turn_ended = machine.turn_ended or Ticket()
                await wait(machine.turn_ended)
        break_fences(machine)
        self._driver.wake()

    async def _drain(self) -> CoordinatorError | None:
        machine = self._machine
        if machine.trouble is not None:
            return machine.trouble.error()
        if machine.stall is not None:
            self._driver.retry_now()
        barrier = machine.barrier(sync=False)
        self._driver.wake()
        with anyio.move_on_after(machine.limits.close_seconds_max) as scope:
            try:
                await wait(barrier)
            except CoordinatorError as error:
                return error
        if not scope.cancelled_caught:
            return None
        machine.forget(barrier)
        hint = "make room on the disk, then write the records of the side file again"
        late = WriteFailedError("the disk did not take everything before the deadline", path=machine.path, hint=hint)
        late.__cause__ = machine.stall
        return late

    async def _give_back(self) -> Report:
        ticket = request_close(self._machine)
        self._driver.wake()
        report: Report = await wait(ticket)
        return report

    def _failed_sync(self, report: Report) -> CoordinatorError | None:
        if report.error is None:
            return None
        hint = "see to the disk; the records may be lost"
        error = WriteFailedError(f"the last sync failed: {report.error}", path=self._machine.path, hint=hint)
        error.__cause__ = report.error
        return error

    async def _put_aside(self, trouble: CoordinatorError | None, report: Report) -> CoordinatorError | None:
        """Write what is in no file for sure into a side file; return what closing has to raise, if anything."""
        machine = self._machine
        kept = leftover(machine)
        rows = [*self._unsynced(*report.unsynced, kept), *kept]
        side_file = None
        try:
            side_file = await self._write_aside(rows, trouble) if rows else None
        finally:  # whatever has happened: who waits for a record gets an answer
            give_up(machine, "it could not even be put aside" if side_file is None else f"append it from {side_file}")
            machine.events.append(SessionClosed(machine.path, side_file, len(rows)))
            self._driver.wake()
        if trouble is None or not (rows or report.error):
            return None
        if side_file is not None:
            trouble.hint = f"{len(rows)} accepted records are in {side_file}: append them when the cause is gone"
        return trouble

    async def _write_aside(self, rows: Sequence[Unwritten], trouble: CoordinatorError | None) -> Path | None:
        reason = "closed" if trouble is None else trouble.message
        note = None
        try:
            written = await self._driver.put_aside(partial(write_unwritten, self._machine.path, rows, reason=reason))
            if written.failure is not None:  # it is all there is of them, so it stays
                note = f"a power cut may take the side file: {written.failure}"
        except OSError as error:
            written, note = None, f"{len(rows)} records could not be put aside either: {error}"
        if trouble is not None and note is not None:
            trouble.add_note(note)
        return None if written is None else written.path

    def _unsynced(self, offset: int, lines: bytes, kept: Sequence[Unwritten]) -> Iterator[Unwritten]:
        """Give the records that stand in the file, but only there: a sync has failed, and a power cut may take them.

        What a failing disk has left there of a batch is not among them: its records are `kept`.
        """
        tried = Counter(row.tried for row in kept if row.tried is not None)
        tried_from = min((row.offset for row in kept if row.tried is not None), default=0)
        for line in LineSplitter(offset).feed(lines):
            content = line.content or b""
            if line.offset >= tried_from and tried[content] > 0:
                tried[content] -= 1
            elif self._machine.format.read(content) is not None:
                yield Unwritten(self._engine.authors(line.offset), content, content, line.offset)
