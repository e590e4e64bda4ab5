"""Sessions whose content is in memory: everything a plugin does with a session works, and no file is made."""

import errno
from dataclasses import replace

import pytest

from coordinator import PI, PathError, Position, SessionState, TakeoverError
from coordinator.testing import Memory, open_session


async def test_records_are_written_and_read_without_a_file(session_path) -> None:
    """Reading in every way is what plugins do."""
    async with open_session(session_path, format=PI, memory=Memory()) as session:
        async with session.writer("chat").fence() as fence:
            for number in range(3):
                await fence.append({"type": "custom", "number": number})
        entries = [entry async for entry in session.records()]
        assert [entry.record["number"] for entry in entries] == [0, 1, 2]
        assert [entry.writer for entry in await session.tail(2)] == ["chat", "chat"]
        assert await session.branch() == entries
        position = Position.parse(str(entries[0].position))
        assert [entry async for entry in session.records(start=position)] == entries[1:]
    assert not session_path.exists()


async def test_a_follower_sees_what_comes(session_path) -> None:
    """Following wakes up for own and for foreign records."""
    memory = Memory()
    async with open_session(session_path, memory=memory) as session:
        await session.writer("chat").append({"a": 1})
        following = session.records(follow=True)
        assert (await anext(following)).record == {"a": 1}
        memory[session_path].foreign_append(b'{"b":2}\n')
        await session.writer("chat").append({"c": 3})
        assert [(await anext(following)).record for _ in range(2)] == [{"b": 2}, {"c": 3}]
        await following.aclose()


async def test_a_foreign_record_breaks_a_fence(session_path) -> None:
    """The evidence is the same as on a disk."""
    memory = Memory()
    async with open_session(session_path, memory=memory) as session:
        with pytest.raises(TakeoverError) as caught:
            async with session.writer("chat").fence() as fence:
                await fence.append({"a": 1})
                memory[session_path].foreign_append(b'{"b":2}\n')
                await fence.check()
    assert caught.value.foreign_records == [{"b": 2}]


async def test_a_full_disk_holds_records_until_there_is_room(session_path) -> None:
    """How a plugin behaves while the session is stalled can be tried without filling a disk."""
    memory = Memory()
    async with open_session(session_path, memory=memory) as session:
        await session.writer("chat").append({"a": 1})
        store = memory[session_path]
        store.refusal = OSError(errno.ENOSPC, "full")
        receipt = session.writer("chat").append_nowait({"b": 2})
        with pytest.raises(TimeoutError):
            await session.drain(0.01)
        assert session.state is SessionState.STALLED
        store.refusal = None
        await receipt
        assert bytes(store.content) == b'{"a":1}\n{"b":2}\n'


async def test_a_memory_keeps_a_session_over_closing(coordinator, session_memory) -> None:
    """A plugin's restart can be tried; a session that never was is not there."""
    session_memory.serve(coordinator)
    session = await coordinator.open("a.jsonl")
    await session.writer("chat").append({"a": 1})
    await session.rewrite(lambda records: ({**record, "b": 2} for record in records))
    await session.aclose()
    again = await coordinator.open("a.jsonl", create=False)
    assert [entry.record async for entry in again.records()] == [{"a": 1, "b": 2}]
    with pytest.raises(PathError):
        await coordinator.open("b.jsonl", create=False)
    assert "a.jsonl" in session_memory
    assert "b.jsonl" not in session_memory


async def test_sessions_in_memory_can_be_parked(session_path, session_memory) -> None:
    """Parking gives nothing back here, and loses nothing either."""
    from coordinator import Coordinator, Limits

    async with Coordinator(limits=replace(Limits(), open_files_max=2)) as coordinator:
        session_memory.serve(coordinator)
        sessions = [await coordinator.open(session_path.with_name(f"{number}.jsonl")) for number in range(3)]
        for _ in range(2):
            for session in sessions:
                await session.writer("chat").append({"a": 1})
                await session.sync()
        for session in sessions:
            assert [entry.record async for entry in session.records()] == [{"a": 1}] * 2


async def test_other_coordinators_still_use_the_disk(session_path, coordinator, session_memory) -> None:
    """A memory serves who asked for it."""
    async with open_session(session_path.with_name("memory.jsonl"), memory=session_memory):
        session = await coordinator.open(session_path)
        await session.writer("chat").append({"a": 1})
        assert [entry.record async for entry in session.records()] == [{"a": 1}]
    assert session_path.read_bytes() == b'{"a":1}\n'
