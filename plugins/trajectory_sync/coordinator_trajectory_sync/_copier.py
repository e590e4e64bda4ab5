"""Copies one sidecar as it grows: resumes, tries again with back-off, and says in the session what has arrived."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from coordinator import CoordinatorError, Session

from ._destination import Destination
from ._options import Options

WRITER = "trajectory-sync"

log = logging.getLogger("coordinator_trajectory_sync")
T = TypeVar("T")


class Copier:
    """One sidecar and its copy."""

    def __init__(self, source: Path, destination: str, options: Options) -> None:
        self.session: Session | None = None
        """Where arrivals are noted; None once it is closed: then this ends when everything has arrived."""
        self.arrived = 0
        """How much of the sidecar is at the destination."""
        self.finished = False
        self._source = source
        self._url = destination
        self._options = options
        self._end = 0
        self._changed = asyncio.Event()

    def grow(self, end: int) -> None:
        """Learn how much of the sidecar there is to copy."""
        self._end = max(self._end, end)
        self._change()

    def attend(self, session: Session | None) -> None:
        """Learn which session arrivals are to be noted in; None when it is closed."""
        self.session = session
        self._change()

    def _change(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def run(self) -> None:
        """Copy until the session is closed and everything has arrived."""
        destination = await asyncio.to_thread(Destination, self._url, self._options.storage_options, self._source.name)
        start, self.arrived = await self._insist(lambda: destination.resume(self._source, self._end))
        self._change()
        while await self._more():
            start = await self._send(destination, start, self._end)
            self._note()
        self.finished = True

    async def _send(self, destination: Destination, start: int, end: int) -> int:
        """Send the part that begins at `start`; return where the next one does: there again until this one is full."""
        bytes_max = self._options.part_bytes_max
        self.arrived = await self._insist(lambda: destination.send(self._source, start, end, bytes_max=bytes_max))
        is_full = self.arrived < end or self.arrived - start >= bytes_max
        return self.arrived if is_full else start

    async def settled(self) -> None:
        """Wait until everything that there is now has arrived."""
        while self.arrived < self._end:
            await self._changed.wait()

    async def _more(self) -> bool:
        while self.arrived >= self._end:
            if self.session is None:
                return False
            await self._changed.wait()
        if self.session is not None:
            await asyncio.sleep(self._options.linger_seconds)
        return True

    async def _insist(self, job: Callable[[], T]) -> T:
        """Do something at the destination until it works; what is missing waits on this disk meanwhile."""
        seconds = self._options.retry_seconds_first
        while True:
            try:
                return await asyncio.to_thread(job)
            except Exception as error:  # noqa: BLE001 - each kind of storage has its own errors, all of them may pass
                log.warning("%s was not copied, next try in %s s: %s", self._source, seconds, error)
            await asyncio.sleep(seconds)
            seconds = min(seconds * 2, self._options.retry_seconds_max)

    def _note(self) -> None:
        self._change()
        if self.session is not None:
            data = {"destination": self._url, "offset": self.arrived}
            record = {"type": "custom", "customType": "trajectory-sync", "data": data}
            with suppress(CoordinatorError):  # a courtesy: the destination itself says how far the copy is
                self.session.writer(WRITER).append_nowait(record)
