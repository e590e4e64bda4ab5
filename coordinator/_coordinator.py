"""The coordinator: owns every session of a process, and everything they share."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Literal, NamedTuple, Self, final

import anyio

from ._arguments import check_function, check_kind, check_timeout
from ._authors import Names
from ._breaker import Breaker
from ._core._effects import Store
from ._core._errors import ArgumentTypeError, ArgumentValueError, ClosedError, CoordinatorError, UsageError
from ._core._events import Event, RecordsWritten, SessionOpened
from ._core._format import RecordFormat
from ._core._limits import Limits
from ._core._machine import Machine
from ._core._values import Durability, Record
from ._driver import Driver
from ._engine import Engine
from ._formats import PLAIN
from ._host import Host
from ._parking import ParkingLot
from ._session import Session, close_for_good, close_unused, closing_of, drain_or_close, end_own_turn, engine_of, enter
from ._statistics import CoordinatorStatistics
from ._store import FileStore, System, session_path
from ._threads import Threads, in_thread
from ._waiting import empty_context
from .observers import Observer, Observers

StrPath = str | os.PathLike[str]


class Asked(NamedTuple):
    """How a session is to be opened."""

    format: RecordFormat
    header: Mapping[str, object] | None
    create: bool


@final
class Coordinator:
    """Owns all sessions of this process: `async with Coordinator() as coordinator`, or `start()` and `aclose()`.

    `root`: sessions must lie inside it, and directories below it are created. `durability`: what a receipt promises.
    `transform` is applied to every record before it reaches a disk (redaction; it must be idempotent, and return a new
    record: what it gets is a shallow copy of the caller's). `plugins`: the plugins to load, or `"installed"`.
    `observers` are told every event, in the event loop, and must be quick.
    """

    def __init__(
        self,
        *,
        root: StrPath | None = None,
        durability: Durability = Durability.FENCE,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        transform: Callable[[Record], Record] | None = None,
        plugins: Iterable[object] | Literal["installed"] = (),
        observers: Iterable[Observer] = (),
    ) -> None:
        check_kind("root", root, str, os.PathLike, type(None))
        check_kind("durability", durability, Durability)
        check_kind("limits", limits, Limits)
        if transform is not None:
            check_function("transform", transform)
        self._root = None if root is None else Path(root)
        self._durability = durability
        self._limits = limits
        self._transform = transform
        self._observers = Observers(observers)
        self._host = Host(self._observers.tell, hook_seconds_max=limits.hook_seconds_max)
        self._host.load(plugins)
        self._system = System()
        """What the stores call; `coordinator.testing` puts its own there."""
        self._new_store: Callable[..., Store] = FileStore
        """What keeps a session's content; `coordinator.testing` can keep it in memory."""
        self._sessions: dict[Path, Session] = {}
        self._opening: dict[Path, tuple[asyncio.Task[Session], Asked]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._executor: Threads | None = None
        self._closing: asyncio.Task[None] | None = None
        self._refuses = False
        """Whether closing has come so far that nothing may be opened any more."""
        self._written_by_closed_sessions = 0
        self._parking_lot = ParkingLot(limits.open_files_max)
        self._names = Names()
        self._breaker = Breaker()
        # One object each, not one for every session.
        self._told, self._forgotten = self._tell, self._forget
        self._unsynced_bytes = 0
        """An upper estimate; made exact when it passes the limit."""
        self._background: set[asyncio.Task[None]] = set()

    # Lifetime

    async def start(self) -> None:
        """Begin to work; a coordinator that was closed may be started again, and starting twice does nothing.

        Waits for a closing that is under way. Cancelling stops the waiting, and nothing was started.
        """
        if self._closing is not None:
            await asyncio.wait({self._closing})
        if self._executor is None:
            self._loop = asyncio.get_running_loop()
            anyio.get_cancelled_exc_class()  # imports its backend now: in the first fence it would cost 20 ms
            self._executor = Threads()
            self._host.started(self)

    async def aclose(self) -> None:
        """Close every session, all at once; then raise the first error that closing them met.

        Fences that the calling code is inside of are broken, others are waited for (`Limits.close_seconds_max`).
        Cancelling stops the waiting, closing goes on.
        """
        if self._executor is None:
            return
        self._check_running_loop()
        for session in self._sessions.values():
            end_own_turn(session)
        if self._closing is None:
            run = self._close(asyncio.current_task())
            self._closing = asyncio.get_running_loop().create_task(run)
            self._closing.add_done_callback(self._closed)
        await asyncio.shield(self._closing)

    async def _close(self, caller: asyncio.Task[object] | None) -> None:
        errors = await self._close_sessions()
        await self._host.ended(caller)
        self._refuses = True
        errors += await self._close_sessions()  # a plugin may have opened one until its end
        if errors:
            for other in errors[1:]:
                errors[0].add_note(f"closing another session also failed: {other}")
            raise errors[0]

    def _closed(self, closing: asyncio.Task[None]) -> None:
        self._closing, self._refuses = None, False
        if closing.cancelled():
            return  # by whoever ends all tasks of the loop; closing again goes on
        closing.exception()  # whoever waited may have been cancelled
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False)

    async def _close_sessions(self) -> list[BaseException]:
        await asyncio.gather(*(task for task, _ in self._opening.values()), return_exceptions=True)
        sessions = list(self._sessions.values())
        results = await asyncio.gather(*(close_for_good(session) for session in sessions), return_exceptions=True)
        return [result for result in results if isinstance(result, BaseException)]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            await self.aclose()
        except CoordinatorError as error:
            # The body's own exception goes out unwrapped; what closing met must not hide it.
            if raised is None:
                raise
            raised.add_note(f"closing also failed: {error}")

    # Sessions

    @property
    def sessions(self) -> Mapping[Path, Session]:
        """Return the open sessions by their path."""
        return MappingProxyType(self._sessions)

    async def open(
        self,
        path: StrPath,
        *,
        format: RecordFormat = PLAIN,  # noqa: A002 - part of the contract
        header: Mapping[str, object] | None = None,
        create: bool = True,
    ) -> Session:
        """Open a session file, heal its tail, and own it until the last `aclose()`.

        `header` is merged over the default header of a new file, and ignored for an existing one. `create=False`
        refuses a path without a file. The file of a new session appears with its first record.

        Raises `PathError`, `LockedError` (another process owns it), `FormatError`, and a `ValueError` if the path is
        open already with another format; then nothing on disk was changed. Cancelling gives the file back.
        """
        self._check_loop()
        if not isinstance(format, RecordFormat):
            raise ArgumentTypeError(f"not a record format: {format!r}", path=path, hint="use PLAIN or PI")
        key = session_path(path, root=self._root)
        # Again and again: by the time we are told, what was opened may be closed by somebody who shared it.
        while (session := await self._find(key)) is None:
            await self._open_once(key, Asked(format, header, create))
        opened_as = engine_of(session).machine.format
        if opened_as is not format:
            hint = f"open it as {opened_as.name}, as it is already"
            raise ArgumentValueError(f"the session is open with another format than {format.name}", path=key, hint=hint)
        return enter(session)

    async def _find(self, path: Path) -> Session | None:
        """Return the open session of a path, None if there is none; one that is closing is waited for."""
        while (session := self._sessions.get(path)) is not None and (closing := closing_of(session)) is not None:
            await asyncio.wait({closing})
            self._check_loop()
        return session

    async def _open_once(self, path: Path, asked: Asked) -> None:
        """Open, or wait for whoever opens it; an error counts if he asked for the same, and began after us."""
        waited = False
        while True:
            ours = path not in self._opening
            task, others = self._begin_opening(path, asked) if ours else self._opening[path]
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError:
                task.add_done_callback(self._give_back_unused)
                raise
            except CoordinatorError:
                # What stood in the way when another attempt began need not stand there now.
                if ours or (waited and others == asked):
                    raise
                waited = True
            else:
                return

    def _begin_opening(self, path: Path, asked: Asked) -> tuple[asyncio.Task[Session], Asked]:
        run = self._open(path, asked)
        task = asyncio.get_running_loop().create_task(run, context=empty_context())
        task.add_done_callback(lambda _task: self._opening.pop(path, None))
        self._opening[path] = task, asked
        return task, asked

    def _give_back_unused(self, task: asyncio.Task[Session]) -> None:
        """Close what was opened for a caller that was cancelled meanwhile, unless somebody else uses it by now."""
        if not task.cancelled() and task.exception() is None:
            closing = asyncio.get_running_loop().create_task(close_unused(task.result()), context=empty_context())
            self._background.add(closing)
            closing.add_done_callback(self._background.discard)

    async def _open(self, path: Path, asked: Asked) -> Session:
        record_format, header, create = asked
        self._check_loop()
        assert self._executor is not None
        store = self._new_store(
            path, record_format=record_format, limits=self._limits, durability=self._durability,
            root=self._root, create=create, system=self._system,
        )  # fmt: skip
        new_header = self._new_header(path, record_format, header)
        opened = await in_thread(self._executor, store.open, path=path)
        machine = Machine(path, record_format, self._limits, self._durability)
        machine.opened(opened, new_header)
        driver = Driver(machine, store, self._executor, self._told, self._breaker)
        engine = Engine(
            machine, driver, transform=self._transform, host=self._host, names=self._names, lot=self._parking_lot
        )
        session = Session(engine, notes=opened.notes, forget=self._forgotten)
        engine.session = session
        self._sessions[path] = session
        machine.events.append(SessionOpened(path, machine.revision, opened.healed, opened.damaged, opened.notes))
        driver.wake()
        self._host.session_opened(session)
        return session

    def _new_header(self, path: Path, record_format: RecordFormat, given: Mapping[str, object] | None) -> Record | None:
        try:
            header = record_format.new_header(given, now_ms=time.time_ns() // 1_000_000)
            if header is not None and self._transform is not None:
                header = record_format.new_header(self._transform(header), now_ms=0)
        except ValueError as error:
            raise ArgumentValueError(str(error), path=path, hint="mend `header=`, or `transform`") from error
        return header

    def _tell(self, path: Path, event: Event) -> None:
        session = self._sessions.get(path)
        if session is not None:
            engine_of(session).notice(event)
        if isinstance(event, RecordsWritten):
            self._unsynced_bytes += 0 if event.receipts[0].durable else sum(map(len, event.lines))
            if self._unsynced_bytes > self._limits.unsynced_bytes_total_max:
                self._bound_unsynced()
        self._observers.tell(event)

    def _bound_unsynced(self) -> None:
        """Sync every dirty session once all of them together hold too much that a failed sync would need again."""
        engines = [engine_of(session) for session in self._sessions.values()]
        self._unsynced_bytes = sum(engine.machine.unsynced_bytes for engine in engines)
        if self._unsynced_bytes > self._limits.unsynced_bytes_total_max:
            for engine in engines:
                engine.machine.sync_wanted = engine.machine.unsynced_bytes > 0
                engine.driver.wake()

    def _forget(self, path: Path) -> None:
        session = self._sessions.pop(path, None)
        self._host.session_closed(path)
        self._parking_lot.forget(path)
        if session is not None:
            self._written_by_closed_sessions += session.statistics().records_written

    # Plugins

    @property
    def plugins(self) -> Mapping[str, object]:
        """Return the registered plugins by name: with `plugins="installed"` this is how to get at one."""
        return self._host.plugins

    def register(self, plugin: object) -> None:
        """Add a plugin now; a `ValueError` if it, or one of its name, is there already."""
        self._host.register(plugin)

    async def unregister(self, plugin: object) -> None:
        """Remove a plugin: none of its hooks is called after this, and its tasks are ended.

        A `ValueError` if it is not registered. Cancelling stops the waiting for its tasks.
        """
        await self._host.unregister(plugin)

    # All sessions together

    async def drain(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - part of the contract
        """Wait until everything accepted so far, in every session, is in its file; otherwise as `Session.drain`."""
        self._check_loop()
        check_timeout(timeout)
        results = await asyncio.gather(
            *(drain_or_close(session, timeout) for session in list(self._sessions.values())), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    def statistics(self) -> CoordinatorStatistics:
        """Return a snapshot of every session, and of plugins and observers that failed."""
        sessions = {path: session.statistics() for path, session in self._sessions.items()}
        written = sum(session.records_written for session in sessions.values())
        return CoordinatorStatistics(
            sessions=sessions,
            records_written=self._written_by_closed_sessions + written,
            queued_records=sum(session.queued_records for session in sessions.values()),
            unsynced_bytes=sum(session.unsynced_bytes for session in sessions.values()),
            plugins=self._host.statistics(),
            plugins_broken=dict(self._host.broken),
            hook_failures=dict(self._host.failures),
            observer_failures=self._observers.failures,
        )

    def _check_loop(self) -> None:
        if self._executor is None or self._refuses:
            hint = "use `async with Coordinator()`, or `await coordinator.start()` first"
            raise ClosedError("the coordinator is not running", hint=hint)
        self._check_running_loop()

    def _check_running_loop(self) -> None:
        if asyncio.get_running_loop() is not self._loop:
            hint = "make one coordinator per event loop; from a thread use `append_from_thread`"
            raise UsageError("this coordinator belongs to another event loop", hint=hint)
