"""Kills a writing process at random moments, again and again, and opens what it leaves behind.

The parent imports the library once and never runs a loop or a thread of its own; each life and each opening is a fork
of it, which costs a few milliseconds.
"""

import asyncio
import json
import os
import random
import select
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from coordinator import PI, Coordinator

from .victim import live

LIVES_PER_FILE = 8
LIFE_SECONDS_MAX = 0.08
OPENING_SECONDS_MAX = 30


class Acknowledged(NamedTuple):
    """One receipt as the victim reported it before it died."""

    text: str
    offset: int
    size: int
    id: str


@dataclass
class Tally:
    """The figures of many lives; everything in `wrong` breaks a promise."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return "\n".join([f"{figures}; wrong {len(self.wrong)}", *self.wrong[:20]])


def fork(run: Callable[[], object]) -> int:
    """Run something in a child that never returns from here."""
    child = os.fork()
    if child:
        return child
    try:
        run()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child must not go on as a second parent, whatever happens
        traceback.print_exc()
        os._exit(1)


def one_life(path: Path, tally: Tally, *, seed: int, seconds: float, opened: bool) -> list[Acknowledged]:
    """Let a child write, kill it some time after its start (or its first receipt), and return what it had receipts for.

    On a busy machine a child that is not waited for dies before it has written anything, and nothing is judged.
    """
    reading, writing = os.pipe()
    child = fork(lambda: live(path, writing, seed))
    os.close(writing)
    heard = _first_receipt(reading) if opened else b""
    heard += _listen(reading, seconds)
    os.kill(child, signal.SIGKILL)
    heard += _rest(reading)
    os.waitpid(child, 0)
    lines = heard[: heard.rfind(b"\n") + 1].decode().splitlines()
    tally.counts["killed while opening"] += not lines
    return [_acknowledged(line) for line in lines if line != "open"]


def _first_receipt(pipe: int) -> bytes:
    """Read until there is a line that is not "open"."""
    heard = b""
    while heard.count(b"\n") < 2 and _is_readable(pipe, OPENING_SECONDS_MAX):
        part = os.read(pipe, 65536)
        if not part:
            break
        heard += part
    return heard


def _listen(pipe: int, seconds: float) -> bytes:
    heard, deadline = b"", time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if _is_readable(pipe, left):
            part = os.read(pipe, 65536)
            if not part:
                break
            heard += part
    return heard


def _is_readable(pipe: int, seconds: float) -> bool:
    return bool(select.select([pipe], [], [], seconds)[0])


def _rest(pipe: int) -> bytes:
    heard = b""
    while part := os.read(pipe, 65536):
        heard += part
    os.close(pipe)
    return heard


def _acknowledged(line: str) -> Acknowledged:
    text, offset, size, identity = line.split()
    return Acknowledged(text, int(offset), int(size), identity)


def opened_again(path: Path) -> str:
    """Open and close the session in a child, and return what was wrong with that."""
    child = fork(lambda: asyncio.run(_open(path)))
    deadline = time.monotonic() + OPENING_SECONDS_MAX
    while (ended := os.waitpid(child, os.WNOHANG)) == (0, 0):
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return "opening hangs"
        select.select([], [], [], 0.001)
    return "" if ended[1] == 0 else f"opening ended with {os.waitstatus_to_exitcode(ended[1])}"


async def _open(path: Path) -> None:
    async with Coordinator() as coordinator:
        session = await coordinator.open(path, format=PI)
        assert session.statistics().damaged_lines == 0


def judge(path: Path, acknowledged: list[Acknowledged]) -> list[str]:
    """Look for what is lost or torn in a file that was just opened."""
    content = path.read_bytes() if path.exists() else b""
    wrong = [f"torn: {line[:80]!r}" for line in content.split(b"\n")[:-1] if _parsed(line) is None]
    if content and not content.endswith(b"\n"):
        wrong.append(f"the last line is not whole: {content[-80:]!r}")
    return wrong + [f"lost: {receipt}" for receipt in acknowledged if not _stands(content, receipt)]


def _stands(content: bytes, receipt: Acknowledged) -> bool:
    line = content[receipt.offset : receipt.offset + receipt.size]
    record = _parsed(line)
    return record is not None and record["id"] == receipt.id and record["data"]["text"] == receipt.text


def _parsed(line: bytes) -> dict | None:
    try:
        return json.loads(line)
    except ValueError:
        return None


def kills(directory: Path, *, count: int, seed: int) -> Tally:
    """Kill so many lives, several of them one after another on each file."""
    tally, chance = Tally(), random.Random(seed)
    for first in range(0, count, LIVES_PER_FILE):
        path = directory / f"killed-{seed + first}.jsonl"
        acknowledged: list[Acknowledged] = []
        for number in range(first, min(first + LIVES_PER_FILE, count)):
            seconds, opened = chance.random() * LIFE_SECONDS_MAX, chance.random() < 0.8
            acknowledged += one_life(path, tally, seed=seed + number, seconds=seconds, opened=opened)
            tally.counts["torn tails"] += path.exists() and not path.read_bytes().endswith(b"\n")
            trouble = [opened_again(path), *judge(path, acknowledged)]
            tally.wrong += [f"seed {seed}, life {number}: {wrong}" for wrong in trouble if wrong]
            tally.counts["kills"] += 1
        tally.counts["acknowledged"] += len(acknowledged)
    return tally
