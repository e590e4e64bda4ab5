"""Fences without any foreign writer: held, shared, cancelled, timed out; not one of them may see a takeover."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable
from pathlib import Path

from coordinator import PI, Event, Fence, FenceTimeoutError, Session, Writer
from coordinator.testing import open_session

from .judge import Tally, lines_of
from .race import note

FENCES_PER_ROUND = 500
ROUND_SECONDS_MAX = 120


class Quiet:
    """One session whose turns come from several tasks, until enough of them have been entered."""

    def __init__(self, session: Session, chance: random.Random, *, fences: int) -> None:
        self.session = session
        self.chance = chance
        self.fences = fences
        self.entered = 0
        self.texts: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    async def run(self) -> None:
        """Take turns in four tasks while two writers never stop."""
        async with asyncio.TaskGroup() as group:
            for name in ("memory", "snapshot"):
                group.create_task(self._keep_writing(self.session.writer(name)))
            for name in ("chat", "cron", "agent one", "agent two"):
                group.create_task(self._take_turns(self.session.writer(name), shared=name.startswith("agent")))
        await self.session.drain(timeout=10)

    @property
    def _over(self) -> bool:
        return self.entered >= self.fences

    def _text(self, writer: Writer) -> str:
        self.texts[writer.name] += 1
        return f"{writer.name}-{self.texts[writer.name]}"

    async def _keep_writing(self, writer: Writer) -> None:
        while not self._over:
            await writer.append(note(self._text(writer)))
            await asyncio.sleep(0)

    async def _take_turns(self, writer: Writer, *, shared: bool) -> None:
        while not self._over:
            turn = asyncio.create_task(self._turn(writer, shared=shared))
            if self.chance.random() < 0.1:
                asyncio.get_running_loop().call_later(self.chance.random() * 0.01, turn.cancel)
            await self._ended(turn)

    async def _ended(self, turn: Awaitable[None]) -> None:
        try:
            await turn
            self.counts["left"] += 1
        except asyncio.CancelledError:
            self.counts["cancelled"] += 1
        except FenceTimeoutError:
            self.counts["timed out"] += 1

    async def _turn(self, writer: Writer, *, shared: bool) -> None:
        timeout = self.chance.random() * 0.02 if self.chance.random() < 0.1 else None
        async with writer.fence(shared=shared, timeout=timeout) as fence:
            self.entered += 1
            for _ in range(self.chance.randint(0, 3)):
                await self._step(writer, fence)

    async def _step(self, writer: Writer, fence: Fence) -> None:
        step = self.chance.choice(["check", "append", "beside", "hold"])
        self.counts[step] += 1
        if step == "check":
            await fence.check()
        elif step == "append":
            await fence.append(note(self._text(writer)))
        elif step == "beside":
            await writer.append(note(self._text(writer)))
        else:
            follow_ups = self.session.writer("follow-up", during_fence="hold")
            follow_ups.append_nowait(note(self._text(follow_ups)))


async def one_round(directory: Path, *, fences: int, seed: int) -> Tally:
    """Take turns on one new session; every foreign change that is reported is a false one."""
    path, events, tally = directory / f"fences-{seed}.jsonl", list[Event](), Tally()
    async with asyncio.timeout(ROUND_SECONDS_MAX), open_session(path, format=PI, observers=[events.append]) as session:
        quiet = Quiet(session, random.Random(seed), fences=fences)
        await quiet.run()
        tally.counts += quiet.counts
        tally.counts["fences"] = quiet.entered
        written = session.statistics().records_written
        conversation = await session.branch()
    tally.wrong += [f"seed {seed}: {event}" for event in events if event.name in ("foreign_change", "fence_broken")]
    readable = sum(line.record is not None for line in lines_of(path.read_bytes()))
    if not len(conversation) == written == readable - 1:
        tally.wrong.append(f"seed {seed}: {written} written, {readable - 1} readable, {len(conversation)} on the chain")
    path.unlink()
    return tally


async def quiet_fences(directory: Path, *, fences: int, seed: int) -> Tally:
    """Take so many turns, on one session after another so that each stays small."""
    total = Tally()
    for number, begun in enumerate(range(0, fences, FENCES_PER_ROUND)):
        size = min(FENCES_PER_ROUND, fences - begun)
        total.add(await one_round(directory, fences=size, seed=seed + number))
    return total
