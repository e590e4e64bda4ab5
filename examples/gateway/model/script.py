"""What the stand-in answers: decided by markers in the last message of the user, so that a test can steer it.

`[slow]` waits for `POST /release` in mid-reply, `[slow:NAME]` also for one with `?name=NAME`; `[chunks:N]` sends the
reply in N pieces; `[tool:NAME]` asks for that tool first; `[busy]` answers 429, `[reset]` resets the connection, once
or `[busy:N]` times for the same request.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MARKER = re.compile(r"\[(slow|reset|busy|chunks|tool)(?::([\w-]+))?\]")

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Script:
    """How one request is answered."""

    text: str
    """The last message of the user, without its markers."""
    tool: str | None
    slow: bool
    gate: str
    """The name by which a slow reply is released alone."""
    pieces: int
    resets: int
    refusals: int

    def reply(self, number: int) -> list[str]:
        """Return the reply in pieces; its number makes each reply one of its kind."""
        words = f"Reply {number} to: {self.text}".split()
        words += [f"word-{count}" for count in range(len(words) + 1, self.pieces + 1)]
        spaced = [f"{word} " for word in words[:-1]] + words[-1:]
        if not self.pieces:
            return spaced
        return [*spaced[: self.pieces - 1], "".join(spaced[self.pieces - 1 :])]


def script_for(messages: Sequence[Message], tools: Sequence[str]) -> Script:
    """Read the markers; a tool that was asked for and has answered is not asked for again."""
    asked = last_user_text(messages)
    markers = MARKER.findall(asked)
    wanted = [value for name, value in markers if name == "tool" and value in tools]
    answered = results_since_user(messages)
    return Script(
        text=" ".join(MARKER.sub(" ", asked).split()),
        tool=wanted[answered] if answered < len(wanted) else None,
        slow=any(name == "slow" for name, _ in markers),
        gate="".join(value for name, value in markers if name == "slow"),
        pieces=_sum(markers, "chunks"),
        resets=_sum(markers, "reset"),
        refusals=_sum(markers, "busy"),
    )


def last_user_text(messages: Sequence[Message]) -> str:
    """Return what the user said last."""
    return next((str(each["content"]) for each in reversed(messages) if each.get("role") == "user"), "")


def results_since_user(messages: Sequence[Message]) -> int:
    """Count the tool results that came after the last message of the user."""
    count = 0
    for message in reversed(messages):
        if message.get("role") == "user":
            break
        count += message.get("role") == "tool"
    return count


def _sum(markers: Sequence[tuple[str, str]], wanted: str) -> int:
    return sum(int(value) if value.isdigit() else 1 for name, value in markers if name == wanted)
