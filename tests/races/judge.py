"""Judges a round of the race from what both sides wrote down and from the bytes that are there in the end."""

import json
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coordinator import Change, Receipt

from .intruder import STOPPING
from .log import Act, Finding, Log


@dataclass
class Tally:
    """The figures of one round or of many; everything in `wrong` breaks a promise."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Sum up."""
        self.counts += other.counts
        self.wrong += other.wrong

    def __str__(self) -> str:
        figures = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        return "\n".join([f"{figures}; wrong {len(self.wrong)}", *self.wrong[:20]])


@dataclass(frozen=True)
class Line:
    """One line of the file; `record` is None if it cannot be read."""

    offset: int
    raw: bytes
    record: dict[str, Any] | None


def lines_of(content: bytes) -> list[Line]:
    """Split a file as every reader does."""
    lines, offset = list[Line](), 0
    for raw in content.splitlines(keepends=True):
        lines.append(Line(offset, raw, parsed(raw)))
        offset += len(raw)
    return lines


def parsed(raw: bytes) -> dict[str, Any] | None:
    """Return the record of a line, None if it is none."""
    try:
        record = json.loads(raw)
    except ValueError:
        return None
    return record if isinstance(record, dict) and raw.endswith(b"\n") else None


def judge(path: Path, log: Log) -> Tally:
    """Look for every broken promise of one round."""
    content = path.read_bytes()
    displaced = [other.read_bytes() for other in path.parent.glob(f"{path.name}.displaced-*")]
    tally = Tally()
    tally.counts["changes"] = len(log.acts)
    tally.counts["looks"] = len(log.looks)
    tally.counts["acknowledged"] = len(log.receipts)
    tally.counts.update(f"reported: {found.change.value}{', forked' * found.forked}" for found in log.findings)
    _judge_detection(tally, log, content)
    _judge_records(tally, log, content, displaced)
    _judge_chain(tally, log, lines_of(content))
    return tally


# Detection


def _judge_detection(tally: Tally, log: Log, content: bytes) -> None:
    looks = sorted(log.looks, key=lambda look: look.begin_ns)
    begins = [look.begin_ns for look in looks]
    for act in log.acts:
        tally.counts[f"changes: {act.kind}"] += 1
        later = looks[bisect_left(begins, act.end_ns) :]
        if not later:
            tally.wrong.append(f"change {act} was followed by no look")
        elif not _is_found(act, log, content, deadline_ns=min(look.end_ns for look in later)):
            tally.wrong.append(f"change {act} was not found by the look that began after it")
    stops = sum(act.kind in STOPPING for act in log.acts)
    reported = sum(found.change.stops for found in log.findings)
    if stops != reported:
        tally.wrong.append(f"{stops} changes stop a session, {reported} were reported")


def _is_found(act: Act, log: Log, content: bytes, *, deadline_ns: int) -> bool:
    in_time = [found for found in log.findings if found.time_ns <= deadline_ns]
    covers = all(any(_shows(found, mark, content) for found in in_time) for mark in act.marks)
    if act.marks and act.kind not in STOPPING and covers:
        return True
    # What stops the session voids all that was known: what was there before it is part of that finding.
    wanted = {"edit": {Change.REWRITTEN}, "rename": {Change.REPLACED}}.get(act.kind)
    return any(
        found.change.stops and found.time_ns >= act.start_ns and (wanted is None or found.change in wanted)
        for found in in_time
    )


def _shows(found: Finding, mark: bytes, content: bytes) -> bool:
    return found.start is not None and mark in content[found.start : found.end]


# Records


def _judge_records(tally: Tally, log: Log, content: bytes, displaced: list[bytes]) -> None:
    readable = Counter(text for line in lines_of(content) if (text := _text(line)) is not None)
    tally.wrong += [f"{text} stands {count} times in the file" for text, count in readable.items() if count > 1]
    for text, receipt in log.receipts.items():
        if _stands(content, receipt, text):
            tally.counts["acknowledged and there"] += 1
        elif any(_stands(other, receipt, text) for other in displaced):
            # The other process copied the file before this record came, and renamed its copy over it afterwards.
            tally.counts["acknowledged and displaced by the other process"] += 1
        else:
            tally.wrong.append(f"{text} was acknowledged and is not at {receipt}")
    for text in log.kept - log.receipts.keys():
        tally.counts["kept"] += 1
        if not readable[text] and not any(f'"{text}"'.encode() in other for other in displaced):
            tally.wrong.append(f"{text} was kept and is not there")


def _text(line: Line) -> str | None:
    return None if line.record is None else line.record.get("data", {}).get("text")


def _stands(content: bytes, receipt: Receipt, text: str) -> bool:
    raw = content[receipt.offset : receipt.offset + receipt.size]
    starts_a_line = receipt.offset == 0 or content[receipt.offset - 1 : receipt.offset] == b"\n"
    record = parsed(raw)
    return starts_a_line and record is not None and record["id"] == receipt.id and record["data"]["text"] == text


# The chain


def _judge_chain(tally: Tally, log: Log, lines: list[Line]) -> None:
    records = [line for line in lines if line.record is not None and line.record["type"] != "session"]
    excused = log.forked | _reported(log, records) | _bypassed(records)
    on_chain = _chain(log, records)
    off_chain = [line for line in records if _id(line) not in on_chain]
    tally.counts["off the chain"] = len(off_chain)
    tally.wrong += [
        f"{line.raw!r} at {line.offset} is off the chain and was not reported"
        for line in off_chain
        if _id(line) not in excused
    ]


def _id(line: Line) -> str:
    assert line.record is not None
    return line.record["id"]


def _parent(line: Line) -> str | None:
    assert line.record is not None
    return line.record["parentId"]


def _is_foreign(line: Line) -> bool:
    return _id(line).startswith("<")


def _chain(log: Log, records: list[Line]) -> set[str]:
    places = {_id(line): number for number, line in enumerate(records)}
    chain: set[str] = set()
    number = len(records) - 1
    while number >= 0:
        chain.add(_id(records[number]))
        # The parent may be unreadable because half a foreign line is glued to it; then that is what was reported.
        before = number - 1 if _is_reported_before(log, records, number) else -1
        number = places.get(_parent(records[number]) or "", before)
    return chain


def _is_reported_before(log: Log, records: list[Line], number: int) -> bool:
    end_before = 0 if number == 0 else records[number - 1].offset + len(records[number - 1].raw)
    return any(found.excuses(end_before, records[number].offset) for found in log.findings)


def _reported(log: Log, records: list[Line]) -> set[str]:
    return {
        _id(line)
        for line in records
        if any(found.excuses(line.offset, line.offset + len(line.raw)) for found in log.findings)
    }


def _bypassed(records: list[Line]) -> set[str]:
    """Return what the other process cut off by chaining its record after one that was not the last any more."""
    places = {_id(line): number for number, line in enumerate(records)}
    bypassed: set[str] = set()
    for number, line in enumerate(records):
        if _is_foreign(line):
            parent = places.get(_parent(line) or "", -1)
            bypassed |= {_id(other) for other in records[parent + 1 : number]}
    return bypassed
