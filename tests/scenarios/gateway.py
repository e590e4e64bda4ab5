"""A gateway as the README builds it, small enough for a test: writers, turns, the handler of a takeover."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from contextvars import Context
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coordinator import PI, Coordinator, Event, Fence, Limits, Record, Session, TakeoverError, Writer
from tests.support.chain import check_chain, read_session, texts

Body = Callable[[Fence], Awaitable[object]]


def say(role: str, text: str) -> Record:
    """Return a message record."""
    return {"type": "message", "message": {"role": role, "content": [{"type": "text", "text": text}]}}


def mark(kind: str, **data: object) -> Record:
    """Return what a background part writes."""
    return {"type": "custom", "customType": kind, "data": data}


async def nothing(_fence: Fence) -> None:
    """Think without anything else going on."""


@dataclass
class Gateway:
    """One session, its writers, and what the observers heard."""

    session: Session
    events: list[Event] = field(default_factory=list)
    errors: list[TakeoverError] = field(default_factory=list)
    calls: dict[str, Callable[[], None]] = field(default_factory=dict)

    def on_event(self, name: str, call: Callable[[], None]) -> None:
        """Call back when the observers hear of such an event."""
        self.calls[name] = call

    @property
    def path(self) -> Path:
        """Return where the session file is."""
        return self.session.path

    @property
    def chat(self) -> Writer:
        """Return the writer of the conversation."""
        return self.session.writer("chat")

    async def turn(self, reply: str, body: Body = nothing, *, writer: Writer | None = None, **options: Any) -> None:
        """Take one turn as the README shows it: `body` is what goes on while the model thinks."""
        chat = writer or self.chat
        try:
            async with chat.fence(**options) as fence:
                await body(fence)
                await fence.append(say("assistant", reply))
        except TakeoverError as error:
            self.errors.append(error)
            if not error.usable:
                await self.session.reopen()
            await chat.append_all(error.unwritten)

    def assert_quiet(self, *expected: str) -> None:
        """No error, one unbranched conversation, every record once, and these texts in this order."""
        assert self.errors == []
        assert self.said(check_chain(self.path)) == list(expected)
        assert [event for event in self.events if event.name in ("fence_broken", "answer_unheard")] == []

    @staticmethod
    def said(records: list[Record]) -> list[str]:
        """Return the texts of the conversation."""
        return texts(records)

    def count(self, text: str) -> int:
        """Return how often this text stands in the file."""
        return texts(read_session(self.path).records).count(text)

    def counted(self, kind: str) -> int:
        """Return how many records of a background part stand in the file."""
        return sum(record.get("customType") == kind for record in read_session(self.path).records)


@asynccontextmanager
async def gateway(path: Path, **options: Any) -> AsyncIterator[Gateway]:
    """Open a gateway's one session."""
    events: list[Event] = []
    calls: dict[str, Callable[[], None]] = {}

    def observe(event: Event) -> None:
        events.append(event)
        calls.get(event.name, lambda: None)()

    options.setdefault("limits", Limits(torn_wait_seconds=0.005))
    async with Coordinator(observers=[observe], **options) as coordinator:
        yield Gateway(await coordinator.open(path, format=PI), events, calls=calls)


async def together(*jobs: Awaitable[object]) -> None:
    """Run jobs at once and fail if they do not end."""
    async with asyncio.timeout(20):
        await asyncio.gather(*jobs)


def elsewhere(job: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a job that is not inside any fence of the code that starts it, as another part of the gateway would."""
    return asyncio.get_running_loop().create_task(job, context=Context())
