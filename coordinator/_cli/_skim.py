"""Blocks of lines that there is nothing to say about, recognised without making objects of them: nearly all of a file.

msgspec finds the few members that matter and passes over the others several times as fast as a parser. It refuses more
than the formats do, but for broken UTF-8 in what it passes over, which is looked for here. So whatever is taken here
the format would take as well, and everything else is looked at closely.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, NamedTuple, TypeVar

import msgspec

from coordinator import PI, PLAIN, RecordFormat

from ._inside import LINE_FEED


class Skimmed(NamedTuple):
    """What a block of records holds, in their order; formats without a tree have neither ids nor times."""

    records: int
    ids: Sequence[str] = ()
    parents: Sequence[str | None] = ()
    earliest_ms: int = 0
    latest_ms: int = 0


Found = TypeVar("Found")
Skim = Callable[[bytes], Skimmed | None]
"""Takes whole lines; None means: look closely."""


class _Node(msgspec.Struct, gc=False):
    """What makes a record of a pi session."""

    type: str
    id: Annotated[str, msgspec.Meta(min_length=1)]
    timestamp: datetime
    parentId: Annotated[str, msgspec.Meta(min_length=1)] | None = None  # noqa: N815 - as it is in the file


_node = msgspec.json.Decoder(_Node).decode


class _Object(msgspec.Struct, gc=False):
    """Any JSON object."""


_object = msgspec.json.Decoder(_Object).decode


def skimmer_of(record_format: RecordFormat) -> Skim:
    """Return what reads over the lines of a format; a format that is not ours is always looked at closely."""
    known: dict[str, Skim] = {PI.name: _skim_pi, PLAIN.name: _skim_plain}
    return known.get(record_format.name, lambda _block: None)


def _skim_plain(block: bytes) -> Skimmed | None:
    found = _decoded(_object, block)
    return None if found is None else Skimmed(len(found))


def _skim_pi(block: bytes) -> Skimmed | None:
    found = _decoded(_node, block)
    if found is None or "session" in {node.type for node in found}:
        return None
    times = [node.timestamp for node in found]
    try:
        in_order = times == sorted(times)
    except TypeError:  # some with a time zone and some without
        return None
    earliest_ms, latest_ms = _milliseconds(times[0]), _milliseconds(times[-1])
    if not in_order or not earliest_ms:
        return None
    return Skimmed(len(found), [node.id for node in found], [node.parentId for node in found], earliest_ms, latest_ms)


def _milliseconds(time: datetime) -> int:
    return PI.tail_of({"timestamp": time.isoformat()}).timestamp_ms


def _decoded(decode: Callable[[bytes], Found], block: bytes) -> list[Found] | None:
    try:
        block.decode()  # the decoder does not look at the characters of what it passes over
        return list(map(decode, block[: -len(LINE_FEED)].split(LINE_FEED)))
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return None
