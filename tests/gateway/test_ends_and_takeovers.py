"""A graceful end in mid-turn, and a foreign writer who is a real one: nothing is lost, and nothing is hushed up."""

import asyncio
import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.support.foreign import ForeignProcess

from .client import Client, Exchange
from .home import Home, quiet
from .processes import Program


async def test_sigterm_in_mid_turn_lets_the_turn_end_and_keeps_everything(home: Home) -> None:
    """The reply still reaches its client; an accepted follow-up is kept, and its client is told to ask again."""
    with home.program() as program:
        async with Client(program.url, home.model_url) as client:
            async with client.asking("chat", "question [slow]") as exchange:
                await exchange.until("delta")
                async with client.asking("chat", "follow-up") as second:
                    await second.until("accepted")
                    program.ask_to_end()
                    assert (await second.until("error"))["kind"] == "ClosedError"
                await client.release()
                await exchange.until("done")
        assert program.ended() == 0, program.errors
    await home.judge(client.exchanges)
    assert home.said("chat") == ["question [slow]", exchange.reply, "follow-up"]


async def test_sigterm_does_not_wait_for_ever_for_a_turn(home: Home) -> None:
    """After a bounded time the turn is stopped, and what the model has said by then is kept."""
    with home.program("--close-seconds-max", "0.2") as program:
        async with Client(program.url, home.model_url) as client:
            async with client.asking("chat", "question [slow]") as exchange:
                await exchange.until("delta")
                program.ask_to_end()
                await exchange.until("stopped")
        assert program.ended() == 0, program.errors
    await home.judge(client.exchanges)
    assert home.conversations["chat"][-1]["type"] == "custom" or home.said("chat")[-1] == exchange.stopped["text"]


async def test_a_restart_keeps_every_session(home: Home) -> None:
    """The conversation goes on where it was, can be read and searched, and a name that was never used is not there."""
    async with quiet(home) as client:
        first = await client.ask("chat", "a question about lighthouses")
    async with quiet(home) as client:
        assert [each["name"] for each in (await client.get("/sessions"))["sessions"]] == ["chat"]
        assert first.reply in json.dumps(await client.get("/sessions/chat"))
        second = await client.ask("chat", "again")
        found = await client.until("/search", lambda answer: len(answer["hits"]) == 2, query="lighthouses")
    assert {hit["role"] for hit in found["hits"]} == {"user", "assistant"}
    assert home.said("chat") == ["a question about lighthouses", first.reply, "again", second.reply]


def append_record(foreign: ForeignProcess) -> None:
    """Append as a second gateway would."""
    foreign.append_record(message={"role": "user", "content": "from elsewhere"})


def replace_file(foreign: ForeignProcess) -> None:
    """Put another file in its place, with one more record, as an editor or a sync client would."""
    content = foreign.read()
    leaf = json.loads(content.splitlines()[-1])["id"]
    message = {"role": "user", "content": "from elsewhere"}
    record = {"type": "message", "id": "foreign", "parentId": leaf, "timestamp": "2026-01-01T00:00:00.000Z"}
    foreign.replace(content + json.dumps({**record, "message": message}).encode() + b"\n")


@pytest.mark.parametrize("act", [append_record, replace_file])
async def test_a_real_foreign_writer_in_mid_turn_is_found_and_the_reply_is_kept(home: Home, act) -> None:
    """Its client is told, and gets the reply; both are in the file, on one way, and the next turn works."""
    with home.program() as program:
        async with Client(program.url, home.model_url) as client:
            async with client.asking("chat", "question [slow]") as exchange:
                await exchange.until("delta")
                with ForeignProcess(home.root / "chat.jsonl") as foreign:
                    act(foreign)
                await client.release()
                await exchange.rest()
            assert [error["kind"] for error in exchange.errors] == ["TakeoverError"]
            following = await client.ask("chat", "next")
        assert program.end() == 0, program.errors
    assert program.errors.count(" fence_broken ") == 1
    await home.judge(client.exchanges, taken_over=1)
    assert home.said("chat") == ["question [slow]", "from elsewhere", exchange.reply, "next", following.reply]


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="only Linux limits another process")
async def test_nothing_is_told_before_it_is_in_the_file(home: Home) -> None:
    """While the disk is full neither a reply nor a message is acknowledged; when there is room, both are."""
    with home.program() as program:
        async with Client(program.url, home.model_url) as client:
            async with client.asking("chat", "question [slow]") as first:
                await first.until("delta")
                with full_disk(home, program):
                    await client.release()
                    told = await stalled(client, first, "done")
                await told
            with full_disk(home, program):
                async with client.asking("chat", "next") as following:
                    told = await stalled(client, following, "accepted")
                    program.limit_files(None)
                    await told
                    await following.until("done")
        assert program.end() == 0, program.errors
    await home.judge(client.exchanges)
    assert home.said("chat") == ["question [slow]", first.reply, "next", following.reply]


@contextmanager
def full_disk(home: Home, program: Program) -> Iterator[None]:
    """Let the session file grow no more."""
    program.limit_files((home.root / "chat.jsonl").stat().st_size)
    yield
    program.limit_files(None)


async def stalled(client: Client, exchange: Exchange, kind: str) -> asyncio.Task:
    """Wait until nothing can be written, and return what waits for an event that must not have come."""
    told = asyncio.create_task(exchange.until(kind))
    await client.until("/sessions/chat", lambda chat: chat["state"] == "stalled")
    assert not told.done()
    return told
