"""Which text of a record is worth finding again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from coordinator import Entry, Record

SPOKEN = frozenset({"user", "assistant"})
TOOL_RESULT = "toolResult"


@dataclass(frozen=True, slots=True)
class Text:
    """What somebody said, and where it stands."""

    offset: int
    role: str
    time: str | None
    body: str


def texts_of(entries: Iterable[Entry], *, tool_results: bool) -> list[Text]:
    """Take the text out of messages; everything else has none, our own marks included."""
    roles = SPOKEN | {TOOL_RESULT} if tool_results else SPOKEN
    found = (_text_of(entry.record, entry.offset, roles) for entry in entries)
    return [text for text in found if text is not None]


def _text_of(record: Record, offset: int, roles: frozenset[str]) -> Text | None:
    message = record.get("message")
    if record.get("type") != "message" or not isinstance(message, dict):
        return None
    parts = cast("dict[str, Any]", message)
    role, body = parts.get("role"), _spoken(parts.get("content"))
    if role not in roles or not body:
        return None
    stamp = record.get("timestamp")
    return Text(offset, str(role), stamp if isinstance(stamp, str) else None, body)


def _spoken(content: object) -> str:
    if isinstance(content, str):
        return content.strip()
    if not isinstance(content, list):
        return ""
    parts = [cast("dict[str, Any]", part) for part in cast("Sequence[Any]", content) if isinstance(part, dict)]
    spoken = [part.get("text") for part in parts if part.get("type") == "text"]
    return "\n".join(text for text in spoken if isinstance(text, str)).strip()
