"""Writers: the only way to append to a session."""

from __future__ import annotations

import asyncio
import concurrent.futures
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

from ._arguments import check_function, check_kind, check_timeout
from ._context import active_fence, in_hook
from ._core._errors import ClosedError, FenceOrderError, ThreadTimeoutError, UsageError
from ._core._format import Draft
from ._core._tickets import Group, Stage, WriterState
from ._core._values import Outcome, Receipt, Record
from ._fence import Fence, FenceScope
from ._waiting import wait

if TYPE_CHECKING:
    from ._engine import Engine

_NO_ANNOTATIONS: Mapping[str, object] = MappingProxyType({})
_SUBMIT = "inside a fence use `submit`: the record is written when the fence ends"


@final
class PendingReceipt:
    """A receipt that is on its way: await it, once, often, or never.

    Awaiting returns the `Receipt`, or raises what became of the record; an error that nobody waits for reaches the
    observers. Cancelling stops the waiting, not the write.
    """

    __slots__ = ("_engine", "_group")

    def __init__(self, engine: Engine, group: Group) -> None:
        self._engine = engine
        self._group = group

    def __await__(self) -> Generator[Any, None, Receipt]:
        self._engine.check_loop()
        if self._group.stage is Stage.HELD and not self._group.done and active_fence(self._engine.machine) is not None:
            raise FenceOrderError(
                "this receipt comes after the fence that is waiting for it",
                path=self._engine.path, hint=_SUBMIT, outcome=Outcome.UNKNOWN,
            )  # fmt: skip
        receipts: list[Receipt] = yield from wait(self._group).__await__()
        return receipts[0]

    @property
    def done(self) -> bool:
        """Whether awaiting would return (or raise) at once."""
        return self._group.done


@final
class Writer:
    """A named right to append to one session; get it from `session.writer(name)`."""

    __slots__ = ("_engine", "_state")

    def __init__(self, engine: Engine, state: WriterState) -> None:
        self._engine = engine
        self._state = state

    def __repr__(self) -> str:
        return f"<Writer {self.name!r} of {self._engine.path}>"

    @property
    def name(self) -> str:
        """Return the name that receipts, the ledger and the statistics use."""
        return self._state.name

    async def append(self, record: Mapping[str, object]) -> Receipt:
        """Write one record and return where it landed.

        The record is encoded now: changing it later changes nothing. Waits for room in the queue, then for the write
        (and the sync, with `Durability.ALWAYS`). Raises `RecordError` (it can never be written), `ClosedError`,
        `TakeoverError` and `WriteFailedError` with their `outcome`, `FenceOrderError` where waiting would wait for
        this very task. Cancelled before it was accepted, nothing is written; after that only the waiting ends.
        """
        engine = self._engine
        drafts = engine.encode_one(record)
        if not engine.is_ready:
            await engine.ready(Outcome.NOT_WRITTEN)
        group = self._write(drafts)
        receipts: list[Receipt] = group.result() if group.done else await engine.settle(group)
        return receipts[0]

    async def append_all(self, records: Iterable[Mapping[str, object]]) -> list[Receipt]:
        """Write records as adjacent lines in one write; all of them are accepted, or none.

        Errors and cancellation are those of `append`; a group over a bound is a `RecordError` at once. It is not
        atomic across a crash: a prefix may be in the file. An empty group returns `[]` in every state.
        """
        drafts = self._engine.encode(records)
        if not drafts:
            return []
        await self._engine.ready(Outcome.NOT_WRITTEN)
        return await self._engine.settle(self._write(drafts))

    def _write(self, drafts: Sequence[Draft]) -> Group:
        if self._state.hold and self._would_wait_for_oneself() and not in_hook(self._engine.machine):
            raise FenceOrderError(
                f"writer {self.name!r} is held until the fence ends, and this code is inside of it",
                path=self._engine.path, hint=_SUBMIT, outcome=Outcome.NOT_WRITTEN,
            )  # fmt: skip
        return self._engine.write(self._state, drafts)

    async def submit(self, record: Mapping[str, object]) -> PendingReceipt:
        """Hand one record over; wait for room only, and get the receipt by awaiting the result.

        Errors are those of `append`; inside a fence, on a writer that is held for it, `QueueFullError` if it would
        have to wait for room. Cancelled before it was accepted, nothing is written.
        """
        drafts = self._engine.encode_one(record)
        if self._engine.driver.is_behind:
            await asyncio.sleep(0)  # or a loop of submits would fill all the room before the disk's answer is heard
        if not self._engine.is_ready:
            await self._engine.ready(Outcome.NOT_WRITTEN)
        wait_for_room = not (self._state.hold and self._would_wait_for_oneself())
        group = self._engine.offer(self._state, drafts, wait=wait_for_room)
        if group.stage is Stage.WAITING:
            await self._engine.admitted(group)
        return PendingReceipt(self._engine, group)

    def append_nowait(self, record: Mapping[str, object]) -> PendingReceipt:
        """Hand one record over without waiting for anything; call it in the event loop of the session.

        Raises `QueueFullError` if there is no room, while an earlier call of this writer waits for room, and while
        the session is parked (it comes back then: try again, or use `submit`).
        """
        drafts = self._engine.encode_one(record)
        return PendingReceipt(self._engine, self._engine.offer(self._state, drafts, wait=False))

    def append_from_thread(self, record: Mapping[str, object], timeout: float | None = None) -> Receipt:
        """Write one record from another thread, and block that thread until it is written.

        `timeout` in seconds (None: no limit) ends in an error that is a `TimeoutError` with outcome UNKNOWN. Called in
        the thread of the session's own event loop it raises at once: it would wait for itself.
        """
        check_timeout(timeout, path=self._engine.path)
        loop = self._engine.loop
        if _running_loop() is loop:
            hint = "use `await writer.append(record)` here"
            raise UsageError("append_from_thread in the thread of the event loop", path=self._engine.path, hint=hint)
        coroutine = self.append(record)
        try:
            future = asyncio.run_coroutine_threadsafe(coroutine, loop)
        except RuntimeError as error:
            coroutine.close()
            hint = "stop the threads before the event loop"
            raise ClosedError(
                "the event loop is closed", path=self._engine.path, hint=hint, outcome=Outcome.NOT_WRITTEN
            ) from error
        try:
            return future.result(timeout)
        except concurrent.futures.TimeoutError as error:
            if not future.cancel():
                return future.result()
            hint = "it may still be written: look before sending it again"
            message = f"no receipt after {timeout} s"
            raise ThreadTimeoutError(message, path=self._engine.path, hint=hint, outcome=Outcome.UNKNOWN) from error
        except concurrent.futures.CancelledError as error:
            raise ClosedError(
                "the event loop was stopped", path=self._engine.path, outcome=Outcome.UNKNOWN,
                hint="stop the threads before the event loop",
            ) from error  # fmt: skip

    def fence(
        self,
        *,
        accept: Callable[[Record], bool] | None = None,
        shared: bool = False,
        annotations: Mapping[str, object] = _NO_ANNOTATIONS,
        timeout: float | None = None,
    ) -> AbstractAsyncContextManager[Fence]:
        """Guard a model call: `async with writer.fence() as fence`.

        Entering waits for the turn and drains the queue; from then on every change of the file that is not ours
        breaks the fence. `accept` is asked about each foreign record that was appended: if it accepts all of them
        the fence holds. `shared` fences overlap with each other. `annotations` are handed to the plugins. `timeout`
        in seconds covers all of entering, not the body, and ends in `FenceTimeoutError`.

        Cancelled while entering, it leaves the line and wakes the next. Leaving raises `TakeoverError` if the fence is
        broken and the body neither raised nor was told.
        """
        self._engine.check_loop()
        path = self._engine.path
        if accept is not None:
            check_function("accept", accept, path=path)
        check_kind("annotations", annotations, Mapping, path=path)
        check_timeout(timeout, path=path)
        return FenceScope(
            self._engine, self._state, accept=accept, shared=shared, annotations=annotations, timeout_seconds=timeout
        )

    def close(self) -> None:
        """Give the name back: what was accepted is written, what waits for room gets `ClosedError`."""
        self._engine.close_writer(self._state)

    def _would_wait_for_oneself(self) -> bool:
        return active_fence(self._engine.machine) is not None and self._engine.would_hold(self._state)


def state_of(writer: Writer) -> WriterState:
    """Return what the session knows of a writer; for the session, so it is no method."""
    return writer._state  # pyright: ignore[reportPrivateUsage]


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
