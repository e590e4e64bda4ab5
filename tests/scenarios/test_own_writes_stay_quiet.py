"""What a gateway's own parts write while the model thinks is never a takeover."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from coordinator import PendingReceipt, Record
from tests.support.chain import check_chain, read_session

from .gateway import gateway, mark, say, together


@pytest.mark.parametrize("runs", [7, pytest.param(1000, marks=pytest.mark.slow)])
async def test_scenario_01_own_parts_may_write_while_the_model_thinks(session_path: Path, runs: int) -> None:
    """Snapshot, memory entry and trajectory marker land inside every turn, and no turn is lost."""
    async with gateway(session_path) as home:
        parts = [home.session.writer(name) for name in ("model-snapshot", "memory", "trajectory")]
        for run in range(runs):
            await home.turn(f"reply {run}", lambda _: together(*(part.append(mark(part.name)) for part in parts)))
        home.assert_quiet(*(f"reply {run}" for run in range(runs)))
        assert home.counted("memory") == runs


async def test_scenario_02_what_is_in_flight_is_in_the_file_before_the_fence_looks(session_path: Path) -> None:
    """The drain is real: everything submitted before the call stands before the revision that the fence takes."""
    async with gateway(session_path) as home:
        memory = home.session.writer("memory")
        await home.chat.append(say("user", "question"))
        flying = [memory.append_nowait(mark("memory", number=number)) for number in range(200)]
        async with home.chat.fence() as fence:
            assert all(receipt.done for receipt in flying)
            assert fence.revision.length == home.path.stat().st_size
            await fence.append(say("assistant", "reply"))
        home.assert_quiet("question", "reply")


async def test_scenario_03_a_turn_with_tools_appends_its_steps_while_streaming(session_path: Path) -> None:
    """Assistant and tool-result records come from event listeners, after the streaming has begun."""
    async with gateway(session_path) as home:

        async def stream(_fence: object) -> None:
            listener = asyncio.create_task(listen())
            await listener

        async def listen() -> None:
            for step in range(5):
                await home.chat.append(say("assistant", f"call {step}"))
                await home.session.writer("tools").append(say("toolResult", f"result {step}"))

        await home.turn("done", stream)
        steps = [text for step in range(5) for text in (f"call {step}", f"result {step}")]
        home.assert_quiet(*steps, "done")


@pytest.mark.parametrize(
    "record",
    [
        {"type": "model_change", "provider": "anthropic", "modelId": "other"},
        {"type": "thinking_level_change", "thinkingLevel": "high"},
        {"type": "label", "targetId": "x", "label": "here"},
        {"type": "session_info", "name": "renamed"},
        mark("a-command"),
    ],
    ids=lambda record: record["type"],
)
async def test_scenario_04_a_user_command_may_write_while_streaming(session_path: Path, record: Record) -> None:
    """Changing the model, a label or a name in the middle of a reply is an own write."""
    async with gateway(session_path) as home:
        await home.turn("reply", lambda _: home.session.writer("commands").append(record))
        home.assert_quiet("reply")
        assert [found["type"] for found in read_session(home.path).records] == [record["type"], "message"]


async def test_scenario_05_compaction_may_append_in_the_middle_of_a_turn(session_path: Path) -> None:
    """An appended compaction is on the path of the conversation, before the reply."""
    async with gateway(session_path) as home:
        first = await home.chat.append(say("user", "long story"))
        compaction = {"type": "compaction", "summary": "s", "firstKeptEntryId": first.id, "tokensBefore": 1}
        await home.turn("reply", lambda _: home.session.writer("compaction").append(compaction))
        home.assert_quiet("long story", "reply")
        assert [record["type"] for record in check_chain(home.path)] == ["message", "compaction", "message"]


async def test_scenario_09_five_subagents_may_announce_their_results_at_once(session_path: Path) -> None:
    """Five tasks append to the parent's session while it streams."""
    async with gateway(session_path) as home:
        agents = [home.session.writer(f"agent {number}") for number in range(5)]
        await home.turn("reply", lambda _: together(*(agent.append(say("user", "result")) for agent in agents)))
        home.assert_quiet(*["result"] * 5, "reply")


async def test_scenario_10_a_delivery_mirror_may_repeat_the_reply(session_path: Path) -> None:
    """Another task writes the reply into the transcript too, while the fence is held."""
    async with gateway(session_path) as home:
        mirror = home.session.writer("mirror")
        await home.turn("reply", lambda _: asyncio.create_task(mirror.append(say("assistant", "mirrored"))))
        home.assert_quiet("mirrored", "reply")


async def test_scenario_12_the_first_turn_may_begin_before_the_file_exists(session_path: Path) -> None:
    """No file is a length of nothing: the fence is taken, the file appears with the first own record."""
    async with gateway(session_path) as home:
        memory = home.session.writer("memory")

        async def think(_fence: object) -> None:
            assert not home.path.exists()
            await memory.append(mark("memory"))

        await home.turn("reply", think)
        home.assert_quiet("reply")


async def test_scenario_13_a_write_that_straddles_the_fingerprint_is_on_one_side_of_it(session_path: Path) -> None:
    """Writes that begin at every moment around entering are before the line or after it, never a takeover."""
    async with gateway(session_path) as home:
        memory = home.session.writer("memory")

        async def chatter() -> None:
            for number in range(300):
                await memory.append(mark("memory", number=number))

        async def turns() -> None:
            for number in range(60):
                await home.turn(f"reply {number}")

        await together(chatter(), turns())
        home.assert_quiet(*(f"reply {number}" for number in range(60)))
        assert home.counted("memory") == 300


async def test_scenario_31_lines_of_many_tasks_never_interleave(session_path: Path) -> None:
    """64 writers at once: every line is whole, every receipt says exactly where its bytes are."""
    async with gateway(session_path) as home:
        writers = [home.session.writer(f"w{number}") for number in range(64)]
        pending: list[PendingReceipt] = []
        for number in range(20):
            pending += [await writer.submit(mark(writer.name, number=number)) for writer in writers]
        receipts = [await receipt for receipt in pending]
        content = home.path.read_bytes()
        records = {record["id"]: record for record in check_chain(home.path)}
        assert len(records) == len(receipts) == 64 * 20
        for receipt in receipts:
            line = content[receipt.offset : receipt.offset + receipt.size]
            assert line.endswith(b"\n")
            assert line.count(b"\n") == 1
            assert records[str(receipt.id)]["customType"] == receipt.writer
