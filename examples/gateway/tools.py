"""The tools: what a model may have done for it during its turn."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from coordinator import Session, Writer

from .agents import RESEARCHER, Agent
from .answer import Call
from .records import custom

PARAMETERS = {"type": "object", "properties": {"text": {"type": "string"}}}

log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Tool:
    """Something a model can ask for."""

    description: str
    run: Callable[[Session, str], Awaitable[str]]


class Tools:
    """All tools; each works beside the fence of the turn, and writes through a writer of its own."""

    def __init__(self, ask: Callable[[str, str], Awaitable[str]], *, search_seconds_max: float) -> None:
        self._ask = ask
        self._search_seconds_max = search_seconds_max
        self._searches: set[asyncio.Event] = set()
        self._tools = {
            "read_clock": Tool("Tells the time.", _read_clock),
            "remember": Tool("Keeps a note in the session.", _remember),
            "slow_search": Tool("Searches where searching takes long.", self._search),
            "ask_researcher": Tool("Asks a colleague who knows facts.", self._ask_researcher),
        }

    def offered_to(self, agent: Agent) -> Sequence[dict[str, Any]]:
        """Return how this agent's tools are described to a model."""
        return [
            {
                "type": "function",
                "function": {"name": name, "description": self._tools[name].description, "parameters": PARAMETERS},
            }
            for name in agent.tools
        ]

    async def call(self, session: Session, agent: Agent, call: Call) -> tuple[str, bool]:
        """Return what the tool says, and whether it failed: the model must know, the turn goes on."""
        if call.name not in agent.tools:
            return f"{agent.name} has no tool {call.name!r}", True
        try:
            return await self._tools[call.name].run(session, str(call.arguments.get("text", ""))), False
        except Exception as error:  # a tool may do anything, and fail in any way
            log.exception("a tool failed", tool=call.name)
            return f"{type(error).__name__}: {error}", True

    def release_searches(self) -> int:
        """Let every search that is going on find something now."""
        searches, self._searches = self._searches, set()
        for search in searches:
            search.set()
        return len(searches)

    async def _search(self, _session: Session, text: str) -> str:
        found = asyncio.Event()
        self._searches.add(found)
        try:
            async with asyncio.timeout(self._search_seconds_max):
                await found.wait()
        except TimeoutError:
            return f"nothing was found about {text!r} in time"
        finally:
            self._searches.discard(found)
        return f"something was found about {text!r}"

    async def _ask_researcher(self, session: Session, text: str) -> str:
        return await self._ask(RESEARCHER.session_name(session.path.stem), text)


async def _read_clock(session: Session, _text: str) -> str:
    return await asyncio.to_thread(_read_clock_in_thread, session.writer("clock"))


def _read_clock_in_thread(writer: Writer) -> str:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    writer.append_from_thread(custom("clock", time=now))
    return now


async def _remember(session: Session, text: str) -> str:
    await session.writer("memory").append(custom("memory", text=text))
    return f"remembered: {text}"
