"""What closing and discarding put aside: all of it, once, and so that it can be told from what stands in the file."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import resource
from pathlib import Path
from typing import Any

import pytest

from coordinator import (
    PLAIN,
    ClosedError,
    Durability,
    Limits,
    Outcome,
    PathError,
    Record,
    SessionState,
    TakeoverError,
    WriteFailedError,
)
from coordinator._reopening import Reopening
from coordinator._threads import Threads

from .desk import BROKEN, Desk, check_clear, desk, elsewhere, note, soon, until
from .test_no_thread import no_thread


def rows_aside(path: Path) -> list[dict[str, Any]]:
    """Return the rows of all side files for unwritten records."""
    files = sorted(path.parent.glob(f"{path.name}.unwritten-*"))
    return [json.loads(line) for file in files for line in file.read_bytes().splitlines()]


def texts_aside(path: Path) -> list[str]:
    """Return what was put aside."""
    return [row["record"]["data"]["text"] for row in rows_aside(path)]


async def keep(home: Desk, *texts: str) -> None:
    """Stop the session, and keep these records."""
    await home.chat.append(note("before"))
    await home.session.sync()
    home.path.unlink()
    for text in texts:
        with pytest.raises(TakeoverError):
            await home.chat.append(note(text))


async def test_a_side_file_that_is_cut_short_is_not_left_there(session_path: Path) -> None:
    """A limit of the file size ends it in the middle of a row."""
    async with desk(session_path) as home:
        await keep(home, "kept")
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
        try:
            with pytest.raises(PathError):
                await soon(home.session.reopen(discard=True))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert rows_aside(session_path) == []
        await soon(home.session.reopen(discard=True))
    assert texts_aside(session_path) == ["kept"]


@pytest.mark.parametrize("after", [0, 1])
async def test_a_side_file_that_cannot_be_written_whole_is_not_left_there(
    session_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """Its records are all still kept: appended from it too they would stand twice."""
    sync, syncs = os.fsync, list[int]()

    def refuse(fd: int) -> None:
        syncs.append(fd)
        if len(syncs) == after + 1:
            raise OSError(errno.ENOSPC, "full")
        sync(fd)

    async with desk(session_path) as home:
        await keep(home, "kept")
        with monkeypatch.context() as full:
            full.setattr("coordinator._sidefile.os.fsync", refuse)
            with pytest.raises(PathError):
                await soon(home.session.reopen(discard=True))
        assert rows_aside(session_path) == []
        result = await soon(home.session.reopen(discard=True))
        assert result.discarded == 1
    assert len(syncs) == after + 1
    assert texts_aside(session_path) == ["kept"]


@pytest.mark.parametrize("closes_first", [True, False])
async def test_discarding_while_closing_puts_each_record_aside_once(session_path: Path, closes_first: bool) -> None:
    """Whichever comes first takes it; the other one finds nothing left, and says where it is."""
    async with desk(session_path) as home:
        await keep(home, "1", "2")
        jobs = [home.session.aclose(), home.session.reopen(discard=True)]
        tasks = [elsewhere(job) for job in (jobs if closes_first else reversed(jobs))]
        done = await soon(asyncio.gather(*tasks, return_exceptions=True))
        assert home.session.state is SessionState.CLOSED
        for result in done:
            assert result is None or isinstance(result, (TakeoverError, ClosedError)), repr(result)
        if not closes_first:
            discarded = done[0]
            assert isinstance(discarded, ClosedError)
            assert any(".unwritten-" in text for text in discarded.__notes__)
    assert texts_aside(session_path) == ["1", "2"]


async def test_a_record_in_doubt_is_put_aside_with_the_line_that_was_tried(session_path: Path) -> None:
    """It stands in the file, perhaps only until the power goes: whoever recovers can look."""
    with pytest.raises(WriteFailedError):
        async with desk(session_path, durability=Durability.ALWAYS) as home:
            before = await home.chat.append(note("before"))
            home.fail("sync", BROKEN)
            with pytest.raises(WriteFailedError) as caught:
                await home.chat.append(note("in doubt"))
            assert caught.value.outcome is Outcome.KEPT
            with pytest.raises(WriteFailedError):
                await home.chat.append(note("never tried"))
    doubtful, other = rows_aside(session_path)
    content = session_path.read_bytes()
    assert content[doubtful["offset"] : doubtful["end"]] == doubtful["tried"].encode()
    assert doubtful["offset"] == before.size + before.offset
    assert "tried" not in other


async def test_what_a_failed_sync_has_put_at_risk_is_put_aside_and_said(session_path: Path) -> None:
    """Nobody was there to be told when the idle sync failed; closing tells, and keeps what may be lost."""
    limits = Limits(sync_idle_seconds=0.01)
    with pytest.raises(WriteFailedError) as caught:
        async with desk(session_path, limits=limits) as home:
            await home.chat.append(note("durable"))
            await home.session.sync()
            home.fail("sync", BROKEN)
            receipts = [await home.chat.append(note(text)) for text in ("1", "2")]
            await until(lambda: home.session.state is SessionState.FAILED)
    rows = rows_aside(session_path)
    assert texts_aside(session_path) == ["1", "2"]
    assert [(row["writer"], row["offset"]) for row in rows] == [("chat", receipt.offset) for receipt in receipts]
    assert str(next(session_path.parent.glob("*.unwritten-*"))) in caught.value.hint


async def test_what_the_last_sync_has_put_at_risk_is_put_aside(session_path: Path) -> None:
    """Also without its header, which is no record."""
    with pytest.raises(WriteFailedError):
        async with desk(session_path) as home:
            await home.chat.append(note("x"))
            home.fail("sync", BROKEN)
    assert texts_aside(session_path) == ["x"]


async def test_any_record_that_can_be_appended_can_be_put_aside(session_path: Path) -> None:
    """Nested as deeply as an encoder goes, a row around it would be one level too much."""
    record: Record = {}
    for _ in range(250):
        record = {"in": record}
    with pytest.raises(TakeoverError):
        async with desk(session_path, format=PLAIN) as home:
            await home.chat.append({})
            session_path.unlink()
            with pytest.raises(TakeoverError):
                await home.chat.append(record)
    assert [row["record"] for row in rows_aside(session_path)] == [record]


async def test_who_waits_is_told_even_if_nothing_can_be_put_aside(
    session_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a full disk there is no room for a side file either."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "full")

    waiting = None
    with pytest.raises(WriteFailedError) as caught:
        async with desk(session_path, limits=Limits(close_seconds_max=0.1)) as home:
            monkeypatch.setattr("coordinator._closing.write_unwritten", refuse)
            for _ in range(1000):
                home.fail("write", errno.ENOSPC)
            waiting = elsewhere(home.chat.append(note("x")))
            await until(lambda: home.session.state is SessionState.STALLED)
    assert any("could not be put aside" in text for text in caught.value.__notes__)
    assert waiting is not None
    with pytest.raises(ClosedError):
        await soon(waiting)


async def test_reopening_what_is_closed_before_it_has_begun_ends(session_path: Path) -> None:
    """Its run begins a turn of the loop after the call; nobody would answer it then."""
    async with desk(session_path) as home:
        await keep(home, "kept")
        reopening = Reopening(home.session._engine)
        with pytest.raises(TakeoverError):
            await soon(home.session.aclose())
        with pytest.raises(ClosedError) as caught:
            await soon(reopening.reopen(discard=False, create=True))
        check_clear(caught.value, session_path)


@pytest.mark.parametrize("after", [0, 1])
async def test_a_side_file_of_closing_stays_although_it_may_not_be_durable(
    session_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    """It is all there is of its records; the error says what a power cut may do."""
    syncs = list[int]()

    def refuse(fd: int) -> None:
        syncs.append(fd)
        if len(syncs) == after + 1:
            raise OSError(errno.EIO, "broken")

    with pytest.raises(TakeoverError) as caught:
        async with desk(session_path) as home:
            await keep(home, "kept")
            monkeypatch.setattr("coordinator._sidefile.os.fsync", refuse)
    assert texts_aside(session_path) == ["kept"]
    assert any("power cut" in text for text in caught.value.__notes__)


async def test_what_a_failing_disk_has_left_of_a_batch_is_put_aside_once(session_path: Path) -> None:
    """A whole line that could not be cut back stands there; its record is kept, and goes aside with its batch."""
    home = None
    with pytest.raises(WriteFailedError):
        async with desk(session_path, format=PLAIN, limits=Limits(close_seconds_max=0.1)) as home:
            await home.chat.append(note("1"))
            await home.session.sync()
            await home.chat.append(note("2"))
            short, full = home.interposer._system.write, list[int]()

            def write(fd: int, data: bytes) -> int:
                full.append(fd)
                if len(full) > 1:
                    raise OSError(errno.ENOSPC, "full")
                return short(fd, bytes(data)[: bytes(data).index(b"\n") + 1])

            home.interposer._system.write = write  # type: ignore[method-assign]
            for _ in range(100):
                home.fail("truncate", errno.EDQUOT)
            waiting = elsewhere(home.chat.append_all([note("3"), note("4")]))
            await until(lambda: home.session.state is SessionState.STALLED)
            home.fail("sync", BROKEN)
            home.session._machine.sync_wanted = True
            home.session._engine.driver.wake()
            await until(lambda: home.session.state is SessionState.FAILED)
    with pytest.raises(WriteFailedError):
        await soon(waiting)
    assert texts_aside(session_path) == ["2", "3", "4"]


async def test_without_a_thread_records_are_put_aside_all_the_same(session_path: Path) -> None:
    """They need it more than the event loop needs its time."""
    async with desk(session_path) as home:
        await keep(home, "kept")
        with Threads() as threads:  # one that has no thread yet
            home.session._engine.driver._executor = threads
            with no_thread(), pytest.raises(TakeoverError):
                await soon(home.session.aclose())
    assert texts_aside(session_path) == ["kept"]


async def test_closing_makes_durable_what_was_written_before_a_write_failed(session_path: Path) -> None:
    """No sync has failed, so one can still be asked for."""
    with pytest.raises(WriteFailedError):
        async with desk(session_path) as home:
            await home.chat.append(note("acknowledged"))
            home.fail("write", BROKEN)
            with pytest.raises(WriteFailedError):
                await home.chat.append(note("kept"))
            before = home.interposer.calls.count("sync")
    assert home.interposer.calls.count("sync") == before + 1
    assert texts_aside(session_path) == ["kept"]
