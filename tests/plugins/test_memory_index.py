"""The memory index: everything that was said is found, once, whatever happens to process and file."""

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from coordinator import PI, Coordinator, Limits, SessionState, TakeoverError
from coordinator_memory_index import MemoryIndex
from coordinator_memory_index._database import Database
from coordinator_memory_index._texts import Text
from tests.plugins.waiting import until
from tests.support.records import message


def said(role: str, text: str) -> dict:
    """Return a message of somebody."""
    return message(text) | {"message": {"role": role, "content": [{"type": "text", "text": text}]}}


async def found(memory: MemoryIndex, query: str, **options) -> list[int]:
    """Return the offsets of what is found, in the file's order."""
    return sorted(hit.offset for hit in await memory.search(query, 1000, **options))


async def is_found(memory: MemoryIndex, query: str, expected: list[int]) -> bool:
    """Say whether exactly this is found."""
    return await found(memory, query) == expected


async def test_what_was_said_is_found(session_path) -> None:
    """With where it stands and the place in it."""
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        writer = session.writer("chat")
        receipt = await writer.append(said("user", "The lighthouse keeper lost his lantern near the harbour."))
        await writer.append(said("assistant", "A map of the orchard."))
        await memory.settled(session)
        (hit,) = await memory.search("LANTERN keeper")
    assert hit.session == session_path
    assert hit.offset == receipt.offset
    assert hit.role == "user"
    assert hit.time is not None
    assert "[keeper]" in hit.snippet


@pytest.mark.parametrize("query", ["灯台守", "灯台", "灯"])
async def test_text_without_spaces_is_found(session_path, query) -> None:
    """Also by terms that are too short for a trigram."""
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        receipt = await session.writer("chat").append(said("user", "港の近くで灯台守がランタンをなくした"))
        await session.writer("chat").append(said("user", "果樹園の地図"))
        await memory.settled(session)
        (hit,) = await memory.search(query)
    assert hit.offset == receipt.offset
    assert query in hit.snippet.replace("[", "").replace("]", "")


@pytest.mark.parametrize("query", ['"', "a OR", "NEAR(", "*", "100%", "col:x", "'; DROP TABLE texts; --", "", "  "])
async def test_a_query_is_text_and_no_program(session_path, query) -> None:
    """Whatever a user types finds something or nothing."""
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await session.writer("chat").append(said("user", "lantern"))
        await memory.settled(session)
        assert await memory.search(query) == []
        assert len(await memory.search("lantern")) == 1


async def test_the_search_can_be_limited_to_one_session(tmp_path) -> None:
    """One database serves all sessions of a folder."""
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        sessions = [await coordinator.open(tmp_path / f"{name}.jsonl", format=PI) for name in "ab"]
        for session in sessions:
            await session.writer("chat").append(said("user", "lantern"))
            await memory.settled(session)
        assert len(await memory.search("lantern")) == 2
        (hit,) = await memory.search("lantern", session=sessions[1])
        assert hit.session == sessions[1].path
        assert len(await memory.search("lantern", limit=1)) == 1
    assert (tmp_path / "memory-index.sqlite3").stat().st_mode & 0o077 == 0


async def test_tool_results_are_indexed_by_choice(session_path) -> None:
    """They are long and mostly noise."""
    for index, (chosen, count) in enumerate([(False, 0), (True, 1)]):
        memory = MemoryIndex(tool_results=chosen, database=session_path.with_name(f"{index}.sqlite3"))
        async with Coordinator(plugins=[memory]) as coordinator:
            session = await coordinator.open(session_path, format=PI)
            if not index:
                await session.writer("tools").append(said("toolResult", "apples.md"))
            await memory.settled(session)
            assert len(await memory.search("apples.md")) == count


async def test_each_turn_leaves_one_mark_at_most_and_marks_are_not_indexed(session_path) -> None:
    """Only a turn in which something was said, and never an echo of an echo."""
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        for number in range(3):
            async with session.writer("chat").fence() as fence:
                await fence.append(said("user", f"number {number}"))
                await fence.append(said("assistant", f"answer {number}"))
            await until(lambda marks=number + 1: session_path.read_text().count('"memory-index"') == marks)
        async with session.writer("chat").fence():
            pass
        await session.aclose()
        records = [line for line in session_path.read_text().splitlines() if "memory-index" in line]
    assert len(records) == 3
    assert '"texts":2' in records[-1]


async def test_a_rewritten_session_is_indexed_anew(session_path) -> None:
    """Compaction moves every record; the index follows."""
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        for number in range(10):
            await session.writer("chat").append(said("user", f"lantern {number}"))
        await memory.settled(session)
        await session.rewrite(lambda records: list(records)[5:])
        await session.writer("chat").append(said("user", "lantern after"))
        expected = [entry.offset async for entry in session.records()]
        assert len(expected) == 6
        await until(lambda: is_found(memory, "lantern", expected))


async def test_a_file_that_another_process_replaced_is_indexed_anew(session_path) -> None:
    """After `reopen`, the index says what the file says."""
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await session.writer("chat").append(said("user", "lantern"))
        await memory.settled(session)
        content = session_path.read_bytes().replace(b"lantern", b"compass")
        session_path.write_bytes(content)
        with pytest.raises(TakeoverError):
            async with session.writer("chat").fence():
                pass
        await session.reopen()
        await until(lambda: memory.search("compass"))
        assert await memory.search("lantern") == []


async def test_foreign_lines_are_indexed_too(session_path, foreign) -> None:
    """What is in the file was said, whoever wrote it."""
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        session = await coordinator.open(session_path)
        await session.writer("chat").append(said("user", "lantern"))
        foreign({"type": "message", "message": {"role": "user", "content": "compass"}})
        await session.writer("chat").append(said("user", "map"))
        await memory.settled(session)
        assert len(await memory.search("compass")) == 1


async def test_a_restart_goes_on_where_it_was(session_path) -> None:
    """Nothing is missed, nothing is found twice."""
    for number in range(3):
        memory = MemoryIndex()
        async with Coordinator(plugins=[memory]) as coordinator:
            session = await coordinator.open(session_path, format=PI)
            await session.writer("chat").append(said("user", f"lantern {number}"))
            if number != 1:  # the second time it may not get that far
                await memory.settled(session)
                assert len(await memory.search("lantern")) == number + 1


async def test_a_database_that_could_not_be_opened_is_tried_again(session_path, monkeypatch) -> None:
    """A disk that was full when the session was opened must not leave it without an index for ever."""
    memory, opened = MemoryIndex(), Database.open

    async def refuse(_path: Path) -> Database:
        monkeypatch.setattr(Database, "open", opened)
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(Database, "open", refuse)
    async with Coordinator(plugins=[memory]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await until(lambda: coordinator.statistics().plugins["memory_index"].failures == 1)
        receipt = await session.writer("chat").append(said("user", "a lantern"))
        await memory.settled(session)
        assert await found(memory, "lantern") == [receipt.offset]


async def test_an_idle_session_is_let_go_and_followed_again(tmp_path) -> None:
    """A follower keeps a session from being parked, so none stays where nothing happens."""
    memory = MemoryIndex(idle_seconds=0.01)
    async with Coordinator(plugins=[memory], limits=Limits(open_files_max=1)) as coordinator:
        first = await coordinator.open(tmp_path / "a.jsonl", format=PI)
        await first.writer("chat").append(said("user", "lantern one"))
        await first.sync()
        await memory.settled(first)
        second = await coordinator.open(tmp_path / "b.jsonl", format=PI)

        async def is_parked() -> bool:
            await second.writer("chat").append(said("user", "map"))
            await second.sync()
            return first.state is SessionState.PARKED

        await until(is_parked)
        await first.writer("chat").append(said("user", "lantern two"))
        await memory.settled(first)
        assert len(await memory.search("lantern", session=first)) == 2


async def test_text_and_position_are_stored_together_or_not_at_all(tmp_path) -> None:
    """Cancelled at any moment, the database knows both or neither."""
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        session = await coordinator.open(tmp_path / "a.jsonl", format=PI)
        await session.writer("chat").append(said("user", "lantern"))
        (entry,) = await session.tail(1)
    database = await Database.open(tmp_path / "other.sqlite3")
    for steps in range(12):
        await database.forget(session.path)
        adding = asyncio.create_task(database.add(session.path, [Text(0, "user", None, "lantern")], entry.position))
        for _ in range(steps * 3):
            await asyncio.sleep(0)
        adding.cancel()
        await asyncio.wait({adding})
        hits, position = await database.search("lantern", 9, None), await database.position(session.path)
        assert (len(hits), position) in [(0, None), (1, entry.position)]
    await database.close()


VICTIM = """
import asyncio, sys
from coordinator import PI, Coordinator
from coordinator_memory_index import MemoryIndex

async def main(path):
    async with Coordinator(plugins=[MemoryIndex()]) as coordinator:
        session = await coordinator.open(path, format=PI)
        number = 0
        while True:
            content = f"lantern number{number} " + "x" * (number % 50)
            await session.writer("chat").append({"type": "message", "message": {"role": "user", "content": content}})
            print(number, flush=True)
            number += 1

asyncio.run(main(sys.argv[1]))
"""


async def kill_while_writing(path: Path, records: int) -> None:
    """Let a process write and index, and kill it after so many acknowledged records."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", VICTIM, path, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    for _ in range(records):
        assert await process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()


@pytest.mark.slow
async def test_after_a_kill_the_index_equals_the_file(session_path) -> None:
    """Compared with an index that is built from nothing."""
    for records in (40, 97, 203):
        await kill_while_writing(session_path, records)
    memory, rebuilt = MemoryIndex(), MemoryIndex(database=session_path.with_name("rebuilt.sqlite3"))
    rebuilt.name = "rebuilt"
    async with Coordinator(plugins=[memory, rebuilt]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await memory.settled(session)
        await rebuilt.settled(session)
        expected = [entry.offset async for entry in session.records() if entry.record["type"] == "message"]
        assert len(expected) >= 340
        assert await found(memory, "lantern") == expected
        assert await found(rebuilt, "lantern") == expected
    with sqlite3.connect(session_path.with_name("memory-index.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        database.execute("INSERT INTO words (words) VALUES ('integrity-check')")
        database.execute("INSERT INTO trigrams (trigrams) VALUES ('integrity-check')")
    database.close()
