"""Waiting for oneself is an error at once, where the context shows it; everything that need not wait is allowed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import anyio
import pytest

from coordinator import ClosedError, Coordinator, Fence, FenceOrderError, Limits, QueueFullError

from .desk import Desk, check_clear, desk, elsewhere, note, soon, until


@pytest.fixture
async def home(session_path: Path) -> AsyncIterator[Desk]:
    """Return a session."""
    async with desk(session_path, limits=Limits(held_records_max=2, wait_report_seconds=0.01)) as home:
        yield home


async def _await_held(home: Desk) -> object:
    return await home.later.append_nowait(note("held"))


async def _await_submitted(home: Desk) -> object:
    return await (await home.later.submit(note("held")))


async def _enter(home: Desk, *, shared: bool = False) -> None:
    async with home.session.writer("other").fence(shared=shared):
        pytest.fail("two exclusive turns at once")


FORBIDDEN: dict[str, Callable[[Desk], Awaitable[object]]] = {
    "a held append": lambda home: home.later.append(note("held")),
    "a held group": lambda home: home.later.append_all([note("held")]),
    "a held receipt": _await_held,
    "a held receipt of submit": _await_submitted,
    "another fence": _enter,
    "another shared fence": lambda home: _enter(home, shared=True),
    "closing": lambda home: home.session.aclose(),
}


@pytest.mark.parametrize("wait", FORBIDDEN.values(), ids=FORBIDDEN)
@pytest.mark.parametrize("where", ["body", "task", "anyio task", "thread"])
async def test_waiting_for_oneself_is_an_error(
    home: Desk, wait: Callable[[Desk], Awaitable[object]], where: str
) -> None:
    """In the body and in everything that was started there; the fence itself goes on."""
    async with home.chat.fence() as fence:
        with pytest.raises(FenceOrderError) as caught:
            await soon(_run(where, wait, home))
        check_clear(caught.value, home.path)
        await fence.append(note("reply"))
    await soon(home.session.drain())
    assert home.texts()[0] == "reply"


async def _run(where: str, wait: Callable[[Desk], Awaitable[object]], home: Desk) -> None:
    async def job() -> None:
        await wait(home)

    if where == "body":
        await job()
    elif where == "task":
        await asyncio.create_task(job())
    elif where == "thread":
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(lambda: asyncio.run_coroutine_threadsafe(job(), loop).result(20))
    else:
        errors: list[FenceOrderError] = []

        async def caught() -> None:
            try:
                await job()
            except FenceOrderError as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(caught)
        raise errors[0]


async def test_a_refused_append_is_not_written_and_the_hint_names_submit(home: Desk) -> None:
    """The way to do it is in the error."""
    async with home.chat.fence():
        with pytest.raises(FenceOrderError) as caught:
            await home.later.append(note("refused"))
        assert "submit" in caught.value.hint
        pending = await home.later.submit(note("submitted"))
        with pytest.raises(FenceOrderError) as caught:
            await pending
        assert "submit" in caught.value.hint
    await soon(pending)
    assert home.texts() == ["submitted"]


async def test_from_a_thread_too(home: Desk) -> None:
    """`to_thread` takes the context along."""
    async with home.chat.fence():
        with pytest.raises(FenceOrderError):
            await soon(asyncio.to_thread(home.later.append_from_thread, note("held"), 20))


async def test_what_need_not_wait_is_allowed(home: Desk) -> None:
    """Submitting to a hold writer, rewriting, draining, syncing, reading, other sessions' fences."""
    async with Coordinator() as coordinator, home.chat.fence() as fence:
        other = await coordinator.open(home.path.with_name("other.jsonl"))
        await home.later.submit(note("submitted"))
        home.later.append_nowait(note("not awaited"))
        await soon(home.session.drain())
        await soon(home.session.sync())
        await soon(home.session.rewrite(lambda records: records))
        await soon(home.session.tail(1))
        async with other.writer("w").fence() as other_fence:
            await other_fence.append(note("elsewhere"))
        await fence.append(note("reply"))
    await soon(home.session.drain())
    assert home.texts() == ["reply", "submitted", "not awaited"]


async def test_a_submit_that_would_wait_for_room_is_told(home: Desk) -> None:
    """Room comes only when the fence ends."""
    async with home.chat.fence():
        for _ in range(2):
            await home.later.submit(note("held"))
        with pytest.raises(QueueFullError) as caught:
            await soon(home.later.submit(note("too much")))
        check_clear(caught.value, home.path)


async def test_after_the_fence_its_tasks_may_wait_again(home: Desk) -> None:
    """A task that was started in the body and outlives the turn is in nobody's way."""
    async with home.chat.fence() as fence:
        is_over = asyncio.Event()

        async def outlive() -> None:
            await is_over.wait()
            async with home.session.writer("other").fence():
                await home.chat.append(note("in the next turn"))
            await home.later.append(note("outlived"))

        task = asyncio.create_task(outlive())
        await fence.append(note("reply"))
    is_over.set()
    await soon(task)
    assert home.texts() == ["reply", "in the next turn", "outlived"]


async def test_elsewhere_the_same_calls_wait(home: Desk) -> None:
    """Only the fence's own context would wait for itself."""
    async with home.chat.fence() as fence:
        held = elsewhere(home.later.append(note("held")))
        turn = elsewhere(_turn(home))
        await until(lambda: home.session.statistics().turns_waiting == 1)
        await fence.append(note("reply"))
    await soon(asyncio.gather(held, turn))
    assert home.texts() == ["reply", "held", "next reply"]


async def _turn(home: Desk) -> None:
    async with home.session.writer("other").fence() as fence:
        await fence.append(note("next reply"))


async def test_what_the_context_cannot_see_is_reported(home: Desk) -> None:
    """A plain executor knows nothing of the fence: its append waits, and the observers hear who waits for whom."""
    loop = asyncio.get_running_loop()
    async with home.chat.fence():
        blind = loop.run_in_executor(None, home.later.append_from_thread, note("held"), 20)
        await until(lambda: home.told("waiting_long"))
        (event, *_) = home.told("waiting_long")
        assert (event.what, event.writer, event.holder) == ("held record", "later", "chat")  # type: ignore[attr-defined]
    await soon(blind)
    assert home.texts() == ["held"]


@pytest.mark.parametrize("how", ["session", "coordinator"])
async def test_leaving_breaks_the_own_fence_instead(session_path: Path, how: str) -> None:
    """Who leaves the session from inside a fence ends that fence: there is nobody else to do it."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path)
        fence: Fence | None = None
        with pytest.raises(ClosedError):
            async with session.writer("chat").fence() as fence:
                await fence.append({"a": 1})
                await soon(session.__aexit__(None, None, None) if how == "session" else coordinator.aclose())
                await fence.append({"a": 2})
        assert fence is not None
        assert fence.broken
    assert session_path.read_bytes() == b'{"a":1}\n'
