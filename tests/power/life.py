"""What is done to a session while its disk is logged, and from which moment on what of it has to survive.

The texts of the records tell the story: the file must always hold a beginning of what was written, in order. A rewrite
starts a second such line, which is on the disk as a whole or not at all.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from coordinator import PI, Coordinator, CoordinatorError, Durability, Limits, Record, Session

SESSION = "session.jsonl"
START = ("start 0", "start 1", "start 2")
CUT = b'{"type":"custom","customType":"note","data":{"text":"never finished' + b"?" * 5000
MARK = b"on a bad sector"
SUMMARY = "summary"
LIMITS = Limits(sync_idle_seconds=3600.0, close_seconds_max=5.0, drain_seconds_max=5.0)
SIZES = (40, 700, 3000, 90, 6000, 400)
"""Of fillings: some records share a block, some take more than one."""


def note(text: str, filling: int = 40) -> Record:
    """Return a record that is known by its text."""
    return {"type": "custom", "customType": "note", "data": {"text": text, "filling": "x" * filling}}


def compacted(records: Iterator[Record]) -> Iterable[Record]:
    """Put a summary in the place of the first record, as the parent of the second."""
    yield {**next(records), **note(SUMMARY)}
    yield from records


@dataclass
class Told:
    """What the life has told: what must stand in the file from which moment on."""

    lines: list[list[str]]
    """What was given to the session, in order; one more list for each rewrite."""
    whole: list[int] = field(default_factory=lambda: [0])
    """How long each of these was when it came to be."""
    durable: list[tuple[int, int, int]] = field(default_factory=lambda: [(0, 0, 0)])
    """From this moment on: so many records, of this line or a later one."""
    bad: tuple[int, int] = (0, 0)
    """From and to this moment the disk has lost what it was given, and said so."""
    strange: str = ""

    def owed(self, moment: int) -> tuple[int, int]:
        """Return how many records must be there, and of which line at least."""
        return max((line, count) for at, line, count in self.durable if at <= moment)[::-1]


@dataclass
class Life:
    """One session in use."""

    path: Path
    told: Told
    now: Callable[[], int]
    """The moment, as the disk counts it."""
    write_back: Callable[[], None]
    disk_fails: Callable[[bool], None]
    durability: Durability = Durability.FENCE
    session: Session = field(init=False)

    def durable(self) -> None:
        """All that was given so far was acknowledged as durable."""
        lines = self.told.lines
        self.told.durable.append((self.now(), len(lines) - 1, len(lines[-1])))

    def record(self, text: str, filling: int = 40) -> Record:
        """Return the next record that will be given."""
        self.told.lines[-1].append(text)
        return note(text, filling)

    async def append(self, text: str, filling: int = 40) -> None:
        """Append one record; its receipt says whether it is durable."""
        receipt = await self.session.writer("chat").append(self.record(text, filling))
        if receipt.durable:
            self.durable()

    async def rewrite(self) -> None:
        """Compact the session."""
        self.told.lines.append([SUMMARY, *self.told.lines[-1][1:]])
        self.told.whole.append(len(self.told.lines[-1]))
        await self.session.rewrite(compacted)
        self.durable()


async def always(life: Life) -> None:
    """Append; every receipt is durable."""
    for number, size in enumerate(SIZES * 2):
        await life.append(f"record {number}", size)


async def fence(life: Life) -> None:
    """Take turns, with records of others before and during them; the kernel writes back as it likes."""
    for turn, size in enumerate(SIZES[:4]):
        await life.append(f"before {turn}", size)
        life.write_back()
        await life.append(f"just before {turn}")
        async with life.session.writer("chat").fence() as held:
            life.durable()
            await life.append(f"during {turn}", size)
            await held.append(life.record(f"reply {turn}"))
        life.durable()


async def create(life: Life) -> None:
    """Make a new session: its name is durable with its first receipt."""
    for number, size in enumerate(SIZES):
        await life.append(f"record {number}", size)


async def rewrite(life: Life) -> None:
    """Compact, twice, between appends that are durable and some that are not yet."""
    for number in range(2):
        await life.append(f"before {number}", 3000)
        await life.rewrite()
        await life.append(f"behind {number}", 700)
        await life.session.sync()
        life.durable()


async def heal(life: Life) -> None:
    """Go on behind a torn tail, which opening has cut."""
    await life.append("behind the cut", 700)
    await life.append("and on")


async def reopen(life: Life) -> None:
    """A sync fails: what was in memory goes to a new file."""
    await life.append("well", 700)
    await life.session.sync()
    life.durable()
    begun = life.now()
    life.disk_fails(True)
    await life.append(MARK.decode(), 3000)
    await life.append("as well")
    try:
        await life.session.sync()
    except CoordinatorError:
        life.disk_fails(False)
        await life.session.reopen()
        life.durable()
        life.told.bad = begun, life.now()
        await life.append("after it", 400)
        await life.session.sync()
        life.durable()
    else:
        life.told.strange = "a sync that should have failed did not"


async def close(life: Life) -> None:
    """Append without a barrier; closing is one."""
    for number, size in enumerate(SIZES):
        await life.append(f"record {number}", size)
        if number == 2:
            life.write_back()


@dataclass(frozen=True)
class Operation:
    """A life, what it starts from, and how durable it is."""

    live: Callable[[Life], Awaitable[None]]
    durability: Durability = Durability.FENCE
    start: tuple[str, ...] = START
    cut: bytes = b""


OPERATIONS: Mapping[str, Operation] = {
    "always": Operation(always, Durability.ALWAYS),
    "fence": Operation(fence),
    "create": Operation(create, Durability.ALWAYS, start=()),
    "rewrite": Operation(rewrite),
    "heal": Operation(heal, Durability.ALWAYS, cut=CUT),
    "reopen": Operation(reopen),
    "close": Operation(close),
}


async def prepare(path: Path, operation: Operation) -> None:
    """Write what the life starts from."""
    if operation.start:
        async with Coordinator() as coordinator:
            session = await coordinator.open(path, format=PI)
            await session.writer("chat").append_all([note(text) for text in operation.start])
    if operation.cut:
        with path.open("ab") as file:
            file.write(operation.cut)


async def live(life: Life, operation: Operation) -> None:
    """Open, do it, close."""
    async with Coordinator(durability=operation.durability, limits=LIMITS) as coordinator:
        life.session = await coordinator.open(life.path, format=PI)
        life.told.durable.append((life.now(), 0, len(operation.start)))
        await operation.live(life)
    life.durable()


def run(life: Life, operation: Operation) -> Told:
    """Live one life; whatever goes wrong in it is told."""
    try:
        asyncio.run(live(life, operation))
    except Exception as error:  # noqa: BLE001 - it is what the test wants to know
        life.told.strange = repr(error)
    return life.told
