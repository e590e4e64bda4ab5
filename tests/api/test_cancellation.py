"""Stopping somebody who waits: at every place, in every way, nothing is lost, doubled, or left locked."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from coordinator import Coordinator, Fence, Limits, LockedError, PendingReceipt, Session, hookimpl

from .desk import SECONDS_MAX, Desk, desk, elsewhere, note, soon, stopped, until


class Stopper:
    """Runs a job, and stops it from outside in one of the ways that people use."""

    def __init__(self, way: str) -> None:
        self.way = way
        self.stop: Callable[[], object] = lambda: None

    def start(self, job: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Start the job."""
        task = elsewhere({"task": self._plain, "scope": self._scoped, "timeout": self._timed}[self.way](job))
        if self.way == "task":
            self.stop = task.cancel
        return task

    async def _plain(self, job: Awaitable[Any]) -> None:
        await job

    async def _scoped(self, job: Awaitable[Any]) -> None:
        with anyio.CancelScope() as scope:
            self.stop = scope.cancel
            await job

    async def _timed(self, job: Awaitable[Any]) -> None:
        async with asyncio.timeout(None) as timeout:
            self.stop = lambda: timeout.reschedule(asyncio.get_running_loop().time() - 1)
            await job

    async def end(self, task: asyncio.Task[Any]) -> None:
        """Stop the job and wait for its end."""
        if not task.done():
            self.stop()
        await asyncio.wait({task}, timeout=SECONDS_MAX)
        assert task.done(), "it does not end"
        if not task.cancelled() and task.exception() is not None:
            assert isinstance(task.exception(), TimeoutError), task.exception()


@pytest.fixture(params=["task", "scope", "timeout"])
def stopper(request: pytest.FixtureRequest) -> Stopper:
    """Return one of the ways to stop a job."""
    return Stopper(request.param)


@pytest.fixture
async def home(session_path: Path) -> AsyncIterator[Desk]:
    """Return a session with one record."""
    async with desk(session_path) as home:
        await home.chat.append(note("before"))
        yield home


async def turn(home: Desk, text: str, body: Callable[[Fence], Awaitable[object]] | None = None) -> None:
    """Take a turn."""
    async with home.chat.fence() as fence:
        if body is not None:
            await body(fence)
        await fence.append(note(text))


async def forever() -> None:
    """Wait for what never comes."""
    await asyncio.Event().wait()


# Records


@pytest.mark.parametrize("way", ["append", "submit and await", "append_all", "append_nowait and await"])
async def test_once_accepted_a_record_is_written_whoever_stops_waiting(home: Desk, stopper: Stopper, way: str) -> None:
    """Queued behind another batch, it is on its way."""

    async def write() -> None:
        if way == "append":
            await home.chat.append(note("accepted"))
        elif way == "append_all":
            await home.chat.append_all([note("accepted")])
        else:
            pending = home.chat.append_nowait if way.startswith("append") else home.chat.submit
            receipt = pending(note("accepted"))
            await (receipt if isinstance(receipt, PendingReceipt) else await receipt)

    with home.gate() as gate:
        first = home.chat.append_nowait(note("under way"))
        await gate.reached()
        task = stopper.start(write())
        await until(lambda: home.session.statistics().queued_records == 2)
        await stopper.end(task)
    await soon(first)
    await soon(home.session.drain())
    assert home.texts() == ["before", "under way", "accepted"]


async def test_a_write_that_has_begun_is_finished(home: Desk, stopper: Stopper) -> None:
    """The thread that writes cannot be stopped, and what it wrote is accounted for."""
    with home.gate() as gate:
        task = stopper.start(home.chat.append(note("begun")))
        await gate.reached()
        await stopper.end(task)
    await soon(home.chat.append(note("after")))
    assert home.texts() == ["before", "begun", "after"]
    assert home.session.revision.length == home.path.stat().st_size


async def test_a_pending_receipt_may_be_awaited_again_after_a_stop(home: Desk, stopper: Stopper) -> None:
    """Stopping one who waits takes nothing from the others."""
    with home.gate() as gate:
        pending = home.chat.append_nowait(note("x"))

        async def look() -> None:
            await pending

        first, second = stopper.start(look()), elsewhere(look())
        await gate.reached()
        await stopper.end(first)
    await soon(second)
    assert (await pending).offset == (await pending).offset


# Fences


async def test_stopped_while_it_waits_for_its_turn_it_leaves_the_line(home: Desk, stopper: Stopper) -> None:
    """Whoever is behind it comes next."""
    async with home.chat.fence():
        waiting = stopper.start(turn(home, "never"))
        behind = elsewhere(turn(home, "behind"))
        await until(lambda: home.session.statistics().turns_waiting == 2)
        await stopper.end(waiting)
        assert home.session.statistics().turns_waiting == 1
    await soon(behind)
    assert home.texts() == ["before", "behind"]


class SlowHook:
    """A plugin whose hook takes as long as the test wants, the first time."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()

    @hookimpl
    async def fence_entering(self, session: Any) -> None:
        """Write a record, then hang once."""
        await session.writer("plugin").append(note("from the hook"))
        if not self.entered.is_set():
            self.entered.set()
            await forever()


async def test_stopped_in_a_hook_the_turn_passes_on(session_path: Path, stopper: Stopper) -> None:
    """What the hook had accepted stays accepted."""
    hook = SlowHook()
    async with desk(session_path, plugins=[hook], limits=Limits(hook_seconds_max=SECONDS_MAX)) as home:
        task = stopper.start(turn(home, "never"))
        await soon(hook.entered.wait())
        await stopper.end(task)
        await soon(turn(home, "next"))
        assert home.texts() == ["from the hook", "from the hook", "next"]


async def test_stopped_in_the_drain_the_turn_passes_on(home: Desk, stopper: Stopper) -> None:
    """The records that it drained are written, its token is gone."""
    with home.gate() as gate:
        pending = home.chat.append_nowait(note("slow"))
        await gate.reached()
        task = stopper.start(turn(home, "never"))
        await until(lambda: home.session.statistics().turn_holder == "chat")
        next_turn = elsewhere(turn(home, "next"))
        await until(lambda: home.session.statistics().turns_waiting == 1)
        await stopper.end(task)
    await soon(asyncio.gather(pending, next_turn))
    assert home.texts() == ["before", "slow", "next"]


async def test_stopped_in_the_body_the_fence_is_released(home: Desk, stopper: Stopper) -> None:
    """Before anything was appended through it."""
    inside = asyncio.Event()

    async def think(_fence: Fence) -> None:
        inside.set()
        await forever()

    task = stopper.start(turn(home, "never", think))
    await soon(inside.wait())
    await stopper.end(task)
    await soon(turn(home, "next"))
    assert home.texts() == ["before", "next"]


async def test_stopped_before_its_append_has_begun_the_reply_is_withdrawn(home: Desk, stopper: Stopper) -> None:
    """The queue was busy; what was not begun is not written, also not later."""
    other = home.session.writer("other")

    async def body(_fence: Fence) -> None:
        other.append_nowait(note("slow"))
        await gate.reached()
        appending.set()

    appending = asyncio.Event()
    with home.gate() as gate:
        task = stopper.start(turn(home, "withdrawn", body))
        await soon(appending.wait())
        await asyncio.sleep(0)
        await stopper.end(task)
    await soon(turn(home, "next"))
    assert home.texts() == ["before", "slow", "next"]


async def test_stopped_when_its_append_has_begun_the_turn_ends_after_it(home: Desk, stopper: Stopper) -> None:
    """The leaving task does not wait for it, but whoever is next does."""
    with home.gate() as gate:
        task = stopper.start(turn(home, "begun"))
        await gate.reached()
        next_turn = elsewhere(turn(home, "next"))
        await stopper.end(task)
        await until(lambda: home.session.statistics().turns_waiting == 1)
        assert home.session.statistics().turn_holder == "chat"
        assert not next_turn.done()
    await soon(next_turn)
    assert home.texts() == ["before", "begun", "next"]


@pytest.mark.parametrize("moment", ["check", "leaving"])
async def test_stopped_during_a_comparison_the_turn_passes_on(home: Desk, stopper: Stopper, moment: str) -> None:
    """The comparison ends by itself, in its thread."""

    async def run() -> None:
        async with home.chat.fence() as fence:
            gates.append(home.gate("lstat"))
            gate = gates[0].__enter__()
            held.set_result(gate)
            if moment == "check":
                await fence.check()

    gates: list[Any] = []
    held: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    task = stopper.start(run())
    gate = await soon(held)
    await gate.reached()
    await stopper.end(task)
    gate.open()
    await soon(turn(home, "next"))
    assert home.texts() == ["before", "next"]


async def test_held_records_of_a_stopped_waiter_are_written_all_the_same(home: Desk, stopper: Stopper) -> None:
    """A user's follow-up was accepted; who waited for its receipt has gone away."""
    async with home.chat.fence() as fence:
        task = stopper.start(home.later.append(note("follow-up")))
        await until(lambda: home.session.statistics().held_records == 1)
        await stopper.end(task)
        await fence.append(note("reply"))
    await soon(home.session.drain())
    assert home.texts() == ["before", "reply", "follow-up"]


async def test_stopping_a_drain_stops_the_waiting_only(home: Desk, stopper: Stopper) -> None:
    """The records go on."""
    with home.gate() as gate:
        pending = home.chat.append_nowait(note("slow"))
        await gate.reached()
        task = stopper.start(home.session.sync())
        await asyncio.sleep(0)
        await stopper.end(task)
    await soon(pending)
    assert home.texts() == ["before", "slow"]


# Every step


async def test_a_turn_may_be_stopped_at_every_step(home: Desk, stopper: Stopper) -> None:
    """What was handed over stands in the file once, what was not does not, and the session goes on."""
    handed_over: list[str] = []

    async def work(number: int) -> None:
        async with home.chat.fence() as fence:
            for writer in (home.chat, home.later, home.session.writer("other")):
                await writer.submit(note(f"{writer.name} {number}"))
                handed_over.append(f"{writer.name} {number}")
            await fence.check()
            await fence.append(note(f"reply {number}"))
            handed_over.append(f"reply {number}")

    for number in range(1, 41):
        task = stopper.start(work(number))
        for _ in range(number):
            await asyncio.sleep(0)
        await stopper.end(task)
    await soon(turn(home, "last"))
    texts = home.texts()
    assert len(texts) == len(set(texts))
    assert set(handed_over) <= set(texts)
    assert texts[-1] == "last"
    assert home.session.revision.length == home.path.stat().st_size


async def test_stopping_an_open_gives_the_file_back(session_path: Path) -> None:
    """At every step of opening: the lock is free for the next owner in the end."""
    async with Coordinator() as first, Coordinator() as second:
        for steps in range(12):
            task = elsewhere(first.open(session_path))
            for _ in range(steps):
                await asyncio.sleep(0)
            await stopped(task)
            if not task.cancelled():
                await task.result().aclose()
            session = await soon(_open_when_free(second, session_path))
            await until(lambda: not first.sessions)
            await session.aclose()


async def _open_when_free(coordinator: Coordinator, path: Path) -> Session:
    while True:
        with suppress(LockedError):
            return await coordinator.open(path)
        await asyncio.sleep(0)
