"""The records that the gateway appends, in the shape of pi's session files.

Messages bring their own id, so that what a client is told and what is in the file are the same whatever happens to the
file in between; parent and time are stamped when they are written.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from .answer import Answer, Call

Record = dict[str, Any]
API = "openai-completions"


def user_message(text: str) -> Record:
    """What the user said."""
    return _message({"role": "user", "content": [_text(text)]})


def assistant_message(answer: Answer, model: Mapping[str, str], *, stop: str, error: str | None = None) -> Record:
    """What the model said, as far as it came; calls that are not whole, or will not be made, are left out."""
    content = [_text(answer.text)] if answer.text else []
    if stop == "toolUse":
        content += [_tool_call(call) for call in answer.calls]
    origin = {"provider": model["provider"], "api": model["modelApi"], "model": model["modelId"]}
    failure = {} if error is None else {"errorMessage": error}
    return _message(
        {"role": "assistant", "content": content, **origin, "usage": answer.usage, "stopReason": stop, **failure}
    )


def tool_result(call: Call, text: str, *, failed: bool) -> Record:
    """What a tool said."""
    result = {"role": "toolResult", "toolCallId": call.id, "toolName": call.name, "content": [_text(text)]}
    return _message({**result, "isError": failed})


def custom(kind: str, **data: object) -> Record:
    """Something that is kept in the session, and is no part of the conversation."""
    return {"type": "custom", "customType": kind, "data": data}


def now_ms() -> int:
    """Return the time as messages have it."""
    return time.time_ns() // 1_000_000


def _message(message: Record) -> Record:
    return {"type": "message", "id": uuid4().hex, "message": {**message, "timestamp": now_ms()}}


def _tool_call(call: Call) -> Record:
    return {"type": "toolCall", "id": call.id, "name": call.name, "arguments": call.arguments}


def _text(text: str) -> Record:
    return {"type": "text", "text": text}
