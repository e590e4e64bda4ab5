"""What the gateway's own parts write while the model thinks is never a takeover: seen by its clients, over HTTP."""

import asyncio
import json

from .client import until
from .home import Home, quiet


async def test_scenario_01_snapshot_memory_and_trajectory_may_be_written_while_the_model_thinks(home: Home) -> None:
    """Seven runs of seven: each turn has another model, so a snapshot, and a note from cron in its middle."""
    async with quiet(home) as client:
        for run in range(7):
            async with client.asking("chat", f"question {run} [slow]", model=f"model-{run}") as exchange:
                await exchange.until("delta")
                await asyncio.gather(client.post("/cron/note/run"), client.post("/sessions/chat/heartbeat"))
                assert await client.release() == 1
                await exchange.until("done")
    kinds = home.kinds("chat")
    assert kinds.count("model-snapshot") == kinds.count("assistant") == 7
    assert 1 <= kinds.count("memory-index") <= 7
    assert kinds.count("trajectory-sync") >= 1
    inside = [kind for kind in kinds if kind in ("user", "note", "assistant")]
    assert inside == ["user", "note", "assistant"] * 7


async def test_scenario_02_what_is_in_flight_when_a_turn_begins_is_kept_and_quiet(home: Home) -> None:
    """Fifty appends and a turn are asked for at once: the line is drawn somewhere among them, and nobody is hurt."""
    async with quiet(home) as client:
        await client.ask("chat", "hello")
        for run in range(3):
            beats = [client.post("/sessions/chat/heartbeat") for _ in range(50)]
            await asyncio.gather(*beats[:25], client.ask("chat", f"question {run}"), *beats[25:])
    assert home.kinds("chat").count("heartbeat") == 3 * 50
    assert len([text for text in home.said("chat") if text.startswith("Reply")]) == 4


async def test_scenario_03_a_turn_of_many_steps_writes_each_of_them_while_it_runs(home: Home) -> None:
    """Three tools, one in a thread, one with a writer of its own, one slow with a note beside it; then the reply."""
    async with quiet(home) as client:
        question = "question [tool:read_clock] [tool:remember] [tool:slow_search]"
        async with client.asking("chat", question) as exchange:
            assert (await exchange.until("tool"))["name"] == "read_clock"
            assert (await exchange.until("tool"))["name"] == "remember"
            await client.until("/sessions/chat", lambda chat: calls(chat) == 3)
            await client.post("/cron/note/run")
            await until(client.release_search)
            assert (await exchange.until("tool"))["name"] == "slow_search"
            await exchange.until("done")
    parts = ("user", "assistant", "toolResult", "clock", "memory", "note")
    assert [kind for kind in home.kinds("chat") if kind in parts] == [
        "user", "assistant", "clock", "toolResult", "assistant", "memory", "toolResult",
        "assistant", "note", "toolResult", "assistant",
    ]  # fmt: skip


def calls(chat):
    """Count how often a tool was asked for."""
    messages = [entry["message"] for entry in chat["entries"] if entry["type"] == "message"]
    return [message.get("stopReason") for message in messages].count("toolUse")


async def test_scenario_04_user_commands_may_write_while_the_reply_streams(home: Home) -> None:
    """Another model, a label, a name: each lands between the question and its reply, on the way of the conversation."""
    home.invite("Commands")
    async with quiet(home) as client:
        async with client.asking("chat", "question [slow]") as exchange:
            await exchange.until("delta")
            await client.post("/cron/note/run")
            await client.until("/sessions/chat", lambda chat: '"command"' in json.dumps(chat))
            await client.release()
            await exchange.until("done")
    kinds = home.kinds("chat")
    commands = ["model_change", "thinking_level_change", "label", "session_info", "command"]
    assert kinds[kinds.index("user") : kinds.index("assistant")][-5:] == commands


async def test_scenario_09_five_subagents_may_announce_their_results_at_once(home: Home) -> None:
    """A third party's plugin has five tasks that write to the session in whose turn it is told of."""
    home.invite("Subagents")
    async with quiet(home) as client:
        async with client.asking("chat", "question [slow]") as exchange:
            await exchange.until("delta")
            await client.until("/sessions/chat", lambda chat: announced(chat) == 5)
            await client.release()
            await exchange.until("done")
    said = home.said("chat")
    assert said[0] == "question [slow]"
    assert sorted(said[1:6]) == [f"result of subagent {number}" for number in range(5)]
    assert said[6:] == [exchange.reply]


def announced(chat):
    """Count the results that stand in a conversation."""
    return str(chat["entries"]).count("result of subagent")


async def test_scenario_10_a_mirror_may_repeat_what_the_assistant_says_into_the_transcript(home: Home) -> None:
    """Inside the turn after the first step, and around its end after the last."""
    home.invite("Mirror")
    async with quiet(home) as client:
        async with client.asking("chat", "question [tool:slow_search]") as exchange:
            await client.until("/sessions/chat", lambda chat: mirrored(chat) == 1)
            await until(client.release_search)
            await exchange.until("done")
        await client.until("/sessions/chat", lambda chat: mirrored(chat) == 2)
    kinds = [kind for kind in home.kinds("chat") if kind in ("user", "assistant", "mirror", "toolResult")]
    assert kinds == ["user", "assistant", "mirror", "toolResult", "assistant", "mirror"]


def mirrored(chat):
    """Count what the mirror has written."""
    return [entry.get("customType") for entry in chat["entries"]].count("mirror")
