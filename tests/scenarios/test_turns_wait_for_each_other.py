"""Turns, follow-ups, cancellations and shutdowns: everybody gets his turn, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from pathlib import Path

import pytest

from coordinator import PI, Coordinator, Fence, FenceTimeoutError, Limits, PendingReceipt
from tests.support.chain import check_chain, read_session, texts

from .gateway import elsewhere, gateway, mark, say, together


class ProviderError(Exception):
    """The connection to the model was reset."""


async def test_scenario_07_heartbeat_cron_and_chat_take_turns(session_path: Path) -> None:
    """Three parts share one session; their turns come in the order in which they asked, and nobody is killed."""
    async with gateway(session_path) as home:
        first_thinks = asyncio.Event()

        async def think(_fence: Fence) -> None:
            await first_thinks.wait()

        jobs = [asyncio.create_task(home.turn("chat", think))]
        for name in ("heartbeat", "cron"):
            await asyncio.sleep(0)
            jobs.append(asyncio.create_task(home.turn(name, writer=home.session.writer(name))))
        for _ in range(20):
            await asyncio.sleep(0)
        assert home.session.statistics().turns_waiting == 2
        first_thinks.set()
        await together(*jobs)
        home.assert_quiet("chat", "heartbeat", "cron")


async def test_scenario_08_a_follow_up_waits_for_the_reply(session_path: Path) -> None:
    """What the user types while the model thinks stands behind the reply, in the order of typing."""
    async with gateway(session_path) as home:
        follow_ups = home.session.writer("follow-ups", during_fence="hold")
        pending: list[PendingReceipt] = []

        async def think(_fence: Fence) -> None:
            pending.extend([await follow_ups.submit(say("user", f"and {number}")) for number in range(3)])

        await home.turn("reply", think)
        await together(*pending)
        home.assert_quiet("reply", "and 0", "and 1", "and 2")


async def test_scenario_11_a_provider_error_surfaces_as_itself_and_the_retry_is_quiet(session_path: Path) -> None:
    """The connection is reset inside the fence while background writes go on; the second call succeeds."""
    async with gateway(session_path) as home:
        memory = home.session.writer("memory")
        with pytest.raises(ProviderError):
            async with home.chat.fence():
                await memory.append(mark("memory"))
                raise ProviderError

        async def call_model(*, fails: bool) -> None:
            await memory.append(mark("memory"))
            if fails:
                raise ProviderError

        async def call_twice(_fence: Fence) -> None:
            with suppress(ProviderError):
                await call_model(fails=True)
            await call_model(fails=False)

        await home.turn("reply", call_twice)
        home.assert_quiet("reply")
        assert home.counted("memory") == 3


async def test_scenario_17_a_stopped_turn_loses_nothing_and_leaves_the_session_usable(session_path: Path) -> None:
    """The user presses stop at every moment of a turn: what was accepted is there once, and the next turn works."""
    async with gateway(session_path) as home:
        for steps in range(40):
            task = asyncio.create_task(home.turn(f"turn {steps}", lambda _: home.chat.append(mark("step"))))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await home.turn("last")
        assert home.errors == []
        conversation = texts(check_chain(home.path))
        assert conversation[-1] == "last"
        assert len(conversation) == len(set(conversation))


async def test_scenario_18_a_graceful_stop_loses_no_accepted_record(session_path: Path) -> None:
    """A turn is queued and records are waiting when the gateway stops: each is in the file, or in a named side file."""
    async with Coordinator(limits=Limits(close_seconds_max=5)) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        chat, memory = session.writer("chat"), session.writer("memory")
        held = session.writer("follow-ups", during_fence="hold")
        async with chat.fence() as fence:
            queued = elsewhere(_turn(session.writer("cron")))
            accepted = [memory.append_nowait(mark("memory", number=number)) for number in range(50)]
            follow_up = await held.submit(say("user", "follow-up"))
            closing = elsewhere(coordinator.aclose())
            for _ in range(50):
                await asyncio.sleep(0)
            await fence.append(say("assistant", "reply"))
        await together(closing, *accepted, follow_up)
        assert isinstance((await asyncio.gather(queued, return_exceptions=True))[0], Exception)
    records = check_chain(session_path)
    assert texts(records) == ["reply", "follow-up"]
    assert sum(record["type"] == "custom" for record in records) == 50


async def _turn(writer: object) -> None:
    async with writer.fence() as fence:  # type: ignore[attr-defined]
        await fence.append(say("assistant", "never"))


@pytest.mark.parametrize("how", ["closed elsewhere", "cancelled while awaiting"])
async def test_scenario_35_a_client_that_goes_away_releases_the_fence(session_path: Path, how: str) -> None:
    """The generator that streams to the client is closed from another task, or cancelled; the next turn works."""
    async with gateway(session_path) as home:
        stuck, is_streaming = asyncio.Event(), asyncio.Event()

        async def stream() -> AsyncGenerator[str]:
            async with home.chat.fence():
                yield "token"
                is_streaming.set()
                await stuck.wait()

        async def client(generator: AsyncGenerator[str]) -> None:
            async for _ in generator:
                pass

        generator = stream()
        if how == "closed elsewhere":
            assert await anext(generator) == "token"
            await together(asyncio.create_task(generator.aclose()))
        else:
            async with aclosing(generator):
                task = asyncio.create_task(client(generator))
                await is_streaming.wait()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        await home.turn("next")
        home.assert_quiet("next")


async def test_scenario_36_queued_turns_wait_visibly_and_without_a_hidden_deadline(session_path: Path) -> None:
    """Behind a long turn others wait, seen with holder and age; a `timeout` ends in an error that names the holder."""
    async with gateway(session_path, limits=Limits(wait_report_seconds=0.01)) as home:
        async with home.chat.fence() as fence:
            cron = elsewhere(home.turn("cron", writer=home.session.writer("cron")))
            with pytest.raises(FenceTimeoutError) as caught:
                await elsewhere(_enter(home.session.writer("heartbeat"), timeout=0.05))
            assert caught.value.holder == "chat"
            assert caught.value.holder_seconds is not None
            assert caught.value.holder_seconds >= 0.05
            statistics = home.session.statistics()
            assert (statistics.turn_holder, statistics.turns_waiting) == ("chat", 1)
            assert [event.holder for event in home.events if event.name == "waiting_long"][:1] == ["chat"]
            await fence.append(say("assistant", "chat"))
        await together(cron)
        home.assert_quiet("chat", "cron")


async def _enter(writer: object, **options: object) -> None:
    async with writer.fence(**options):  # type: ignore[attr-defined]
        pytest.fail("the turn came although another has it")


async def test_scenario_37_a_background_summary_does_not_block_the_chat(session_path: Path) -> None:
    """It shares a fence with the chat, or appends without one; neither waits for the other."""
    async with gateway(session_path) as home:
        summary = home.session.writer("summary")
        async with home.chat.fence(shared=True) as fence:
            async with asyncio.timeout(10):
                await elsewhere(home.turn("summary", writer=summary, shared=True))
                await asyncio.create_task(summary.append(mark("summary")))
            await fence.append(say("assistant", "chat"))
        home.assert_quiet("summary", "chat")


async def test_scenario_29_a_torn_tail_is_healed_and_its_bytes_are_kept(session_path: Path) -> None:
    """A crash left half a line; opening puts it aside, and the next append is not glued to it."""
    async with gateway(session_path) as home:
        await home.turn("before the crash")
    with session_path.open("ab") as file:
        file.write(b'{"type":"message","id":"torn')
    async with gateway(session_path) as home:
        await home.turn("after the crash")
        home.assert_quiet("before the crash", "after the crash")
    (side_file,) = session_path.parent.glob("session.jsonl.torn-*")
    assert side_file.read_bytes() == b'{"type":"message","id":"torn'
    assert json.dumps(read_session(session_path).ids)
