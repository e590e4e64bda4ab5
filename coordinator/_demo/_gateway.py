"""The parts of one agent gateway around one conversation: three that ask the model, three that write on the side.

All of it is the same in every round of the demo. What differs is the `Conversation` that the parts write to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Protocol

import httpx

from coordinator import Record

from ._log import ReplyDroppedError, RunLog
from ._model import Model
from ._records import MODEL, note, user_message


@dataclass(frozen=True)
class Job:
    """A part that asks the model; `start` and `length` are shares of the time that the chat's model call takes."""

    part: str
    asks: str
    start: float
    length: float


CHAT = Job("chat", "what should we do next?", start=0.0, length=1.0)
CRON = Job("cron job", "summarise the night", start=0.25, length=0.5)
HEARTBEAT = Job("heartbeat", "anything to report?", start=0.5, length=0.3)
JOBS = (CHAT, CRON, HEARTBEAT)

SNAPSHOT = "model snapshot"
PACES = {"memory index": 0.09, "trajectory marker": 0.14}
"""The background writers that work at their own pace, as shares of the same time."""
PARTS = (*(job.part for job in JOBS), SNAPSHOT, *PACES)


Listen = Callable[[Job, int], Awaitable[None]]
"""Told of every piece of a reply as it comes in (0: the call begins)."""


class Conversation(Protocol):
    """Where a gateway keeps what was said: the only thing in which the rounds differ."""

    async def append(self, part: str, record: Record) -> None:
        """Append a record on behalf of a part."""
        ...

    async def turn(self, part: str, question: Record, model: Model) -> None:
        """Ask the model, and append question and reply."""
        ...


class Gateway:
    """One run: every job asks the model once while the background writers go on."""

    def __init__(
        self, conversation: Conversation, server: httpx.AsyncClient, log: RunLog, seconds: float, listen: Listen
    ) -> None:
        self._conversation = conversation
        self._server = server
        self._log = log
        self._seconds = seconds
        self._listen = listen
        self._calls: asyncio.Queue[Job | None] = asyncio.Queue()
        self._finished = asyncio.Event()

    async def run(self) -> None:
        """Let everybody work until every job has had its turn."""
        self._log.begin()
        async with asyncio.TaskGroup() as background:
            background.create_task(self._write_snapshots())
            for part, pace in PACES.items():
                background.create_task(self._write_at_own_pace(part, pace * self._seconds))
            async with asyncio.TaskGroup() as jobs:
                for job in JOBS:
                    jobs.create_task(self._ask(job))
            self._finished.set()
            self._calls.put_nowait(None)

    async def _ask(self, job: Job) -> None:
        await asyncio.sleep(job.start * self._seconds)
        self._log.asked[job.part] = self._log.now()
        question = user_message(f"{job.part}: {job.asks}")
        model = Model(self._server, job.length * self._seconds, partial(self._hear, job))
        try:
            await self._conversation.turn(job.part, question, model)
        except ReplyDroppedError as error:
            self._log.dropped[job.part] = error

    async def _hear(self, job: Job, pieces: int) -> None:
        if pieces == 0:
            self._calls.put_nowait(job)
        await self._listen(job, pieces)

    async def _write_snapshots(self) -> None:
        while job := await self._calls.get():
            await self._conversation.append(SNAPSHOT, note("model-snapshot", **MODEL, caller=job.part))

    async def _write_at_own_pace(self, part: str, pace: float) -> None:
        for number in count(1):
            try:
                await asyncio.wait_for(self._finished.wait(), pace)
            except TimeoutError:
                await self._conversation.append(part, note(part.replace(" ", "-"), number=number))
            else:
                return
