"""The gateway: everything that the HTTP interface and the jobs ask for, over one coordinator."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

from coordinator import PI, ClosedError, Coordinator, Receipt, Session

from .agents import Agent, agent_of
from .answering import Answering
from .conversation import Conversation
from .model_client import ModelClient
from .records import custom, user_message
from .settings import Settings
from .tools import Tools
from .turn import Turn


class Gateway:
    """Opens sessions when they are first spoken to, and keeps them until its end."""

    def __init__(self, settings: Settings, coordinator: Coordinator, models: ModelClient) -> None:
        self.coordinator = coordinator
        self.tools = Tools(self.ask, search_seconds_max=settings.slow_search_seconds)
        self._settings = settings
        self._models = models
        self._conversations: dict[str, Conversation] = {}
        self._ending = False

    # Sessions

    @property
    def conversations(self) -> Mapping[str, Conversation]:
        """Return the sessions that are open, by name."""
        return self._conversations

    async def conversation(self, name: str, *, create: bool = True) -> Conversation:
        """Return a session, opened if need be; `PathError` if it is not there and not to be made."""
        if name not in self._conversations:
            session = await self.coordinator.open(self.path_of(name), format=PI, create=create)
            # Two that come at once open it twice and get the same session; the first to come here makes it ours.
            self._conversations.setdefault(name, Conversation(session, self._new_answering))
        return self._conversations[name]

    def path_of(self, name: str) -> Path:
        """Return the file of a session."""
        return self._settings.root / f"{name}.jsonl"

    async def names(self) -> list[str]:
        """Return the names of all sessions, open or not."""
        files = await asyncio.to_thread(lambda: [path.stem for path in self._settings.root.glob("*.jsonl")])
        return sorted({*files, *self._conversations})

    # Turns

    async def post(
        self, name: str, text: str, *, agent: Agent | None = None, model: str | None = None, provider: str | None = None
    ) -> Turn:
        """Accept a message for a session; the turn that answers it is the gateway's own, whoever asked for it."""
        if self._ending:
            raise ClosedError("the gateway ends", hint="ask again when it is back")
        agent = agent or agent_of(name)
        conversation = await self.conversation(agent.session_name(name))
        settings = self._settings
        turn = Turn(user_message(text), agent, model=model or settings.model, provider=provider or settings.provider)
        await conversation.post(turn)
        return turn

    async def ask(self, name: str, text: str) -> str:
        """Ask a session's agent and wait for the reply; who stops waiting stops the turn."""
        turn = await self.post(name, text)
        try:
            await turn.over.wait()
        except asyncio.CancelledError:
            turn.stop()
            raise
        if turn.error is not None:
            raise RuntimeError(turn.error)
        return turn.text

    async def end_turns(self) -> None:
        """Take no more messages, and let what runs come to its end."""
        if self._ending:
            return
        self._ending = True
        seconds_max = self._settings.close_seconds_max
        await asyncio.gather(*(each.end(seconds_max) for each in self._conversations.values()))

    def _new_answering(self, session: Session, turn: Turn) -> Answering:
        return Answering(session, turn, self._models, self.tools, self._settings)

    # Records beside the turns

    async def note(self, name: str, writer: str, kind: str, **data: object) -> Receipt:
        """Append something to a session, whether or not a turn is going on in it."""
        conversation = await self.conversation(name)
        return await conversation.session.writer(writer).append(custom(kind, **data))
