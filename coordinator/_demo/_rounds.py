"""The three rounds: who plays, on copies of one real session, and by what each is judged."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from ._gateway import CHAT, Conversation, Gateway, Job
from ._judge import Judgement, found_the_intruder, kept_everything, lost_every_reply, read_outcome
from ._model_server import PIECES
from ._processes import model_server
from ._stages import Plan, Play, Run, Stage, coordinated, http_client, in_process, naive, over_http, with_intruders


@dataclass(eq=False)
class Round:
    """One way to play, how it is judged, and how its runs came out."""

    name: str
    about: str
    trouble: str
    """What it means that a turn ended with an error: that it failed, or that somebody was found."""
    stage: Stage
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


def three_rounds(examples: Path | None = None) -> list[Round]:
    """Return the rounds of the demo, not played yet; the example gateway plays the last two, where there is one."""
    if examples is None:
        about, stage = "one queue, a fence per model call", in_process(coordinated)
    else:
        about, stage = "the example gateway, over HTTP", over_http(examples)
    return [
        Round("naive", "fingerprint, model call, compare", "failed", in_process(naive), lost_every_reply),
        Round("coordinated", about, "failed", stage, kept_everything),
        Round("foreign", "the same, and a real intruder", "found", with_intruders(stage), found_the_intruder),
    ]


async def play_rounds(rounds: list[Round], plan: Plan, heard: Callable[[Round], None]) -> None:
    """Play the rounds one after the other, the runs of each at once; `heard` is called for every piece of a reply."""
    async with model_server() as address, http_client(address) as server:
        for each in rounds:
            await _Playing(each, plan, server, heard).play()


class _Playing:
    """Everything that the runs of one round share."""

    def __init__(self, playing: Round, plan: Plan, server: httpx.AsyncClient, heard: Callable[[Round], None]) -> None:
        self._round = playing
        self._plan = plan
        self._folder = plan.folder / playing.name
        self._server = server
        self._heard = heard

    async def play(self) -> None:
        original = self._plan.sample.read_bytes()
        self._round.runs = [Run(self._copy(number)) for number in range(1, self._plan.runs + 1)]
        async with self._round.stage(self._plan, self._folder) as act, asyncio.TaskGroup() as runs:
            for run in self._round.runs:
                runs.create_task(act(run, self._play(run)))
        for run in self._round.runs:
            self._judge(run, original)

    def _copy(self, number: int) -> Path:
        path = self._folder / f"run-{number}.jsonl"
        path.parent.mkdir(parents=True, exist_ok=True)
        return shutil.copyfile(self._plan.sample, path)

    def _play(self, run: Run) -> Play:
        async def listen(job: Job, pieces: int) -> None:
            if pieces:
                self._heard(self._round)
            if run.intruder and job is CHAT and pieces == PIECES // 2:
                run.log.intruded(await run.intruder.strike("Hello from another process."))

        async def play(conversation: Conversation) -> None:
            await Gateway(conversation, self._server, run.log, self._plan.seconds, listen).run()

        return play

    def _judge(self, run: Run, original: bytes) -> None:
        try:
            run.outcome = read_outcome(run.path, original, run.log)
            run.problems = list(self._round.judgement(run.outcome))
        except ValueError as error:
            run.problems = [str(error)]
