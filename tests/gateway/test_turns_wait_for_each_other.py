"""Follow-ups, heartbeats, cron, retries, clients that go away: everybody gets his turn, and nothing is lost."""

import json

import pytest

from .client import until
from .guests import PATIENCE_SECONDS
from .home import Home, quiet, session_of

IMPATIENT = {"GATEWAY_RETRY_SECONDS_FIRST": "0", "GATEWAY_ATTEMPTS_MAX": "3"}


async def test_scenario_07_heartbeat_cron_and_chat_share_a_session_and_take_turns(home: Home) -> None:
    """A plugin's turn and a second message wait behind the first; cron and heartbeat just write. Nobody is killed."""
    home.invite("Review")
    async with quiet(home) as client:
        async with client.asking("chat", "first [slow]") as first:
            await first.until("delta")
            await client.post("/cron/note/run")
            await client.until("/statistics", lambda found: session_of(found, "chat")["turns_waiting"] == 1)
            async with client.asking("chat", "second") as second:
                await second.until("accepted")
                await client.post("/sessions/chat/heartbeat")
                await client.release()
                await first.until("done")
                await second.until("done")
        await client.until("/sessions/chat", lambda chat: '"review"' in json.dumps(chat))
    parts = ("user", "note", "heartbeat", "assistant", "review")
    kinds = [kind for kind in home.kinds("chat") if kind in parts]
    assert kinds[:4] == ["user", "note", "heartbeat", "assistant"]
    assert kinds[4:] == ["user", "review", "assistant"]
    assert [line["writer"] for line in home.turns] == ["chat", "review", "chat"]


async def test_scenario_08_what_the_user_types_meanwhile_stands_behind_the_reply_and_is_answered(home: Home) -> None:
    """Accepted at once, held until the reply is in the file, answered in the order of typing."""
    async with quiet(home) as client:
        async with client.asking("chat", "question [slow]") as exchange:
            await exchange.until("delta")
            async with client.asking("chat", "and this?") as second, client.asking("chat", "and that?") as third:
                await second.until("accepted")
                await third.until("accepted")
                assert "and this?" not in str(await client.get("/sessions/chat"))
                await client.release()
                for each in (exchange, second, third):
                    await each.until("done")
    said = home.said("chat")
    assert said[:4] == ["question [slow]", exchange.reply, "and this?", "and that?"]
    assert said[4:] == [second.reply, third.reply]
    assert second.reply.endswith("and this?")


async def test_scenario_11_a_reset_connection_is_tried_again_inside_the_turn(home: Home) -> None:
    """The reply breaks off twice and is refused once while background writes go on; it is there once, and quiet."""
    async with quiet(home, **IMPATIENT | {"GATEWAY_ATTEMPTS_MAX": "5"}) as client:
        async with client.asking("chat", "question [reset:2] [busy] [chunks:9]") as exchange:
            while not exchange.over:
                await client.post("/sessions/chat/heartbeat")
                await exchange.next()
    assert exchange.done["repeated"]
    assert home.said("chat") == ["question [reset:2] [busy] [chunks:9]", exchange.reply]
    assert home.kinds("chat").count("heartbeat") == len(exchange.events) + 1


async def test_scenario_11_the_failure_of_a_provider_is_told_as_what_it_is(home: Home) -> None:
    """Not as a takeover; the question is kept, the failure is in the session, and the next turn works."""
    async with quiet(home, **IMPATIENT) as client:
        failed = await client.ask("chat", "question [reset:9]")
        assert failed.done is None
        (error,) = failed.errors
        assert error["kind"] == "ModelUnavailableError"
        assert error["hint"]
        replied = await client.ask("chat", "again")
    assert home.said("chat")[0] == "question [reset:9]"
    assert home.said("chat")[-2:] == ["again", replied.reply]
    assert [line["modelErrors"] for line in home.turns] == [[error["message"]], []]


@pytest.mark.parametrize("moment", ["accepted", "delta"])
async def test_scenario_35_a_client_that_goes_away_does_not_take_its_turn_with_it(home: Home, moment: str) -> None:
    """The reply is recorded once, can be read by whoever comes next, and the next turn works."""
    async with quiet(home) as client:
        async with client.asking("chat", "question [slow]") as exchange:
            await exchange.until(moment)
        async with client.asking("chat", "next") as following:
            await following.until("accepted")
            await until(client.release)
            await following.until("done")
        chat = await client.get("/sessions/chat")
        assert "to: question" in str(chat["entries"])
    said = home.said("chat")
    assert said[0] == "question [slow]"
    assert said[-1] == following.reply
    assert sum(text.endswith("to: question") for text in said) == 1


async def test_scenario_35_twenty_clients_that_come_and_go_change_nothing(home: Home) -> None:
    """Each goes at another moment of its turn; each question is there once, in order, and answered."""
    async with quiet(home) as client:
        for number in range(20):
            async with client.asking("chat", f"question {number} [chunks:20]") as exchange:
                for _ in range(number):
                    await exchange.next()
        last = await client.ask("chat", "last")
    said = home.said("chat")
    questions = [f"question {number} [chunks:20]" for number in range(20)]
    assert [text for text in said if text in questions] == questions
    assert len(said) == 2 * 21
    assert said[-1] == last.reply


async def test_scenario_36_who_waits_for_a_turn_can_be_seen_and_can_give_up_and_learns_who_has_it(home: Home) -> None:
    """Behind a long turn one waits without a deadline and another one with; the chat is not hurt by either."""
    home.invite("Review", "Impatient")
    async with quiet(home) as client:
        async with client.asking("chat", "question [slow]") as exchange:
            await exchange.until("delta")
            await client.post("/cron/note/run")
            chat = await client.until("/sessions/chat", lambda chat: '"gave-up"' in json.dumps(chat))
            seen = session_of(await client.statistics(), "chat")
            (turn,) = seen["turns"]
            assert (turn["writer"], seen["turns_waiting"]) == ("chat", 1)
            assert turn["seconds"] >= PATIENCE_SECONDS
            await client.release()
            await exchange.until("done")
        await client.until("/sessions/chat", lambda chat: '"review"' in json.dumps(chat))
    (gave_up,) = [entry["data"] for entry in chat["entries"] if entry.get("customType") == "gave-up"]
    assert gave_up["holder"] == "chat"
    assert gave_up["holder_seconds"] >= PATIENCE_SECONDS
    order = ["gave-up", "assistant", "review"]
    assert [kind for kind in home.kinds("chat") if kind in order] == order
    assert [(line["writer"], line["verdict"]) for line in home.turns] == [("chat", "whole"), ("review", "whole")]


async def test_scenario_37_a_background_summary_runs_beside_the_chat(home: Home) -> None:
    """It has a model call, session and fence of its own; its record lands in the middle of a turn."""
    async with quiet(home) as client:
        first = await client.ask("chat", "first")
        async with client.asking("chat", "second [slow]") as exchange:
            await exchange.until("delta")
            done = await client.post("/cron/digest/run")
            assert done["sessions"] == ["chat"]
            assert exchange.done is None
            await client.release()
            await exchange.until("done")
    inside = [kind for kind in home.kinds("chat") if kind in ("user", "assistant", "digest")]
    assert inside == ["user", "assistant", "user", "digest", "assistant"]
    (summary,) = [session for session in home.conversations if session != "chat"]
    assert first.reply in home.said(summary)[0]
