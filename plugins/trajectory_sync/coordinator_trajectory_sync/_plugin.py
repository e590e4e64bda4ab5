"""The plugin: a sidecar session for each session, one line in it for each turn, and a copier that follows it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from coordinator import (
    ClosedError,
    Coordinator,
    CoordinatorError,
    Record,
    Revision,
    Session,
    SessionState,
    hookimpl,
)

from ._copier import Copier
from ._options import Options
from ._turn import Turn, line_of

SUFFIX = ".trajectory"
WRITER = "trajectory"

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]


@dataclass(slots=True)
class Trail:
    """The sidecar of one session that is open."""

    sidecar: Session
    trace_id: str
    sequence: int

    @property
    def is_open(self) -> bool:
        """Whether lines can still be appended."""
        return self.sidecar.state not in (SessionState.CLOSING, SessionState.CLOSED)

    async def add(self, turn: Turn) -> int:
        """Append the line about a turn; return the length of the sidecar after it."""
        line: Record = await line_of(turn, trace_id=self.trace_id, sequence=self.sequence + 1)
        receipt = await self.sidecar.writer(WRITER).append(line)
        self.sequence += 1
        return receipt.offset + receipt.size


class TrajectorySync:
    """Records each turn beside its session, and copies what was recorded."""

    name = "trajectory_sync"

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self._coordinator: Coordinator | None = None
        self._spawn: Spawn | None = None
        self._trails: dict[Path, Trail] = {}
        self._copiers: dict[Path, Copier] = {}

    async def settled(self, session: Session) -> None:
        """Wait until everything that was recorded about this session so far has arrived at the destination."""
        copier = self._copiers.get(session.path)
        if copier is not None:
            await copier.settled()

    # Hooks

    @hookimpl
    def coordinator_started(self, coordinator: Coordinator, spawn: Spawn) -> None:
        """Remember who opens sessions, and give the sidecars back at the end."""
        self._coordinator, self._spawn = coordinator, spawn
        spawn(self._close_at_end())

    @hookimpl
    async def session_opened(self, session: Session) -> None:
        """Open the sidecar of a session."""
        if not _is_sidecar(session):
            await self._open(session)

    @hookimpl
    async def fence_left(  # noqa: PLR0917 - the hook's arguments
        self,
        session: Session,
        writer: str,
        annotations: Mapping[str, object],
        asked_at: float,
        entered_at: float | None,
        left_at: float,
        before: Revision | None,
        after: Revision,
        error: CoordinatorError | None,
        raised: BaseException | None,
    ) -> None:
        """Record a turn; one that was still held when its session began to close comes late, and is recorded too."""
        if _is_sidecar(session):
            return
        turn = Turn(session, writer, annotations, asked_at, entered_at, left_at, before, after, error, raised)
        late = session.path not in self._trails
        trail = self._trails.get(session.path)
        if trail is None or not trail.is_open:
            trail = await self._open(session)
        try:
            end = await trail.add(turn)
        except ClosedError:  # closed in this very moment
            end = await (await self._open(session)).add(turn)
        self._copy(session.path, end)
        if late:
            self._close(session.path)

    @hookimpl
    def session_closing(self, session: Session) -> None:
        """Let the sidecar go together with its session."""
        if session.path in self._trails:
            self._close(session.path)

    # Sidecars

    async def _open(self, session: Session) -> Trail:
        assert self._coordinator is not None, "the coordinator starts first"
        sidecar = await self._coordinator.open(session.path.with_name(session.path.name + SUFFIX))
        last = await sidecar.tail(1)
        number = last[0].record.get("sequence") if last else 0
        trail = Trail(sidecar, _trace_id(session), number if isinstance(number, int) else 0)
        self._trails[session.path] = trail
        self._start_copier(session, sidecar)
        return trail

    def _close(self, path: Path) -> None:
        """Close a sidecar without waiting: its closing may be waiting for this hook to end."""
        trail = self._trails.pop(path)
        if path in self._copiers:
            self._copiers[path].attend(None)
        assert self._spawn is not None, "the coordinator starts first"
        self._spawn(trail.sidecar.aclose())

    async def _close_at_end(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            trails, self._trails, self._copiers = self._trails, {}, {}
            for trail in trails.values():
                await trail.sidecar.aclose()

    # Copies

    def _start_copier(self, session: Session, sidecar: Session) -> None:
        if self.options.destination is None or self._spawn is None:
            return
        copier = self._copiers.get(session.path)
        if copier is None or copier.finished:
            copier = self._copiers[session.path] = Copier(sidecar.path, self.options.destination, self.options)
            task = self._spawn(copier.run())
            task.add_done_callback(lambda _task: self._forget(session.path, copier))
        copier.attend(session)
        copier.grow(sidecar.revision.length)

    def _forget(self, path: Path, copier: Copier) -> None:
        if self._copiers.get(path) is copier:
            del self._copiers[path]

    def _copy(self, path: Path, end: int) -> None:
        if path in self._copiers:
            self._copiers[path].grow(end)


def _is_sidecar(session: Session) -> bool:
    return session.path.name.endswith(SUFFIX)


def _trace_id(session: Session) -> str:
    number = (session.header or {}).get("id")
    return number if isinstance(number, str) else uuid4().hex
