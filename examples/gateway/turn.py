"""A turn: a message of the user that is to be answered, and where its answer is told."""

from __future__ import annotations

import asyncio
import time

import anyio

from coordinator import TakeoverError

from .agents import Agent
from .events import Events
from .plain import plain
from .records import API, Record

EVIDENCE = ("change", "forked", "foreign_range", "foreign_records", "ledger", "suspects")


class Turn:
    """One message and what becomes of it; it goes on whether or not anybody still listens."""

    def __init__(self, message: Record, agent: Agent, *, model: str, provider: str) -> None:
        self.message = message
        self.agent = agent
        self.model = {"provider": provider, "modelApi": API, "modelId": model}
        self.annotations: dict[str, object] = dict(self.model)
        """What the plugins are told about the turn."""
        self.events = Events()
        self.over = asyncio.Event()
        self.text = ""
        """The whole reply, once the turn is over; without one, `error` says why."""
        self.error: str | None = None
        self.is_follow_up = False
        self.began_anew = False
        self._stopped = False
        self._scope = anyio.CancelScope()

    @property
    def id(self) -> str:
        """Return the id of the user's message."""
        return str(self.message["id"])

    def stop(self) -> None:
        """End the turn as soon as it can be; what the model has said by then is kept."""
        self._stopped = True
        self._scope.cancel()

    def stoppable(self) -> anyio.CancelScope:
        """Return a scope that `stop` cancels, also if it was called before."""
        self._scope = anyio.CancelScope()
        if self._stopped:
            self._scope.cancel()
        return self._scope

    def heard(self, text: str) -> None:
        """Pass on a piece of the reply."""
        self.annotations.setdefault("firstTokenAt", time.time())
        self.events.tell("delta", text=text)

    def repeated(self) -> None:
        """Note that the reply began anew; `done` says so, and has it whole."""
        self.began_anew = True

    def tell_reply(self, record_id: str, text: str) -> None:
        """Tell the client that the reply is recorded."""
        self.text, self.error = text, None
        self.events.tell("done", id=record_id, text=text, repeated=self.began_anew)

    def tell_stop(self, text: str) -> None:
        """Tell the client that the turn was stopped, and what is recorded of the reply."""
        self.error = "the turn was stopped"
        self.events.tell("stopped", text=text)

    def tell_failure(self, error: Exception) -> None:
        """Tell the client what went wrong, and what can be done about it."""
        self.error = str(error)
        hint = getattr(error, "hint", "look at the gateway's log")
        message = getattr(error, "message", str(error))  # the library's errors say path and hint apart
        self.events.tell("error", kind=type(error).__name__, message=message, hint=hint)

    def tell_takeover(self, error: TakeoverError) -> None:
        """Tell the client that somebody else has written, and what is known of it; the reply will come all the same."""
        evidence = {name: getattr(error, name) for name in EVIDENCE}
        self.events.tell(
            "error", kind="TakeoverError", message=error.message, hint=error.hint, evidence=plain(evidence)
        )

    def end(self) -> None:
        """Let those who wait for it go on."""
        self.events.end()
        self.over.set()
