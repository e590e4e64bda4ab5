"""The race: writers at full speed inside fences, against a second process that changes the file in four ways."""

import asyncio
import json
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Coroutine, Iterable
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from time import monotonic_ns
from typing import Any, TypeVar

from coordinator import (
    PI,
    Durability,
    Fence,
    Limits,
    Outcome,
    Receipt,
    Record,
    Session,
    SessionState,
    TakeoverError,
    Writer,
)
from coordinator.testing import open_session

from .intruder import PAD
from .judge import Tally, judge
from .log import Act, Log, Look

T = TypeVar("T")
KINDS = ["edit", "halves", "rename", "whole"]
CHANGES_PER_ROUND = 40
ROUND_SECONDS_MAX = 60
LIMITS = Limits(torn_wait_seconds=0.002)


def note(text: str) -> Record:
    """Return a record that can be known by its text."""
    return {"type": "custom", "customType": "note", "data": {"text": text}}


class Intruder:
    """The second process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    def order(self, **order: object) -> None:
        """Send one order."""
        self.go_on(json.dumps(order))

    def go_on(self, word: str = "") -> None:
        """Let it go on after a change that stopped the session."""
        assert self._process.stdin is not None
        self._process.stdin.write(word.encode() + b"\n")

    async def acts(self) -> AsyncIterator[Act]:
        """Receive what it has done, until the order is fulfilled."""
        assert self._process.stdout is not None
        while "done" not in (said := json.loads(await self._process.stdout.readline())):
            yield Act(**said)


@asynccontextmanager
async def intruder() -> AsyncIterator[Intruder]:
    """Run the second process."""
    program = Path(__file__).with_name("intruder.py")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, str(program), stdin=pipe, stdout=pipe)
    try:
        yield Intruder(process)
    finally:
        process.kill()
        await process.wait()


class Round:
    """One session, its writers and its turns, as long as the second process disturbs them."""

    def __init__(self, session: Session, other: Intruder, log: Log, chance: random.Random) -> None:
        self.session = session
        self.other = other
        self.log = log
        self.chance = chance
        self.over = False
        self.healthy = asyncio.Event()
        self.healthy.set()
        log.on_state = self._see_state

    async def run(self, order: dict[str, object]) -> None:
        """Race until the order is fulfilled, then look once more."""
        await self.session.writer("setup").append({**note("setup"), "pad": PAD.decode()})
        self.other.order(**order)
        async with asyncio.TaskGroup() as group:
            for task in self.background():
                group.create_task(task)
            turns = group.create_task(self._take_turns(self.session.writer("chat")))
            async for act in self.other.acts():
                self.log.acts.append(act)
                await self.acknowledge(act)
            self.over = True
            await turns
        await self.session.drain(timeout=10)

    def background(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Return what goes on beside the turns."""
        return [self._keep_writing(self.session.writer(name)) for name in ("memory", "cron", "snapshot")]

    async def acknowledge(self, act: Act) -> None:
        """Answer a change; whoever reopens the session gives the word to go on."""

    def _see_state(self, state: SessionState) -> None:
        (self.healthy.clear if state is SessionState.STOPPED else self.healthy.set)()

    # Background writers

    async def _keep_writing(self, writer: Writer) -> None:
        for number in count():
            if self.over:
                return
            texts = [f"{writer.name}-{number}-{part}" for part in range(self.chance.randint(1, 4))]
            await self._write(writer, texts)
            await self.healthy.wait()

    async def _write(self, writer: Writer, texts: list[str]) -> None:
        try:
            receipts = await writer.append_all([note(text) for text in texts])
        except TakeoverError as error:
            if error.outcome is not Outcome.KEPT:
                raise
            self.log.kept |= set(texts)
        else:
            self.log.receipts |= zip(texts, receipts, strict=True)

    # Turns

    async def _take_turns(self, chat: Writer) -> None:
        for number in count():
            last = self.over
            await self._turn(chat, f"reply-{number}")
            self.turn_is_over()
            if last:
                return

    def turn_is_over(self) -> None:
        """Hear that a turn has ended, and that the session can be used again if it was stopped."""

    async def _turn(self, chat: Writer, text: str) -> None:
        try:
            scope = chat.fence()
            fence = await self._look(scope.__aenter__())
            async with _left_by(scope):
                await self._model_call(fence, text)
        except TakeoverError as error:
            await self._handle(chat, text, error)

    async def _model_call(self, fence: Fence, text: str) -> None:
        for _ in range(self.chance.randint(0, 6)):
            await self._look(fence.check())
        self._acknowledged(text, [await self._look(fence.append(note(text)))])

    async def _look(self, looking: Awaitable[T]) -> T:
        begin_ns = monotonic_ns()
        try:
            return await looking
        finally:
            self.log.looks.append(Look(begin_ns, monotonic_ns()))

    async def _handle(self, chat: Writer, text: str, error: TakeoverError) -> None:
        """Do what the README says, and again if that is disturbed too."""
        self._acknowledged(text, error.written)
        if not error.usable:
            await self.reopen()
        if error.unwritten:
            await self._write(chat, [text])

    async def reopen(self) -> None:
        """Accept the file as it is now, and let the other process go on."""
        await self.session.reopen()
        self.other.go_on()

    def _acknowledged(self, text: str, receipts: list[Receipt]) -> None:
        self.log.receipts |= zip([text] * len(receipts), receipts, strict=True)


@asynccontextmanager
async def _left_by(scope) -> AsyncIterator[None]:
    """Leave a scope that was entered by hand."""
    try:
        yield
    except BaseException as error:
        if not await scope.__aexit__(type(error), error, error.__traceback__):
            raise
    else:
        await scope.__aexit__(None, None, None)


async def one_round(directory: Path, other: Intruder, *, changes: int, seed: int) -> Tally:
    """Race on one new session and judge it; its file stays where it is if something was wrong."""
    path, log = directory / f"race-{seed}.jsonl", Log()
    options = {"limits": LIMITS, "durability": Durability.NONE, "observers": [log.observe]}
    async with asyncio.timeout(ROUND_SECONDS_MAX), open_session(path, format=PI, **options) as session:
        order = {"path": str(path), "count": changes, "seed": seed, "kinds": KINDS}
        await Round(session, other, log, random.Random(seed)).run(order)
    tally = judge(path, log)
    tally.wrong = [f"seed {seed}: {wrong}" for wrong in tally.wrong]
    if not tally.wrong:
        for file in directory.glob(f"*race-{seed}.jsonl*"):
            os.unlink(file)
    return tally


async def race(directory: Path, *, changes: int, seed: int) -> Tally:
    """Race for as many foreign changes, on one session after another so that each stays small."""
    total = Tally()
    async with intruder() as other:
        for number, begun in enumerate(range(0, changes, CHANGES_PER_ROUND)):
            size = min(CHANGES_PER_ROUND, changes - begun)
            total.add(await one_round(directory, other, changes=size, seed=seed + number))
    return total
