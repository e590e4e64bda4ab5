"""What can be wrong with a session file, found in one pass and a few questions to an index."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from coordinator import PLAIN, FormatError, Record

from ._files import Reader
from ._index import NOWHERE, Index, Pair
from ._inside import Line
from ._places import Places
from ._skim import skimmer_of
from ._text import KILO, age_text, one_line, size_text

ID_CHARACTERS_MAX = 40
LOST_HEADER = "the records are those of a pi session, but the first line is no header"
KEPT_MAX = 100
"""Of each kind so many are kept; all are counted."""


class Severity(StrEnum):
    """`DAMAGE` loses records or cuts the conversation; a `NOTICE` can be meant."""

    DAMAGE = "damage"
    NOTICE = "notice"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a person should know; `line` counts from 1, 0 stands for the whole file."""

    severity: Severity
    kind: str
    line: int
    offset: int
    text: str


@dataclass(slots=True)
class Findings:
    """Everything that was found in one file."""

    lines: int = 0
    records: int = 0
    counts: Counter[str] = field(default_factory=Counter[str])
    kept: list[Finding] = field(default_factory=list[Finding])
    damaged: bool = False

    def add(self, severity: Severity, kind: str, text: str, *, line: int = 0, offset: int = 0) -> None:
        """Take one."""
        self.counts[kind] += 1
        self.damaged = self.damaged or severity is Severity.DAMAGE
        if self.counts[kind] <= KEPT_MAX:
            self.kept.append(Finding(severity, kind, line, offset, text))

    def damage(self, kind: str, text: str, *, line: int = 0, offset: int = 0) -> None:
        """Take one that loses something."""
        self.add(Severity.DAMAGE, kind, text, line=line, offset=offset)

    def notice(self, kind: str, text: str, *, line: int = 0, offset: int = 0) -> None:
        """Take one that can be meant."""
        self.add(Severity.NOTICE, kind, text, line=line, offset=offset)


def check(reader: Reader, *, guessed: bool) -> Findings:
    """Look at every line of a file; `guessed`: nobody has said which format it has."""
    findings, index, places = Findings(), Index(), Places(reader)
    _Pass(reader, findings, index, places, guessed=guessed).run()
    index.finish()
    _check_tree(findings, index, places)
    _check_tail(reader, findings)
    findings.kept.sort(key=lambda finding: (finding.severity.value, finding.line))
    return findings


class _Pass:
    """The way through the lines, oldest first."""

    def __init__(self, reader: Reader, findings: Findings, index: Index, places: Places, *, guessed: bool) -> None:
        self._reader = reader
        self._findings = findings
        self._index = index
        self._places = places
        self._guessed = guessed and not reader.format.has_header
        self._format = reader.format
        self._skim = skimmer_of(reader.format)
        self._latest_ms = 0

    def run(self) -> None:
        """Look at every line, closely only where something may be said about it."""
        at = self._look_closely(0, 1)  # a header, or the record that says which format it is
        while at < self._reader.records_end:
            block = self._reader.whole_lines(at)
            at = at + len(block) if self._takes(at, block) else self._look_closely(at, at + max(len(block), 1))

    def _takes(self, at: int, block: bytes) -> bool:
        found = None if self._guessed or not block else self._skim(block)
        if found is None or found.earliest_ms < self._latest_ms:
            return False
        self._places.add(len(self._index), self._findings.lines + 1, at)
        self._findings.lines += found.records
        self._findings.records += found.records
        if found.ids:
            self._index.add(found.ids, found.parents)
        self._latest_ms = found.latest_ms
        return True

    def _look_closely(self, start: int, stop: int) -> int:
        """Look at the lines that begin before `stop`; return where the next one begins."""
        self._places.add(len(self._index), self._findings.lines + 1, start)
        for line in self._reader.lines(start):
            self._findings.lines += 1
            if self._reader.is_header(line):
                self._check_header()
            else:
                self._check_line(self._findings.lines, line)
            if line.offset + line.size >= stop:
                return line.offset + line.size
        return self._reader.records_end

    def _check_header(self) -> None:
        try:
            self._format.read_header(self._reader.first_line)
        except FormatError as error:
            self._findings.damage("header", f"{error.message}: {error.hint}", line=1)
            self._format = PLAIN  # what the lines mean is not known then
            self._skim = skimmer_of(PLAIN)

    def _check_line(self, number: int, line: Line) -> None:
        record = None if line.content is None else self._format.read(line.content)
        if record is None:
            self._findings.damage("unreadable", why_unreadable(line), line=number, offset=line.offset)
            return
        self._findings.records += 1
        if self._guessed:
            self._guessed = False
            if lacks_header(record):
                self._findings.damage("header", f"{LOST_HEADER} (`--format plain` if it is meant)", line=1)
        self._check_record(number, line.offset, record)

    def _check_record(self, number: int, offset: int, record: Record) -> None:
        tail = self._format.tail_of(record)
        if tail.leaf is None:
            return
        self._index.add([tail.leaf], [self._format.parent_of(record)])
        if not tail.timestamp_ms:
            self._findings.notice("time", "it has no readable time", line=number, offset=offset)
        elif tail.timestamp_ms < self._latest_ms:
            back = age_text((self._latest_ms - tail.timestamp_ms) / KILO)
            self._findings.notice("time", f"its time is {back} before that of a line above", line=number, offset=offset)
        self._latest_ms = max(self._latest_ms, tail.timestamp_ms)


def lacks_header(record: Record) -> bool:
    """Whether a record that was taken for plain JSON can only come from a pi session."""
    return all(isinstance(record.get(key), str) for key in ("type", "id", "timestamp")) and "parentId" in record


def why_unreadable(line: Line) -> str:
    """Say what is wrong with a line that is no record."""
    content = line.content
    if content is None:
        return f"it has {size_text(line.size)}, too much for one record"
    if not content.strip():
        return "a blank line"
    if b"\0" in content:
        return "it holds NUL bytes, as a power cut leaves them"
    parsed = PLAIN.read(content)
    if parsed is None:
        return f"no JSON object: {one_line(content.decode(errors='replace'), ID_CHARACTERS_MAX)}"
    return "a second header" if parsed.get("type") == "session" else "it has no `type` or no `id`"


class _Question(NamedTuple):
    """What the index says of some records, each perhaps with another one; `text` takes ids and a line."""

    severity: Severity
    kind: str
    text: str
    answers: Sequence[Pair]


def _questions(index: Index) -> Iterator[_Question]:
    yield _Question(
        Severity.DAMAGE, "repeated-id", "repeats id {id} of line {other}: it rewinds the conversation",
        index.repeated(),
    )  # fmt: skip
    yield _Question(
        Severity.DAMAGE, "missing-parent", "its parent {parent} is missing: everything before it is cut off",
        index.orphans(),
    )  # fmt: skip
    yield _Question(
        Severity.NOTICE, "late-parent", "its parent {parent} stands at line {other}, not before it",
        index.late_parents(),
    )  # fmt: skip
    yield _Question(
        Severity.NOTICE, "root", "{id} has no parent: the conversation starts anew here", index.later_roots()
    )
    yield _Question(
        Severity.NOTICE, "leaf", "{id} ends a branch that is not part of the conversation", index.other_leaves()
    )


def _check_tree(findings: Findings, index: Index, places: Places) -> None:
    for severity, kind, text, answers in _questions(index):
        for number, other in answers[:KEPT_MAX]:
            place = places.find(number)
            other_line = 0 if other == NOWHERE else places.find(other).line
            told = text.format(id=_id(place.id), parent=_id(place.parent or ""), other=other_line)
            findings.add(severity, kind, told, line=place.line, offset=place.offset)
        if answers:
            findings.counts[kind] = len(answers)  # those that are not kept too


def _id(text: str) -> str:
    return one_line(text, ID_CHARACTERS_MAX)


def _check_tail(reader: Reader, findings: Findings) -> None:
    repair, number = reader.repair, findings.lines + 1
    if repair.cut:
        text = f"the last {size_text(repair.cut)} are no whole record: `heal` keeps them beside the file and cuts them"
        findings.damage("torn", text, line=number, offset=reader.end - repair.cut)
    if repair.needs_line_feed:
        text = "the last record lacks its line feed: `heal` adds it"
        findings.damage("no-line-feed", text, line=findings.lines, offset=reader.lines_end)
