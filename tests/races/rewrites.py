"""The race of rewrites: one process writes and compacts without pause, the other appends, replaces and edits."""

import asyncio
import json
import random
from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic_ns
from typing import Any

from coordinator import PI, Change, Durability, Event, Record, Session, TakeoverError, WriteFailedError
from coordinator.testing import open_session

from .intruder import STOPPING
from .judge import Tally
from .log import Act, Finding, Log
from .race import LIMITS, Intruder, Round, intruder
from .rewrites_judge import judge

CHANGES_PER_ROUND = 40
ROUND_SECONDS_MAX = 120
KINDS = ["edit", "halves", "late", "swap", "swap twice", "whole"]


@dataclass(frozen=True)
class Shown:
    """A finding, and what of it could be seen."""

    found: Finding
    content: bytes
    damaged: bool


@dataclass
class RewriteLog(Log):
    """What happened, and the bytes of every finding: the next rewrite puts them elsewhere."""

    path: Path = Path()
    shown: list[Shown] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def observe(self, event: Event) -> None:
        """Write down what the library says, and what stands where it says so, before anything else is done there."""
        before = len(self.findings)
        super().observe(event)
        for found in self.findings[before:]:
            content = [json.dumps(record).encode() for record in event.foreign.first_records]
            self.shown.append(Shown(found, b"\n".join([*content, *self._bytes_of(found)]), event.foreign.damaged > 0))

    def _bytes_of(self, found: Finding) -> Iterator[bytes]:
        """Read the range of a finding in every file that may have been meant: it may have been displaced already."""
        if found.start is None or found.end is None or found.change is Change.TRUNCATED:
            return
        files = [self.path, self.path.with_name(f"{self.path.name}.new"), *displaced_files(self.path)]
        for file in files:
            try:
                with file.open("rb") as readable:
                    readable.seek(found.start)
                    yield readable.read(found.end - found.start)
            except FileNotFoundError:
                continue

    def count(self, what: str) -> None:
        """Count something."""
        self.counts[what] = self.counts.get(what, 0) + 1


def displaced_files(path: Path) -> list[Path]:
    """Return what the other process has replaced and kept."""
    return [*path.parent.glob(f"{path.name}.displaced-*")]


def compact(records: Iterator[Record]) -> Iterable[Record]:
    """Count for every record how often it was rewritten: no content is that of the generation before."""
    return ({**record, "rewritten": record.get("rewritten", 0) + 1} for record in records)


class RewritingRound(Round):
    """A round whose session is compacted again and again."""

    log: RewriteLog

    def __init__(self, session: Session, other: Intruder, log: RewriteLog, chance: random.Random) -> None:
        super().__init__(session, other, log, chance)
        self._waiting: list[tuple[asyncio.Future[None], int]] = []
        self._turns = 0

    def background(self) -> Iterable[Coroutine[Any, Any, None]]:
        """Compact beside the writers."""
        return [*super().background(), self._keep_compacting()]

    async def acknowledge(self, act: Act) -> None:
        """Let the other process go on after a whole turn: what was not found by then is never found."""
        if act.kind in STOPPING:
            looked = asyncio.get_running_loop().create_future()
            self._waiting.append((looked, self._turns + 2))
            await looked
            self.other.go_on()

    def turn_is_over(self) -> None:
        """Wake who waits for a turn that began after it did."""
        self._turns += 1
        for looked, turns in self._waiting:
            if turns <= self._turns:
                looked.set_result(None)
        self._waiting = [waiting for waiting in self._waiting if waiting[1] > self._turns]

    async def reopen(self) -> None:
        """Accept the file as it is now; again, if the other process replaces it while the kept records are written."""
        while True:
            try:
                await self.session.reopen()
            except TakeoverError:
                self.log.count("reopenings disturbed by another takeover")
            else:
                return

    async def _keep_compacting(self) -> None:
        while not self.over:
            await self.healthy.wait()
            try:
                await self.session.rewrite(compact)
            except WriteFailedError:
                self.log.count("rewrites refused beside a foreign change")
            except TakeoverError:
                self.log.count("rewrites stopped by a takeover")
            else:
                self.log.count("rewrites")


async def one_round(directory: Path, other: Intruder, *, changes: int, seed: int) -> Tally:
    """Race on one new session and judge it; its file stays where it is if something was wrong."""
    path = directory / f"rewrites-{seed}.jsonl"
    log = RewriteLog(path=path)
    durability = random.Random(seed).choice([*Durability])
    options = {"limits": LIMITS, "durability": durability, "observers": [log.observe]}
    async with asyncio.timeout(ROUND_SECONDS_MAX), open_session(path, format=PI, **options) as session:
        order = {"path": str(path), "count": changes, "seed": seed, "kinds": KINDS}
        begin_ns = monotonic_ns()
        await RewritingRound(session, other, log, random.Random(seed)).run(order)
        log.counts["milliseconds"] = (monotonic_ns() - begin_ns) // 1_000_000
    # What was torn when the session was opened again is beside the file.
    others = [*displaced_files(path), *directory.glob(f"{path.name}.torn-*")]
    tally = judge(log, path.read_bytes(), [file.read_bytes() for file in others])
    tally.wrong = [f"seed {seed}: {wrong}" for wrong in tally.wrong]
    if not tally.wrong:
        for file in directory.glob(f"*rewrites-{seed}.jsonl*"):
            file.unlink()
    return tally


async def race_of_rewrites(directory: Path, *, changes: int, seed: int) -> Tally:
    """Race for as many foreign changes, on one session after another so that each stays small."""
    total = Tally()
    async with intruder() as other:
        for number, begun in enumerate(range(0, changes, CHANGES_PER_ROUND)):
            size = min(CHANGES_PER_ROUND, changes - begun)
            total.add(await one_round(directory, other, changes=size, seed=seed + number))
    return total
