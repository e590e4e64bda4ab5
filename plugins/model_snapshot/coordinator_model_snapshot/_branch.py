"""Finds the last snapshot on the current branch, reading the end of the file only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from coordinator import Entry, Record, Revision, Session

CUSTOM_TYPE = "model-snapshot"
LOOK_FIRST = 64
LOOK_FACTOR = 8

Model = dict[str, str]
"""What of `provider`, `modelApi` and `modelId` is known."""


@dataclass(frozen=True, slots=True)
class Known:
    """Which snapshot counts for whoever stands on this leaf, of this content."""

    leaf: str | None
    revision: Revision
    model: Model | None

    def is_reached(self, entry: Entry) -> bool:
        """Say whether climbing further than this entry leads to what is known."""
        if self.leaf is not None:
            return entry.record.get("id") == self.leaf
        return entry.offset < self.revision.length


async def last_snapshot(session: Session, before: Known | None, *, records_max: int) -> Known:
    """Return the last snapshot between the leaf and the root, if there is one.

    What was known `before` shortens the way: the branch has usually grown by one turn since.
    """
    leaf, revision = session.leaf, session.revision
    if before is not None and before.revision.generation != revision.generation:
        before = None
    count = min(LOOK_FIRST, records_max)
    while True:
        entries = await session.tail(count)
        found, model = _look(entries, leaf, before)
        if found or len(entries) < count or count >= records_max:
            return Known(leaf, revision, model)
        count = min(count * LOOK_FACTOR, records_max)


def _look(entries: list[Entry], leaf: str | None, before: Known | None) -> tuple[bool, Model | None]:
    """Climb from the leaf as far as these entries go; say whether that was far enough, and what was found."""
    for entry in _climb(entries, leaf):
        if before is not None and before.is_reached(entry):
            return True, before.model
        model = _model_of(entry.record)
        if model is not None:
            return True, model
        if leaf is not None and entry.record.get("parentId") is None:
            return True, None
    return False, None


def _climb(entries: list[Entry], leaf: str | None) -> Iterator[Entry]:
    """Go from the leaf towards the root; without a tree, through everything."""
    wanted: object = leaf
    for entry in reversed(entries):
        if leaf is None or entry.record.get("id") == wanted:
            yield entry
            wanted = entry.record.get("parentId")


def _model_of(record: Record) -> Model | None:
    data = record.get("data")
    if record.get("type") != "custom" or record.get("customType") != CUSTOM_TYPE or not isinstance(data, dict):
        return None
    values = cast("dict[str, Any]", data)
    return {key: values[key] for key in ("provider", "modelApi", "modelId") if isinstance(values.get(key), str)}
