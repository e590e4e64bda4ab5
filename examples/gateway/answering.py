"""Answers one turn: fence, model, tools, reply."""

from __future__ import annotations

from collections.abc import Callable, Collection

import anyio

from coordinator import Fence, Session, TakeoverError

from .answer import Answer, Call
from .context import Message, chat_messages, recent
from .model_client import ModelClient, ModelError, Question
from .records import Record, assistant_message, tool_result
from .recovery import make_usable, recover
from .settings import Settings
from .tools import Tools
from .turn import Turn

TAKEOVERS_MAX = 8
WRITER = "chat"


class Answering:
    """The way of one turn from its question to the reply in the file."""

    def __init__(self, session: Session, turn: Turn, models: ModelClient, tools: Tools, settings: Settings) -> None:
        self._session = session
        self._turn = turn
        self._models = models
        self._tools = tools
        self._steps_left = settings.steps_max
        self._context_messages_max = settings.context_messages_max
        self._writer = session.writer(WRITER)
        self._before: list[Message] | None = None
        self._said: list[Record] = [turn.message]
        self._answer = Answer()
        """What the model has said and is not recorded yet."""
        self._open_calls: list[Call] = []
        self._conclusion: Callable[[], None] | None = None
        """Tells the client how the turn ended; to be called when the reply is in the file."""

    async def run(self, later: Collection[str]) -> None:
        """Answer; `later` says which messages in the file have a turn of their own to come.

        A takeover breaks a fence and not the turn: what was said is recorded, and the turn goes on behind a new fence.
        """
        await make_usable(self._session)
        takeovers = 0
        while self._conclusion is None:
            try:
                async with self._writer.fence(annotations=self._turn.annotations) as fence:
                    if self._before is None:
                        self._before = await self._read_before(later)
                    await self._answer_inside(fence)
            except TakeoverError as error:
                takeovers += 1
                self._turn.tell_takeover(error)
                await recover(self._session, self._writer, error)
                if takeovers >= TAKEOVERS_MAX and self._conclusion is None:
                    raise
        self._conclusion()

    async def _read_before(self, later: Collection[str]) -> list[Message]:
        """Read what was said before, inside the fence: nobody changes it while the model answers."""
        mine = {self._turn.id, *later}
        records = [entry.record for entry in await self._session.branch() if entry.record.get("id") not in mine]
        before = recent(chat_messages(records), self._context_messages_max)
        return [{"role": "system", "content": self._turn.agent.prompt}, *before]

    async def _answer_inside(self, fence: Fence) -> None:
        with self._turn.stoppable() as scope:
            while self._conclusion is None:
                await self._call_tools(fence)
                await self._ask_model(fence)
        if scope.cancelled_caught:
            partial = self._answer
            self._conclusion = lambda: self._turn.tell_stop(partial.text)
            await self._keep(fence, assistant_message(partial, self._turn.model, stop="aborted"))

    async def _call_tools(self, fence: Fence) -> None:
        while self._open_calls:
            call = self._open_calls[0]
            text, failed = await self._tools.call(self._session, self._turn.agent, call)
            self._open_calls.pop(0)
            self._turn.events.tell("tool", name=call.name, result=text)
            await self._keep(fence, tool_result(call, text, failed=failed))

    async def _ask_model(self, fence: Fence) -> None:
        answer, turn = self._answer, self._turn
        try:
            await self._models.ask(self._question(), answer, turn)
        except ModelError as error:
            failure = error
            record = assistant_message(answer, turn.model, stop="error", error=str(error))
            self._conclusion = lambda: turn.tell_failure(failure)
        else:
            record = assistant_message(answer, turn.model, stop="toolUse" if answer.calls else "stop")
            self._open_calls = list(answer.calls)
            if not answer.calls:
                self._conclusion = lambda: turn.tell_reply(record["id"], answer.text)
        await self._keep(fence, record)

    def _question(self) -> Question:
        if self._steps_left == 0:
            raise ModelError("the model wants more and more tools")
        self._steps_left -= 1
        messages = [*(self._before or ()), *chat_messages(self._said)]
        return Question(self._turn.model["modelId"], messages, self._tools.offered_to(self._turn.agent))

    async def _keep(self, fence: Fence, record: Record) -> None:
        """Record what was said; a stop that comes now comes after it, and finds nothing half said."""
        self._said.append(record)
        self._answer = Answer()
        with anyio.CancelScope(shield=True):
            await fence.append(record)
