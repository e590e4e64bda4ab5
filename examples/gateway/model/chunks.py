"""The wire format of a streamed reply: server-sent events, each with a piece of a chat completion."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from .script import Script

DONE = b"data: [DONE]\n\n"


def sent(piece: Mapping[str, Any]) -> bytes:
    """Return one event as it goes over the wire."""
    return b"data: " + json.dumps(piece).encode() + b"\n\n"


def chunks(number: int, model: str, script: Script) -> Iterator[bytes]:
    """Return the reply, piece by piece; the last one says why it ended and what it cost."""
    deltas = _tool_deltas(number, script) if script.tool else _text_deltas(number, script)
    for delta in deltas:
        yield sent(_chunk(number, model, delta))
    end = _chunk(number, model, {}, finish="tool_calls" if script.tool else "stop")
    yield sent({**end, "usage": _usage(script, len(deltas))})


def completion(number: int, model: str, script: Script) -> dict[str, Any]:
    """Return the reply in one piece, for those who do not stream."""
    message: dict[str, Any] = {"role": "assistant", "content": None}
    if script.tool:
        message["tool_calls"] = _tool_deltas(number, script)[0]["tool_calls"]
    else:
        message["content"] = "".join(script.reply(number))
    choice = {"index": 0, "message": message, "finish_reason": "tool_calls" if script.tool else "stop"}
    return {
        "id": f"chat-{number}", "object": "chat.completion", "model": model, "choices": [choice],
        "usage": _usage(script, len(script.reply(number))),
    }  # fmt: skip


def _text_deltas(number: int, script: Script) -> Sequence[dict[str, Any]]:
    return [{"content": word} for word in script.reply(number)]


def _tool_deltas(number: int, script: Script) -> Sequence[dict[str, Any]]:
    function = {"name": script.tool, "arguments": json.dumps({"text": script.text})}
    return [{"tool_calls": [{"index": 0, "id": f"call-{number}", "type": "function", "function": function}]}]


def _chunk(number: int, model: str, delta: Mapping[str, Any], *, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": f"chat-{number}", "object": "chat.completion.chunk", "model": model, "choices": [choice]}


def _usage(script: Script, words: int) -> dict[str, int]:
    asked = len(script.text.split())
    return {"prompt_tokens": asked, "completion_tokens": words, "total_tokens": asked + words}
