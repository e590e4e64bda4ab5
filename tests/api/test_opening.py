"""Opening: one session per file, as many users as there are, and the last one closes it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from coordinator import PI, PLAIN, Coordinator, PathError, Session, SessionState
from coordinator.testing import Interposer

from .desk import Gate, check_clear, desk, elsewhere, note, soon, stopped, texts_of, until


async def test_opening_twice_gives_the_same_session_and_needs_two_closes(session_path: Path) -> None:
    """The first user who leaves takes nothing from the second."""
    async with Coordinator() as coordinator:
        first = await coordinator.open(session_path, format=PI)
        second = await coordinator.open(str(session_path), format=PI)
        assert second is first
        await first.aclose()
        assert second.state is SessionState.OPEN
        await second.writer("w").append(note("x"))
        await second.aclose()
        assert second.state is SessionState.CLOSED
        third = await coordinator.open(session_path, format=PI)
        assert third is not first
        assert third.leaf is not None


async def test_opening_at_the_same_time_gives_one_session(session_path: Path) -> None:
    """Whoever comes while the file is opened waits for it."""
    async with Coordinator() as coordinator:
        sessions = await asyncio.gather(*(coordinator.open(session_path) for _ in range(10)))
        assert len(set(map(id, sessions))) == 1
        for session in sessions:
            assert session.state is SessionState.OPEN
            await session.aclose()
        assert sessions[0].state is SessionState.CLOSED


@pytest.mark.parametrize("other", ["dots", "relative", "linked directory"])
async def test_one_file_has_one_path(session_path: Path, monkeypatch: pytest.MonkeyPatch, other: str) -> None:
    """However it is written."""
    monkeypatch.chdir(session_path.parent)
    (session_path.parent / "door").symlink_to(session_path.parent)
    names = {
        "dots": session_path.parent / "door" / ".." / session_path.parent.name / session_path.name,
        "relative": Path(session_path.name),
        "linked directory": Path("door") / session_path.name,
    }
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path)
        assert session.path == session_path
        assert await coordinator.open(names[other]) is session
        assert dict(coordinator.sessions) == {session_path: session}


async def test_a_session_that_is_open_keeps_its_format(session_path: Path) -> None:
    """A second opinion about the same file is refused, and counts as no user."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path, format=PI)
        with pytest.raises(ValueError, match="format") as caught:
            await coordinator.open(session_path, format=PLAIN)
        check_clear(caught.value, session_path)
        await session.aclose()
        assert session.state is SessionState.CLOSED


async def test_an_open_during_a_close_waits_for_it(session_path: Path) -> None:
    """It gets a new session with everything the old one wrote."""
    async with Coordinator() as coordinator:
        old = await coordinator.open(session_path, format=PI)
        async with old.writer("w").fence() as fence:
            closing = elsewhere(old.aclose())
            await until(lambda: old.state is SessionState.CLOSING)
            opening = elsewhere(coordinator.open(session_path, format=PI))
            await asyncio.sleep(0)
            await fence.append(note("last"))
        await soon(closing)
        new = await soon(opening)
        assert new is not old
        assert [entry.record["data"]["text"] for entry in await new.branch()] == ["last"]


async def test_a_new_file_is_made_by_the_first_record_for_us_alone(session_path: Path) -> None:
    """0600 whatever the umask says; header and record in one write."""
    umask = os.umask(0)
    try:
        async with desk(session_path) as home:
            assert not session_path.exists()
            assert (home.session.revision.length, home.session.leaf) == (0, None)
            await home.chat.append(note("x"))
            assert home.interposer.calls.count("write") == 1
    finally:
        os.umask(umask)
    assert session_path.stat().st_mode & 0o777 == 0o600


async def test_an_existing_file_keeps_its_mode_and_its_inode(session_path: Path) -> None:
    """Appending is all that happens to it."""
    session_path.write_bytes(b'{"a":1}\n')
    session_path.chmod(0o640)
    before = session_path.stat()
    async with desk(session_path, format=PLAIN) as home:
        await home.chat.append({"a": 2})
    after = session_path.stat()
    assert (after.st_mode, after.st_ino) == (before.st_mode, before.st_ino)
    assert session_path.read_bytes() == b'{"a":1}\n{"a":2}\n'


async def test_sequence_counts_from_one_within_an_opening(session_path: Path) -> None:
    """Positions outlast a restart, sequences do not."""
    for _ in range(2):
        async with desk(session_path) as home:
            assert [(await home.chat.append(note("x"))).sequence for _ in range(3)] == [1, 2, 3]
    assert texts_of(session_path) == ["x"] * 6


async def test_entries_name_their_writer_until_the_session_is_closed(session_path: Path) -> None:
    """What was there before is nobody's."""
    async with desk(session_path) as home:
        await home.chat.append(note("old"))
    async with desk(session_path) as home:
        receipt = await home.chat.append(note("new"))
        entries = [entry async for entry in home.session.records()]
        assert [entry.writer for entry in entries] == [None, "chat"]
        assert (entries[1].offset, entries[1].size) == (receipt.offset, receipt.size)
        assert [entry.record["data"]["text"] async for entry in home.session.records(entries[0].position)] == ["new"]


async def test_who_opens_beside_somebody_who_closes_has_an_open_session(session_path: Path) -> None:
    """The first of two who share one opening may have closed it before the second is told."""

    async def brief() -> None:
        await (await coordinator.open(session_path, format=PI)).aclose()

    async def steady(text: str) -> None:
        session = await coordinator.open(session_path, format=PI)
        assert session.state is SessionState.OPEN
        await session.writer(text).append(note(text))
        await session.aclose()

    async with Coordinator() as coordinator:
        await soon(asyncio.gather(brief(), steady("1"), brief(), steady("2")))
    assert sorted(texts_of(session_path)) == ["1", "2"]


async def test_who_is_stopped_while_opening_takes_nothing_from_another(session_path: Path) -> None:
    """What was opened for both is given back only if nobody uses it by then."""
    async with Coordinator() as coordinator:
        stopping = elsewhere(coordinator.open(session_path, format=PI))
        staying = elsewhere(coordinator.open(session_path, format=PI))
        await asyncio.sleep(0)
        stopping.cancel()
        session = await soon(staying)
        await soon(session.writer("w").append(note("x")))
        await until(stopping.done)
        assert session.state is SessionState.OPEN
    assert texts_of(session_path) == ["x"]


async def test_any_number_of_callers_may_be_refused_at_once(session_path: Path) -> None:
    """Each of them has asked after the first attempt began, so one more says enough for them all."""
    interposer = Interposer()
    async with Coordinator() as coordinator:
        coordinator._system = interposer  # type: ignore[assignment]
        attempts = [elsewhere(coordinator.open(session_path, create=False)) for _ in range(1200)]
        results = await soon(asyncio.gather(*attempts, return_exceptions=True))
        assert all(isinstance(result, PathError) for result in results)
        assert len(interposer.calls) < 100


async def test_who_may_make_the_file_is_not_refused_with_those_who_may_not(session_path: Path) -> None:
    """Sharing an attempt is not sharing its error."""
    async with Coordinator() as coordinator:
        creates = [False, False, True, False, True]
        attempts = [elsewhere(coordinator.open(session_path, create=create)) for create in creates]
        results = await soon(asyncio.gather(*attempts, return_exceptions=True))
        assert results[2] is results[4]
        assert isinstance(results[2], Session)


async def test_starting_waits_for_a_closing_that_nobody_waits_for(session_path: Path) -> None:
    """What is opened then is not closed by it."""
    coordinator, interposer, gate = Coordinator(), Interposer(), Gate()
    coordinator._system = interposer  # type: ignore[assignment]
    await coordinator.start()
    await (await coordinator.open(session_path, format=PI)).writer("w").append(note("1"))
    interposer.before("sync", gate)
    try:
        closing = elsewhere(coordinator.aclose())
        await gate.reached()
        assert await stopped(closing) is None
        starting = elsewhere(coordinator.start())
        await asyncio.sleep(0)
        assert not starting.done()
    finally:
        gate.open()
    await soon(starting)
    session = await coordinator.open(session_path, format=PI)
    await soon(session.writer("w").append(note("2")))
    await coordinator.aclose()
    assert texts_of(session_path) == ["1", "2"]
