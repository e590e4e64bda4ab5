"""From the records of a session to the messages of a model call."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Message = dict[str, Any]
Record = Mapping[str, Any]


def chat_messages(records: Sequence[Record]) -> list[Message]:
    """Return what was said, as an OpenAI-compatible interface wants it.

    A tool's result must follow the call it answers, and a call must have one: so each result is put behind its call,
    and calls that were never answered (the process died, or the turn was stopped) are left out.
    """
    said = [record["message"] for record in records if record.get("type") == "message"]
    results = {each["toolCallId"]: each for each in said if each["role"] == "toolResult"}
    messages: list[Message] = []
    for each in said:
        if each["role"] == "user":
            messages.append({"role": "user", "content": text_of(each)})
        elif each["role"] == "assistant":
            messages += _assistant_messages(each, results)
    return messages


def recent(messages: Sequence[Message], count_max: int) -> Sequence[Message]:
    """Return the last messages, from one of the user's on: a reply without its question says little."""
    if len(messages) <= count_max:
        return messages
    last = messages[-count_max:]
    return last[next((index for index, each in enumerate(last) if each["role"] == "user"), len(last)) :]


def text_of(message: Mapping[str, Any]) -> str:
    """Return the text of a message, without anything else that is in it."""
    content = message.get("content", "")
    if isinstance(content, str):
        return content
    return "\n".join(part["text"] for part in content if part.get("type") == "text")


def _assistant_messages(said: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> Iterable[Message]:
    parts = said["content"] if isinstance(said["content"], list) else []
    calls = [part for part in parts if part.get("type") == "toolCall" and part["id"] in results]
    text = text_of(said)
    if not text and not calls:
        return
    message: Message = {"role": "assistant", "content": text or None}
    if calls:
        message["tool_calls"] = [_tool_call(call) for call in calls]
    yield message
    for call in calls:
        yield {"role": "tool", "tool_call_id": call["id"], "content": text_of(results[call["id"]])}


def _tool_call(call: Mapping[str, Any]) -> Message:
    function = {"name": call["name"], "arguments": json.dumps(call["arguments"])}
    return {"id": call["id"], "type": "function", "function": function}
