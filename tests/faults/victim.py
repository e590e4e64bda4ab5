"""The process that is broken and killed: it lives one small life with a session, and tells what it was told.

It writes JSON lines to a pipe: texts that were acknowledged, refused, kept, or accepted and not heard of again, and
every error it met. After an error it does what the documentation says: `reopen()`, then go on.
"""

import asyncio
import errno
import json
import os
import traceback
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from pathlib import Path

from coordinator import (
    PI,
    Coordinator,
    CoordinatorError,
    Durability,
    Limits,
    Receipt,
    Record,
    Session,
    TakeoverError,
    Writer,
)

from . import shim
from .shim import Act, Rule

PATIENCE_SECONDS = 0.25
LIMITS = Limits(drain_seconds_max=0.2, close_seconds_max=0.2, torn_wait_seconds=0.002, sync_idle_seconds=3600.0)
SUMMARY = "summary"


class GivenUpError(Exception):
    """Nothing more can be done in this life; close."""


def note(text: str) -> Record:
    """Return a record that can be known by its text and is long enough to be torn."""
    return {"type": "custom", "customType": "note", "data": {"text": text, "filling": "x" * 40}}


def text_of(record: Record) -> str:
    """Return the text of a note, nothing for other records."""
    data = record.get("data")
    return data.get("text", "") if isinstance(data, dict) else ""


def compacted(records: Iterator[Record]) -> Iterable[Record]:
    """Put a summary in the place of the first record."""
    next(records, None)
    yield note(SUMMARY)
    yield from records


class Victim:
    """One life; each step reports what came of it."""

    def __init__(self, path: Path, pipe: int, durability: Durability, limits: Limits = LIMITS) -> None:
        self.path = path
        self.coordinator = Coordinator(durability=durability, limits=limits)
        self._pipe = pipe
        self._session: Session | None = None

    def say(self, **what: object) -> None:
        """Report; a pipe takes a short line in one piece."""
        os.write(self._pipe, json.dumps(what).encode() + b"\n")

    def say_error(self, doing: str, error: CoordinatorError, texts: Sequence[str] = ()) -> None:
        """Report an error of ours, and what it says of the records."""
        about = {"doing": doing, "error": type(error).__name__, "text": str(error)}
        self.say(**about, path=error.path is not None, hint=bool(error.hint))
        if texts and error.outcome is not None:
            self.say(**{error.outcome.name.lower(): texts})

    def acknowledged(self, texts: Iterable[str], receipts: Iterable[Receipt]) -> None:
        """Report what there are receipts for."""
        self.say(acknowledged=[*texts], places=[(receipt.offset, receipt.size) for receipt in receipts])

    @property
    def session(self) -> Session:
        """Return the open session."""
        assert self._session is not None
        return self._session

    @property
    def chat(self) -> Writer:
        """Return the writer of the turns."""
        return self.session.writer("chat")

    async def open(self, path: Path | None = None) -> Session:
        """Open the session, the second time if the first one fails."""
        for _ in range(2):
            try:
                self._session = await self.coordinator.open(path or self.path, format=PI)
            except CoordinatorError as error:
                self.say_error("open", error)
            else:
                return self._session
        raise GivenUpError

    async def append(self, *texts: str) -> None:
        """Append one group."""
        await self._attempt("append", texts, self.chat.append_all([note(text) for text in texts]))

    async def _attempt(self, doing: str, texts: Sequence[str], work: Awaitable[object]) -> None:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                receipts = await work
            if texts:
                self.acknowledged(texts, receipts)
        except TakeoverError as error:
            self.say_error(doing, error, texts)
            await self._handle(error)
        except CoordinatorError as error:
            self.say_error(doing, error, texts)
            await self.reopen()
        except TimeoutError:
            self.say(accepted=texts)
            raise GivenUpError from None

    async def turn(self, text: str) -> None:
        """Take a turn whose reply is `text`."""
        await self._attempt("turn", (), self._turn(text))

    async def _turn(self, text: str) -> None:
        async with self.chat.fence() as fence:
            try:
                self.acknowledged([text], [await fence.append(note(text))])
            except TakeoverError as error:
                if error.written:
                    self.acknowledged([text], error.written)
                raise
            except CoordinatorError as error:
                self.say_error("fence.append", error, [text])

    async def _handle(self, error: TakeoverError) -> None:
        if not error.usable:
            await self.reopen()
        if error.unwritten:
            await self.append(*map(text_of, error.unwritten))

    async def reopen(self) -> None:
        """Get out of trouble, or give up."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.session.reopen()
        except CoordinatorError as error:
            self.say_error("reopen", error)
            raise GivenUpError from None
        except TimeoutError:
            raise GivenUpError from None

    async def sync(self) -> None:
        """Make everything durable."""
        await self._attempt("sync", (), self.session.sync())

    async def elsewhere(self) -> None:
        """Use another session, so that this one is parked."""
        here = self._session
        other = await self.open(self.path.with_name("other.jsonl"))
        await self._attempt("elsewhere", (), other.writer("chat").append(note("other")))
        await self.sync()
        self._session = here

    async def rewrite(self) -> None:
        """Compact the session."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.session.rewrite(compacted)
        except CoordinatorError as error:
            self.say_error("rewrite", error)
            if not getattr(error, "usable", True):
                await self.reopen()
        except TimeoutError:
            raise GivenUpError from None

    async def close(self) -> None:
        """Close the session."""
        try:
            await self.session.aclose()
        except CoordinatorError as error:
            self.say_error("close", error)

    async def live(self, program: "Program") -> None:
        """Do all of it, and close at the end whatever happened."""
        await self.coordinator.start()
        try:
            await program(self)
        except GivenUpError:
            pass
        finally:
            try:
                await self.coordinator.aclose()
            except CoordinatorError as error:
                self.say_error("close", error)
        self.say(ended=True)


Program = Callable[[Victim], Awaitable[None]]


async def append(victim: Victim) -> None:
    """Every way to append, a turn, a second opening."""
    await victim.open()
    await victim.append("a")
    await victim.append("b", "c")
    await victim.turn("d")
    await victim.append("e")
    await victim.close()
    await victim.open()
    await victim.append("f")


async def heal(victim: Victim) -> None:
    """Open a file whose end is damaged."""
    await victim.open()
    await victim.append("a")


async def rewrite(victim: Victim) -> None:
    """Compact between appends, and inside a turn."""
    await victim.open()
    await victim.append("a")
    await victim.rewrite()
    await victim.turn("b")


async def reopen(victim: Victim) -> None:
    """Somebody replaces the file; accept it."""
    await victim.open()
    await victim.append("lost")
    shim.ask("r")
    await victim.append("a")
    await victim.append("b")


async def rescue(victim: Victim) -> None:
    """A sync fails: what is in memory goes to a new file."""
    await victim.open()
    await victim.append("a")
    shim.add(Rule(Act.FAIL, errno.EIO, name="fdatasync", times=1))
    await victim.sync()
    await victim.append("b")


async def park(victim: Victim) -> None:
    """Two sessions and one descriptor: each use parks the other one."""
    await victim.open()
    await victim.append("a")
    await victim.sync()
    await victim.elsewhere()
    await victim.append("b")


def live(program: Program, path: Path, pipe: int, durability: Durability) -> None:
    """Live one life; whatever is no error of ours is told as it is."""
    limits = Limits(**{name: getattr(LIMITS, name) for name in LIMITS.__slots__} | {"open_files_max": 1})
    victim = Victim(path, pipe, durability, limits if program is park else LIMITS)
    try:
        asyncio.run(victim.live(program))
    except BaseException as error:  # noqa: BLE001 - it is what the test wants to know
        victim.say(strange=repr(error), where=traceback.format_exc()[-1500:])
