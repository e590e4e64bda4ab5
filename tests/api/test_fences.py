"""Turns as a gateway takes them: who is next, how long it waits, what it is told, and when a turn is over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from unittest.mock import Mock

import anyio
import pytest

from coordinator import (
    PI,
    Change,
    ClosedError,
    Coordinator,
    DrainTimeoutError,
    Durability,
    FenceTimeoutError,
    Limits,
    Outcome,
    SessionState,
    TakeoverError,
    WriteFailedError,
)
from coordinator.testing import Interposer, foreign_append
from tests.support.chain import check_chain

from .desk import BROKEN, NO_ROOM, Desk, Gate, check_clear, desk, elsewhere, note, soon, texts_of, until

FOREIGN = b'{"type":"custom","id":"foreign","parentId":null}\n'


class ModelError(Exception):
    """What a model's client raises."""


@pytest.fixture
async def home(session_path: Path) -> AsyncIterator[Desk]:
    """Return a session with one record."""
    async with desk(session_path, limits=Limits(torn_wait_seconds=0.002)) as home:
        await home.chat.append(note("before"))
        yield home


class Visit:
    """A fence that somebody holds until the test lets him go."""

    def __init__(self, home: Desk, name: str, *, shared: bool = False) -> None:
        self.inside, self.leave = asyncio.Event(), asyncio.Event()
        self.task = elsewhere(self._visit(home, name, shared))

    async def _visit(self, home: Desk, name: str, shared: bool) -> None:
        async with home.session.writer(name).fence(shared=shared) as fence:
            self.inside.set()
            await self.leave.wait()
            await fence.append(note(name))

    async def end(self) -> None:
        """Let him go."""
        self.leave.set()
        await soon(self.task)


# Turns


async def test_exclusive_turns_come_one_by_one_in_the_order_of_asking(home: Desk) -> None:
    """Nobody overtakes, nobody is inside with another."""
    visits = [Visit(home, f"{number}") for number in range(5)]
    await soon(visits[0].inside.wait())
    await until(lambda: home.session.statistics().turns_waiting == 4)
    for number, visit in enumerate(visits):
        await soon(visit.inside.wait())
        assert [other.inside.is_set() for other in visits] == [other <= number for other in range(5)]
        await visit.end()
    assert home.texts() == ["before", *"01234"]


async def test_shared_turns_overlap_and_queue_behind_an_exclusive_one(home: Desk) -> None:
    """A stream of shared turns does not starve the one who waits for all of them to end."""
    first, second = (Visit(home, name, shared=True) for name in ("first", "second"))
    await soon(asyncio.gather(first.inside.wait(), second.inside.wait()))
    alone = Visit(home, "alone")
    await until(lambda: home.session.statistics().turns_waiting == 1)
    behind = Visit(home, "behind", shared=True)
    await until(lambda: home.session.statistics().turns_waiting == 2)
    await first.end()
    assert not alone.inside.is_set()
    await second.end()
    await soon(alone.inside.wait())
    assert not behind.inside.is_set()
    await alone.end()
    await soon(behind.inside.wait())
    await behind.end()
    assert home.texts() == ["before", "first", "second", "alone", "behind"]


async def test_what_one_shared_turn_appends_advances_the_other(home: Desk) -> None:
    """Both are own writes."""
    first, second = (Visit(home, name, shared=True) for name in ("first", "second"))
    await soon(asyncio.gather(first.inside.wait(), second.inside.wait()))
    await second.end()
    await first.end()
    assert home.texts() == ["before", "second", "first"]
    check_chain(home.path)


async def test_fences_of_other_sessions_do_not_wait(tmp_path: Path) -> None:
    """A turn belongs to one session."""
    async with desk(tmp_path / "a.jsonl") as one, desk(tmp_path / "b.jsonl") as other:
        async with one.chat.fence(), other.chat.fence() as fence:
            await soon(fence.append(note("x")))


# Time


async def test_a_timeout_covers_entering_and_not_the_body(home: Desk) -> None:
    """Behind a long turn it names the holder and the age of his turn; the body may take as long as it likes."""
    visit = Visit(home, "long")
    await soon(visit.inside.wait())
    with pytest.raises(FenceTimeoutError) as caught:
        async with home.chat.fence(timeout=0.01):
            pytest.fail("two turns at once")
    check_clear(caught.value, home.path)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.holder == "long"
    assert (caught.value.holder_seconds or 0) >= 0.01
    assert home.session.statistics().turns_waiting == 0
    await visit.end()
    async with home.chat.fence(timeout=0.5) as fence:
        with anyio.move_on_after(0.55):
            await anyio.sleep_forever()
        await fence.append(note("reply"))


async def test_a_timeout_covers_the_drain_too(home: Desk) -> None:
    """It ends in the error of the fence, and the turn passes on."""
    with home.gate() as gate:
        pending = home.chat.append_nowait(note("slow"))
        await gate.reached()
        with pytest.raises(FenceTimeoutError):
            async with home.chat.fence(timeout=0.01):
                pytest.fail("entered before the drain")
        assert home.session.statistics().turn_holder is None
    await soon(pending)


async def test_a_slow_disk_ends_the_entering_with_what_was_waiting(session_path: Path) -> None:
    """`drain_seconds_max`, from the token on: without a timeout of its own a fence does not wait for ever."""
    async with desk(session_path, limits=Limits(drain_seconds_max=0.01)) as home:
        with home.gate() as gate:
            pending = home.chat.append_nowait(note("slow"))
            await gate.reached()
            with pytest.raises(DrainTimeoutError) as caught:
                async with home.chat.fence():
                    pytest.fail("entered before the drain")
            check_clear(caught.value, session_path)
            assert caught.value.pending == {"chat": 1}
            assert home.session.statistics().turn_holder is None
        await soon(pending)


async def test_a_full_disk_is_the_cause_of_the_timeout(session_path: Path) -> None:
    """So that the person at the console knows what to do."""
    async with desk(session_path, limits=Limits(drain_seconds_max=0.01)) as home:
        for _ in range(50):
            home.fail("write", NO_ROOM)
        pending = home.chat.append_nowait(note("waits for room"))
        await until(lambda: home.session.state is SessionState.STALLED)
        with pytest.raises(DrainTimeoutError) as caught:
            async with home.chat.fence():
                pytest.fail("entered before the drain")
        assert isinstance(caught.value.__cause__, OSError)
        assert "room" in caught.value.hint
        while home.interposer.waiting:
            await home.session.reopen()
            await asyncio.sleep(0)
        await soon(pending)


async def test_a_full_disk_does_not_keep_a_turn_from_ending(home: Desk) -> None:
    """Leaving never waits behind records that cannot be written."""
    async with home.chat.fence():
        for _ in range(3):
            home.fail("write", NO_ROOM)
        pending = home.session.writer("other").append_nowait(note("waits for room"))
        await until(lambda: home.session.state is SessionState.STALLED)
        leaving = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - leaving < 10
    assert home.session.statistics().turn_holder is None
    await soon(pending)
    assert home.texts() == ["before", "waits for room"]


# What is said


async def test_the_revision_moves_with_own_writes_and_says_what_we_believe(home: Desk) -> None:
    """It is taken inside the step that drained, and two of equal content are equal."""
    home.chat.append_nowait(note("drained"))
    async with home.chat.fence() as fence:
        first = fence.revision
        assert first.length == home.path.stat().st_size
        assert first == home.session.revision
        await home.chat.append(note("own"))
        assert fence.revision != first
        assert fence.revision.length == home.path.stat().st_size
        assert not fence.broken


async def test_an_error_of_the_body_wins(home: Desk) -> None:
    """A provider's error is never a takeover; what the comparison finds goes to the observers."""
    with pytest.raises(ModelError):
        async with home.chat.fence():
            foreign_append(home.path, FOREIGN)
            raise ModelError
    await until(lambda: home.told("fence_broken"))
    assert home.session.statistics().last_change is Change.APPENDED
    async with home.chat.fence() as fence:
        await fence.append(note("reply"))


async def test_a_takeover_is_raised_once(home: Desk) -> None:
    """Told inside, leaving is silent; and the body may go on after it was told."""
    async with home.chat.fence() as fence:
        foreign_append(home.path, FOREIGN)
        with pytest.raises(TakeoverError):
            await fence.check()
        assert fence.broken
    assert len(home.told("fence_broken")) == 1


async def test_a_turn_without_an_append_is_compared_at_leaving(home: Desk) -> None:
    """The last look is the turn's own."""
    with pytest.raises(TakeoverError) as caught:
        async with home.chat.fence() as fence:
            await fence.append(note("reply"))
            await fence.check()
            foreign_append(home.path, FOREIGN)
    assert [receipt.writer for receipt in caught.value.written] == ["chat"]
    assert caught.value.unwritten == []


async def test_what_comes_after_a_successful_last_append_is_after_the_turn(home: Desk) -> None:
    """The append was the comparison; the next look finds the line, and blames nobody's turn."""
    async with home.chat.fence() as fence:
        await fence.append(note("reply"))
        foreign_append(home.path, FOREIGN)
    async with home.chat.fence() as fence:
        assert home.session.statistics().last_change is Change.APPENDED
        await fence.append(note("next"))
    assert home.told("fence_broken") == []


async def test_a_broken_fence_collects_all_that_is_unwritten(home: Desk) -> None:
    """Each further call raises again, with everything so far; the records are as they were given."""
    async with home.chat.fence() as fence:
        foreign_append(home.path, FOREIGN)
        for number in range(1, 4):
            with pytest.raises(TakeoverError) as caught:
                await fence.append(note(f"{number}"))
            assert caught.value.unwritten == [note(f"{given}") for given in range(1, number + 1)]
        with pytest.raises(TakeoverError) as caught:
            await fence.check()
        assert len(caught.value.unwritten) == 3
    await home.chat.append_all(caught.value.unwritten)
    assert home.texts() == ["before", "1", "2", "3"]


async def test_all_that_was_on_its_way_through_a_breaking_fence_is_unwritten(home: Desk) -> None:
    """Several tasks appended at once: every error names all the records, so that any handler is the right one."""
    async with home.chat.fence() as fence:
        foreign_append(home.path, FOREIGN)
        results = await soon(asyncio.gather(*(fence.append(note(text)) for text in "abc"), return_exceptions=True))
    for error in results:
        assert isinstance(error, TakeoverError)
        assert error.unwritten == [note(text) for text in "abc"]
    assert home.texts() == ["before"]


async def test_what_was_found_before_entering_is_not_blamed_on_the_turn(home: Desk) -> None:
    """Lines that were appended between two turns are adopted; observers hear of them."""
    foreign_append(home.path, FOREIGN)
    async with home.chat.fence() as fence:
        await fence.append(note("reply"))
    assert len(home.told("foreign_change")) == 1
    assert home.told("fence_broken") == []
    assert next(entry.record["id"] for entry in await home.session.branch()) == "foreign"


async def test_entering_a_stopped_session_raises_before_the_turn_begins(home: Desk) -> None:
    """Nothing was given to this fence, so nothing is in `written` and `unwritten`."""
    home.path.write_bytes(b"")
    for _ in range(2):
        with pytest.raises(TakeoverError) as caught:
            async with home.chat.fence():
                pytest.fail("entered a stopped session")
        check_clear(caught.value, home.path)
        assert (caught.value.change, caught.value.usable) == (Change.TRUNCATED, False)
        assert (caught.value.written, caught.value.unwritten) == ([], [])
    await home.session.reopen()
    async with home.chat.fence() as fence:
        await fence.append(note("reply"))
    assert home.texts() == ["reply"]


async def test_everybody_in_line_hears_that_the_session_stopped(home: Desk) -> None:
    """Nobody waits for a turn that cannot come."""
    visit = Visit(home, "holder")
    await soon(visit.inside.wait())
    waiting = [Visit(home, f"{number}") for number in range(2)]
    await until(lambda: home.session.statistics().turns_waiting == 2)
    home.path.unlink()
    for task in (visit.end(), waiting[0].task, waiting[1].task):
        with pytest.raises(TakeoverError):
            await soon(task)
    await home.session.reopen()


async def test_a_disk_that_fails_in_the_turn_is_not_a_takeover(home: Desk) -> None:
    """The reply is kept, and `reopen` writes it."""
    with pytest.raises(WriteFailedError) as caught:
        async with home.chat.fence() as fence:
            home.fail("write", BROKEN)
            await fence.append(note("reply"))
    check_clear(caught.value, home.path)
    assert home.session.state is SessionState.FAILED
    await home.session.reopen()
    assert home.texts() == ["before", "reply"]


async def test_a_fence_that_is_over_says_so(home: Desk) -> None:
    """Its handle may have been kept too long."""
    async with home.chat.fence() as fence:
        pass
    for call in (fence.append(note("late")), fence.check()):
        with pytest.raises(ClosedError) as caught:
            await soon(call)
        check_clear(caught.value, home.path)
    assert home.texts() == ["before"]


async def test_what_was_not_begun_when_the_fence_is_left_is_refused(home: Desk) -> None:
    """Another task handed it over too late: it is told, and the record is not written after the turn."""
    with home.gate() as gate:
        with pytest.raises(ModelError):
            async with home.chat.fence() as fence:
                slow = home.session.writer("other").append_nowait(note("slow"))
                await gate.reached()
                late = asyncio.create_task(fence.append(note("late")))
                await asyncio.sleep(0)
                raise ModelError
        with pytest.raises(ClosedError) as caught:
            await soon(late)
        check_clear(caught.value, home.path)
        assert caught.value.outcome is Outcome.NOT_WRITTEN
    await soon(slow)
    await soon(home.session.drain())
    assert home.texts() == ["before", "slow"]


async def test_a_group_through_a_fence_is_adjacent_and_counted_as_one_look(home: Desk) -> None:
    """All lines in one write."""
    async with home.chat.fence() as fence:
        calls = len(home.interposer.calls)
        receipts = await fence.append_all([note("a"), note("b"), note("c")])
        assert home.interposer.calls[calls:].count("write") == 1
    assert [receipt.sequence for receipt in receipts] == [2, 3, 4]
    assert texts_of(home.path) == ["before", "a", "b", "c"]


async def test_what_accept_appends_is_written_afterwards(home: Desk) -> None:
    """It is asked in the middle of taking in a report; enough for a batch of its own must not begin one there."""
    pending, memory = [], home.session.writer("memory")

    def accept(_record: object) -> bool:
        pending.extend(memory.append_nowait(note("x" * 100_000)) for _ in range(4))
        return True

    async with home.chat.fence(accept=accept) as fence:
        foreign_append(home.path, FOREIGN)
        await soon(fence.check())
        assert not fence.broken
    assert [(await soon(receipt)).writer for receipt in pending] == ["memory"] * 4


async def test_who_was_told_in_the_body_is_not_told_again(home: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if the answer was there before anybody could wait for it."""
    async with home.chat.fence() as fence:
        with monkeypatch.context() as broken:
            broken.setattr("coordinator._store.FileStore.perform_quickly", Mock(side_effect=MemoryError))
            with pytest.raises(WriteFailedError):
                await soon(fence.check())
    await home.session.reopen()


async def test_a_reply_that_a_failed_sync_has_put_at_risk_is_told_at_leaving(home: Desk) -> None:
    """It was written and compared; that it is durable can no longer be promised, so the turn does not end quietly."""
    with pytest.raises(WriteFailedError) as caught:
        async with home.chat.fence() as fence:
            await fence.append(note("reply"))
            home.fail("sync", BROKEN)
            with pytest.raises(WriteFailedError):
                await soon(home.session.sync())
    check_clear(caught.value, home.path)
    await home.session.reopen()
    assert home.texts() == ["before", "reply"]


async def test_a_reply_that_is_durable_already_is_not_put_in_doubt_by_what_fails_later(home: Desk) -> None:
    """The turn has what it wanted; whoever wrote later is told of the failure."""
    async with home.chat.fence() as fence:
        await fence.append(note("reply"))
        await home.session.sync()
        home.fail("write", BROKEN)
        with pytest.raises(WriteFailedError):
            await soon(home.session.writer("other").append(note("kept")))
    await home.session.reopen()
    assert home.texts() == ["before", "reply", "kept"]


async def test_a_timeout_covers_taking_a_parked_file_back(tmp_path: Path) -> None:
    """However slow the disk is on which it lies."""
    interposer = Interposer()
    async with Coordinator(durability=Durability.NONE, limits=Limits(open_files_max=2)) as coordinator:
        coordinator._system = interposer  # type: ignore[assignment]
        session, other = [await coordinator.open(tmp_path / name, format=PI) for name in ("a.jsonl", "b.jsonl")]
        for each in (session, other):
            await each.writer("chat").append(note("x"))
        await until(lambda: session.state is SessionState.PARKED)
        gate = Gate()
        interposer.before("lstat", gate)
        try:
            with pytest.raises(FenceTimeoutError) as caught:
                async with session.writer("chat").fence(timeout=0.01):
                    pytest.fail("entered before the file was there")
            check_clear(caught.value, session.path)
        finally:
            gate.open()
        async with session.writer("chat").fence(timeout=20) as fence:
            await fence.append(note("reply"))


@pytest.mark.parametrize("answer", [asyncio.CancelledError(), SystemExit(), "awaitable"], ids=repr)
async def test_whatever_accept_does_no_record_is_lost(home: Desk, answer: object) -> None:
    """It is asked in the middle of taking in a report: raising means no, and so does what somebody has to await."""
    future = asyncio.get_running_loop().create_future()

    def accept(_record: object) -> bool:
        if isinstance(answer, BaseException):
            raise answer
        return future  # type: ignore[return-value]

    with pytest.raises(TakeoverError):
        async with home.chat.fence(accept=accept):
            foreign_append(home.path, FOREIGN)
            await soon(home.chat.append(note("ours")))
    assert home.texts() == ["before", "ours"]
