"""`session.reopen()`: accept the file as it is, then write what was kept."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ._core._endings import Unwritten, drop, request_reopen, unwritten
from ._core._errors import CoordinatorError, PathError
from ._core._tickets import Group, Stage
from ._core._values import Receipt, SessionState
from ._engine import Engine
from ._sidefile import remove, write_unwritten
from ._waiting import empty_context, wait


@dataclass(frozen=True, slots=True)
class Reopened:
    """What `reopen()` did with the records that had been kept.

    `kept` counts them; `written` are receipts of those written now, `skipped` of those whose write had been tried and
    that already stood in the file; `discarded` counts those that went to `side_file` instead.
    """

    kept: int = 0
    written: tuple[Receipt, ...] = ()
    skipped: tuple[Receipt, ...] = ()
    discarded: int = 0
    side_file: Path | None = None


class Reopening:
    """Runs one reopening at a time; calls that come meanwhile share its result."""

    __slots__ = ("_driver", "_engine", "_machine", "_task")

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._machine = engine.machine
        self._driver = engine.driver
        self._task: asyncio.Task[Reopened] | None = None

    async def reopen(self, *, discard: bool, create: bool) -> Reopened:
        """Get out of trouble; a session that is well has nothing to do (a stalled one tries the disk again)."""
        if self._task is None or self._task.done():
            if self._machine.trouble is None:
                if self._machine.stall is not None:
                    self._driver.retry_now()
                return Reopened()
            run = self._run(discard=discard, create=create)
            self._task = asyncio.get_running_loop().create_task(run, context=empty_context())
        return await asyncio.shield(self._task)

    async def _run(self, *, discard: bool, create: bool) -> Reopened:
        discarded, side_file = await self._discard() if discard else (0, None)
        kept = list(self._machine.inbox.groups())
        records = sum(len(group.drafts) for group in kept)
        try:
            skipped = await self._reopen(create=create)
            written = await self._write_kept(kept)
        except CoordinatorError as error:
            if side_file is not None:
                error.add_note(f"{discarded} discarded records are in {side_file}")
            raise
        new = tuple(receipt for receipt in written if receipt not in skipped)
        return Reopened(records + discarded, new, tuple(skipped), discarded, side_file)

    async def _reopen(self, *, create: bool) -> list[Receipt]:
        if self._machine.state is SessionState.CLOSED:
            raise self._machine.closed_error()
        ticket = request_reopen(self._machine, create=create)
        self._driver.wake()
        skipped: list[Receipt] = await wait(ticket)
        return skipped

    async def _write_kept(self, kept: Sequence[Group]) -> list[Receipt]:
        # If all of it is written already the session may be parked by now, and nothing would pass the barrier on.
        if any(group.stage is not Stage.OVER for group in kept):
            barrier = self._machine.barrier(sync=False)
            self._driver.wake()
            await wait(barrier)
        return [receipt for group in kept for receipt in group.receipts]

    async def _discard(self) -> tuple[int, Path | None]:
        async with self._engine.putting_aside():
            groups = list(self._machine.inbox.groups())
            rows = [row for group in groups for row in unwritten(group)]
            side_file = await self._write_aside(rows) if rows else None
            for group in groups:
                drop(self._machine, group)
        return len(rows), side_file

    async def _write_aside(self, rows: Sequence[Unwritten]) -> Path:
        path = self._machine.path
        try:
            written = await self._driver.put_aside(partial(write_unwritten, path, rows, reason="discarded by reopen"))
            if written.failure is not None:
                remove(written.path)
                raise written.failure
        except OSError as error:
            hint = "make room beside the session file, or reopen without `discard`"
            raise PathError(f"the kept records cannot be put aside: {error}", path=path, hint=hint) from error
        return written.path
