"""The records that the parts of the gateway write, in the shape that real session files have."""

from __future__ import annotations

import json
import time

from coordinator import Record

MODEL = {"provider": "anthropic", "modelApi": "anthropic-messages", "modelId": "claude-opus-4-6"}
_STAMPED = ("id", "parentId", "timestamp")


def user_message(text: str) -> Record:
    """Return what somebody asks the model."""
    return _message("user", text)


def assistant_message(text: str) -> Record:
    """Return what the model replied."""
    return _message("assistant", text, provider=MODEL["provider"], model=MODEL["modelId"])


def note(kind: str, **data: object) -> Record:
    """Return what a background writer remembers: a record that is no part of the conversation with the model."""
    return {"type": "custom", "customType": kind, "data": {"timestamp": now_ms(), **data}}


def text_of(record: Record) -> str:
    """Return the text of a message."""
    text: str = record["message"]["content"][0]["text"]
    return text


def body_of(record: Record) -> str:
    """Return a record without what was stamped on it when it was written, as text that can be compared."""
    return json.dumps({key: value for key, value in record.items() if key not in _STAMPED}, sort_keys=True)


def now_ms() -> int:
    """Return the time as session files have it: milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _message(role: str, text: str, **about: str) -> Record:
    content = [{"type": "text", "text": text}]
    return {"type": "message", "message": {"role": role, "content": content, **about, "timestamp": now_ms()}}
