"""Parked sessions: the idle ones beyond a limit give their descriptor and their lock back until they are used again."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import islice
from pathlib import Path

from ._core._endings import can_park, unparked
from ._core._errors import CoordinatorError
from ._core._machine import Machine
from ._core._values import SessionState
from ._driver import Driver
from ._following import Recent
from ._waiting import empty_context, wait

LOOKS_MAX = 64
DESCRIPTORS_OF_A_SESSION = 2
"""The file and its lock."""


class Parking:
    """Brings one session back before it is used; whoever comes meanwhile waits for the same attempt."""

    __slots__ = ("_driver", "_lot", "_machine", "_recent", "_task", "_wanted")

    def __init__(self, machine: Machine, driver: Driver, recent: Recent, lot: ParkingLot) -> None:
        self._machine = machine
        self._driver = driver
        self._recent = recent
        self._lot = lot
        self._wanted = 0
        self._task: asyncio.Task[None] | None = None
        driver.on_idle = self._became_idle

    @property
    def path(self) -> Path:
        """Return the path of the session file."""
        return self._machine.path

    @property
    def holds_file(self) -> bool:
        """Whether the session has a descriptor and a lock now."""
        return self._machine.state not in (SessionState.PARKED, SessionState.CLOSED)

    def _became_idle(self) -> None:
        self._lot.became_idle(self)

    def park_if_idle(self) -> bool:
        """Give the file back if nobody needs it now; what is not durable yet is synced first, and parked later."""
        if self._recent.followers or self._wanted:
            return False
        if can_park(self._machine):
            self._driver.park()
            return True
        if self._machine.unsynced_bytes and self._machine.trouble is None:
            self._machine.sync_wanted = True
            self._driver.wake()
        return False

    async def ready(self) -> None:
        """Own the file (again). Raises `LockedError` if another process owns it by now; nothing was accepted then."""
        self._wanted += 1
        try:
            while self._machine.state is SessionState.PARKED:
                await asyncio.shield(self.begin())
        finally:
            self._wanted -= 1

    def begin(self) -> asyncio.Task[None]:
        """Start to own the file again, unless that is under way."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._unpark(), context=empty_context())
            self._task.add_done_callback(self._tried)
        return self._task

    def _tried(self, task: asyncio.Task[None]) -> None:
        # Whoever waited may have been cancelled; then nobody is left to be told, and the next use tries again.
        if not task.cancelled():
            task.exception()
        if self._task is task:  # kept, it would be a twentieth of what an idle session weighs
            self._task = None

    async def settled(self) -> None:
        """Wait for an attempt that is under way, whatever comes of it."""
        while not self._is_settled:  # again: somebody may begin an attempt while we wait for the file to be given back
            if self._task is not None:
                with suppress(CoordinatorError):
                    await asyncio.shield(self._task)
            else:
                await wait(self._machine.parked)

    @property
    def _is_settled(self) -> bool:
        is_parking = self._machine.state is SessionState.PARKED and not self._machine.parked.done
        return not is_parking and (self._task is None or self._task.done())

    async def _unpark(self) -> None:
        await wait(self._machine.parked)
        opened = await self._driver.unpark()
        unparked(self._machine, opened)
        self._driver.wake()


class ParkingLot:
    """Knows which sessions hold a descriptor, and parks those that have been idle for the longest."""

    def __init__(self, open_files_max: int) -> None:
        self._sessions_max = max(1, open_files_max // DESCRIPTORS_OF_A_SESSION)
        self._open: dict[Path, Parking] = {}

    def became_idle(self, parking: Parking) -> None:
        """Note that this session has nothing to do now, and park others if there are too many."""
        self._open.pop(parking.path, None)
        if not parking.holds_file:
            return
        self._open[parking.path] = parking
        if len(self._open) > self._sessions_max:
            self._park_some(len(self._open) - self._sessions_max)

    def forget(self, path: Path) -> None:
        """Count a session no more: it was closed."""
        self._open.pop(path, None)

    def _park_some(self, excess: int) -> None:
        for parking in list(islice(self._open.values(), LOOKS_MAX)):
            if excess <= 0:
                return
            del self._open[parking.path]
            if parking.park_if_idle():
                excess -= 1
            else:  # to the end: those that cannot be parked must not be all that is ever looked at
                self._open[parking.path] = parking
