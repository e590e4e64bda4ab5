"""`reopen()`: accept the file as it is now, and lose nothing of what was kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from coordinator import (
    Change,
    Coordinator,
    Durability,
    FormatError,
    Limits,
    Outcome,
    PathError,
    Reopened,
    SessionState,
    TakeoverError,
    WriteFailedError,
)
from coordinator._core._tickets import Ticket
from coordinator._waiting import wait
from tests.support.chain import check_chain, read_session

from .desk import BROKEN, NO_ROOM, Desk, check_clear, desk, note, snapshot, soon, until


@pytest.fixture
async def home(session_path: Path) -> AsyncIterator[Desk]:
    """Return a session with two records."""
    async with desk(session_path, limits=Limits(session_records_max=5)) as home:
        await home.chat.append_all([note("1"), note("2")])
        yield home


async def keep(home: Desk, *texts: str) -> TakeoverError:
    """Append to a session that is stopped, or that stops now; return the last error."""
    error = None
    for text in texts:
        with pytest.raises(TakeoverError) as caught:
            await soon(home.chat.append(note(text)))
        error = caught.value
        assert (error.outcome, error.usable) == (Outcome.KEPT, False)
    assert error is not None
    return error


def cut_last_line(path: Path) -> None:
    """Take the last record away, as another program would."""
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:-1]))


async def test_on_a_healthy_session_it_does_nothing(home: Desk) -> None:
    """A handler may call it without asking first."""
    before = snapshot(home.path.parent)
    assert await soon(home.session.reopen()) == Reopened()
    assert await soon(home.session.reopen(discard=True, create=False)) == Reopened()
    assert snapshot(home.path.parent) == before
    assert home.session.generation == 1


async def test_kept_records_are_written_in_order_behind_what_is_there_now(home: Desk) -> None:
    """Stamped anew: they are chained after the leaf of the file as it is."""
    cut_last_line(home.path)
    error = await keep(home, "3", "4")
    assert error.change is Change.TRUNCATED
    result = await soon(home.session.reopen())
    assert (result.kept, len(result.written), result.skipped, result.discarded) == (2, 2, (), 0)
    assert home.texts() == ["1", "3", "4"]
    assert [record["id"] for record in check_chain(home.path)][1:] == [receipt.id for receipt in result.written]
    assert home.session.state is SessionState.OPEN
    assert home.session.generation == 2


async def test_concurrent_calls_share_one_run(home: Desk) -> None:
    """Every handler of every broken turn may call it."""
    home.path.unlink()
    await keep(home, "3")
    results = await soon(asyncio.gather(*(home.session.reopen() for _ in range(5))))
    assert len(results[0].written) == 1
    assert all(result is results[0] for result in results)
    assert home.texts() == ["3"]


async def test_a_session_that_is_parked_as_soon_as_it_is_well_ends_its_reopening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a busy loop what was kept may be written, and the file given back, before the caller is told of the first."""
    async with Coordinator(durability=Durability.NONE, limits=Limits(open_files_max=2)) as coordinator:
        session, other = [await coordinator.open(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
        chat = session.writer("chat")
        await chat.append({"n": 1})
        session.path.unlink()
        with pytest.raises(TakeoverError):
            await soon(chat.append({"n": 2}))

        async def wait_long(ticket: Ticket) -> Any:
            result = await wait(ticket)
            while session.state is not SessionState.PARKED:  # the one that has been idle for longer is parked
                await other.writer("chat").append({"n": 1})
                await asyncio.sleep(0)
            return result

        monkeypatch.setattr("coordinator._reopening.wait", wait_long)
        assert len((await soon(session.reopen())).written) == 1


async def test_new_trouble_before_what_was_kept_is_written_is_told(home: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come before the caller waits for the records; nothing is lost, and the next call goes on."""
    cut_last_line(home.path)
    await keep(home, "3")

    async def disturbed(ticket: Ticket) -> Any:
        result = await wait(ticket)
        cut_last_line(home.path)
        await until(lambda: home.session.state is SessionState.STOPPED)
        return result

    with monkeypatch.context() as patched:
        patched.setattr("coordinator._reopening.wait", disturbed)
        with pytest.raises(TakeoverError) as caught:
            await soon(home.session.reopen())
    assert not caught.value.usable
    await soon(home.session.reopen())
    assert home.texts()[-1:] == ["3"]


async def test_a_vanished_file_is_made_anew_with_its_header(home: Desk) -> None:
    """The same header, and then what was kept."""
    header = home.session.header
    home.path.unlink()
    await keep(home, "3")
    await soon(home.session.reopen())
    assert read_session(home.path).header == header
    assert home.texts() == ["3"]


async def test_without_create_a_vanished_file_is_an_error_and_everything_is_kept(home: Desk) -> None:
    """Somebody may want to look for the file first."""
    home.path.unlink()
    await keep(home, "3")
    with pytest.raises(PathError) as caught:
        await soon(home.session.reopen(create=False))
    check_clear(caught.value, home.path)
    assert not home.path.exists()
    assert home.session.state is SessionState.STOPPED
    await soon(home.session.reopen())
    assert home.texts() == ["3"]


async def test_discarded_records_go_to_a_side_file(home: Desk) -> None:
    """Nothing is thrown away."""
    cut_last_line(home.path)
    await keep(home, "3", "4")
    result = await soon(home.session.reopen(discard=True))
    assert (result.kept, result.written, result.discarded) == (2, (), 2)
    assert result.side_file is not None
    rows = [json.loads(line) for line in result.side_file.read_bytes().splitlines()]
    assert [row["record"]["data"]["text"] for row in rows] == ["3", "4"]
    assert result.side_file.suffix != ".jsonl"
    assert home.texts() == ["1"]
    await soon(home.chat.append(note("5")))
    assert home.session.statistics().queued_records == 0


async def test_a_record_whose_write_was_tried_is_not_written_twice(home: Desk) -> None:
    """It stands there: the look that should have confirmed it failed."""
    home.fail("position", BROKEN)
    with pytest.raises(WriteFailedError) as caught:
        await soon(home.chat.append(note("3")))
    assert caught.value.outcome is Outcome.KEPT
    result = await soon(home.session.reopen())
    assert (result.kept, result.written) == (1, ())
    (skipped,) = result.skipped
    line = home.path.read_bytes()[skipped.offset : skipped.offset + skipped.size]
    assert json.loads(line)["id"] == skipped.id
    await soon(home.chat.append(note("4")))
    assert home.texts() == ["1", "2", "3", "4"]
    check_chain(home.path)


async def test_a_reopening_that_fails_keeps_everything(home: Desk) -> None:
    """The file is no session any more; when it is one again the records are written."""
    content = home.path.read_bytes()
    home.path.write_bytes(b"something else entirely\n" * 50)
    await keep(home, "3")
    for _ in range(2):
        with pytest.raises(FormatError) as caught:
            await soon(home.session.reopen())
        check_clear(caught.value, home.path)
        assert home.session.state is SessionState.STOPPED
    await keep(home, "4")
    home.path.write_bytes(content)
    await soon(home.session.reopen())
    assert home.texts() == ["1", "2", "3", "4"]


async def test_a_stopped_session_without_room_refuses(home: Desk) -> None:
    """Kept records are bounded too; what is refused is not written by `reopen`."""
    home.path.unlink()
    await keep(home, *"34567")
    with pytest.raises(TakeoverError) as caught:
        await soon(home.chat.append(note("8")))
    assert caught.value.outcome is Outcome.NOT_WRITTEN
    assert not caught.value.usable
    await soon(home.session.reopen())
    assert home.texts() == [*"34567"]


async def test_it_heals_as_opening_does(home: Desk) -> None:
    """A torn tail in the file that is accepted goes to a side file."""
    home.path.write_bytes(home.path.read_bytes().replace(b'"2"', b'"X"') + b'{"type":"cust')
    await keep(home, "3")
    await soon(home.session.reopen())
    assert home.texts() == ["1", "X", "3"]
    (side_file,) = home.path.parent.glob("*.torn-*")
    assert side_file.read_bytes() == b'{"type":"cust'
    check_chain(home.path)


async def test_a_lost_lock_is_taken_again(home: Desk) -> None:
    """Whoever removed it has let a second owner in, perhaps."""
    lock = home.path.with_name(f".{home.path.name}.lock")
    lock.unlink()
    with pytest.raises(TakeoverError) as caught:
        async with home.chat.fence():
            pytest.fail("entered without a lock")
    assert caught.value.change is Change.LOCK_LOST
    await soon(home.session.reopen())
    assert lock.exists()
    async with home.chat.fence() as fence:
        await fence.append(note("3"))
    assert home.texts() == ["1", "2", "3"]


async def test_what_stopped_it_again_is_said_again(home: Desk) -> None:
    """A reopening may meet the next takeover; still nothing is lost."""
    home.path.unlink()
    await keep(home, "3")
    home.interposer.before("write", lambda: home.path.unlink(missing_ok=True))
    with pytest.raises(TakeoverError):
        await soon(home.session.reopen())
    await soon(home.session.reopen())
    assert home.texts() == ["3"]


async def test_a_header_with_half_a_character_is_made_anew(session_path: Path) -> None:
    """A session manager in JavaScript may have cut the name of a directory: orjson reads it, and cannot write it."""
    header = b'{"type":"session","version":3,"id":"one","timestamp":"2026-05-20T08:00:00.000Z","cwd":"/cut \\ud83d"}\n'
    session_path.write_bytes(header)
    async with desk(session_path) as home:
        session_path.unlink()
        await keep(home, "kept")
        await soon(home.session.reopen())
    assert session_path.read_bytes().startswith(header)
    assert home.texts() == ["kept"]


async def test_a_batch_that_cannot_be_made_fails_the_session_and_loses_nothing(
    home: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a format raises: nobody is left without an answer."""
    with monkeypatch.context() as broken:
        broken.setattr("coordinator._formats._pi.PiFormat.stamp", lambda *_, **__: 1 / 0)
        with pytest.raises(WriteFailedError) as caught:
            await soon(home.chat.append(note("3")))
        assert caught.value.outcome is Outcome.KEPT
        assert isinstance(caught.value.__cause__, OSError)
    await soon(home.session.reopen())
    assert home.texts() == ["1", "2", "3"]


async def test_trying_a_full_disk_again_and_again_leaves_one_timer(home: Desk) -> None:
    """Each handler may call `reopen`; none of them begins a chain of attempts of its own."""
    for _ in range(1000):
        home.fail("write", NO_ROOM)
    pending = home.chat.append_nowait(note("3"))
    await until(lambda: home.session.state is SessionState.STALLED)
    driver, timers = home.session._engine.driver, list[asyncio.TimerHandle]()
    for _ in range(20):
        await until(lambda: driver._retry)
        assert driver._retry is not None
        timers.append(driver._retry)
        attempts = home.interposer.calls.count("write")
        await soon(home.session.reopen())
        await until(lambda: home.interposer.calls.count("write") > attempts)  # noqa: B023
    assert sum(not timer.cancelled() for timer in timers) <= 1
    home.interposer._before["write"].clear()
    await soon(home.session.reopen())
    await soon(pending)
