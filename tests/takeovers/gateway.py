"""A small gateway around one session: its turns follow the README, its file is read as others read it."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from coordinator import PI, Change, Durability, Event, Limits, Record, Session, TakeoverError, Writer
from coordinator.testing import Interposer, open_session

from .acts import PAD, Act

Accept = Callable[[Record], bool]
LIMITS = Limits(torn_wait_seconds=0.002)


def note(text: str) -> Record:
    """Return a record that a person can find again by its text."""
    return {"type": "custom", "customType": "note", "data": {"text": text}}


@dataclass
class Gateway:
    """One session with a writer, everything that observers were told, and a way to act between two system calls."""

    session: Session
    chat: Writer
    interposer: Interposer
    events: list[Event] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """Return where the session file is."""
        return self.session.path

    def records(self) -> list[Record]:
        """Return every readable line of the file."""
        content = self.path.read_bytes() if self.path.exists() else b""
        return [record for line in content.split(b"\n") if (record := readable(line)) is not None]

    def count(self, text: str) -> int:
        """Return how often a note can be read in the file."""
        return sum(record.get("data", {}).get("text") == text for record in self.records())

    async def conversation(self) -> list[str]:
        """Return the ids from the root to the leaf."""
        return [entry.record["id"] for entry in await self.session.branch()]

    def told(self) -> list[Change]:
        """Return the foreign changes that observers heard of, but those that mean nothing."""
        found = [event.foreign.change for event in self.events if event.name == "foreign_change"]
        return [change for change in found if change is not Change.TOUCHED]

    def forks(self) -> int:
        """Return how many forks observers heard of."""
        return sum(event.name == "foreign_change" and event.forked for event in self.events)

    async def handle(self, error: TakeoverError) -> None:
        """Do what the handler in the README does."""
        if not error.usable:
            await self.session.reopen()
        await self.chat.append_all(error.unwritten)

    async def turn(
        self,
        text: str,
        moment: str = "never",
        act: Act | None = None,
        *,
        accept: Accept | None = None,
    ) -> TakeoverError | None:
        """Take one turn whose reply is `text`, with a foreign act at `moment`; return the error that was handled."""
        do = (lambda: None) if act is None else (lambda: act.do(self.path))
        try:
            await self._turn(text, moment, do, accept)
        except TakeoverError as error:
            await self.handle(error)
            return error
        return None

    async def _turn(self, text: str, moment: str, act: Callable[[], None], accept: Accept | None) -> None:
        if moment == "before entering":
            act()
        async with self.chat.fence(accept=accept) as fence:
            if moment in ("in the body", "at check"):
                act()
            if moment == "at check":
                await fence.check()
            if moment == "at fence.append":
                self.interposer.before("write", act)
            if moment == "behind fence.append":
                self.interposer.after("write", act)
            await fence.append(note(text))
            if moment == "at leaving":
                await fence.check()
                act()
            if moment == "after it":
                act()


def readable(line: bytes) -> Record | None:
    """Return the record of a line, None if it is none."""
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


@asynccontextmanager
async def gateway(
    path: Path, limits: Limits = LIMITS, *, quick: bool = True, durability: Durability = Durability.FENCE
) -> AsyncIterator[Gateway]:
    """Open a new session and say something in it, so that there is a file to disturb."""
    interposer, events = Interposer(quick=quick), list[Event]()
    async with open_session(
        path, format=PI, limits=limits, durability=durability, interposer=interposer, observers=[events.append]
    ) as session:
        chat = session.writer("chat")
        await chat.append_all([note(PAD.decode()), note("question"), note("more")])
        yield Gateway(session, chat, interposer, events)
