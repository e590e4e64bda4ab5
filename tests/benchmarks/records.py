"""The record mix: median 589 B, mean 1.55 KB, at most 66 KB, always the same."""

import random
from collections.abc import Sequence
from functools import cache
from itertools import cycle, islice
from math import exp
from statistics import NormalDist
from typing import Any

import orjson

Record = dict[str, Any]

COUNT = 4096
MEDIAN_BYTES, BYTES_MAX = 589, 66_000
SPREAD = 1.397  # of a log-normal distribution: gives the mean
SEED = 20_261_122

WORDS = (
    "session", "fence", "the reply was paid for", 'said "no"', "näher", "line\nbreak", "C:\\path", "tokens", "📎",
    "while", "model", "queue", "append", "and then", "42", "of", "a", "writer", "memory", "heartbeat", "cron",
)  # fmt: skip


@cache
def records() -> Sequence[Record]:
    """Return all records; each holds its number, so that it is known again in a file."""
    chance = random.Random(SEED)
    text = " ".join(chance.choices(WORDS, k=40_000))
    quantiles = [(rank + 0.5) / COUNT for rank in range(COUNT)]
    sizes = [min(BYTES_MAX, int(MEDIAN_BYTES * exp(SPREAD * NormalDist().inv_cdf(q)))) for q in quantiles]
    chance.shuffle(sizes)
    return [_record(number, size, text, chance) for number, size in enumerate(sizes)]


def _record(number: int, size: int, text: str, chance: random.Random) -> Record:
    record: Record = {"type": "custom", "number": number}
    if size > 250:
        usage = {"input": chance.randrange(90_000), "output": chance.randrange(4_000), "cost": {"total": 0.0123}}
        record = {
            "type": "message",
            "number": number,
            "role": "assistant",
            "usage": usage,
            "stop": False,
            "error": None,
        }
    record["content"] = [{"type": "text", "text": ""}]
    # The text is cut by characters; what escapes and UTF-8 add is taken off again.
    room, start = max(0, size - len(orjson.dumps(record))), chance.randrange(8_000)
    cut = text[start : start + room]
    excess = len(orjson.dumps(cut)) - 2 - room
    record["content"][0]["text"] = cut[: max(0, room - excess)]
    return record


def line(record: Record) -> bytes:
    """Return a record as it has to stand in the file."""
    return orjson.dumps(record) + b"\n"


@cache
def lines() -> Sequence[bytes]:
    """Return every record as a line, by its number."""
    return [line(record) for record in records()]


class Feed:
    """The records of one writer of one file, endless: every `stride`-th, so that a number tells whose it is."""

    def __init__(self, writer: int, stride: int, *, offset: int = 0, length: int = COUNT) -> None:
        length = min(COUNT // stride, length)
        self.numbers = [(writer + (offset + step) * stride) % COUNT for step in range(length)]
        self.stride = stride
        self.taken = 0
        self._records = cycle(self.all())

    def all(self) -> list[Record]:
        """Return its records, once each."""
        return [records()[number] for number in self.numbers]

    def take(self, count: int) -> list[Record]:
        """Take the next records."""
        self.taken += count
        return list(islice(self._records, count))


def feeds(writers: int, *, offset: int = 0, length: int = COUNT) -> list[Feed]:
    """Return the feeds of all writers of one file; their number must divide that of the records."""
    return [Feed(writer, writers, offset=offset, length=length) for writer in range(writers)]
