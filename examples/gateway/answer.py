"""What a model has answered so far: filled piece by piece, so that what is there is there when the turn is stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Call:
    """A tool that the model wants to be called."""

    id: str = ""
    name: str = ""
    json: str = ""

    @property
    def arguments(self) -> dict[str, Any]:
        """Return the arguments; what is no JSON object counts as none."""
        try:
            arguments = json.loads(self.json or "{}")
        except ValueError:
            return {}
        return arguments if isinstance(arguments, dict) else {}


@dataclass(slots=True)
class Answer:
    """One reply of a model, text or tool calls or both."""

    pieces: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    finish: str | None = None
    usage: dict[str, int] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Return the text so far.

        Some servers send the two halves of a character beyond the first 65,536 in two pieces; here they meet again.
        """
        return "".join(self.pieces).encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def clear(self) -> None:
        """Begin anew: the connection broke, and what came by it is void."""
        self.pieces, self.calls, self.finish, self.usage = [], [], None, {}

    def take(self, chunk: Mapping[str, Any]) -> str:
        """Add one piece of a streamed chat completion; return the text in it."""
        if usage := chunk.get("usage"):
            self.usage = {
                "input": usage.get("prompt_tokens", 0),
                "output": usage.get("completion_tokens", 0),
                "totalTokens": usage.get("total_tokens", 0),
            }
        text = ""
        for choice in chunk.get("choices") or ():
            delta = choice.get("delta") or {}
            text += delta.get("content") or ""
            for part in delta.get("tool_calls") or ():
                self._take_call(part)
            self.finish = choice.get("finish_reason") or self.finish
        self.pieces.append(text)
        return text

    def _take_call(self, part: Mapping[str, Any]) -> None:
        index = part.get("index", 0)
        while len(self.calls) <= index:
            self.calls.append(Call())
        call, function = self.calls[index], part.get("function") or {}
        call.id += part.get("id") or ""
        call.name += function.get("name") or ""
        call.json += function.get("arguments") or ""
