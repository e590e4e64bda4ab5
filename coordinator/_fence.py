"""Fences: drain, take the revision, and promise that nobody else has written since.

No task group and no cancel scope is open across the caller's code, so a fence may be entered in one task and left in
another: an async generator that streams to a client is closed from wherever the client's going was noticed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, final

import anyio

from ._context import active_fence, enter_fence, leave_fence
from ._core._errors import FenceOrderError, FenceTimeoutError, TakeoverError
from ._core._tickets import Ticket, WriterState
from ._core._turns import FenceStage, FenceState
from ._core._values import Receipt, Record, Revision
from ._waiting import wait

if TYPE_CHECKING:
    from ._engine import Engine


@final
class Fence:
    """A turn that is held; get it from `async with writer.fence()`."""

    def __init__(self, engine: Engine, state: FenceState) -> None:
        self._engine = engine
        self._state = state

    @property
    def revision(self) -> Revision:
        """Return what we believe the file to be now: own writes have moved it along."""
        return self._engine.machine.revision

    @property
    def broken(self) -> bool:
        """Whether a foreign change was found that this fence does not accept, or the disk failed."""
        return self._state.broken

    async def check(self) -> None:
        """Compare the file now, and raise `TakeoverError` if somebody else has changed it.

        For long streamed replies. Cancelling stops the waiting; what is found still breaks the fence.
        """
        self._engine.check_loop()
        comparison = self._engine.machine.check_fence(self._state)
        self._engine.driver.serve_now(comparison)
        self._state.told = self._state.told or comparison.error is not None
        await wait(comparison)

    async def append(self, record: Mapping[str, object]) -> Receipt:
        """Compare, write one record, and compare again, in one step.

        Needs no room in the queue. `TakeoverError` says in `written` and `unwritten` which of the records given to
        this fence are in the file. Cancelled before it has begun, nothing is written; after that it finishes.
        """
        return (await self.append_all((record,)))[0]

    async def append_all(self, records: Iterable[Mapping[str, object]]) -> list[Receipt]:
        """Compare, write adjacent records in one write, and compare again; otherwise as `append`."""
        engine = self._engine
        drafts = engine.encode(records)
        if not drafts:
            return []
        group = engine.offer(self._state.writer, drafts, fence=self._state)
        return await engine.settle(group)


class Story:
    """How one turn went, for the plugins that want to know."""

    def __init__(self, annotations: Mapping[str, object]) -> None:
        self.hook_called = False
        self._annotations = annotations
        self._asked_at, self._asked = time.time(), time.monotonic()
        self._entered_at: float | None = None
        self._before: Revision | None = None

    def _now(self) -> float:
        """Return seconds since the epoch, by a clock that nobody sets back during the turn."""
        return self._asked_at + time.monotonic() - self._asked

    def entered(self, revision: Revision) -> None:
        """Note the beginning."""
        self._entered_at, self._before = self._now(), revision

    def tell(self, engine: Engine, state: FenceState, comparison: Ticket | None, raised: BaseException | None) -> None:
        """Tell the plugins, once the last comparison is done; nothing if they never heard of this turn."""
        if not self.hook_called:
            return
        left_at, after = self._now(), engine.machine.revision

        def tell() -> bool:
            error = engine.machine.broken_error(state) if state.broken else None
            engine.tell_fence_left({
                "writer": state.writer.name, "annotations": self._annotations, "asked_at": self._asked_at,
                "entered_at": self._entered_at, "left_at": left_at, "before": self._before, "after": after,
                "error": error, "raised": raised,
            })  # fmt: skip
            return False

        if comparison is None or comparison.done:
            tell()
        else:
            comparison.listen(tell)


class FenceScope:
    """Entering and leaving: the part of a fence that the `async with` statement drives."""

    def __init__(
        self,
        engine: Engine,
        writer: WriterState,
        *,
        accept: Callable[[Record], bool] | None,
        shared: bool,
        annotations: Mapping[str, object],
        timeout_seconds: float | None,
    ) -> None:
        self._engine = engine
        self._writer = writer
        self._accept = accept
        self._shared = shared
        self._annotations = annotations
        self._timeout_seconds = timeout_seconds
        self._state: FenceState | None = None
        self._story = Story(annotations)

    async def __aenter__(self) -> Fence:
        engine, limit_seconds = self._engine, self._timeout_seconds
        if not engine.is_ready:
            limit_seconds = await self._ready()
        if active_fence(engine.machine) is not None:
            hint = "leave the first fence, or take the second in a task that was started outside of it"
            raise FenceOrderError("this code already is inside a fence of the session", path=engine.path, hint=hint)
        state = engine.machine.request_turn(
            self._writer, shared=self._shared, accept=self._accept, since=time.monotonic()
        )
        engine.watch_waiting()
        try:
            await self._enter(state, limit_seconds)
        except BaseException as error:
            engine.machine.abandon(state)
            self._story.tell(engine, state, None, error)
            raise
        finally:
            engine.driver.wake()
        self._state = state
        self._story.entered(state.entered.value)
        enter_fence(engine.machine, state)
        return Fence(engine, state)

    async def _ready(self) -> float | None:
        """Own the file (again), and return how much of the time is left."""
        began = time.monotonic()
        with anyio.move_on_after(self._timeout_seconds) as scope:
            await self._engine.ready()
        if scope.cancelled_caught:
            raise self._timeout_error()
        return None if self._timeout_seconds is None else self._timeout_seconds - (time.monotonic() - began)

    async def _enter(self, state: FenceState, limit_seconds: float | None) -> None:
        if limit_seconds is None:
            await self._take_turn(state)
            return
        with anyio.move_on_after(limit_seconds) as scope:
            await self._take_turn(state)
        if scope.cancelled_caught:
            raise self._timeout_error(state)

    async def _take_turn(self, state: FenceState) -> None:
        await wait(state.turn)
        state.since = time.monotonic()
        self._story.hook_called = True
        await self._engine.call_fence_entering(state.writer.name, self._annotations)
        self._engine.machine.enter(state)
        self._engine.driver.serve_now(state.entered)
        if state.entered.done:  # a scope costs more than entering does when nothing has to be waited for
            state.entered.result()
        else:
            await self._drained(state)

    async def _drained(self, state: FenceState) -> None:
        limit_seconds = self._engine.machine.limits.drain_seconds_max
        with anyio.move_on_after(limit_seconds) as scope:
            await wait(state.entered)
        if scope.cancelled_caught:
            raise self._engine.drain_timeout_error(limit_seconds)

    def _timeout_error(self, state: FenceState | None = None) -> FenceTimeoutError:
        holders = [fence for fence in self._engine.machine.fences.turns.holders if fence is not state]
        holder = holders[0] if holders else None
        age_seconds = None if holder is None else time.monotonic() - holder.since
        who = (
            "the disk" if holder is None or age_seconds is None else f"{holder.writer.name!r} (for {age_seconds:.1f} s)"
        )
        error = FenceTimeoutError(
            f"the turn did not come within {self._timeout_seconds} s: it waited for {who}",
            path=self._engine.path,
            hint="wait longer, or find out why the holder takes so long",
            holder=None if holder is None else holder.writer.name,
            holder_seconds=age_seconds,
        )
        error.__cause__ = self._engine.machine.stall
        return error

    async def __aexit__(
        self, kind: type[BaseException] | None, raised: BaseException | None, traceback: TracebackType | None
    ) -> None:
        engine, state = self._engine, self._state
        assert state is not None, "left before it was entered"
        leave_fence(state)
        comparison = None if state.stage is FenceStage.OVER else engine.machine.leave(state)
        if comparison is None:
            engine.driver.wake()
        else:
            engine.driver.serve_now(comparison)
        self._story.tell(engine, state, comparison, raised)
        if raised is not None:
            return
        if comparison is not None:
            with suppress(TakeoverError):
                await wait(comparison)
        if state.broken and not state.told and not self._is_whole(state):
            raise engine.machine.broken_error(state)

    def _is_whole(self, state: FenceState) -> bool:
        """Whether the reply is in the file, as durable as was promised, whatever has become of the file since."""
        at_risk = state.failed is not None and self._engine.machine.unsynced_bytes > 0
        return state.appended_last and not at_risk
