"""Round (a), what not to do: the gateway of the report that this project starts from, as simple as it can be told.

It is careful, in its way: before a model call it remembers what the file looks like, and it refuses to write when the
file looks different afterwards. But its own parts append to the file while the model thinks.
"""

from __future__ import annotations

import os
import uuid
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from coordinator import Record

from ._log import ReplyDroppedError, RunLog
from ._model import Model


class Fingerprint(NamedTuple):
    """What the file looks like: enough to see that it changed, not enough to see who did it."""

    dev: int
    ino: int
    size: int
    mtime_ns: int
    ctime_ns: int


class NaiveConversation:
    """A session file that everybody appends to directly."""

    def __init__(self, path: Path, log: RunLog) -> None:
        self._path = path
        self._log = log
        self._leaf = orjson.loads(path.read_bytes().splitlines()[-1])["id"]

    async def append(self, part: str, record: Record) -> None:
        """Append a record to the file, whoever else may be waiting for the model."""
        stamped = {**record, "id": uuid.uuid4().hex[:8], "parentId": self._leaf, "timestamp": _timestamp()}
        with self._path.open("ab") as file:
            file.write(orjson.dumps(stamped) + b"\n")
        self._leaf = stamped["id"]
        self._log.wrote(part, record)

    async def turn(self, part: str, question: Record, model: Model) -> None:
        """Ask the model; if the file looks different after that, it must have been another process."""
        await self.append(part, question)
        with self._log.window(part):
            before = self._fingerprint()
            reply = self._log.replies[part] = await model.complete(question)
            after = self._fingerprint()
            if after != before:
                raise ReplyDroppedError(f"the session file was taken over: {_difference(before, after)}")
            await self.append(part, reply)

    def _fingerprint(self) -> Fingerprint:
        stat = os.stat(self._path)
        return Fingerprint(stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)


def _difference(before: Fingerprint, after: Fingerprint) -> str:
    pairs = zip(Fingerprint._fields, before, after, strict=True)
    return ", ".join(f"{name} {new - old:+}" for name, old, new in pairs if old != new)


def _timestamp() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
