"""Where the gateways of a round run: here, or as the example gateway in another process; alone, or with an intruder."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from coordinator import PI, Coordinator, Event

from ._coordinated import CoordinatedConversation
from ._gateway import JOBS, Conversation
from ._judge import Outcome
from ._log import RunLog
from ._model_server import PIECES
from ._naive import NaiveConversation
from ._over_http import HttpConversation
from ._processes import Intruder, gateway_process, intruder


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

Act = Callable[[Run, Play], Coroutine[Any, Any, None]]
"""Makes the conversation of a run, and plays."""

Stage = Callable[[Plan, Path], AbstractAsyncContextManager[Act]]
"""What is there while the runs of a round play, given their folder."""


def in_process(act: Act) -> Stage:
    """Have the gateways in this process."""
    return lambda _plan, _folder: nullcontext(act)


async def naive(run: Run, play: Play) -> None:
    """Append to the file directly."""
    await play(NaiveConversation(run.path, run.log))


async def coordinated(run: Run, play: Play) -> None:
    """Append through a coordinator."""

    def observe(event: Event) -> None:
        if event.name == "fence_broken":
            run.log.found()

    async with Coordinator(observers=[observe]) as coordinator:
        session = await coordinator.open(run.path, format=PI)
        await play(CoordinatedConversation(session, run.log))


def over_http(examples: Path) -> Stage:
    """Have the example gateway, one process for all runs; what it wrote is read when it has ended."""

    @asynccontextmanager
    async def stage(plan: Plan, folder: Path) -> AsyncGenerator[Act]:
        conversations: list[HttpConversation] = []
        delay_seconds = plan.seconds / PIECES
        async with (
            gateway_process(examples, folder, delay_seconds) as (url, model_url),
            http_client(url) as gateway,
            http_client(model_url) as model,
        ):

            async def act(run: Run, play: Play) -> None:
                conversation = HttpConversation(gateway, model, run.path, run.log)
                conversations.append(conversation)
                await play(conversation)

            yield act
        for conversation in conversations:
            conversation.complete_log()

    return stage


def with_intruders(stage: Stage) -> Stage:
    """Have a process beside each gateway that writes to its session."""

    @asynccontextmanager
    async def invaded(plan: Plan, folder: Path) -> AsyncGenerator[Act]:
        async with stage(plan, folder) as act:

            async def act_beside_intruder(run: Run, play: Play) -> None:
                async with intruder(run.path) as run.intruder:
                    await act(run, play)

            yield act_beside_intruder

    return invaded


def http_client(url: str) -> httpx.AsyncClient:
    """Return a client for any number of replies at the same time."""
    unlimited = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(base_url=url, timeout=60, limits=unlimited, trust_env=False)
