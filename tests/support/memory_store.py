"""A store in memory: the same protocol as the real one, a list of lines instead of a file.

It shows that the core does not know of files, and it is quick enough to try every order of small histories.
"""

from __future__ import annotations

import hashlib

from coordinator._core._effects import (
    Append,
    Close,
    Compare,
    Foreign,
    Opened,
    Placement,
    Reopen,
    Report,
    Sync,
)
from coordinator._core._format import RecordFormat
from coordinator._core._values import Change, Fingerprint, Revision, Tail


class MemoryStore:
    """Content is one `bytearray`; whoever changes it without `perform` is foreign."""

    def __init__(self, record_format: RecordFormat, content: bytes = b"") -> None:
        self.format = record_format
        self.content = bytearray(content)
        self.known = bytes(content)
        self.generation = 1
        self.synced = b""
        self.between: list[bytes] = []
        """Foreign bytes that slip in between the next look and the next write."""

    def revision(self) -> Revision:
        """Return what the store believes."""
        return Revision(self.generation, len(self.known), hashlib.sha256(self.known).digest())

    def open(self) -> Opened:
        """Start with what is there."""
        return Opened(self.revision(), None, self._tail(bytes(self.content)))

    def perform(self, effect: Append | Compare | Sync) -> Report:
        """Do what the effect says, if the content still is what the effect expects."""
        assert effect.expected == self.revision(), "the core believes something else than the store"
        if isinstance(effect, Sync):
            self.synced = self.known
            return Report(self.revision(), synced=True)
        found = self._look()
        if found is not None or isinstance(effect, Compare):
            synced = isinstance(effect, Compare) and effect.sync and (found is None or not found.change.stops)
            self.synced = self.known if synced else self.synced
            return Report(self.revision(), foreign=() if found is None else (found,), synced=synced)
        return self._append(effect)

    def finish(self, effect: Append | Compare | Sync, report: Report) -> Report:
        """Nothing is ever torn here."""
        return report

    def reopen(self, effect: Reopen) -> Opened:
        """Accept the content."""
        self.generation += 1
        self.known = bytes(self.content)
        return Opened(self.revision(), None, self._tail(self.known), present=tuple(None for _ in effect.attempted))

    def close(self, effect: Close) -> Report:
        """Nothing to give back."""
        return Report(self.revision(), synced=effect.sync)

    def _append(self, effect: Append) -> Report:
        slipped = tuple(self._adopt(line, slipped=True) for line in self.between)
        self.between = []
        placements: list[Placement] = []
        for line in (*((effect.header,) if effect.header else ()), *effect.lines):
            placements.append(Placement(len(self.content), len(line)))
            self.content += line
        self.known = bytes(self.content)
        self.synced = self.known if effect.sync else self.synced
        return Report(self.revision(), tuple(placements[-len(effect.lines) :]), slipped, synced=effect.sync)

    def _look(self) -> Foreign | None:
        content = bytes(self.content)
        if content == self.known:
            return None
        if content.startswith(self.known) and content.endswith(b"\n"):
            return self._adopt(b"", slipped=False)
        change = Change.TRUNCATED if len(content) < len(self.known) else Change.REWRITTEN
        return Foreign(change, self.revision(), self._found())

    def _adopt(self, line: bytes, *, slipped: bool) -> Foreign:
        expected, start = self.revision(), len(self.known)
        self.content += line
        self.known = bytes(self.content)
        lines = self.known[start:].splitlines(keepends=True)
        records = tuple(record for record in map(self.format.read, lines) if record is not None)
        tail = self.format.tail_of(records[-1]) if records else None
        return Foreign(
            Change.APPENDED, expected, self._found(), start, len(self.known), records[:10], records,
            len(lines) - len(records), tail, slipped=slipped,
        )  # fmt: skip

    def _found(self) -> Fingerprint:
        return Fingerprint(1, 1, len(self.content), 0, 0)

    def _tail(self, content: bytes) -> Tail:
        tail = Tail()
        for line in content.split(b"\n")[:-1]:
            record = self.format.read(line)
            tail = tail if record is None else tail.merge(self.format.tail_of(record))
        return tail
