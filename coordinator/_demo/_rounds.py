"""The three rounds: who plays, on copies of one real session, and by what each is judged."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from coordinator import PI, Coordinator, Event

from ._coordinated import CoordinatedConversation
from ._gateway import CHAT, JOBS, Conversation, Gateway, Job
from ._judge import Judgement, Outcome, found_the_intruder, kept_everything, lost_every_reply, read_outcome
from ._log import RunLog
from ._model_server import PIECES
from ._naive import NaiveConversation
from ._processes import Intruder, intruder, model_server


@dataclass(frozen=True)
class Plan:
    """What to play: copies of the session file `sample` below `folder`, a chat's reply taking `seconds`."""

    sample: Path
    folder: Path
    runs: int
    seconds: float

    @property
    def pieces(self) -> int:
        """Return how many pieces of replies will be heard in one round."""
        return self.runs * len(JOBS) * PIECES


@dataclass(eq=False)
class Run:
    """One gateway on one copy of the session; `problems` says why it did not come out as stated."""

    path: Path
    log: RunLog = field(default_factory=RunLog)
    intruder: Intruder | None = None
    outcome: Outcome | None = None
    problems: list[str] = field(default_factory=list[str])


Play = Callable[[Conversation], Awaitable[None]]
"""Runs a gateway on a conversation, from the first question to the last reply."""


async def naive(run: Run, play: Play) -> None:
    """Play round (a)."""
    await play(NaiveConversation(run.path, run.log))


async def coordinated(run: Run, play: Play) -> None:
    """Play round (b)."""

    def observe(event: Event) -> None:
        if event.name == "fence_broken":
            run.log.found()

    async with Coordinator(observers=[observe]) as coordinator:
        session = await coordinator.open(run.path, format=PI)
        await play(CoordinatedConversation(session, run.log))


async def foreign(run: Run, play: Play) -> None:
    """Play round (c)."""
    async with intruder(run.path) as run.intruder:
        await coordinated(run, play)


@dataclass(eq=False)
class Round:
    """One way to play, how it is judged, and how its runs came out."""

    name: str
    about: str
    trouble: str
    """What it means that a turn ended with an error: that it failed, or that somebody was found."""
    act: Callable[[Run, Play], Awaitable[None]]
    judgement: Judgement
    runs: list[Run] = field(default_factory=list[Run])

    @property
    def came_out(self) -> bool:
        """Say whether every run came out as stated."""
        return bool(self.runs) and not any(run.problems for run in self.runs)

    @property
    def result(self) -> str:
        """Return the round's result in two words: in how many runs did a turn end with an error?"""
        troubled = [run for run in self.runs if run.log.dropped or run.log.takeovers]
        return f"{len(troubled)}/{len(self.runs)} {self.trouble}"


def three_rounds() -> list[Round]:
    """Return the rounds of the demo, not played yet."""
    return [
        Round("naive", "fingerprint, model call, compare", "failed", naive, lost_every_reply),
        Round("coordinated", "one queue, a fence per model call", "failed", coordinated, kept_everything),
        Round("foreign", "the same, and a real intruder", "found", foreign, found_the_intruder),
    ]


async def play_rounds(rounds: list[Round], plan: Plan, heard: Callable[[Round], None]) -> None:
    """Play the rounds one after the other, the runs of each at once; `heard` is called for every piece of a reply."""
    async with model_server() as address:
        unlimited = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=address, timeout=60, limits=unlimited, trust_env=False) as server:
            for each in rounds:
                await _Stage(each, plan, server, heard).play()


class _Stage:
    """Everything that the runs of one round share."""

    def __init__(self, playing: Round, plan: Plan, server: httpx.AsyncClient, heard: Callable[[Round], None]) -> None:
        self._round = playing
        self._plan = plan
        self._server = server
        self._heard = heard

    async def play(self) -> None:
        original = self._plan.sample.read_bytes()
        self._round.runs = [Run(self._copy(number)) for number in range(1, self._plan.runs + 1)]
        async with asyncio.TaskGroup() as runs:
            for run in self._round.runs:
                runs.create_task(self._act(run))
        for run in self._round.runs:
            self._judge(run, original)

    def _copy(self, number: int) -> Path:
        path = self._plan.folder / self._round.name / f"run-{number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        return shutil.copyfile(self._plan.sample, path)

    async def _act(self, run: Run) -> None:
        async def listen(job: Job, pieces: int) -> None:
            if pieces:
                self._heard(self._round)
            if run.intruder and job is CHAT and pieces == PIECES // 2:
                run.log.intruded(await run.intruder.strike("Hello from another process."))

        async def play(conversation: Conversation) -> None:
            await Gateway(conversation, self._server, run.log, self._plan.seconds, listen).run()

        await self._round.act(run, play)

    def _judge(self, run: Run, original: bytes) -> None:
        try:
            run.outcome = read_outcome(run.path, original, run.log)
            run.problems = list(self._round.judgement(run.outcome))
        except ValueError as error:
            run.problems = [str(error)]
