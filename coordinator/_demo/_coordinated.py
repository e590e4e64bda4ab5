"""Rounds (b) and (c), what to do: the same gateway, writing through the coordinator. This is all there is to it."""

from __future__ import annotations

from coordinator import Record, Session, TakeoverError

from ._gateway import CRON, HEARTBEAT, PARTS
from ._log import RunLog
from ._model import Model

_FOLLOWS_UP = (CRON.part, HEARTBEAT.part)
"""These ask in the middle of somebody else's turn: their questions wait until it ends."""


class CoordinatedConversation:
    """A session file with one owner; every part of the gateway holds a writer."""

    def __init__(self, session: Session, log: RunLog) -> None:
        self._session = session
        self._log = log
        self._writers = {
            part: session.writer(part, during_fence="hold" if part in _FOLLOWS_UP else "advance") for part in PARTS
        }

    async def append(self, part: str, record: Record) -> None:
        """Append a record, also while a turn is under way."""
        await self._writers[part].append(record)
        self._log.wrote(part, record)

    async def turn(self, part: str, question: Record, model: Model) -> None:
        """Ask the model inside a fence; if somebody else wrote to the file, note it and keep the reply all the same."""
        await self.append(part, question)
        writer = self._writers[part]
        try:
            async with writer.fence() as fence:
                with self._log.window(part):
                    reply = self._log.replies[part] = await model.complete(question)
                    await fence.append(reply)
        except TakeoverError as error:
            self._log.takeovers[part] = error
            if not error.usable:
                await self._session.reopen()
            await writer.append_all(error.unwritten)
