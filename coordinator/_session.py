"""A session: one file, one queue, and everything that may be asked of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, final

import anyio

from ._arguments import check_function, check_timeout
from ._closing import Closing
from ._context import active_fence
from ._core._effects import Transform
from ._core._endings import break_fence
from ._core._errors import ArgumentTypeError, ArgumentValueError, ClosedError, CoordinatorError, FenceOrderError
from ._core._tickets import WriterState
from ._core._values import Durability, Entry, Position, Record, Revision, SessionState
from ._engine import Engine
from ._following import follow as follow_records
from ._reading import read_branch, read_entries, read_tail
from ._reopening import Reopened, Reopening
from ._statistics import SessionStatistics, session_statistics
from ._waiting import wait
from ._writer import Writer, state_of

WRITERS_REMEMBERED = 1024
"""Of more writers than these (or twice those in use) the closed ones are forgotten."""


@final
class Session:
    """One session file and its queue; get it from `await coordinator.open(path)`.

    An async context manager. Opening a path twice gives the same session, and the last `aclose()` closes it.
    """

    __slots__ = (
        "_closing", "_engine", "_forget", "_machine", "_notes", "_reopening", "_users", "_writers", "_writers_max",
    )  # fmt: skip

    def __init__(self, engine: Engine, *, notes: tuple[str, ...], forget: Callable[[Path], None]) -> None:
        self._engine = engine
        self._machine = engine.machine
        self._notes = notes
        self._users = 0
        self._writers: dict[str, Writer] = {}
        self._writers_max = WRITERS_REMEMBERED
        self._forget = forget
        # Most sessions are never reopened, and all of them are closed only once: an idle one has neither.
        self._reopening: Reopening | None = None
        self._closing: Closing | None = None

    def __repr__(self) -> str:
        return f"<Session {self.path} {self.state.value}>"

    # What it is

    @property
    def path(self) -> Path:
        """Return the absolute path of the session file."""
        return self._machine.path

    @property
    def header(self) -> Record | None:
        """Return the header line of the file (or the one it will get), None for formats without one."""
        return self._machine.header

    @property
    def leaf(self) -> str | None:
        """Return the id of the last record, after which the next one is chained; None if the format has none."""
        return self._machine.tail.leaf

    @property
    def state(self) -> SessionState:
        """Return what the session can do now."""
        return self._machine.state

    @property
    def revision(self) -> Revision:
        """Return which content we believe the file to have."""
        return self._machine.revision

    @property
    def generation(self) -> int:
        """Return how often the whole file was replaced within this opening."""
        return self._machine.revision.generation

    def statistics(self) -> SessionStatistics:
        """Return a snapshot of what is queued, held, written, and who has the turn."""
        return session_statistics(self._machine, map(state_of, self._writers.values()), notes=self._notes)

    # Writing

    def writer(self, name: str, *, during_fence: Literal["advance", "hold"] = "advance") -> Writer:
        """Return the writer called `name`; the same name gives the same writer.

        `during_fence`: `"advance"` writes at once and moves held fences along; `"hold"` lets records wait until the
        last fence ends, for what belongs after the reply, such as a user's follow-up. Raises a `ValueError` for an
        empty name, one with half a character, or if the name is in use with the other option.
        """
        self._engine.check_loop()
        if not isinstance(name, str):
            raise ArgumentTypeError(f"a writer's name is a string, not {name!r}", path=self.path, hint="name it")
        if not _is_text(name) or during_fence not in ("advance", "hold"):
            hint = "give it a name that people recognise, and during_fence='advance' or 'hold'"
            raise ArgumentValueError(f"no writer {name!r} with {during_fence!r}", path=self.path, hint=hint)
        known = self._writers.get(name)
        if known is not None and not state_of(known).closed:
            return self._known_writer(known, hold=during_fence == "hold")
        if self._machine.refuses or self.state is SessionState.CLOSED:
            raise self._machine.closed_error()
        if len(self._writers) >= self._writers_max:
            self._forget_closed_writers()
        writer = self._writers[name] = Writer(self._engine, WriterState(name, hold=during_fence == "hold"))
        self._engine.own_writer(name)
        return writer

    def _known_writer(self, known: Writer, *, hold: bool) -> Writer:
        if state_of(known).hold != hold:
            hint = "use the same `during_fence` everywhere, or another name"
            raise ArgumentValueError(f"writer {known.name!r} has the other option", path=self.path, hint=hint)
        return known

    def _forget_closed_writers(self) -> None:
        """Keep the counts of closed writers, but not for ever: somebody may make one for each request."""
        running = self._machine.running
        pending = self._machine.inbox.pending(running.groups if running else ())
        gone = [name for name, writer in self._writers.items() if state_of(writer).closed and name not in pending]
        for name in gone:
            del self._writers[name]
        self._engine.disown_writers(gone)
        self._writers_max = max(WRITERS_REMEMBERED, 2 * len(self._writers))

    async def drain(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - part of the contract
        """Wait until everything that was accepted before this call is in the file.

        `timeout` in seconds (None: no limit) ends in `DrainTimeoutError`. Raises at once if the session is stopped or
        failed. Does not cover records held for a fence. Cancelling stops the waiting only.
        """
        await self._pass_barrier(timeout, sync=False)

    async def sync(self, timeout: float | None = None) -> None:  # noqa: ASYNC109 - part of the contract
        """Wait until everything that was accepted before this call is on stable storage; otherwise as `drain`.

        With `Durability.NONE` a parked session takes its file back for that: `LockedError` if another process has it.
        """
        await self._pass_barrier(timeout, sync=True)

    async def _pass_barrier(self, timeout_seconds: float | None, *, sync: bool) -> None:
        self._engine.check_loop()
        check_timeout(timeout_seconds, path=self.path)
        was_parked = self.state is SessionState.PARKED
        if was_parked and (not sync or self._machine.durability is not Durability.NONE):
            return  # it was empty and durable, or it would not be parked
        with anyio.move_on_after(timeout_seconds) as scope:
            await self._engine.parking.ready()
            if was_parked and self._machine.refuses:
                raise self._machine.closed_error()  # closed before it had its file again
            barrier = self._machine.barrier(sync=sync)
            self._engine.driver.wake()
            try:
                await wait(barrier)
            finally:
                self._machine.forget(barrier)
        if scope.cancelled_caught and timeout_seconds is not None:
            raise self._engine.drain_timeout_error(timeout_seconds)

    # Reading

    async def records(self, start: Position | int = 0, *, follow: bool = False) -> AsyncIterator[Entry]:
        """Iterate over the records that are in the file now, from `start` on; with `follow`, over later ones too.

        `start` is the position of an entry (go on after it) or the byte offset of a line; 0 is the first record.
        Header and damaged lines are no entries. A follower reads from the file while it is behind and from memory
        while it is live, slows nobody down, and ends when the session is closed. Raises `PositionLostError` if the file
        no longer has that position, and, to a follower, when the whole file was replaced. Cancelling stops the reading.
        """
        await self._engine.ready()
        end, engine = self.revision.length, self._engine
        reading = (
            follow_records(engine, start)
            if follow
            else read_entries(self.path, self._machine.format, start=start, end=end, author=engine.authors)
        )
        async with aclosing(reading) as entries:
            async for entry in entries:
                yield entry

    async def rewrite(self, transform: Transform) -> None:
        """Replace the whole file by what `transform` makes of its records: compaction, as an own write.

        `transform` runs in a thread and gets the records lazily, oldest first, everything accepted before this call
        included; what it returns is the new content. A held fence stays whole. Readers see the old or the new file,
        never a part. If `transform` raises, or the disk refuses, the old file stays in use and the error comes out
        here; `TakeoverError` if the file was changed meanwhile. Cancelled before it has begun, nothing happens; after
        that it finishes.
        """
        check_function("transform", transform, path=self.path)
        await self._engine.ready()
        rewriting = self._machine.rewrite(self._engine.redacted(transform))
        self._engine.driver.wake()
        try:
            await wait(rewriting)
        finally:
            self._machine.forget(rewriting)

    async def tail(self, n: int) -> list[Entry]:
        """Return the last `n` records, oldest first, without reading the file before them.

        Cancelling it stops the reading.
        """
        await self._engine.ready()
        return await read_tail(
            self.path, self._machine.format, n, end=self.revision.length, author=self._engine.authors
        )

    async def branch(self) -> list[Entry]:
        """Return the conversation, oldest first: from the root to the leaf (for formats without a tree: everything).

        A record whose parent is missing ends it. Cancelling it stops the reading.
        """
        await self._engine.ready()
        end, leaf = self.revision.length, self.leaf
        return await read_branch(self.path, self._machine.format, leaf=leaf, end=end, author=self._engine.authors)

    # Trouble and the end

    async def reopen(self, *, discard: bool = False, create: bool = True) -> Reopened:
        """Accept the file as it is now, and write the records that were kept.

        On a healthy session it does nothing; concurrent calls share one run. `discard` puts the kept records into a
        side file instead; `create=False` refuses to make a vanished file anew (`PathError`). Raises what opening
        raises, or `TakeoverError` and `WriteFailedError` if it happens again; then everything is still kept.
        Cancelling stops the waiting only.
        """
        self._engine.check_open()
        self._reopening = self._reopening or Reopening(self._engine)
        return await self._reopening.reopen(discard=discard, create=create)

    async def aclose(self) -> None:
        """Close the session: write what was accepted, make it durable, give the file and its lock back.

        Refuses new records and fences at once; waits for held fences up to `Limits.close_seconds_max`. What cannot be
        written goes to a side file that the raised error names. `FenceOrderError` inside a fence of this session.
        Cancelling stops the waiting, closing goes on.
        """
        self._engine.check_loop()
        if active_fence(self._machine) is not None and self._users <= 1:
            hint = "leave the fence first, or close the coordinator"
            raise FenceOrderError("closing waits for the fence that this code is inside of", path=self.path, hint=hint)
        await self._leave()

    async def _leave(self) -> None:
        self._users = max(0, self._users - 1)
        if self._users == 0:
            self._closing = self._closing or Closing(self._engine, self._forget)
            await self._closing.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._engine.check_loop()
        self._break_own_fence()
        try:
            await self._leave()
        except CoordinatorError as error:
            # The body's own exception wins: what closing found is in the events, and in a note here.
            if raised is None:
                raise
            raised.add_note(f"closing the session also failed: {error}")

    def _break_own_fence(self) -> None:
        fence = active_fence(self._machine)
        if fence is not None and self._users <= 1:
            break_fence(self._machine, fence)
            self._engine.driver.wake()


def _is_text(name: str) -> bool:
    try:
        return bool(name.encode())
    except UnicodeEncodeError:  # it goes into files and logs
        return False


# For the coordinator, which owns the sessions: the contract names no such methods, so they are no methods.


def engine_of(session: Session) -> Engine:
    """Return what the handles of a session share."""
    return session._engine  # pyright: ignore[reportPrivateUsage]


def enter(session: Session) -> Session:
    """Count one user more."""
    session._users += 1  # pyright: ignore[reportPrivateUsage]
    return session


def closing_of(session: Session) -> asyncio.Task[None] | None:
    """Return the closing of a session that has begun to close."""
    closing = session._closing  # pyright: ignore[reportPrivateUsage]
    return None if closing is None else closing.begin()


async def drain_or_close(session: Session, timeout_seconds: float | None) -> None:
    """Drain a session; one that somebody closes meanwhile is drained when that is over, unless closing met trouble."""
    with anyio.move_on_after(timeout_seconds) as scope:
        try:
            await session.drain()
        except ClosedError:
            closing = closing_of(session)
            if closing is not None:
                await asyncio.shield(closing)
    if scope.cancelled_caught and timeout_seconds is not None:
        raise engine_of(session).drain_timeout_error(timeout_seconds)


def end_own_turn(session: Session) -> None:
    """End the fence that the calling code is inside of, whoever else uses the session: it is about to be closed."""
    session._users = 1  # pyright: ignore[reportPrivateUsage]
    session._break_own_fence()  # pyright: ignore[reportPrivateUsage]


async def close_for_good(session: Session) -> None:
    """Close a session whoever uses it."""
    session._users = 1  # pyright: ignore[reportPrivateUsage]
    await session._leave()  # pyright: ignore[reportPrivateUsage]


async def close_unused(session: Session) -> None:
    """Close a session that nobody has entered (yet)."""
    if session._users == 0:  # pyright: ignore[reportPrivateUsage]
        await close_for_good(session)
