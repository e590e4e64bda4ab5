"""The queue is bounded: who gets room, who waits, and who is told at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coordinator import ClosedError, Limits, Outcome, QueueFullError

from .desk import check_clear, desk, elsewhere, note, soon, stopped, until

FEW = Limits(session_records_max=6, writer_records_max=3, held_records_max=2)


async def test_append_waits_for_room_and_append_nowait_says_so(session_path: Path) -> None:
    """The third waits, the one that never waits is told; nothing that was refused is in the file."""
    async with desk(session_path, limits=FEW) as home:
        with home.gate() as gate:
            pending = [home.chat.append_nowait(note(f"{number}")) for number in range(3)]
            await gate.reached()
            with pytest.raises(QueueFullError) as caught:
                home.chat.append_nowait(note("refused"))
            check_clear(caught.value, session_path)
            assert caught.value.outcome is Outcome.NOT_WRITTEN
            waiting = elsewhere(home.chat.append(note("3")))
            await until(lambda: home.waiting == 1)
            assert home.session.statistics().writers["chat"].refused_records == 1
        await soon(asyncio.gather(waiting, *pending))
        assert home.texts() == ["0", "1", "2", "3"]


async def test_append_nowait_never_overtakes_an_earlier_call_of_its_writer(session_path: Path) -> None:
    """A small record would fit, but a larger one of the same writer waits before it."""
    async with desk(session_path, limits=FEW) as home:
        with home.gate() as gate:
            home.chat.append_nowait(note("0"))
            home.chat.append_nowait(note("1"))
            await gate.reached()
            large = elsewhere(home.chat.append_all([note("2"), note("3")]))
            await until(lambda: home.waiting == 1)
            with pytest.raises(QueueFullError):
                home.chat.append_nowait(note("would fit"))
            small = elsewhere(home.chat.append(note("4")))
            await until(lambda: home.waiting == 2)
        await soon(asyncio.gather(large, small))
        assert home.texts() == ["0", "1", "2", "3", "4"]


async def test_a_writer_without_room_keeps_nobody_else_out(session_path: Path) -> None:
    """A chatty writer waits for its own room; the others pass."""
    async with desk(session_path, limits=FEW) as home:
        other = home.session.writer("other")
        with home.gate() as gate:
            flood = [elsewhere(home.chat.append(note(f"flood {number}"))) for number in range(20)]
            await gate.reached()
            await until(lambda: home.waiting == 17)
            passing = other.append_nowait(note("passing"))
        await soon(passing)
        assert home.texts().index("passing") == 3
        await soon(asyncio.gather(*flood))
        assert [text for text in home.texts() if text != "passing"] == [f"flood {number}" for number in range(20)]


async def test_room_is_given_in_the_order_of_arrival(session_path: Path) -> None:
    """Among those whose writer has room the first to come is the first to go."""
    async with desk(session_path, limits=Limits(session_records_max=2)) as home:
        with home.gate() as gate:
            pending = [home.chat.append_nowait(note("first")), home.chat.append_nowait(note("second"))]
            await gate.reached()
            line = []
            for number in range(8):
                line.append(elsewhere(home.session.writer(f"w{number % 3}").append(note(f"{number}"))))
                await until(lambda: home.waiting == len(line))
        await soon(asyncio.gather(*line, *pending))
        assert home.texts() == ["first", "second", *map(str, range(8))]


async def test_a_large_group_is_not_starved_by_newcomers(session_path: Path) -> None:
    """Who waits for the room of the session is not overtaken by small records of others."""
    async with desk(session_path, limits=Limits(session_records_max=4)) as home:
        with home.gate() as gate:
            pending = [home.chat.append_nowait(note(f"{number}")) for number in range(2)]
            await gate.reached()
            large = elsewhere(home.session.writer("large").append_all([note("large")] * 4))
            await until(lambda: home.waiting == 1)
            with pytest.raises(QueueFullError):
                home.session.writer("small").append_nowait(note("newcomer"))
            small = elsewhere(home.session.writer("small").append(note("small")))
            await until(lambda: home.waiting == 2)
        await soon(asyncio.gather(large, small, *pending))
        assert home.texts() == ["0", "1", *["large"] * 4, "small"]


@pytest.mark.parametrize("bound", ["session_bytes_max", "writer_bytes_max"])
async def test_room_is_counted_in_bytes_too(session_path: Path, bound: str) -> None:
    """Large records fill it sooner."""
    async with desk(session_path, limits=Limits(**{bound: 2500})) as home:
        with home.gate() as gate:
            pending = [home.chat.append_nowait(note("x" * 1000)) for _ in range(2)]
            await gate.reached()
            with pytest.raises(QueueFullError):
                home.chat.append_nowait(note("x" * 1000))
            assert home.session.statistics().queued_bytes <= 2500
        await soon(asyncio.gather(*pending))


async def test_memory_is_bounded_however_many_records_come(session_path: Path) -> None:
    """Back-pressure: the queue never holds more than its bound, and everything is written."""
    async with desk(session_path, limits=Limits(session_records_max=10)) as home:
        most = 0
        for number in range(300):
            await soon(home.chat.submit(note(f"{number}")))
            most = max(most, home.session.statistics().queued_records)
        await soon(home.session.drain())
        assert most <= 10
        assert home.texts() == [str(number) for number in range(300)]


async def test_a_fence_needs_no_room(session_path: Path) -> None:
    """The reply is written although the queue is full, and although its own writer has filled it."""
    async with desk(session_path, limits=FEW) as home, home.chat.fence() as fence:
        with home.gate() as gate:
            flood = [home.chat.append_nowait(note(f"{number}")) for number in range(3)]
            await gate.reached()
            waiting = elsewhere(home.chat.append(note("waiting")))
            await until(lambda: home.waiting == 1)
            reply = elsewhere(fence.append(note("reply")))
            await asyncio.sleep(0)
            assert home.waiting == 1
        await soon(asyncio.gather(reply, waiting, *flood))
        assert sorted(home.texts()) == ["0", "1", "2", "reply", "waiting"]


@pytest.mark.parametrize("call", ["append", "submit"])
async def test_cancelled_before_it_was_accepted_a_record_is_not_written(session_path: Path, call: str) -> None:
    """And whoever waits behind it gets its place."""
    async with desk(session_path, limits=FEW) as home:
        with home.gate() as gate:
            pending = [home.chat.append_nowait(note(f"{number}")) for number in range(3)]
            await gate.reached()
            gone = elsewhere(getattr(home.chat, call)(note("gone")))
            next_one = elsewhere(home.chat.append(note("next")))
            await until(lambda: home.waiting == 2)
            assert await stopped(gone) is None
            assert home.waiting == 1
        await soon(asyncio.gather(next_one, *pending))
        assert home.texts() == ["0", "1", "2", "next"]


async def test_a_cancelled_large_group_lets_the_small_ones_behind_it_pass_at_once(session_path: Path) -> None:
    """Nobody waits for room that is there."""
    async with desk(session_path, limits=Limits(session_records_max=4)) as home:
        with home.gate() as gate:
            first = home.chat.append_nowait(note("first"))
            await gate.reached()
            large = elsewhere(home.session.writer("large").append_all([note("large")] * 4))
            await until(lambda: home.waiting == 1)
            small = elsewhere(home.session.writer("small").submit(note("small")))
            await until(lambda: home.waiting == 2)
            await stopped(large)
            receipt = await soon(small)
        await soon(asyncio.gather(receipt, first))
        assert home.texts() == ["first", "small"]


async def test_closing_a_writer_refuses_what_waits_and_writes_what_was_accepted(session_path: Path) -> None:
    """The error says that the record was not written."""
    async with desk(session_path, limits=FEW) as home:
        with home.gate() as gate:
            pending = [home.chat.append_nowait(note(f"{number}")) for number in range(3)]
            await gate.reached()
            waiting = elsewhere(home.chat.append(note("waiting")))
            await until(lambda: home.waiting == 1)
            home.chat.close()
            with pytest.raises(ClosedError) as caught:
                await soon(waiting)
            assert caught.value.outcome is Outcome.NOT_WRITTEN
            assert caught.value.hint
        await soon(asyncio.gather(*pending))
        assert home.texts() == ["0", "1", "2"]


async def test_what_is_submitted_in_one_turn_of_the_loop_is_one_write(session_path: Path) -> None:
    """Group commit: no hop to a thread for each record."""
    async with desk(session_path) as home:
        await home.chat.append(note("before"))
        calls = len(home.interposer.calls)
        await soon(asyncio.gather(*(home.chat.append(note(f"{number}")) for number in range(500))))
        assert home.interposer.calls[calls:].count("write") == 1


async def test_a_batch_has_a_largest_size(session_path: Path) -> None:
    """Beyond `batch_bytes_max` another write begins."""
    async with desk(session_path, limits=Limits(batch_bytes_max=2000)) as home:
        await home.chat.append(note("before"))
        calls = len(home.interposer.calls)
        await soon(asyncio.gather(*(home.chat.append(note("x" * 700)) for _ in range(8))))
        assert home.interposer.calls[calls:].count("write") == 4
