"""The judge: reads the file that a run left behind with nothing but `json`, and compares it with the run's diary.

Every judgement yields what is wrong, in words; a run that yields nothing came out as stated.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from coordinator import Change, Record

from ._gateway import CHAT, JOBS
from ._log import RunLog
from ._records import body_of


@dataclass(frozen=True)
class Outcome:
    """A file as it is after a run: what stands behind the original content, and the diary of how it came there."""

    content: bytes
    leaf: str
    """The id of the last original record."""
    records: list[Record]
    log: RunLog

    @property
    def own(self) -> list[Record]:
        """Return what the gateway's parts wrote, except the replies."""
        return [write.record for write in self.log.writes]

    @property
    def replies(self) -> list[Record]:
        """Return what the model said."""
        return list(self.log.replies.values())

    @property
    def foreign(self) -> list[Record]:
        """Return what the second process wrote."""
        return [self.log.foreign.record] if self.log.foreign else []

    @property
    def replies_kept(self) -> int:
        """Count the replies that are in the file."""
        return len(set(map(body_of, self.replies)) & set(map(body_of, self.records)))


Judgement = Callable[[Outcome], Iterator[str]]


def read_outcome(path: Path, original: bytes, log: RunLog) -> Outcome:
    """Read a file; ValueError if the original content is gone or any line is no record."""
    content = path.read_bytes()
    if not content.startswith(original):
        raise ValueError("what was in the file before has changed")
    *lines, rest = content[len(original) :].split(b"\n")
    if rest:
        raise ValueError("the last line has no end")
    leaf = json.loads(original.splitlines()[-1])["id"]
    return Outcome(content, leaf, [json.loads(line) for line in lines], log)


def lost_every_reply(outcome: Outcome) -> Iterator[str]:
    """Round (a): every turn was called a takeover and its reply dropped, though nobody but the gateway ever wrote."""
    for part in _parts() - outcome.log.dropped.keys():
        yield f"the {part} kept its reply"
    yield from _content(outcome, outcome.own)


def kept_everything(outcome: Outcome) -> Iterator[str]:
    """Round (b): no turn failed, every record is there once, one unbranched conversation."""
    for part, error in outcome.log.takeovers.items():
        yield f"a takeover by nobody ({part}): {error}"
    yield from _content(outcome, outcome.own + outcome.replies)
    yield from _chain(outcome)


def found_the_intruder(outcome: Outcome) -> Iterator[str]:
    """Round (c): the chat's turn was taken over and says by what; every record is there once, the replies too."""
    if outcome.log.takeovers.keys() != {CHAT.part}:
        yield f"takeovers of {sorted(outcome.log.takeovers)} instead of the {CHAT.part}"
    yield from _evidence(outcome)
    yield from _content(outcome, outcome.own + outcome.replies + outcome.foreign)
    if not any(error.forked for error in outcome.log.takeovers.values()):
        yield from _chain(outcome)


def _content(outcome: Outcome, expected: Iterable[Record]) -> Iterator[str]:
    """Compare the records in the file with those expected, each exactly once."""
    found, wanted = Counter(map(body_of, outcome.records)), Counter(map(body_of, expected))
    for body in wanted - found:
        yield f"missing: {body}"
    for body in found - wanted:
        yield f"too much, or twice: {body}"
    for part in _parts() - outcome.log.replies.keys():
        yield f"the {part} never got a reply"


def _chain(outcome: Outcome) -> Iterator[str]:
    """Check that every record of ours is the child of the line before it, whoever wrote that."""
    leaf = outcome.leaf
    for record in outcome.records:
        if record["parentId"] != leaf and record not in outcome.foreign:
            yield f"{record['id']} is a child of {record['parentId']}, not of {leaf} before it"
        leaf = record["id"]


def _evidence(outcome: Outcome) -> Iterator[str]:
    """Compare what the errors say with what the second process says it did, and with the file."""
    foreign = outcome.log.foreign
    if foreign is None:
        yield "the second process never wrote"
        return
    ours = set(map(body_of, outcome.own + outcome.replies))
    for error in outcome.log.takeovers.values():
        if error.change is not Change.APPENDED:
            yield f"found as {error.change.value}"
        if error.foreign_range != (foreign.start, foreign.end) or error.foreign_records != [foreign.record]:
            yield f"the foreign bytes are {foreign.start} to {foreign.end}, not {error.foreign_range}"
        for own in error.ledger:
            line = outcome.content[own.offset : own.offset + own.size]
            if body_of(json.loads(line)) not in ours:
                yield f"the ledger has bytes that are not ours, at {own.offset}"


def _parts() -> set[str]:
    return {job.part for job in JOBS}
