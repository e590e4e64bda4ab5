"""What the writers of a session do: the gateway's patterns, each step remembered by what its caller was told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from coordinator import CoordinatorError, FormatError, Session, SessionState, TakeoverError, WriteFailedError

from .loop import SimulatedLoop
from .records import OWN, Lines
from .truth import Truth

MODEL_SECONDS = 2.0
"""How long a model takes to answer, where it takes time at all."""
IN_TROUBLE = (SessionState.STOPPED, SessionState.FAILED)


class Actor:
    """One task with one writer, that goes through its script."""

    def __init__(self, number: int, script: tuple[str, ...], session: Session, truth: Truth, *, holds: bool) -> None:
        self.number = number
        self.script = script
        self.session = session
        self.truth = truth
        self.writer = session.writer(f"writer-{number}", during_fence="hold" if holds else "advance")
        self.holds = holds
        self.lines: Lines = truth.foreigner.lines
        self.given = 0
        self.pending: list[tuple[str, Any]] = []

    async def run(self) -> None:
        """Do everything in the script, whatever becomes of each step; then hear of what was handed over."""
        for action in self.script:
            await self._step(self._action(action))
        for name, pending in self.pending:
            await self._step(lambda name=name, pending=pending: self._hear(name, pending))

    async def _step(self, act: Callable[[], Awaitable[None]]) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, SimulatedLoop)
        try:
            await loop.arrive()
            await act()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            assert task is not None
            while task.uncancel():
                pass

    def _action(self, action: str) -> Callable[[], Awaitable[None]]:
        verb, _, how = action.partition(" ")
        return getattr(self, f"_{verb}") if verb != "fence" else lambda: self._fence(how)

    def _name(self) -> str:
        self.given += 1
        return f"{OWN}{self.number}-{self.given}"

    # Records

    async def _append(self) -> None:
        await self._write([self._name()])

    async def _pair(self) -> None:
        await self._write([self._name(), self._name()])

    async def _write(self, names: list[str]) -> None:
        records = [self.lines.record(name) for name in names]
        for name in names:
            self.truth.told(name, "cancelled")
        try:
            receipts = (
                await self.writer.append_all(records) if len(names) > 1 else [await self.writer.append(records[0])]
            )
        except CoordinatorError as error:
            for name in names:
                self.truth.refused(name, error.outcome)
            if isinstance(error, TakeoverError):
                self.truth.stopped(error)
            return
        for name, receipt in zip(names, receipts, strict=True):
            self.truth.written(name, receipt)

    async def _submit(self) -> None:
        name = self._name()
        self.truth.told(name, "cancelled")
        try:
            self.pending.append((name, self.writer.append_nowait(self.lines.record(name))))
            self.truth.told(name, "accepted")
        except CoordinatorError as error:
            self.truth.refused(name, error.outcome)

    async def _hear(self, name: str, pending: Any) -> None:
        try:
            self.truth.written(name, await pending)
        except CoordinatorError as error:
            self.truth.refused(name, error.outcome)

    # Barriers

    async def _pause(self) -> None:
        await asyncio.sleep(0)

    async def _drain(self) -> None:
        await self._pass(self.session.drain())

    async def _sync(self) -> None:
        before = self.truth.written_names()
        if await self._pass(self.session.sync()):
            self.truth.is_durable(before)

    async def _pass(self, barrier: Awaitable[None]) -> bool:
        try:
            await barrier
        except CoordinatorError:
            return False
        return True

    async def _reopen(self) -> None:
        await self._pass(self.session.reopen())

    async def _park(self) -> None:
        await self._sync()  # what is not durable yet is not parked
        self.session._engine.parking.park_if_idle()

    async def _rewrite(self) -> None:
        await self._pass(self.session.rewrite(lambda records: records))

    # Turns

    async def _fence(self, how: str) -> None:
        accept = (lambda record: bool(record.get("friend"))) if how == "accept" else None
        reply, states, handed_over = self._name(), list[Any](), [*self.pending]
        before = self.truth.written_names()
        try:
            timeout = 1.0 if how == "hurried" else None
            async with self.writer.fence(accept=accept, shared=how == "shared", timeout=timeout) as fence:
                states.append(fence._state)
                self.truth.entered([pending for _, pending in handed_over], before)
                await self._turn(fence, how, reply)
            self.truth.left_whole(states[0], reply)
        except TakeoverError as error:
            if states:
                self.truth.taken_over(error, states[0])
            else:
                self.truth.stopped(error)
            await self._handle(error, reply)
        except CoordinatorError as error:
            if reply in self.truth.fates and self.truth.fates[reply].told == "given":
                self.truth.refused(reply, error.outcome)

    async def _turn(self, fence: Any, how: str, reply: str) -> None:
        await asyncio.sleep(MODEL_SECONDS if how == "long" else 0)
        if how == "check":
            await fence.check()
        if how != "quiet":
            self.truth.told(reply, "given")
            self.truth.written(reply, await fence.append(self.lines.record(reply)))

    async def _handle(self, error: TakeoverError, reply: str) -> None:
        """Do what the documentation tells a gateway to do, so that each reply is there once."""
        given = [record["n"] for record in error.unwritten]
        if error.written:
            assert not given, "a record is both written and unwritten"
            self.truth.written(reply, error.written[-1])
            self.truth.standing |= set() if error.usable else {reply}
        elif given:
            assert given == [reply]
            self.truth.told(reply, "unwritten")
        if not error.usable and not await self._pass(self.session.reopen()):
            return
        self.truth.standing.discard(reply)
        if given:
            await self._write(given)


async def finish(session: Session, truth: Truth) -> None:
    """Now that nobody meddles any more: get well, look, write, and hold a turn that must be whole."""
    with suppress(CoordinatorError):
        await session.drain()  # what was under way when nobody waited any more may have failed
    await _end_reopening(session)
    if session.state in IN_TROUBLE:
        try:
            await session.reopen()
        except (FormatError, WriteFailedError):
            # Half a header is left, or what a failed sync has lost was changed or replaced by others, be it by a copy:
            # nobody can mend that.
            truth.is_hopeless = any(deed.changes or deed.is_sized for deed in truth.foreigner.done)
            raise
    actor = Actor(9, ("fence quiet", "append", "fence"), session, truth, holds=False)
    await actor.run()
    for name in ("w9-2", "w9-3"):
        assert truth.fates[name].told == "written", f"not written although nobody meddled: {name}"


async def _end_reopening(session: Session) -> None:
    """Let a run end whose caller was cancelled: who comes now would share what failed it."""
    run = session._reopening and session._reopening._task
    if run is not None:
        await asyncio.wait([run])
