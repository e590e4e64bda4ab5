"""Kills a gateway in the middle of its turns, again and again, and looks at what it leaves behind."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import httpx

from .client import Client, Exchange
from .home import Home, quiet
from .processes import Program

SESSIONS = ("amber", "birch", "cedar")
EVENTS_MAX = 80
JITTER_SECONDS_MAX = 0.01
MODEL = ("gateway.model", "--port", "0", "--delay-seconds", "0.002", "--reset-every", "7")
SLOW_COPIES = {"COORDINATOR_TRAJECTORY_SYNC_LINGER_SECONDS": "0.2"}
"""So that a kill finds something that is recorded and not copied."""
QUESTIONS = ("{} [chunks:8]", "{} [tool:remember] [tool:read_clock]", "{} [chunks:3]", "{} [tool:ask_researcher]")


@dataclass
class Tally:
    """What the clients of all lives were told."""

    exchanges: list[Exchange] = field(default_factory=list)
    kills: int = 0

    @property
    def acknowledged(self) -> int:
        """Count the messages and the replies that must not be lost."""
        asked = sum(exchange.acknowledged for exchange in self.exchanges)
        return asked + sum(exchange.done is not None for exchange in self.exchanges)

    @property
    def cut_off(self) -> int:
        """Count the turns that a kill has ended."""
        return sum(exchange.acknowledged and not exchange.over for exchange in self.exchanges)

    def __str__(self) -> str:
        return f"kills {self.kills}, acknowledged {self.acknowledged}, turns cut off {self.cut_off}"


class Life:
    """One run of the gateway, from its start to its violent end."""

    def __init__(self, client: Client, numbers: count[int], events_max: int, last: str | None) -> None:
        self.client = client
        self._numbers = numbers
        self._events_left = events_max
        self._last = last
        """Which event must come last, if not just any: right after an acknowledgement is the best moment."""
        self._enough = asyncio.Event()

    async def live(self, program: Program, seconds: float) -> None:
        """Let users talk until enough has been heard, and a little longer; then kill."""
        users = [asyncio.create_task(self._talk(session)) for session in SESSIONS]
        users.append(asyncio.create_task(self._write_beside()))
        await self._enough.wait()
        await asyncio.sleep(seconds)
        program.kill()
        await asyncio.gather(*users)

    async def _talk(self, session: str) -> None:
        with suppress(httpx.TransportError):
            while True:
                number = next(self._numbers)
                text = QUESTIONS[number % len(QUESTIONS)].format(f"question {number}")
                async with self.client.asking(session, text, model=f"model-{number % 5}") as exchange:
                    while not exchange.over:
                        await exchange.next()
                        self._heard(exchange)

    def _heard(self, exchange: Exchange) -> None:
        self._events_left -= 1
        if self._events_left <= 0 and self._last in (None, exchange.events[-1][0]):
            self._enough.set()

    async def _write_beside(self) -> None:
        with suppress(httpx.TransportError):
            while True:
                for session in SESSIONS:
                    await self.client.post(f"/sessions/{session}/heartbeat")
                await self.client.post("/cron/note/run")


async def kill_often(work: Path, *, kills: int, seed: int) -> Tally:
    """Kill one gateway so often, each time in mid-turn; then run it a last time, end it gracefully, and judge."""
    chance, numbers, tally = random.Random(seed), count(), Tally()
    with Program(*MODEL, log=work / "model") as model:
        home = Home(work, model.url)
        for _ in range(kills):
            with home.program(**SLOW_COPIES) as program:
                async with Client(program.url, model.url) as client:
                    last = chance.choice([None, "accepted", "done"])
                    life = Life(client, numbers, chance.randint(1, EVENTS_MAX), last)
                    await life.live(program, 0 if last else chance.uniform(0, JITTER_SECONDS_MAX))
            tally.exchanges += client.exchanges
            tally.kills += 1
        async with quiet(home, before=tally.exchanges) as client:
            for session in (await client.get("/sessions"))["sessions"]:
                await client.get(f"/sessions/{session['name']}")
            for name in SESSIONS:
                await client.ask(name, "good night")
        tally.exchanges += client.exchanges
    return tally
