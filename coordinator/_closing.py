"""Closing a session: refuse what is new, end the turns, write what was accepted, and lose nothing of the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import anyio

from ._core._effects import Report
from ._core._endings import begin_close, break_fences, give_up, leftover, request_close
from ._core._errors import CoordinatorError, WriteFailedError
from ._core._events import SessionClosed
from ._core._tickets import Ticket
from ._core._values import Record
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
            rows = leftover(self._machine)
            side_file = await self._put_aside(rows, trouble)
        finally:
            self._forget(self._machine.path)
        error = self._verdict(trouble, len(rows), side_file, report)
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

    async def _put_aside(self, rows: Sequence[tuple[str, Record]], trouble: CoordinatorError | None) -> Path | None:
        if not rows:
            return None
        reason = "closed" if trouble is None else trouble.message
        try:
            return await write_unwritten(self._machine.path, rows, reason=reason)
        except OSError as error:
            if trouble is not None:
                trouble.add_note(f"{len(rows)} records could not be put aside either: {error}")
            return None

    async def _give_back(self) -> Report:
        ticket = request_close(self._machine)
        self._driver.wake()
        report: Report = await wait(ticket)
        return report

    def _verdict(
        self, trouble: CoordinatorError | None, rows: int, side_file: Path | None, report: Report
    ) -> Exception | None:
        machine = self._machine
        give_up(machine, "it could not even be put aside" if side_file is None else f"append it from {side_file}")
        machine.events.append(SessionClosed(machine.path, side_file, rows))
        self._driver.wake()
        if report.error is not None and trouble is None:
            trouble = WriteFailedError(
                f"the last sync failed: {report.error}",
                path=machine.path,
                hint="see to the disk; the records may be lost",
            )
            trouble.__cause__ = report.error
        if trouble is None or not (rows or report.error):
            return None
        if side_file is not None:
            trouble.hint = f"{rows} accepted records are in {side_file}: append them when the cause is gone"
        return trouble
