"""Writers that wait for the end of the turn: what is held, for how long, and in whose room."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from coordinator import Limits, Outcome, QueueFullError, SessionState, TakeoverError

from .desk import Desk, desk, elsewhere, note, soon, until


@pytest.fixture
async def home(session_path: Path) -> AsyncIterator[Desk]:
    """Return a session with one record, and little room for held ones."""
    async with desk(session_path, limits=Limits(held_records_max=3)) as home:
        await home.chat.append(note("before"))
        yield home


def held(home: Desk) -> int:
    """Return how many records are held."""
    return home.session.statistics().held_records


async def test_without_a_fence_nothing_is_held(home: Desk) -> None:
    """Such a writer is a writer like any other."""
    await soon(home.later.append(note("at once")))
    assert home.texts() == ["before", "at once"]


async def test_held_records_come_after_the_turn_in_their_order(home: Desk) -> None:
    """Of all hold writers together, and before whatever is accepted after the fence."""
    other = home.session.writer("other", during_fence="hold")
    async with home.chat.fence() as fence:
        pending = [home.later.append_nowait(note("1")), other.append_nowait(note("2"))]
        pending.append(home.later.append_nowait(note("3")))
        await fence.append(note("reply"))
        await home.session.drain()
        assert home.texts() == ["before", "reply"]
        assert not any(receipt.done for receipt in pending)
    after = home.chat.append_nowait(note("after"))
    await soon(asyncio.gather(*pending, after))
    assert home.texts() == ["before", "reply", "1", "2", "3", "after"]


async def test_held_records_stand_before_the_next_turn_begins(home: Desk) -> None:
    """The next fence waits behind them; its revision covers them."""
    async with home.chat.fence():
        home.later.append_nowait(note("held"))
        entered = elsewhere(_enter(home))
        await until(lambda: home.session.statistics().turns_waiting == 1)
    texts, length = await soon(entered)
    assert texts == ["before", "held"]
    assert length == home.path.stat().st_size


async def _enter(home: Desk) -> tuple[list[str], int]:
    async with home.chat.fence() as fence:
        return home.texts(), fence.revision.length


async def test_the_writer_of_the_fence_advances_although_it_is_a_hold_writer(home: Desk) -> None:
    """It would wait for itself."""
    async with home.later.fence() as fence:
        await soon(home.later.append(note("step")))
        await fence.append(note("reply"))
        assert home.texts() == ["before", "step", "reply"]


async def test_held_records_have_room_of_their_own(home: Desk) -> None:
    """A flood of follow-ups fills only that; who comes too late waits, or is told."""
    async with home.chat.fence() as fence:
        for number in range(3):
            home.later.append_nowait(note(f"{number}"))
        with pytest.raises(QueueFullError) as caught:
            home.later.append_nowait(note("refused"))
        assert caught.value.outcome is Outcome.NOT_WRITTEN
        assert home.session.statistics().queued_records == 0
        waiting = elsewhere(home.later.append(note("waiting")))
        await until(lambda: home.waiting == 1)
        with pytest.raises(QueueFullError):
            await soon(home.later.submit(note("would wait for itself")))
        await soon(home.chat.append(note("step")))
        await fence.append(note("reply"))
    await soon(waiting)
    assert home.texts() == ["before", "step", "reply", "0", "1", "2", "waiting"]


@pytest.mark.parametrize("sync", [False, True])
async def test_a_barrier_does_not_wait_for_held_records(home: Desk, sync: bool) -> None:
    """Inside the fence and outside: whoever calls."""
    barrier = home.session.sync if sync else home.session.drain
    async with home.chat.fence():
        pending = home.later.append_nowait(note("held"))
        await soon(barrier())
        await soon(elsewhere(barrier()))
        assert not pending.done
    await soon(barrier())
    assert pending.done


async def test_records_are_held_until_the_last_shared_fence_ends(home: Desk) -> None:
    """And while some are held, a new shared fence queues as behind an exclusive one."""
    leave_first, leave_second, order = asyncio.Event(), asyncio.Event(), list[str]()

    async def share(name: str, leave: asyncio.Event | None = None) -> None:
        async with home.session.writer(name).fence(shared=True):
            order.append(f"{name} enters")
            if leave is not None:
                await leave.wait()
        order.append(f"{name} left")

    first, second = elsewhere(share("first", leave_first)), elsewhere(share("second", leave_second))
    await until(lambda: len(order) == 2)
    pending = home.later.append_nowait(note("held"))
    third = elsewhere(share("third"))
    await until(lambda: home.session.statistics().turns_waiting == 1)
    leave_first.set()
    await soon(first)
    await soon(home.session.drain())
    assert (held(home), home.session.statistics().turns_waiting) == (1, 1)
    leave_second.set()
    await soon(asyncio.gather(second, third))
    assert pending.done
    assert order.index("first left") < order.index("third enters")


async def test_a_turn_that_fails_releases_what_was_held(home: Desk) -> None:
    """Whatever the body raised."""
    with pytest.raises(KeyError):
        async with home.chat.fence():
            pending = home.later.append_nowait(note("held"))
            raise KeyError
    await soon(pending)
    assert home.texts() == ["before", "held"]


async def test_after_a_stopping_takeover_held_records_are_kept_and_written_by_reopen(home: Desk) -> None:
    """Their waiters are told so, and do not send them again."""
    waiting = None
    with pytest.raises(TakeoverError):
        async with home.chat.fence() as fence:
            waiting = elsewhere(home.later.append(note("held")))
            await until(lambda: held(home) == 1)
            home.path.write_bytes(b"".join(home.path.read_bytes().splitlines(keepends=True)[:1]))
            await fence.check()
    assert waiting is not None
    with pytest.raises(TakeoverError) as caught:
        await soon(waiting)
    assert (caught.value.outcome, caught.value.usable) == (Outcome.KEPT, False)
    assert (caught.value.written, caught.value.unwritten) == ([], [])
    assert home.session.state is SessionState.STOPPED
    assert len((await home.session.reopen()).written) == 1
    assert home.texts() == ["held"]


async def test_everybody_who_waits_when_the_session_stops_is_told(session_path: Path) -> None:
    """Queued, held, waiting for room, for the drain or for a turn: nobody is left alone with the kept records."""
    async with desk(session_path, limits=Limits(writer_records_max=1)) as home:
        await home.chat.append(note("before"))
        with home.gate() as gate:
            queued = home.chat.append_nowait(note("queued"))
            await gate.reached()
            turn = elsewhere(_turn(home))
            await until(lambda: home.session.statistics().turn_holder == "turn")
            in_line = elsewhere(_turn(home))
            held = elsewhere(home.later.append(note("held")))
            no_room = elsewhere(home.chat.append(note("no room")))
            await until(lambda: (home.waiting, home.session.statistics().turns_waiting) == (1, 1))
            assert home.session.statistics().held_records == 1
            session_path.unlink()
        outcomes = []
        for waiting in (queued, held, no_room, turn, in_line):
            with pytest.raises(TakeoverError) as caught:
                await soon(waiting)
            outcomes.append(caught.value.outcome)
        assert outcomes == [Outcome.KEPT, Outcome.KEPT, Outcome.NOT_WRITTEN, None, None]
        await soon(home.session.reopen())
        assert home.texts() == ["queued", "held"]


async def test_records_that_waited_for_room_when_the_fence_began_are_held(session_path: Path) -> None:
    """They are accepted after the line, so their writer's option applies to them."""
    async with desk(session_path, limits=Limits(writer_records_max=1)) as home:
        with home.gate() as gate:
            first = home.later.append_nowait(note("first"))
            await gate.reached()
            second = elsewhere(home.later.append(note("second")))
            await until(lambda: home.waiting == 1)
            entered = elsewhere(_turn(home))
            await until(lambda: home.session.statistics().turn_holder == "turn")
        await soon(asyncio.gather(first, second, entered))
        assert home.texts() == ["first", "reply", "second"]


async def _turn(home: Desk) -> None:
    async with home.session.writer("turn").fence() as fence:
        await fence.append(note("reply"))
