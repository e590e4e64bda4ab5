"""Rounds (b) and (c) as a client sees them: the conversation is kept by a gateway in another process.

The diary of a run is then made of what the gateway's client was told, and of what stands in the file after the gateway
has ended; the judge compares the two as ever.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx

from coordinator import Change, Record, TakeoverError

from ._gateway import JOBS, SNAPSHOT
from ._log import ReplyDroppedError, RunLog, Write
from ._model import Model
from ._model_server import PIECES
from ._records import assistant_message, note, text_of

_PLUGINS = {"model-snapshot": SNAPSHOT, "memory-index": "memory index", "trajectory-sync": "trajectory marker"}
_HEARTBEAT = "heartbeat"


class HttpConversation:
    """A session of a gateway; what this client was told is all that it knows."""

    def __init__(self, gateway: httpx.AsyncClient, model: httpx.AsyncClient, path: Path, log: RunLog) -> None:
        self._gateway = gateway
        self._model = model
        """The stand-in behind the gateway: it waits in the middle of a reply until we say that we have heard that."""
        self._path = path
        self._log = log
        self._start = path.stat().st_size
        self._told: set[str] = set()
        """The ids of records that are in the file, as we were told."""
        self._replies: dict[str, tuple[str, str]] = {}
        """For each part, id and text of its reply."""

    async def append(self, part: str, record: Record) -> None:  # noqa: ARG002 - the gateway makes its own records
        """Have the gateway's heartbeat write at once; its plugins write by themselves."""
        if part == SNAPSHOT:
            return
        response = await self._gateway.post(f"/sessions/{self._path.stem}/heartbeat")
        self._told.add(response.raise_for_status().json()["id"])

    async def turn(self, part: str, question: Record, model: Model) -> None:
        """Post the question, and listen until its turn is over."""
        size = round(PIECES * next(job.length for job in JOBS if job.part == part))
        gate = f"{self._path.stem}-{part.replace(' ', '-')}"
        text = f"{text_of(question)} [chunks:{size}] [slow:{gate}]"
        await model.hear(0)
        came = 0
        with ExitStack() as window:
            async for event, data in self._events({"text": text, "model": f"stand-in for the {part}"}):
                if event != "delta":
                    self._note(part, event, data)
                    continue
                if came == 0:
                    window.enter_context(self._log.window(part))
                before, came = came, min(size, came + max(1, data["text"].count(" ")))  # some may come together
                await _hear(model, before / size, came / size)
                if before < size / 2 <= came:
                    await self._model.post("/release", params={"name": gate})
        if part not in self._replies:
            raise ReplyDroppedError(f"the gateway did not answer the {part}")
        await _hear(model, came / size, 1.0)

    async def _events(self, message: dict[str, str]) -> AsyncIterator[tuple[str, Any]]:
        path, event = f"/sessions/{self._path.stem}/messages", ""
        async with self._gateway.stream("POST", path, json=message) as response:
            response.raise_for_status()
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    event = value
                elif name == "data":
                    yield event, json.loads(value)

    def _note(self, part: str, event: str, data: dict[str, Any]) -> None:
        if event == "accepted" and data["id"]:
            self._told.add(data["id"])
        elif event == "error" and "evidence" in data:
            self._log.takeovers[part] = takeover_from(data)
            self._log.found()
        elif event == "done":
            self._replies[part] = data["id"], data["text"]

    def complete_log(self) -> None:
        """Note what is in the file now; what we were told and is not there is noted too, for the judge to miss it."""
        added = self._path.read_bytes()[self._start :].splitlines()
        records = {record["id"]: record for record in map(json.loads, added)}
        for part, (number, text) in self._replies.items():
            record = records.get(number)
            said = record is not None and text_of(record) == text
            self._log.replies[part] = record if record is not None and said else assistant_message(text)
        began = time.time() - self._log.now()
        for record in records.values():
            if writer := _part_of(record):
                at = datetime.fromisoformat(record["timestamp"]).timestamp() - began
                self._log.writes.append(Write(writer, at, record))
        for number in self._told - records.keys():
            self._log.writes.append(Write(_HEARTBEAT, 0.0, note("told of", id=number)))
        self._log.writes.sort(key=lambda write: write.time)


def takeover_from(data: dict[str, Any]) -> TakeoverError:
    """Read what a gateway tells of a takeover."""
    evidence = data["evidence"]
    spread = evidence["foreign_range"]
    return TakeoverError(
        data["message"],
        hint=data["hint"],
        change=Change(evidence["change"]),
        forked=evidence["forked"],
        foreign_range=None if spread is None else (spread[0], spread[1]),
        foreign_records=evidence["foreign_records"],
        ledger=_read(evidence["ledger"]),
        suspects=_read(evidence["suspects"]),
    )


def _read(values: list[dict[str, Any]]) -> Any:
    """Return objects with these attributes."""
    return [SimpleNamespace(**value) for value in values]


def _part_of(record: Record) -> str | None:
    """Return which part wrote a record; None for a reply and for what is not the gateway's."""
    if record["type"] == "custom":
        return _PLUGINS.get(record["customType"], _HEARTBEAT)
    text = text_of(record) if record["message"]["role"] == "user" else ""
    return next((job.part for job in JOBS if text.startswith(f"{job.part}: ")), None)


async def _hear(model: Model, before: float, now: float) -> None:
    """Hear what came, by its share of the reply: a short one is heard in as many pieces as a long one."""
    for number in range(round(before * PIECES), round(now * PIECES)):
        await model.hear(number + 1)
