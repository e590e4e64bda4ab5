"""`coordinator stats`: what a session file is made of."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import isfinite
from typing import Any, cast

from rich.table import Table
from rich.text import Text

from coordinator import Record

from ._files import Reader, reading
from ._index import Index
from ._options import FileArgument, FormatName, FormatOption, JsonOption
from ._output import facts, indented, output, path_text, table
from ._text import count_text, one_line, size_text, time_of

NAMES_MAX = 1000
NAMES_SHOWN = 15
NAME_CHARACTERS_MAX = 48
USAGE = ("input", "output", "cacheRead", "cacheWrite")


@dataclass(slots=True)
class Tally:
    """How many records of one kind there are, and how large they are together."""

    records: int = 0
    bytes: int = 0


@dataclass(slots=True)
class Statistics:
    """What was counted; names beyond `NAMES_MAX` are counted together."""

    damaged: int = 0
    largest_bytes: int = 0
    total: Tally = field(default_factory=Tally)
    kinds: dict[str, Tally] = field(default_factory=dict[str, Tally])
    models: Counter[str] = field(default_factory=Counter[str])
    tokens: Counter[str] = field(default_factory=Counter[str])
    cost: float = 0.0
    first_ms: int = 0
    last_ms: int = 0
    conversation: int = 0

    def add(self, record: Record, size: int, time_ms: int) -> None:
        """Count one record."""
        name = _kind(record)
        name = name if name in self.kinds or len(self.kinds) < NAMES_MAX else "others"
        for tally in (self.total, self.kinds.setdefault(name, Tally())):
            tally.records += 1
            tally.bytes += size
        self.largest_bytes = max(self.largest_bytes, size)
        if time_ms:
            self.first_ms = min(self.first_ms or time_ms, time_ms)
            self.last_ms = max(self.last_ms, time_ms)
        self._add_usage(_mapping(record.get("message")))

    def _add_usage(self, message: dict[str, Any]) -> None:
        usage, model = _mapping(message.get("usage")), message.get("model")
        if isinstance(model, str) and (model in self.models or len(self.models) < NAMES_MAX):
            self.models[model] += 1
        for name in USAGE:
            self.tokens[name] += int(_number(usage.get(name)))
        self.cost += _number(_mapping(usage.get("cost")).get("total"))


def _kind(record: Record) -> str:
    message = _mapping(record.get("message"))
    parts = (record.get("type"), message.get("role") or record.get("role") or record.get("customType"))
    return " ".join([part for part in parts if isinstance(part, str)])[:NAME_CHARACTERS_MAX] or "no type"


def _mapping(value: object) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _number(value: object) -> float:
    return value if isinstance(value, int | float) and isfinite(value) else 0


def stats(file: FileArgument, format_name: FormatOption = FormatName.AUTO, as_json: JsonOption = False) -> None:
    """Count records, kinds, models, tokens; also while a gateway is writing to the file.

    Exit status: 0 whatever was counted, 2 wrong usage or not readable.
    """
    with output(file, as_json=as_json) as out, reading(file, format_name) as reader:
        statistics = _count(reader)
        if as_json:
            out.data({"path": file, **_values(reader, statistics)})
            return
        out.show(path_text(file), facts(_facts(reader, statistics)))
        if statistics.kinds:
            out.show(indented(_kinds(statistics)))


def _count(reader: Reader) -> Statistics:
    statistics, index = Statistics(), Index()
    for line in reader.lines():
        if reader.is_header(line):
            continue
        record = reader.record(line)
        if record is None:
            statistics.damaged += 1
            continue
        tail = reader.format.tail_of(record)
        statistics.add(record, line.size, tail.timestamp_ms)
        if tail.leaf is not None:
            index.add([tail.leaf], [reader.format.parent_of(record)])
    index.finish()
    statistics.conversation = index.branch_size()
    return statistics


def _values(reader: Reader, statistics: Statistics) -> dict[str, object]:
    kinds = {name: {"records": tally.records, "bytes": tally.bytes} for name, tally in statistics.kinds.items()}
    return {
        "format": reader.format.name, "bytes": reader.end, "records": statistics.total.records,
        "damaged_lines": statistics.damaged, "torn_bytes": reader.repair.cut, "largest_bytes": statistics.largest_bytes,
        "conversation_records": statistics.conversation, "first": _time(statistics.first_ms),
        "last": _time(statistics.last_ms), "kinds": kinds, "models": statistics.models,
        "tokens": statistics.tokens, "cost": statistics.cost,
    }  # fmt: skip


def _time(time_ms: int) -> str | None:
    return time_of(time_ms).isoformat(timespec="milliseconds") if time_ms else None


def _facts(reader: Reader, statistics: Statistics) -> list[tuple[str, str | Text]]:
    total, damaged = statistics.total, statistics.damaged + bool(reader.repair.cut)
    rows: list[tuple[str, str | Text]] = [("file", f"{reader.format.name}, {size_text(reader.end)}")]
    mean = size_text(total.bytes / max(total.records, 1))
    largest = f", {mean} each, the largest {size_text(statistics.largest_bytes)}" if total.records else ""
    rows.append(("records", f"{total.records:,}{largest}"))
    if statistics.conversation:
        rows.append(("conversation", f"{count_text(statistics.conversation, 'record')} from the root to the leaf"))
    if damaged:
        rows.append(("damaged", Text(f"{count_text(damaged, 'line')}: see `check`", style="red")))
    if statistics.last_ms:
        first, last = time_of(statistics.first_ms), time_of(statistics.last_ms)
        rows.append(("time", f"{first:%Y-%m-%d %H:%M:%S} to {last:%Y-%m-%d %H:%M:%S} UTC"))
    if statistics.models:
        named = (f"{one_line(name, NAME_CHARACTERS_MAX)} {count:,}" for name, count in statistics.models.most_common())
        rows.append(("models", ", ".join(list(named)[:NAMES_SHOWN])))
    if any(statistics.tokens.values()):
        rows.append(("tokens", ", ".join(f"{name} {statistics.tokens[name]:,}" for name in USAGE)))
        rows.append(("cost", f"{statistics.cost:,.2f}"))
    return rows


def _kinds(statistics: Statistics) -> Table:
    lines = table("Kind", "#Records", "#Size")
    kinds = sorted(statistics.kinds.items(), key=lambda item: -item[1].bytes)
    for name, tally in kinds[:NAMES_SHOWN]:
        lines.add_row(Text(one_line(name, NAME_CHARACTERS_MAX)), f"{tally.records:,}", size_text(tally.bytes))
    if len(kinds) > NAMES_SHOWN:
        lines.add_row(Text(f"and {len(kinds) - NAMES_SHOWN} more kinds", style="dim"), "", "")
    return lines
