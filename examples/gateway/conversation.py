"""One session and its turns, one after the other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextvars import Context

import structlog

from coordinator import ClosedError, CoordinatorError, PendingReceipt, QueueFullError, Session

from .answering import Answering
from .recovery import settle
from .turn import Turn

log = structlog.get_logger("gateway")

WAITING_MAX = 64

NewAnswering = Callable[[Session, Turn], Answering]


class Conversation:
    """Takes messages at any time; one that comes during a turn is a follow-up, and has its own turn after it."""

    def __init__(self, session: Session, new_answering: NewAnswering) -> None:
        self.session = session
        self._new_answering = new_answering
        self._messages = session.writer("user", during_fence="hold")
        self._waiting: deque[tuple[Turn, PendingReceipt]] = deque()
        self._later: set[str] = set()
        """The messages that may be in the file already, and whose turn has not begun."""
        self._current: Turn | None = None
        self._task: asyncio.Task[None] | None = None

    async def post(self, turn: Turn) -> None:
        """Accept a message: it is in the queue now, and its turn will come."""
        if len(self._later) >= WAITING_MAX:
            hint = "wait for answers before sending more"
            raise QueueFullError(f"{WAITING_MAX} messages wait for their turns", path=self.session.path, hint=hint)
        self._later.add(turn.id)
        try:
            pending = await self._messages.submit(turn.message)
        except BaseException:
            self._later.discard(turn.id)
            raise
        if self._task is not None and not self._task.done():
            turn.events.tell("accepted", id=None)
            turn.is_follow_up = True
        self._waiting.append((turn, pending))
        self._work()

    def stop(self) -> bool:
        """Stop the running turn, if there is one."""
        if self._current is None:
            return False
        self._current.stop()
        return True

    async def end(self, seconds_max: float) -> None:
        """Let the running turn finish, or stop it if it takes longer; those that wait are not begun."""
        while self._waiting:
            _turn_away(self._waiting.popleft()[0])
        if self._task is None:
            return
        await asyncio.wait({self._task}, timeout=seconds_max)
        self.stop()
        await asyncio.wait({self._task}, timeout=seconds_max)
        if self._current is not None:  # a disk without room would hold it, and its client, for ever
            _turn_away(self._current)

    def _work(self) -> None:
        """Begin, unless it has begun.

        In an empty context: the task outlives the request, and one that a tool of another session's turn makes must
        not count as inside that turn's fence.
        """
        if self._task is None or self._task.done():
            loop = asyncio.get_running_loop()
            self._task = loop.create_task(self._take_turns(), context=Context())

    async def _take_turns(self) -> None:
        while self._waiting:
            turn, pending = self._waiting.popleft()
            self._current = turn
            try:
                await self._take_turn(turn, pending)
            except CoordinatorError as error:
                unwritten = getattr(error, "unwritten", ())  # the log is the last place that can have it
                log.exception("a turn failed", session=self.session.path.name, unwritten=unwritten)
                turn.tell_failure(error)
            except Exception as error:
                log.exception("a turn failed", session=self.session.path.name)
                turn.tell_failure(error)
            finally:
                self._current = None
                turn.end()

    async def _take_turn(self, turn: Turn, pending: PendingReceipt) -> None:
        self._later.discard(turn.id)
        await settle(self.session, pending)
        if not turn.is_follow_up:
            turn.events.tell("accepted", id=turn.id)
        await self._new_answering(self.session, turn).run(self._later)


def _turn_away(turn: Turn) -> None:
    turn.tell_failure(ClosedError("the gateway ends", hint="the message is in the session: ask again"))
    turn.end()
