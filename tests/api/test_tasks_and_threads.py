"""Where a gateway's code runs: tasks, generators, fixtures, task groups, threads, other loops."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import anyio
import pytest

from coordinator import (
    PI,
    ClosedError,
    Coordinator,
    CoordinatorError,
    Fence,
    Limits,
    Outcome,
    RecordError,
    Session,
    Writer,
)
from tests.support.chain import check_chain

from .desk import Desk, check_clear, desk, note, soon, texts_of, until


@pytest.fixture
async def home(session_path: Path) -> AsyncIterator[Desk]:
    """Return a session with one record."""
    async with desk(session_path) as home:
        await home.chat.append(note("before"))
        yield home


async def _turn(home: Desk, text: str) -> None:
    async with home.chat.fence() as fence:
        await fence.append(note(text))


# Tasks


async def test_a_fence_may_be_entered_and_left_in_different_tasks(home: Desk) -> None:
    """Nothing of it hangs on the task that entered."""
    scope = home.chat.fence()
    fence = await asyncio.create_task(scope.__aenter__())
    await asyncio.create_task(fence.append(note("reply")))
    await asyncio.create_task(scope.__aexit__(None, None, None))
    await soon(_turn(home, "next"))
    assert home.texts() == ["before", "reply", "next"]


async def test_everything_may_be_opened_and_closed_in_different_tasks(session_path: Path) -> None:
    """Coordinator, session and fence."""
    coordinator = Coordinator()
    await asyncio.create_task(coordinator.__aenter__())
    session = await asyncio.create_task(coordinator.open(session_path, format=PI))
    await asyncio.create_task(session.__aenter__())
    await asyncio.create_task(_append(session.writer("w")))
    await asyncio.create_task(session.__aexit__(None, None, None))
    await asyncio.create_task(coordinator.__aexit__(None, None, None))
    assert texts_of(session_path) == ["x"]


async def _append(writer: Writer) -> None:
    await writer.append(note("x"))


async def _stream(home: Desk) -> AsyncIterator[str]:
    async with home.chat.fence() as fence:
        for token in ("to", "ken"):
            yield token
        await fence.append(note("whole reply"))


async def test_a_generator_may_be_closed_from_another_task(home: Desk) -> None:
    """The client has gone away: the fence is released, nothing is appended, the next turn works."""
    stream = _stream(home)
    assert await anext(stream) == "to"
    await asyncio.create_task(stream.aclose())  # type: ignore[attr-defined]
    assert home.session.statistics().turn_holder is None
    await soon(_turn(home, "next"))
    assert home.texts() == ["before", "next"]


async def test_a_generator_may_be_driven_by_a_new_task_for_each_step(home: Desk) -> None:
    """As web frameworks do it."""
    stream, tokens = _stream(home), list[str]()
    while (token := await asyncio.create_task(anext(stream, None))) is not None:  # type: ignore[arg-type]
        tokens.append(token)
    assert tokens == ["to", "ken"]
    assert home.texts() == ["before", "whole reply"]


async def test_a_generator_that_is_forgotten_is_closed_by_the_loop(home: Desk) -> None:
    """Nobody closes it; the loop finds it when it is collected, and the turn passes on."""
    stream = _stream(home)
    assert await anext(stream) == "to"
    del stream
    gc.collect()
    await until(lambda: home.session.statistics().turn_holder is None)
    await soon(_turn(home, "next"))


@pytest.fixture
async def fence(home: Desk) -> AsyncIterator[Fence]:
    """Return a fence that is held during the test: set up and torn down in other tasks than the test's."""
    async with home.chat.fence() as fence:
        yield fence
        await fence.append(note("from the teardown"))
    assert home.texts()[-1] == "from the teardown"


async def test_a_fixture_may_hold_a_fence(home: Desk, fence: Fence) -> None:
    """Frameworks enter and leave where they like."""
    await soon(fence.append(note("in the test")))
    await soon(home.chat.append(note("beside it")))
    await soon(fence.check())
    assert home.texts() == ["before", "in the test", "beside it"]


async def test_a_task_group_inside_and_outside(home: Desk) -> None:
    """Nothing of ours stays open across it, so nothing is left in a wrong order."""
    async with anyio.create_task_group() as outer:
        outer.start_soon(_turn, home, "outer")
        async with home.chat.fence() as fence, anyio.create_task_group() as inner:
            for number in range(5):
                inner.start_soon(fence.append, note(f"{number}"))
                inner.start_soon(home.session.writer("memory").append, note("memory"))
    assert sorted(home.texts()) == sorted(["before", "outer", *"01234", *["memory"] * 5])
    check_chain(home.path)


async def test_a_failing_task_group_in_a_turn_ends_the_turn(home: Desk) -> None:
    """Its own exception group comes out, with nothing of ours in it."""
    with pytest.raises(ExceptionGroup) as caught:
        async with home.chat.fence(), anyio.create_task_group() as group:
            group.start_soon(_fail)
            await anyio.sleep_forever()
    assert [type(error) for error in caught.value.exceptions] == [KeyError]
    await soon(_turn(home, "next"))


async def _fail() -> None:
    raise KeyError


async def test_a_scope_that_is_cancelled_around_a_turn_ends_it(home: Desk) -> None:
    """Deadlines of anyio and of asyncio alike."""
    with anyio.move_on_after(0.01):
        async with home.chat.fence():
            await anyio.sleep_forever()
    await soon(_turn(home, "next"))
    assert home.texts() == ["before", "next"]


# Threads


@pytest.mark.parametrize("where", ["to_thread", "run_in_executor", "anyio"])
async def test_threads_append_while_a_turn_is_held(home: Desk, where: str) -> None:
    """A thread blocks until its record is written; own writes of threads are own writes."""
    writer = home.session.writer("thread")

    def work() -> int:
        return writer.append_from_thread(note("from a thread"), 20).size

    async with home.chat.fence() as fence:
        if where == "to_thread":
            size = await soon(asyncio.to_thread(work))
        elif where == "anyio":
            size = await soon(anyio.to_thread.run_sync(work))
        else:
            size = await soon(asyncio.get_running_loop().run_in_executor(None, work))
        await fence.append(note("reply"))
    assert size > 0
    assert home.texts() == ["before", "from a thread", "reply"]


async def test_many_threads_append_at_once(home: Desk) -> None:
    """Each in its own order, each record once."""

    def work(name: str) -> list[int]:
        return [writers[name].append_from_thread(note(f"{name} {number}"), 20).sequence for number in range(20)]

    writers = {f"t{number}": home.session.writer(f"t{number}") for number in range(8)}
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(8) as threads:
        sequences = await soon(asyncio.gather(*(loop.run_in_executor(threads, work, name) for name in writers)))
    assert all(numbers == sorted(numbers) for numbers in sequences)
    assert len(set(home.texts())) == len(home.texts()) == 161
    check_chain(home.path)


async def test_a_thread_gets_the_errors_of_append(home: Desk) -> None:
    """A bad record, a closed writer, a timeout that does not know whether it is written."""
    chat = home.chat
    with pytest.raises(RecordError):
        await asyncio.to_thread(chat.append_from_thread, {"no": "type"})
    with home.gate() as gate:
        with pytest.raises(TimeoutError) as caught:
            await asyncio.to_thread(chat.append_from_thread, note("slow"), 0.01)
        check_clear(caught.value, home.path)
        assert isinstance(caught.value, CoordinatorError)
        assert caught.value.outcome is Outcome.UNKNOWN
        gate.open()
    chat.close()
    with pytest.raises(ClosedError):
        await soon(asyncio.to_thread(chat.append_from_thread, note("late")))


async def test_append_from_thread_in_the_loop_raises_instead_of_waiting_for_itself(home: Desk) -> None:
    """The loop that would have to write is the one that waits."""
    with pytest.raises(RuntimeError) as caught:
        home.chat.append_from_thread(note("x"))
    check_clear(caught.value, home.path)


def test_a_thread_that_outlives_the_loop_is_told(session_path: Path) -> None:
    """The record was not written."""

    async def run() -> Writer:
        async with Coordinator() as coordinator:
            return (await coordinator.open(session_path)).writer("w")

    writer = asyncio.run(run())
    with pytest.raises(ClosedError) as caught:
        writer.append_from_thread({"a": 1}, 5)
    check_clear(caught.value, session_path)
    assert caught.value.outcome is Outcome.NOT_WRITTEN


# Other loops

Call = Callable[[Session, Writer], Awaitable[object]]


async def _nowait(_session: Session, chat: Writer) -> object:
    return chat.append_nowait(note("x"))


async def _fence(_session: Session, chat: Writer) -> None:
    async with chat.fence():
        pytest.fail("entered in a foreign loop")


async def _writer(session: Session, _chat: Writer) -> object:
    return session.writer("new")


async def _close_writer(_session: Session, chat: Writer) -> None:
    chat.close()


FOREIGN_CALLS: dict[str, Call] = {
    "append": lambda _session, chat: chat.append(note("x")),
    "append_all": lambda _session, chat: chat.append_all([note("x")]),
    "submit": lambda _session, chat: chat.submit(note("x")),
    "append_nowait": _nowait,
    "fence": _fence,
    "drain": lambda session, _chat: session.drain(),
    "sync": lambda session, _chat: session.sync(),
    "rewrite": lambda session, _chat: session.rewrite(lambda records: records),
    "records": lambda session, _chat: anext(session.records()),
    "tail": lambda session, _chat: session.tail(1),
    "branch": lambda session, _chat: session.branch(),
    "reopen": lambda session, _chat: session.reopen(),
    "aclose": lambda session, _chat: session.aclose(),
    "writer": _writer,
    "writer.close": _close_writer,
}


@pytest.mark.parametrize("call", FOREIGN_CALLS.values(), ids=FOREIGN_CALLS)
async def test_a_call_from_a_foreign_loop_is_refused(home: Desk, call: Call) -> None:
    """A clear error instead of a hang; nothing was changed, and the session goes on."""

    async def foreign() -> None:
        with pytest.raises(RuntimeError) as caught:
            await soon(call(home.session, chat))
        check_clear(caught.value, home.path)

    before, chat = home.path.read_bytes(), home.chat
    await asyncio.to_thread(asyncio.run, foreign())
    await soon(home.session.drain())
    assert home.path.read_bytes() == before
    await soon(home.chat.append(note("goes on")))


async def test_a_fence_in_a_foreign_loop_is_refused(home: Desk) -> None:
    """Its handle may have travelled."""

    async def foreign(fence: Fence) -> None:
        for call in (fence.append(note("x")), fence.check()):
            with pytest.raises(RuntimeError) as caught:
                await soon(call)
            check_clear(caught.value, home.path)

    async with home.chat.fence() as fence:
        await asyncio.to_thread(asyncio.run, foreign(fence))
        await fence.append(note("reply"))
    assert home.texts() == ["before", "reply"]


async def test_a_coordinator_belongs_to_the_loop_that_started_it(session_path: Path) -> None:
    """Opening, draining and closing from elsewhere are refused."""

    async def foreign() -> None:
        calls: list[Awaitable[Any]] = [coordinator.open(session_path), coordinator.drain(), coordinator.aclose()]
        for call in calls:
            with pytest.raises(RuntimeError) as caught:
                await soon(call)
            assert isinstance(caught.value, CoordinatorError)
            assert caught.value.hint

    async with Coordinator() as coordinator:
        await asyncio.to_thread(asyncio.run, foreign())


def test_a_coordinator_may_be_started_again_in_another_loop(session_path: Path) -> None:
    """After it was closed it belongs to nobody."""
    coordinator = Coordinator(limits=Limits(sync_idle_seconds=0.01))

    async def run() -> None:
        async with coordinator:
            session = await coordinator.open(session_path)
            await session.writer("w").append({"thread": threading.current_thread().name})

    asyncio.run(run())
    asyncio.run(run())
    assert len(session_path.read_bytes().splitlines()) == 2


async def test_a_receipt_is_awaited_in_its_own_loop(home: Desk) -> None:
    """In another one it would never come: that is said at once."""

    async def foreign() -> None:
        with pytest.raises(RuntimeError) as caught:
            await soon(pending)
        check_clear(caught.value, home.path)

    with home.gate() as gate:
        pending = home.chat.append_nowait(note("x"))
        await gate.reached()
        await asyncio.to_thread(asyncio.run, foreign())
    await soon(pending)
