"""From what a turn has left behind to one line about it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, cast

from coordinator import (
    ClosedError,
    CoordinatorError,
    Entry,
    PathError,
    PositionLostError,
    Record,
    Revision,
    Session,
    TakeoverError,
)

SCHEMA = "session-trajectory"
VERSION = 1
MESSAGE_CHARACTERS_MAX = 500


@dataclass(frozen=True, slots=True)
class Turn:
    """What the hook was told."""

    session: Session
    writer: str
    annotations: Mapping[str, object]
    asked_at: float
    entered_at: float | None
    left_at: float
    before: Revision | None
    after: Revision
    error: CoordinatorError | None
    raised: BaseException | None


@dataclass(slots=True)
class Content:
    """What the turn's records say, as they go by."""

    writes: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    foreign: int = 0
    tool_calls: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    model_errors: list[str] = field(default_factory=list[str])
    complete: bool = True

    def take(self, entry: Entry) -> None:
        """Count one record."""
        if entry.writer is None:
            self.foreign += 1
            return
        counts = self.writes.setdefault(entry.writer, {"records": 0, "bytes": 0})
        counts["records"] += 1
        counts["bytes"] += entry.size
        message = entry.record.get("message")
        if isinstance(message, dict):
            self._take_message(cast("dict[str, Any]", message))

    def _take_message(self, message: dict[str, Any]) -> None:
        if message.get("role") == "assistant":
            self._take_calls(message.get("content"))
            if message.get("stopReason") == "error":
                self.model_errors.append(_short(message.get("errorMessage") or "error"))
        elif message.get("role") == "toolResult":
            number = str(message.get("toolCallId"))
            call = self.tool_calls.setdefault(number, {"id": number, "name": message.get("toolName"), "isError": None})
            call["isError"] = bool(message.get("isError"))

    def _take_calls(self, content: object) -> None:
        parts = cast("Sequence[Any]", content) if isinstance(content, list) else ()
        calls = [cast("dict[str, Any]", part) for part in parts if isinstance(part, dict)]
        for call in calls:
            if call.get("type") == "toolCall":
                number = str(call.get("id"))
                self.tool_calls[number] = {"id": number, "name": call.get("name"), "isError": None}


async def line_of(turn: Turn, *, trace_id: str, sequence: int) -> Record:
    """Say everything about a turn, as one record."""
    content = await _content_of(turn)
    first_token_at = _time(turn.annotations.get("firstTokenAt"))
    return {
        "schema": SCHEMA,
        "version": VERSION,
        "traceId": str(turn.annotations.get("traceId") or trace_id),
        "sequence": sequence,
        "session": turn.session.path.name,
        "writer": turn.writer,
        "annotations": _plain(turn.annotations),
        "askedAt": _iso(turn.asked_at),
        "enteredAt": _iso(turn.entered_at),
        "firstTokenAt": _iso(first_token_at),
        "leftAt": _iso(turn.left_at),
        "waitSeconds": _between(turn.asked_at, turn.entered_at),
        "firstTokenSeconds": _between(turn.entered_at, first_token_at),
        "turnSeconds": _between(turn.entered_at, turn.left_at),
        "verdict": _verdict(turn),
        "change": turn.error.change.value if isinstance(turn.error, TakeoverError) else None,
        "error": _error(turn.raised or turn.error),
        "writes": content.writes,
        "foreign": content.foreign,
        "toolCalls": list(content.tool_calls.values()),
        "modelErrors": content.model_errors,
        "complete": content.complete,
    }


async def _content_of(turn: Turn) -> Content:
    content, before = Content(), turn.before
    if before is None or before.length == turn.after.length:
        return content
    if before.generation != turn.after.generation:
        content.complete = False
        return content
    try:
        async for entry in _entries(turn.session, before.length, turn.after.length):
            content.take(entry)
    except (ClosedError, PositionLostError, PathError, ValueError):
        content.complete = False  # closed or replaced since; what was counted so far is still so
    return content


async def _entries(session: Session, start: int, end: int) -> AsyncIterator[Entry]:
    async for entry in session.records(start):
        if entry.offset >= end:
            return
        yield entry


def _verdict(turn: Turn) -> str:
    if turn.entered_at is None:
        return "not entered"
    if turn.error is None:
        return "whole"
    if isinstance(turn.error, TakeoverError):
        return "taken over"
    return "closed" if isinstance(turn.error, ClosedError) else "failed"


def _error(error: BaseException | None) -> dict[str, str] | None:
    return None if error is None else {"type": type(error).__name__, "message": _short(error)}


def _short(text: object) -> str:
    return str(text)[:MESSAGE_CHARACTERS_MAX]


def _plain(annotations: Mapping[str, object]) -> dict[str, object]:
    """Keep what is surely JSON; annotations are the caller's and may hold anything."""
    return {key: value for key, value in annotations.items() if isinstance(value, (str, int, float, bool))}


def _time(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) else None


def _iso(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _between(start: float | None, end: float | None) -> float | None:
    return None if start is None or end is None else round(end - start, 6)
