"""Statistics and observers: what a gateway can see of its sessions, and what disturbs nobody."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
from pathlib import Path

import pytest
import structlog

from coordinator import (
    PI,
    PLAIN,
    Change,
    Coordinator,
    CoordinatorStatistics,
    Durability,
    Event,
    Limits,
    QueueFullError,
    RecordError,
    Session,
    SessionState,
    SessionStatistics,
    TakeoverError,
    WriteFailedError,
)
from coordinator._core._tickets import Ticket
from coordinator._waiting import wait
from coordinator.observers import log_events
from coordinator.testing import foreign_append

from .desk import BROKEN, NO_ROOM, desk, elsewhere, note, soon, texts_of, until

FOREIGN = b'{"type":"custom","id":"foreign","parentId":null}\n'


async def test_statistics_count_per_writer(session_path: Path) -> None:
    """Written, waiting, refused; the bytes are those of the file."""
    async with desk(session_path, limits=Limits(writer_records_max=2)) as home:
        receipts = await home.chat.append_all([note("1"), note("2")])
        with home.gate() as gate:
            pending = [home.chat.append_nowait(note(text)) for text in "34"]
            await gate.reached()
            with pytest.raises(QueueFullError):
                home.chat.append_nowait(note("5"))
            now = home.session.statistics()
            assert isinstance(now, SessionStatistics)
            chat = now.writers["chat"]
            assert (chat.written_records, chat.queued_records, chat.refused_records) == (2, 2, 1)
            assert chat.written_bytes == sum(receipt.size for receipt in receipts)
            assert (now.queued_records, now.records_written, now.state) == (2, 2, SessionState.OPEN)
        for receipt in pending:
            await soon(receipt)
        after = home.session.statistics()
        assert (after.queued_records, after.queued_bytes, after.records_written) == (0, 0, 4)
        assert now.queued_records == 2, "a snapshot does not change"


async def test_statistics_show_turns_and_held_records(session_path: Path) -> None:
    """Who has the turn, for how long, who waits."""
    async with desk(session_path) as home:
        assert (home.session.statistics().turn_holder, home.session.statistics().turn_seconds) == (None, None)
        async with home.chat.fence():
            home.later.append_nowait(note("held"))
            waiting = elsewhere(_turn(home.session.writer("other")))
            await until(lambda: home.session.statistics().turns_waiting == 1)
            now = home.session.statistics()
            assert (now.turn_holder, now.held_records) == ("chat", 1)
            assert (now.turn_seconds or 0) > 0
        await soon(waiting)
        assert home.session.statistics().held_records == 0


async def _turn(writer: object) -> None:
    async with writer.fence():  # type: ignore[attr-defined]
        pass


async def test_statistics_show_the_last_foreign_change(session_path: Path) -> None:
    """Also when nobody held a fence."""
    async with desk(session_path) as home:
        await home.chat.append(note("x"))
        assert home.session.statistics().last_change is None
        foreign_append(session_path, FOREIGN)
        await home.chat.append(note("y"))
        assert home.session.statistics().last_change is Change.APPENDED


async def test_a_coordinator_adds_its_sessions_up(tmp_path: Path) -> None:
    """Closed ones too."""
    async with Coordinator() as coordinator:
        sessions = [await coordinator.open(tmp_path / f"{number}.jsonl") for number in range(3)]
        for number, session in enumerate(sessions):
            for _ in range(number + 1):
                await session.writer("w").append({})
        now = coordinator.statistics()
        assert isinstance(now, CoordinatorStatistics)
        assert (now.records_written, len(now.sessions)) == (6, 3)
        assert now.unsynced_bytes == 6 * len(b"{}\n")
        await sessions[2].aclose()
        assert (coordinator.statistics().records_written, len(coordinator.statistics().sessions)) == (6, 2)


async def test_observers_hear_of_every_outcome_in_order(session_path: Path) -> None:
    """One frozen value for each."""
    async with desk(session_path) as home:
        await home.chat.append(note("x"))
        async with home.chat.fence() as fence:
            await fence.append(note("reply"))
    names = [event.name for event in home.events if event.name != "state_changed"]
    assert names == [
        "session_opened", "records_written", "fence_entered", "records_written", "fence_left", "session_closed",
    ]  # fmt: skip
    for event in home.events:
        assert isinstance(event, Event)
        assert event.path == session_path
        with pytest.raises(dataclasses.FrozenInstanceError):
            event.path = None  # type: ignore[misc]


async def test_an_observer_that_raises_disturbs_nobody(session_path: Path) -> None:
    """It is counted; the others hear everything."""
    heard: list[str] = []

    def broken(_event: Event) -> None:
        raise KeyError("in the observer")

    async with Coordinator(observers=[broken, lambda event: heard.append(event.name)]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await session.writer("w").append(note("x"))
        assert coordinator.statistics().observer_failures >= 2
    assert "records_written" in heard


async def test_an_error_that_nobody_awaits_reaches_the_observers(session_path: Path) -> None:
    """A submitted record that is not written is never silent."""
    async with desk(session_path) as home:
        await home.chat.append(note("x"))
        session_path.unlink()
        pending = home.chat.append_nowait(note("kept"))
        await until(lambda: home.session.state is SessionState.STOPPED)
        (event,) = home.told("answer_unheard")
        assert event.writer == "chat"  # type: ignore[attr-defined]
        assert isinstance(event.error, TakeoverError)  # type: ignore[attr-defined]
        with pytest.raises(TakeoverError):
            await soon(pending)
        await home.session.reopen()


async def test_who_was_cancelled_hears_nothing() -> None:
    """Between being cancelled and being told so nobody is there to hear an error: then the observers are."""
    ticket = Ticket()
    waiting = asyncio.create_task(wait(ticket))
    await asyncio.sleep(0)
    waiting.cancel()
    assert not ticket.reject(OSError("unheard"))


async def test_who_waits_no_longer_is_forgotten() -> None:
    """A client that asks again and again for the same receipt would leave something behind each time."""
    ticket = Ticket()
    for _ in range(3):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(wait(ticket), 0)
        closed = wait(ticket)
        closed.send(None)
        closed.close()
    assert ticket.listeners == ()


async def test_an_error_that_somebody_awaits_does_not(session_path: Path) -> None:
    """He was told."""
    async with desk(session_path) as home:
        await home.chat.append(note("x"))
        session_path.unlink()
        with pytest.raises(TakeoverError):
            await home.chat.append(note("kept"))
        assert home.told("answer_unheard") == []
        await home.session.reopen()


async def _eventful(path: Path) -> None:
    async with Coordinator(observers=[log_events()]) as coordinator:
        session = await coordinator.open(path, format=PI)
        chat = session.writer("chat")
        await chat.append(note("x"))
        with pytest.raises(RecordError):
            await chat.append({})
        with pytest.raises(TakeoverError):
            async with chat.fence() as fence:
                foreign_append(path, FOREIGN)
                await fence.check()


async def test_nothing_is_printed_while_structlog_is_not_configured(
    session_path: Path, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Not on standard output, which may be a protocol; warnings go to the standard logger."""
    assert not structlog.is_configured()
    with caplog.at_level(logging.WARNING, logger="coordinator"):
        await _eventful(session_path)
    assert capfd.readouterr().out == ""
    assert [record.getMessage() for record in caplog.records] == ["foreign_change", "fence_broken"]


async def test_a_configured_structlog_is_used(session_path: Path) -> None:
    """With the event's name and its values."""
    structlog.configure(processors=[structlog.testing.LogCapture()])
    try:
        with structlog.testing.capture_logs() as logs:
            await _eventful(session_path)
    finally:
        structlog.reset_defaults()
    by_name = {entry["event"]: entry for entry in logs}
    assert by_name["fence_broken"]["log_level"] == "warning"
    assert by_name["fence_broken"]["writer"] == "chat"
    assert by_name["records_written"]["log_level"] == "debug"
    assert by_name["records_written"]["path"] == str(session_path)


async def test_without_an_observer_nothing_is_said(session_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither printed nor logged."""
    async with desk(session_path) as home:
        await home.chat.append(note("x"))
        foreign_append(session_path, FOREIGN)
        await home.chat.append(note("y"))
    assert capfd.readouterr() == ("", "")


async def test_an_error_of_a_stopped_session_that_nobody_awaits_reaches_the_observers_too(session_path: Path) -> None:
    """Its record is kept; whoever has the receipt may never ask for it."""
    async with desk(session_path) as home:
        await home.chat.append(note("x"))
        session_path.unlink()
        with pytest.raises(TakeoverError):
            await home.chat.append(note("told"))
        assert home.told("answer_unheard") == []
        home.chat.append_nowait(note("untold"))
        await home.chat.submit(note("untold"))
        assert len(home.told("answer_unheard")) == 2
        await home.session.reopen()


async def test_held_records_are_counted_until_they_are_written(session_path: Path) -> None:
    """On a full disk they wait in the queue when the fence is over."""
    async with desk(session_path) as home:
        await home.chat.append(note("before"))
        async with home.chat.fence():
            pending = home.later.append_nowait(note("held"))
            counts = home.session.statistics()
            assert (counts.held_records, counts.queued_records, counts.queued_bytes) == (1, 0, 0)
            for _ in range(1000):
                home.fail("write", NO_ROOM)
        await until(lambda: home.session.state is SessionState.STALLED)
        counts = home.session.statistics()
        assert (counts.held_records, counts.queued_records, counts.queued_bytes > 0) == (0, 1, True)
        home.interposer._before["write"].clear()
        await soon(home.session.reopen())
        await soon(pending)
        assert home.session.statistics().queued_records == 0


async def test_damage_that_is_adopted_is_counted(session_path: Path) -> None:
    """As that which was there at opening is."""
    session_path.write_bytes(b"{}\nnonsense\n")
    async with desk(session_path, format=PLAIN) as home:
        assert home.session.statistics().damaged_lines == 1
        foreign_append(session_path, b"more nonsense\n")
        await soon(home.chat.append({"n": 1}))
        assert home.session.statistics().damaged_lines == 2
        session_path.write_bytes(b"{}\n")
        with pytest.raises(TakeoverError):
            await soon(home.chat.append({"n": 2}))
        await home.session.reopen()
        assert home.session.statistics().damaged_lines == 0


async def test_a_kept_record_that_stands_there_counts_as_written(session_path: Path) -> None:
    """`reopen` does not write it again."""
    async with desk(session_path, durability=Durability.ALWAYS) as home:
        first = await home.chat.append(note("x"))
        home.fail("position", BROKEN)
        with pytest.raises(WriteFailedError):
            await soon(home.chat.append(note("stands")))
        result = await soon(home.session.reopen())
        assert (len(result.skipped), len(result.written)) == (1, 0)
        counts = home.session.statistics().writers["chat"]
        assert (counts.written_records, counts.written_bytes) == (2, session_path.stat().st_size - first.offset)


async def test_an_observer_cannot_cancel_an_append(session_path: Path) -> None:
    """What it raises is counted, whatever it is."""

    def broken(event: Event) -> None:
        if event.name == "records_written":
            raise asyncio.CancelledError

    async with Coordinator(observers=[broken]) as coordinator:
        writer = (await coordinator.open(session_path, format=PI)).writer("w")
        for _ in range(3):  # the third is written before the call returns
            await soon(writer.append(note("x")))
        assert coordinator.statistics().observer_failures == 3


def test_an_interrupt_that_comes_out_of_an_observer_leaves_nobody_waiting(session_path: Path) -> None:
    """It ends the loop; whoever runs the loop again to clean up finds everything as it was told."""
    heard: list[str] = []
    sessions: list[Session] = []
    drains: list[asyncio.Task[None]] = []

    def interrupted(event: Event) -> None:
        heard.append(event.name)
        if heard.count("records_written") == 1 and event.name == "records_written":
            raise SystemExit

    coordinator = Coordinator(observers=[interrupted])

    async def begin() -> None:
        await coordinator.start()
        sessions.append(await coordinator.open(session_path, format=PI))
        sessions[0].writer("w").append_nowait(note("1"))
        drains.append(asyncio.create_task(sessions[0].drain()))
        await drains[0]

    async def clean_up() -> None:
        await soon(drains[0])
        await soon(sessions[0].writer("w").append(note("2")))
        await soon(coordinator.aclose())

    with asyncio.Runner() as runner:
        with pytest.raises(SystemExit):
            runner.run(begin())
        runner.run(clean_up())
    assert texts_of(session_path) == ["1", "2"]
    assert heard[-1] == "session_closed"
