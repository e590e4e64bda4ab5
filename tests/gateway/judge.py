"""What must be true of the files of a gateway that has ended, whatever happened while it ran."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from coordinator import PI, Coordinator
from coordinator_memory_index import MemoryIndex
from coordinator_trajectory_sync import TrajectorySync
from tests.support.chain import Record, check_chain, texts

from .client import Exchange

SECONDS_MAX = 20
LOOK_SECONDS = 0.005
DATABASE = "memory-index.sqlite3"
ROWS = """
SELECT path, "offset", role, time, body FROM texts JOIN sessions ON sessions.id = texts.session ORDER BY path, "offset"
"""


def check_files(root: Path, exchanges: Iterable[Exchange]) -> dict[str, list[Record]]:
    """Check every session against what its clients were told; return the conversations by name."""
    conversations = {path.stem: check_chain(path) for path in sorted(root.glob("*.jsonl"))}
    for exchange in exchanges:
        if exchange.accepted is not None:
            check_exchange(conversations[exchange.session], exchange)
    for name, conversation in conversations.items():
        replies = Counter(texts([record for record in conversation if said_by(record) == "assistant"]))
        twice = [text for text, count in replies.items() if text and count > 1]
        assert twice == [], f"replies of the model are in {name} twice"
    return conversations


def check_exchange(conversation: list[Record], exchange: Exchange) -> None:
    """Check that a message that was accepted is there once, and the reply that was told stands behind it."""
    places = {record["id"]: place for place, record in enumerate(conversation)}
    same = [record["id"] for record in conversation if is_said(record, "user", exchange.text)]
    assert len(same) == 1, f"{exchange.text!r} was accepted and is there {len(same)} times"
    (asked,) = same
    assert exchange.accepted is not None
    assert exchange.accepted["id"] in (asked, None), exchange.accepted
    if exchange.done is not None:
        replied = exchange.done["id"]
        assert replied in places, f"the reply {exchange.done} reached its client and is lost"
        assert is_said(conversation[places[replied]], "assistant", exchange.done["text"]), exchange.done
        assert places[replied] > places[asked], f"{exchange.text!r} stands behind its reply"
    if exchange.stopped is not None:
        behind = conversation[places[asked] :]
        aborted = texts([record for record in behind if record.get("message", {}).get("stopReason") == "aborted"])
        assert exchange.stopped["text"] in aborted, f"the partial reply {exchange.stopped} is lost"


def is_said(record: Record, role: str, text: str) -> bool:
    """Return whether this is what somebody said."""
    return said_by(record) == role and texts([record]) == [text]


def said_by(record: Record) -> str | None:
    """Return the role of a message, None for everything else."""
    return record["message"]["role"] if record["type"] == "message" else None


def check_trajectories(root: Path, *, taken_over: int = 0) -> list[Record]:
    """Check that the sidecars tell of no other takeovers than expected, and count without gaps; return their lines."""
    found: list[Record] = []
    for path in sorted(root.glob("*.trajectory")):
        lines = [json.loads(line) for line in path.read_bytes().splitlines()]
        assert [line["sequence"] for line in lines] == list(range(1, len(lines) + 1)), path.name
        found += lines
    broken = [line for line in found if line["verdict"] == "taken over" or line["foreign"]]
    assert len(broken) == taken_over, broken
    return found


def check_log(log: str, *expected: str) -> None:
    """Check that a gateway has said nothing on its standard error but of these events."""
    lines = [line for line in log.splitlines() if line and not any(f" {event} " in line for event in expected)]
    assert lines == [], lines


async def catch_up(root: Path, copies: Path) -> None:
    """Open every session once more, until all is indexed and copied: an end has no time for what takes long."""
    memory, trajectories = MemoryIndex(), TrajectorySync(destination=str(copies), linger_seconds=0)
    async with Coordinator(plugins=[memory, trajectories]) as coordinator:
        for path in sorted(root.glob("*.jsonl")):
            await memory.settled(await coordinator.open(path, format=PI))
        async with asyncio.timeout(SECONDS_MAX):
            while True:
                if not odd_copies(root, copies):
                    return
                await asyncio.sleep(LOOK_SECONDS)


def odd_copies(root: Path, copies: Path) -> list[str]:
    """Return the names of the sidecars whose copy is not the same, byte for byte."""
    return [
        sidecar.name
        for sidecar in sorted(root.glob("*.trajectory"))
        if b"".join(part.read_bytes() for part in sorted((copies / sidecar.name).glob("*"))) != sidecar.read_bytes()
    ]


async def check_index(root: Path, work: Path) -> None:
    """Check that the memory index is what one has that is made from nothing, out of the files alone."""
    fresh = work / "rebuilt"
    fresh.mkdir()
    memory = MemoryIndex()
    async with Coordinator(plugins=[memory]) as coordinator:
        for path in sorted(root.glob("*.jsonl")):
            await memory.settled(await coordinator.open(shutil.copy(path, fresh), format=PI))
    odd = set(rows(root / DATABASE)) ^ set(rows(fresh / DATABASE))
    assert odd == set(), f"in one of both indexes only: {odd}"
    shutil.rmtree(fresh)


def rows(database: Path) -> list[tuple[object, ...]]:
    """Return everything that is in an index, whose full-text tables must agree with it."""
    with closing(sqlite3.connect(database)) as connection:
        for table in ("words", "trigrams"):
            connection.execute(f"INSERT INTO {table} ({table}, rank) VALUES ('integrity-check', 1)")
        return connection.execute(ROWS).fetchall()
