"""The end of a session: what is waited for, what is refused, and where the rest goes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from coordinator import (
    PI,
    ClosedError,
    Coordinator,
    CoordinatorError,
    Fence,
    Limits,
    Outcome,
    Session,
    SessionState,
    TakeoverError,
    WriteFailedError,
    Writer,
)
from coordinator.testing import Interposer

from .desk import BROKEN, NO_ROOM, Gate, check_clear, desk, elsewhere, note, soon, stopped, texts_of, until

BRIEF = Limits(close_seconds_max=0.2)


class BodyError(Exception):
    """What the user's own code raises."""


def side_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of the side file for unwritten records, [] if there is none."""
    files = list(path.parent.glob(f"{path.name}.unwritten-*"))
    assert len(files) <= 1
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


# Using what is closed

Call = Callable[[Session, Writer], Awaitable[object]]


async def _nowait(_session: Session, chat: Writer) -> object:
    return chat.append_nowait(note("x"))


async def _fence(_session: Session, chat: Writer) -> None:
    async with chat.fence():
        pytest.fail("entered a closed session")


async def _writer(session: Session, _chat: Writer) -> object:
    return session.writer("new")


CALLS: dict[str, Call] = {
    "append": lambda _session, chat: chat.append(note("x")),
    "append_all": lambda _session, chat: chat.append_all([note("x")]),
    "submit": lambda _session, chat: chat.submit(note("x")),
    "append_nowait": _nowait,
    "append_from_thread": lambda _session, chat: asyncio.to_thread(chat.append_from_thread, note("x"), 10),
    "fence": _fence,
    "writer": _writer,
    "drain": lambda session, _chat: session.drain(),
    "sync": lambda session, _chat: session.sync(),
    "rewrite": lambda session, _chat: session.rewrite(lambda records: records),
    "records": lambda session, _chat: anext(session.records()),
    "followed records": lambda session, _chat: anext(session.records(follow=True)),
    "tail": lambda session, _chat: session.tail(1),
    "branch": lambda session, _chat: session.branch(),
    "reopen": lambda session, _chat: session.reopen(),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_closed_session_refuses_every_call(session_path: Path, call: Call) -> None:
    """The error says to open it again, and the file stays as it was."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path, format=PI)
        chat = session.writer("chat")
        await chat.append(note("before"))
        await session.aclose()
        content = session_path.read_bytes()
        with pytest.raises(ClosedError) as caught:
            await soon(call(session, chat))
        check_clear(caught.value, session_path)
        assert session.state is SessionState.CLOSED
    assert session_path.read_bytes() == content


async def test_closing_again_does_nothing(session_path: Path) -> None:
    """A session, a writer and a coordinator may be closed by several."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path)
        session.writer("w").close()
        for _ in range(3):
            await soon(session.aclose())
        session.statistics()
    await soon(coordinator.aclose())


async def test_a_coordinator_that_is_not_running_refuses(session_path: Path) -> None:
    """Before it was started and after it was closed."""
    coordinator = Coordinator()
    for _ in range(2):
        for call in (coordinator.open(session_path), coordinator.drain()):
            with pytest.raises(ClosedError) as caught:
                await soon(call)
            assert caught.value.hint
        async with coordinator:
            pass


# What is waited for


async def test_what_was_accepted_is_written_before_the_end(session_path: Path) -> None:
    """Queued records, without anybody waiting for them."""
    async with desk(session_path) as home:
        for number in range(100):
            home.chat.append_nowait(note(f"{number}"))
    assert texts_of(session_path) == [str(number) for number in range(100)]
    assert home.session.state is SessionState.CLOSED
    assert side_rows(session_path) == []


async def test_closing_waits_for_the_turn_and_refuses_everybody_else(session_path: Path) -> None:
    """The holder of the fence goes on; held records come after his reply."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path, format=PI)
        chat, other = session.writer("chat"), session.writer("other")
        later = session.writer("later", during_fence="hold")
        async with chat.fence() as fence:
            later.append_nowait(note("held"))
            queued = elsewhere(_turn(other))
            await until(lambda: session.statistics().turns_waiting == 1)
            closing = elsewhere(session.aclose())
            await until(lambda: session.state is SessionState.CLOSING)
            late = [elsewhere(job) for job in (other.append(note("new")), later.append(note("new")), _turn(other))]
            for refused in (*late, queued):
                with pytest.raises(ClosedError):
                    await soon(refused)
            await soon(chat.append(note("step")))
            await soon(fence.check())
            await fence.append(note("reply"))
            assert not closing.done()
        await soon(closing)
    assert texts_of(session_path) == ["step", "reply", "held"]


async def _turn(writer: Writer) -> None:
    async with writer.fence() as fence:
        await fence.append(note("never"))


async def test_after_the_deadline_the_turn_breaks_and_the_rest_is_written(session_path: Path) -> None:
    """The fence ends with what it could not write; the follow-ups are in the file."""
    async with Coordinator(limits=BRIEF) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        with pytest.raises(ClosedError) as caught:
            async with session.writer("chat").fence() as fence:
                await fence.append(note("in time"))
                session.writer("later", during_fence="hold").append_nowait(note("held"))
                await soon(elsewhere(session.aclose()))
                assert fence.broken
                await fence.append(note("late"))
        check_clear(caught.value, session_path)
        assert [record["data"]["text"] for record in caught.value.unwritten] == ["late"]
    assert texts_of(session_path) == ["in time", "held"]


async def test_a_turn_that_ends_silently_after_the_deadline_is_told_at_leaving(session_path: Path) -> None:
    """A broken fence raises at leaving if nothing was raised inside."""
    async with Coordinator(limits=BRIEF) as coordinator:
        session = await coordinator.open(session_path)
        with pytest.raises(ClosedError):
            async with session.writer("chat").fence():
                await soon(elsewhere(session.aclose()))


async def test_stopping_who_waits_for_the_end_does_not_stop_closing(session_path: Path) -> None:
    """Everybody who closes waits for the same end."""
    async with desk(session_path) as home:
        with home.gate() as gate:
            home.chat.append_nowait(note("slow"))
            await gate.reached()
            closing = elsewhere(home.session.aclose())
            await until(lambda: home.session.state is SessionState.CLOSING)
            assert await stopped(closing) is None
    assert home.session.state is SessionState.CLOSED
    assert texts_of(session_path) == ["slow"]


async def test_stopping_who_closes_the_coordinator_does_not_stop_closing(session_path: Path) -> None:
    """Its sessions are closed all the same, and closing it again ends it."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path, format=PI)
        fence = await session.writer("w").fence().__aenter__()
        closing = elsewhere(coordinator.aclose())
        await until(lambda: session.state is SessionState.CLOSING)
        assert await stopped(closing) is None
        await fence.append(note("reply"))
        await soon(coordinator.aclose())
        assert session.state is SessionState.CLOSED
        with pytest.raises(ClosedError):
            await coordinator.open(session_path, format=PI)
    assert texts_of(session_path) == ["reply"]


async def test_who_waits_for_room_when_closing_begins_is_refused(session_path: Path) -> None:
    """He was not accepted; what was accepted is written."""
    async with desk(session_path, limits=Limits(session_records_max=2)) as home:
        with home.gate() as gate:
            accepted = [home.chat.append_nowait(note(text)) for text in "12"]
            await gate.reached()
            waiting = [elsewhere(call(note("3"))) for call in (home.chat.append, home.chat.submit)]
            await until(lambda: home.waiting == 2)
            closing = elsewhere(home.session.aclose())
            for task in waiting:
                with pytest.raises(ClosedError) as caught:
                    await soon(task)
                check_clear(caught.value, session_path)
                assert caught.value.outcome is Outcome.NOT_WRITTEN
        await soon(asyncio.gather(closing, *accepted))
    assert texts_of(session_path) == ["1", "2"]


async def test_the_file_is_free_when_closing_returns(session_path: Path) -> None:
    """Synced, and the lock given back."""
    async with Coordinator() as one, Coordinator() as other:
        for coordinator in (one, other, one):
            session = await coordinator.open(session_path, format=PI)
            await session.writer("w").append(note("x"))
            await session.aclose()
            assert not coordinator.sessions
    assert texts_of(session_path) == ["x"] * 3


# What could not be written


async def test_records_kept_by_a_stopped_session_go_to_a_side_file(session_path: Path) -> None:
    """The error names it; each row has writer, reason and record."""
    coordinator = Coordinator()
    await coordinator.start()
    session = await coordinator.open(session_path, format=PI)
    await session.writer("a").append(note("before"))
    session_path.unlink()
    for name in ("a", "b"):
        with pytest.raises(TakeoverError):
            await session.writer(name).append(note(f"kept by {name}"))
    with pytest.raises(TakeoverError) as caught:
        await soon(coordinator.aclose())
    check_clear(caught.value, session_path)
    rows = side_rows(session_path)
    assert [(row["writer"], row["record"]["data"]["text"]) for row in rows] == [("a", "kept by a"), ("b", "kept by b")]
    assert all(row["reason"] for row in rows)
    assert str(next(session_path.parent.glob("*.unwritten-*"))) in caught.value.hint
    assert not session_path.exists()
    assert session.state is SessionState.CLOSED


async def test_records_that_a_full_disk_did_not_take_in_time_go_to_a_side_file(session_path: Path) -> None:
    """After `close_seconds_max` closing gives the disk up, not the records."""
    home = None
    with pytest.raises(WriteFailedError) as caught:
        async with desk(session_path, limits=BRIEF) as home:
            await home.chat.append(note("before"))
            for _ in range(1000):
                home.fail("write", NO_ROOM)
            waiting = [elsewhere(home.chat.append(note("no room"))), elsewhere(home.session.drain())]
            await until(lambda: home.session.state is SessionState.STALLED)  # type: ignore[union-attr]
    for task in waiting:
        with pytest.raises(ClosedError) as told:
            await soon(task)
        check_clear(told.value, session_path)
    assert isinstance(caught.value.__cause__, OSError)
    assert [row["record"]["data"]["text"] for row in side_rows(session_path)] == ["no room"]
    assert texts_of(session_path) == ["before"]


async def test_records_of_a_failed_disk_go_to_a_side_file(session_path: Path) -> None:
    """It is not asked again."""
    with pytest.raises(WriteFailedError):
        async with desk(session_path) as home:
            home.fail("write", BROKEN)
            with pytest.raises(WriteFailedError) as caught:
                await soon(home.chat.append(note("kept")))
            assert caught.value.outcome is Outcome.KEPT
    assert [row["record"]["data"]["text"] for row in side_rows(session_path)] == ["kept"]


async def test_reopening_while_closing_ends_with_it(session_path: Path) -> None:
    """Whichever comes first: the kept record is in the file or in the side file, not in both, and nobody hangs."""
    with suppress(TakeoverError):
        async with desk(session_path) as home:
            await home.chat.append(note("before"))
            session_path.unlink()
            with pytest.raises(TakeoverError):
                await home.chat.append(note("kept"))
            jobs = [elsewhere(home.session.reopen()), elsewhere(home.session.aclose())]
            await soon(asyncio.gather(*jobs, return_exceptions=True))
            jobs[1].result()
    put_aside = [row["record"]["data"]["text"] for row in side_rows(session_path)]
    assert texts_of(session_path) + put_aside == ["kept"]


async def test_a_failed_last_sync_is_said(session_path: Path) -> None:
    """Closing cannot promise what the disk did not confirm."""
    with pytest.raises(WriteFailedError) as caught:
        async with desk(session_path) as home:
            await home.chat.append(note("x"))
            home.fail("sync", BROKEN)
    check_clear(caught.value, session_path)


async def test_a_taken_over_session_without_kept_records_closes_quietly(session_path: Path) -> None:
    """The turn was told; nothing is lost by closing."""
    async with desk(session_path) as home:
        await home.chat.append(note("x"))
        with pytest.raises(TakeoverError):
            async with home.chat.fence():
                session_path.unlink()
    assert side_rows(session_path) == []


# The body's own exception


@pytest.mark.parametrize("trouble", [False, True], ids=["well", "in trouble"])
@pytest.mark.parametrize("left", ["session", "coordinator"])
async def test_the_bodys_own_exception_comes_out_as_it_is(session_path: Path, left: str, trouble: bool) -> None:
    """No group, no chain; what closing met is a note."""
    raised = BodyError("mine")
    with pytest.raises(BodyError) as caught:
        async with Coordinator() as coordinator, AsyncExitStack() as stack:
            session = await coordinator.open(session_path, format=PI)
            if left == "session":
                await stack.enter_async_context(session)
            await session.writer("w").append(note("x"))
            if trouble:
                session_path.unlink()
                with pytest.raises(TakeoverError):
                    await session.writer("w").append(note("kept"))
            raise raised
    assert caught.value is raised
    assert raised.__cause__ is None
    assert bool(getattr(raised, "__notes__", [])) is trouble
    assert len(side_rows(session_path)) == int(trouble)


async def test_the_bodys_own_exception_ends_its_own_turn(session_path: Path) -> None:
    """A fence, a session and a coordinator, left by one exception: none of them waits for another."""
    with pytest.raises(BodyError):
        async with asyncio.timeout(10), Coordinator() as coordinator:
            async with await coordinator.open(session_path, format=PI) as session, session.writer("w").fence() as fence:
                await fence.append(note("x"))
                raise BodyError
    assert texts_of(session_path) == ["x"]


async def test_a_held_fence_of_the_leaving_code_does_not_hang_the_coordinator(session_path: Path) -> None:
    """Entered by hand and never left: leaving the coordinator ends it."""
    fence: Fence | None = None
    async with asyncio.timeout(10), Coordinator() as coordinator:
        session = await coordinator.open(session_path, format=PI)
        fence = await session.writer("w").fence().__aenter__()
        await fence.append(note("x"))
    assert fence.broken
    with pytest.raises(CoordinatorError):
        await fence.append(note("late"))
    assert texts_of(session_path) == ["x"]


async def test_one_bad_session_does_not_keep_the_others_open(tmp_path: Path) -> None:
    """All are closed; the first error comes out, the others are notes of it."""
    paths = [tmp_path / f"{number}.jsonl" for number in range(4)]
    with pytest.raises(TakeoverError) as caught:
        async with Coordinator() as coordinator:
            sessions = [await coordinator.open(path, format=PI) for path in paths]
            for session in sessions:
                await session.writer("w").append(note("x"))
            for number in (1, 2):
                paths[number].unlink()
                with pytest.raises(TakeoverError):
                    await sessions[number].writer("w").append(note("kept"))
            sessions[3].writer("w").append_nowait(note("last"))
    assert len(caught.value.__notes__) == 1
    assert all(session.state is SessionState.CLOSED for session in sessions)
    assert texts_of(paths[3]) == ["x", "last"]
    assert [len(side_rows(path)) for path in paths] == [0, 1, 1, 0]


async def test_what_a_task_has_given_to_a_fence_comes_back_when_its_session_is_left(session_path: Path) -> None:
    """Leaving the session inside its own fence breaks that; a record that waits for its write is not written then."""
    async with desk(session_path) as home:
        await home.chat.append(note("before"))
        with pytest.raises(ClosedError):
            async with home.chat.fence() as fence:
                with home.gate("write") as gate:
                    busy = elsewhere(home.session.writer("other").append(note("under way")))
                    await gate.reached()
                    mine = elsewhere(fence.append(note("mine")))
                    await asyncio.sleep(0)
                    leaving = asyncio.create_task(home.session.__aexit__(None, None, None))
                    await asyncio.sleep(0)
                with pytest.raises(ClosedError) as caught:
                    await soon(mine)
                await soon(busy)
                await soon(leaving)
        assert [record["data"]["text"] for record in caught.value.unwritten] == ["mine"]
    assert texts_of(session_path) == ["before", "under way"]


async def test_closing_while_the_file_is_given_back_frees_it(tmp_path: Path) -> None:
    """Whoever appends meanwhile begins to take it back; closing waits for that too, and the lock is free."""
    interposer, gate = Interposer(), Gate()
    async with Coordinator(limits=Limits(open_files_max=2)) as coordinator, Coordinator() as elsewhere_owned:
        coordinator._system = interposer  # type: ignore[assignment]
        session, other = [await coordinator.open(tmp_path / name, format=PI) for name in ("a.jsonl", "b.jsonl")]
        chat = session.writer("chat")
        await chat.append(note("x"))
        await session.sync()
        interposer.before("close", gate)
        try:
            await other.writer("chat").append(note("x"))
            await gate.reached()
            assert session.state is SessionState.PARKED
            closing = elsewhere(session.aclose())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            late = elsewhere(chat.append(note("late")))
            await asyncio.sleep(0)
        finally:
            gate.open()
        await soon(closing)
        with pytest.raises(ClosedError):
            await soon(late)
        await soon(elsewhere_owned.open(session.path, format=PI))


async def test_closing_again_goes_on_where_all_tasks_were_ended(session_path: Path) -> None:
    """The usual shutdown cancels every task of the loop, and then closes what is left."""
    coordinator, interposer, gate = Coordinator(), Interposer(), Gate()
    coordinator._system = interposer  # type: ignore[assignment]
    await coordinator.start()
    session = await coordinator.open(session_path, format=PI)
    chat = session.writer("chat")
    await chat.append(note("1"))
    interposer.before("write", gate)
    try:
        pending = [chat.append_nowait(note(text)) for text in ("2", "3")]
        await gate.reached()
        elsewhere(coordinator.aclose())
        await until(lambda: session.state is SessionState.CLOSING)
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await soon(asyncio.wait(tasks))
    finally:
        gate.open()
    await soon(coordinator.aclose())
    assert session.state is SessionState.CLOSED
    assert [(await soon(receipt)).sequence for receipt in pending] == [2, 3]
    assert texts_of(session_path) == ["1", "2", "3"]
