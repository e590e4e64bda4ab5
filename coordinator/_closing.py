"""Closing a session: refuse what is new, end the turns, write what was accepted, and lose nothing of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import anyio

from ._core._effects import Report
from ._core._endings import Unwritten, begin_close, break_fences, give_up, leftover, request_close
from ._core._errors import CoordinatorError, WriteFailedError
from ._core._events import SessionClosed
from ._core._lines import LineSplitter
from ._core._tickets import Ticket
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
        if self._task is None:
            last_records = self._engine.call_session_closing()
            self._machine.refuses = not last_records
            self._task = asyncio.get_running_loop().create_task(self._run(last_records), context=empty_context())
        await asyncio.shield(self._task)

    @property
    def task(self) -> asyncio.Task[None] | None:
        """Return the closing that is under way (or over), None before."""
        return self._task

    async def _run(self, last_records: list[Call]) -> None:
        try:
            await self._engine.closing_over(last_records)
            self._machine.refuses = True
            await self._parking.settled()
            begin_close(self._machine)
            self._driver.wake()
            await self._end_turns()
            trouble = await self._drain()
            await self._engine.closing_over(self._engine.last_turns)
            report: Report = await self._give_back()
            async with self._engine.putting_aside():
                error = await self._put_aside(trouble or self._failed_sync(report), report)
        finally:
            self._forget(self._machine.path)
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
        rows = [*self._unsynced(*report.unsynced), *leftover(machine)]
        side_file = None
        try:
            side_file = await self._write_aside(rows, trouble)
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
        if not rows:
            return None
        reason = "closed" if trouble is None else trouble.message
        try:
            return await write_unwritten(self._machine.path, rows, reason=reason)
        except (OSError, RuntimeError) as error:  # the disk, or no thread to be had
            if trouble is not None:
                trouble.add_note(f"{len(rows)} records could not be put aside either: {error}")
            return None

    def _unsynced(self, offset: int, lines: bytes) -> Iterator[Unwritten]:
        """Give the records that stand in the file, but only there: a sync has failed, and a power cut may take them."""
        for line in LineSplitter(offset).feed(lines):
            if line.content is not None and self._machine.format.read(line.content) is not None:
                yield Unwritten(self._engine.authors(line.offset), line.content, line.content, line.offset)
