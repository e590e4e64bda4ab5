"""The agents: who answers in which session, and with which tools."""

from __future__ import annotations

import re
from dataclasses import dataclass

SESSION_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True)
class Agent:
    """One who answers; `prefix` begins the names of its sessions."""

    name: str
    prompt: str
    tools: tuple[str, ...]
    prefix: str = ""

    def session_name(self, name: str) -> str:
        """Return which session of this agent is meant by `name`."""
        return name if name.startswith(self.prefix) else self.prefix + name


MAIN = Agent(
    name="main",
    prompt="You are a helpful assistant. Ask the researcher when you need facts.",
    tools=("read_clock", "remember", "slow_search", "ask_researcher"),
)
RESEARCHER = Agent(
    name="researcher",
    prompt="You are a researcher. Answer briefly, and only what was asked.",
    tools=("read_clock", "slow_search"),
    prefix="researcher-",
)
AGENTS = {agent.name: agent for agent in (MAIN, RESEARCHER)}


def agent_of(session_name: str) -> Agent:
    """Return whose session this is."""
    return RESEARCHER if session_name.startswith(RESEARCHER.prefix) else MAIN


def is_session_name(name: str) -> bool:
    """Say whether a name can be that of a file below the root and nothing else."""
    return SESSION_NAME.fullmatch(name) is not None
