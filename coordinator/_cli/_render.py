"""How one record looks to a person: a line that says when and who, and below it what was said."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from rich.console import RenderableType
from rich.text import Text

from coordinator import Record

from ._output import indented
from ._text import json_text, one_line, time_of, visible

LINES_MAX = 12
CHARACTERS_MAX = 1500
LINE_CHARACTERS_MAX = 200
COLORS = {"user": "bold cyan", "assistant": "bold green", "toolResult": "magenta", "bashExecution": "magenta"}
STAMPED = frozenset({"type", "id", "parentId", "timestamp", "customType"})
SUMMARIES = frozenset({"compaction", "branch_summary"})


class Renderer:
    """Renders records in their order; a new day gets a line of its own."""

    def __init__(self, *, full: bool) -> None:
        self._full = full
        self._day = ""

    def render(self, record: Record, time_ms: int, *, aside: bool = False) -> Iterator[RenderableType]:
        """Show one record; `aside`: it is not part of the conversation."""
        time = f"{time_of(time_ms):%H:%M:%S} " if time_ms else ""
        day = f"{time_of(time_ms):%Y-%m-%d}" if time_ms else self._day
        if day != self._day:
            self._day = day
            yield Text(f"── {day} UTC ──", style="dim")
        message = _message(record)
        title, more = _title(record, message)
        mark = Text.assemble((time, "dim"), (title, "dim" if aside else COLORS.get(title, "yellow")))
        yield mark.append(f"  {more}" if more else "", "dim").append("  (other branch)" if aside else "", "dim")
        for text in self._body(record, message):
            text.stylize("dim" if aside else "")
            yield indented(text)

    def _body(self, record: Record, message: dict[str, Any]) -> Iterator[Text]:
        if "role" in message:
            yield from self._message(message)
        elif record.get("type") in SUMMARIES:
            yield self._text(str(record.get("summary", "")))
        elif "content" in record:
            yield from self._content(record["content"])

    def _message(self, message: dict[str, Any]) -> Iterator[Text]:
        if message.get("role") == "bashExecution":
            yield Text(f"$ {one_line(str(message.get('command', '')), LINE_CHARACTERS_MAX)}")
            yield self._text(str(message.get("output", "")))
        else:
            yield from self._content(message.get("content", ""))

    def _content(self, content: object) -> Iterator[Text]:
        parts = cast("list[object]", content) if isinstance(content, list) else [content]
        for part in parts:
            text = self._part(part)
            if text:
                yield text

    def _part(self, part: object) -> Text:
        if not isinstance(part, dict):
            return self._text(part if isinstance(part, str) else _plain(part))
        block = cast("dict[str, Any]", part)
        kind = block.get("type")
        if kind == "thinking":
            return self._text(str(block.get("thinking", "")), "dim italic")
        if kind == "toolCall":
            arguments = one_line(_plain(block.get("arguments")), LINE_CHARACTERS_MAX)
            return Text.assemble("→ ", (visible(str(block.get("name"))), "bold"), " ", arguments)
        if isinstance(block.get("text"), str):
            return self._text(block["text"])
        return Text(f"[{one_line(str(kind), LINE_CHARACTERS_MAX)}]", style="dim")

    def _text(self, text: str, style: str = "") -> Text:
        """Show text, and of a long one the beginning."""
        text = text.strip("\n")
        cut = text if self._full else "\n".join(text[:CHARACTERS_MAX].split("\n", LINES_MAX)[:LINES_MAX])
        shown = Text(visible(cut), style=style)
        if len(cut) < len(text):
            shown.append(f"\n… {len(text) - len(cut):,} more characters (--full)", "dim")
        return shown


def _message(record: Record) -> dict[str, Any]:
    message = record.get("message")
    return cast("dict[str, Any]", message) if isinstance(message, dict) else record


def _title(record: Record, message: dict[str, Any]) -> tuple[str, str]:
    """Return what a record is, and what else belongs on its first line."""
    if isinstance(message.get("role"), str):
        failed = "failed" if message.get("isError") or message.get("stopReason") == "error" else ""
        more = (message.get("model"), message.get("toolName"), failed)
        return _word(message["role"]), " ".join(_word(word) for word in more if word)
    kind, custom = record.get("type"), record.get("customType")
    title = " ".join(_word(word) for word in (kind, custom) if word) or "record"
    if kind in SUMMARIES or "content" in record:
        return title, ""
    rest = {key: value for key, value in record.items() if key not in STAMPED}
    return title, one_line(_details(rest), LINE_CHARACTERS_MAX)


def _word(value: object) -> str:
    return one_line(_plain(value), LINE_CHARACTERS_MAX)


def _details(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {_plain(value)}" for key, value in values.items())


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json_text(value, ensure_ascii=False)
