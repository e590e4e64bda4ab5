"""A busy day: four sessions, two hundred turns, everything that a gateway does at once, and a model that breaks off."""

import asyncio
from itertools import cycle
from pathlib import Path

import pytest

from tests.support.chain import texts

from .client import Client
from .home import Home, quiet
from .judge import said_by
from .processes import Program

SESSIONS = ("amber", "birch", "cedar", "dune")
TURNS = 200
IMPATIENT = {"GATEWAY_RETRY_SECONDS_FIRST": "0.01", "GATEWAY_RETRY_SECONDS_MAX": "0.05"}
JOBS = ("/cron/note/run", "/sessions/{}/heartbeat", "/cron/note/run", "/sessions/{}/heartbeat", "/cron/digest/run")


class Day:
    """Four users who each take the same kinds of turns, in the same order, at their own pace."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.asked = 0
        self.kinds = [self.plain, self.vanishing, self.tools, self.follow_up, self.stopped]
        self.jobs: list[asyncio.Task[dict]] = []

    async def user(self, session: str) -> None:
        """Ask and ask; whenever a turn is over, something happens by the clock."""
        count = 0
        for kind in cycle(self.kinds):
            count += await kind(session, count)
            self.jobs.append(asyncio.create_task(self.run_job(session)))
            if count >= TURNS // len(SESSIONS):
                return

    async def run_job(self, session: str) -> dict:
        """Run the next job, beside whatever goes on."""
        return await self.client.post(JOBS[len(self.jobs) % len(JOBS)].format(session))

    async def plain(self, session: str, number: int) -> int:
        """Listen to the end."""
        assert (await self.client.ask(session, f"plain {number}", model=f"model-{number % 3}")).done
        return 1

    async def vanishing(self, session: str, number: int) -> int:
        """Go away, each time a little later."""
        async with self.client.asking(session, f"vanishing {number} [chunks:9]") as exchange:
            await exchange.until("accepted")
            for _ in range(number // len(self.kinds)):
                await exchange.next()
        return 1

    async def tools(self, session: str, number: int) -> int:
        """Have tools called, one in a thread, one that writes."""
        assert (await self.client.ask(session, f"tools {number} [tool:read_clock] [tool:remember]")).done
        return 1

    async def follow_up(self, session: str, number: int) -> int:
        """Say more while the model thinks."""
        async with self.client.asking(session, f"slow {number} [slow]") as exchange:
            await exchange.until("delta")
            async with self.client.asking(session, f"follow-up {number}") as second:
                await second.until("accepted")
                await self.client.release_until_over(exchange)
                await second.rest()
        assert exchange.done
        assert second.done
        return 2

    async def stopped(self, session: str, number: int) -> int:
        """Press stop in mid-reply; somebody else's release may be quicker, then it is just a reply."""
        async with self.client.asking(session, f"stopped {number} [slow]") as exchange:
            await exchange.until("delta")
            await self.client.post(f"/sessions/{session}/stop")
            await exchange.rest()
        assert exchange.stopped or exchange.done
        return 1


@pytest.mark.slow
@pytest.mark.timeout(120)
async def test_two_hundred_turns_of_a_busy_day_are_quiet_and_whole(home: Home, tmp_path: Path) -> None:
    """No takeover, every accepted record once, one conversation a session, every reply that arrived is in the file."""
    with Program("gateway.model", "--port", "0", "--reset-every", "10", log=tmp_path / "model") as model:
        home.model_url = model.url
        async with quiet(home, **IMPATIENT) as client:
            day = Day(client)
            await asyncio.gather(*(day.user(session) for session in SESSIONS))
            await asyncio.gather(*day.jobs)
            last = await asyncio.gather(*(client.ask(session, "good night") for session in SESSIONS))
            requests = await client.requests()
    assert requests["count"] > 1.2 * TURNS
    accepted = [exchange for exchange in client.exchanges if exchange.accepted is not None]
    assert len(accepted) >= TURNS + len(SESSIONS)
    assert sum(exchange.stopped is not None for exchange in accepted) > 10
    assert all(exchange.done is not None for exchange in last)
    for session in SESSIONS:
        check_answers(home, session, [exchange.text for exchange in accepted if exchange.session == session])


def check_answers(home: Home, session: str, questions: list[str]) -> None:
    """Each question is there once, in whatever order, and is answered: also when nobody was there to listen."""
    conversation = home.conversations[session]
    asked = texts([record for record in conversation if said_by(record) == "user"])
    assert sorted(asked) == sorted(questions)
    ends = [record["message"]["stopReason"] for record in conversation if said_by(record) == "assistant"]
    assert ends.count("stop") + ends.count("aborted") == len(questions)
    assert "error" not in ends
    replies = texts([record for record in conversation if said_by(record) == "assistant"])
    assert [text for text in replies if text.count("Reply ") > 1] == []
