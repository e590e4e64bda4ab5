"""The process that is killed: opens the session, writes at full speed, and reports each receipt when it has it."""

import asyncio
import os
import random
from itertools import count
from pathlib import Path

from coordinator import PI, Coordinator, Durability, Receipt, Record, Writer


def note(text: str, size: int) -> Record:
    """Return a record that can be known by its text and is long enough to be torn."""
    return {"type": "custom", "customType": "note", "data": {"text": text, "filling": "x" * size}}


def live(path: Path, pipe: int, seed: int) -> None:
    """Write until killed."""
    asyncio.run(_live(path, pipe, random.Random(seed), name=f"life-{seed}"))


async def _live(path: Path, pipe: int, chance: random.Random, *, name: str) -> None:
    async with Coordinator(durability=chance.choice([Durability.NONE, Durability.FENCE])) as coordinator:
        session = await coordinator.open(path, format=PI)
        os.write(pipe, b"open\n")
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(_write(session.writer(f"{name}-{number}"), pipe, chance))
            group.create_task(_take_turns(session.writer(f"{name}-chat"), pipe))


async def _write(writer: Writer, pipe: int, chance: random.Random) -> None:
    for number in count():
        size = chance.choices([10, 200, 20_000, 300_000], [10, 10, 4, 1])[0]
        texts = [f"{writer.name}-{number}-{part}" for part in range(chance.randint(1, 3))]
        receipts = await writer.append_all([note(text, size) for text in texts])
        _report(pipe, zip(texts, receipts, strict=True))


async def _take_turns(writer: Writer, pipe: int) -> None:
    for number in count():
        async with writer.fence() as fence:
            text = f"{writer.name}-{number}"
            _report(pipe, [(text, await fence.append(note(text, 300)))])


def _report(pipe: int, acknowledged) -> None:
    for text, receipt in acknowledged:
        os.write(pipe, _line(text, receipt))


def _line(text: str, receipt: Receipt) -> bytes:
    return f"{text} {receipt.offset} {receipt.size} {receipt.id}\n".encode()
