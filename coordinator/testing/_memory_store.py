"""A store in memory: the same protocol as the real one, bytes instead of a file.

It shows that the core does not know of files, and it is quick enough to try every order of small histories.
"""

from __future__ import annotations

import errno
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .._core._change import Evidence, classify
from .._core._effects import (
    Act,
    Append,
    Close,
    Compare,
    Fault,
    Foreign,
    Healed,
    Opened,
    Placement,
    Reopen,
    Report,
    Rewrite,
    Sync,
)
from .._core._errors import CoordinatorError, FormatError, RecordError, WriteFailedError
from .._core._format import RecordFormat
from .._core._limits import Limits
from .._core._lines import LINE_FEED, LineSplitter, repair_of
from .._core._values import Change, Fingerprint, Record, Revision, Tail
from .._store._scan import Findings, scan_lines

_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class MemoryStore:
    """Implements the core's `Store`. Whoever changes `content` without `perform` is foreign: tests do."""

    def __init__(
        self,
        record_format: RecordFormat,
        content: bytes = b"",
        *,
        path: Path = Path("memory"),
        limits: Limits = Limits(),  # noqa: B008 - frozen
    ) -> None:
        self.format = record_format
        self.path = path
        self.content = bytearray(content)
        self.synced = b""
        """What would be there after a power cut."""
        self.between: list[bytes] = []
        """Foreign lines that slip in between the next look and the next write."""
        self.refusal: OSError | None = None
        """While this is set every write fails with it; ENOSPC is a full disk."""
        self._limits = limits
        self._lock = threading.RLock()
        self._known = b""
        self._revision = Revision(1, 0, hashlib.sha256().digest())

    def foreign_append(self, data: bytes) -> int:
        """Append as a program that knows nothing of us does, and return the offset behind it."""
        with self._lock:
            self.content += data
            return len(self.content)

    def revision(self) -> Revision:
        """Return what the store believes."""
        return self._revision

    # The protocol

    def open(self) -> Opened:
        """Make the end whole and start with what is there."""
        with self._lock:
            return self._load(generation=1)

    def perform_quickly(self, effect: Act) -> Report | None:
        """Leave everything to `perform`: an act of a test may wait for the event loop."""
        del effect
        return None

    def perform(self, effect: Act) -> Report:
        """Do what the effect says, if the content still is what the effect expects."""
        assert effect.expected == self._revision, "the core believes something else than the store"
        with self._lock:
            if isinstance(effect, Append):
                return self._append(effect)
            if isinstance(effect, Rewrite):
                return self._rewrite(effect)
            return self._synced(Report(self._revision) if isinstance(effect, Sync) else self._looked(), effect)

    def finish(self, effect: Act, report: Report) -> Report:
        """End the unfinished foreign line, adopt it, and do what `effect` still wants."""
        with self._lock:
            looked = self._looked(end_torn=True)
            foreign = (*report.foreign, *looked.foreign)
            if isinstance(effect, Append):
                unwritten = replace(looked, foreign=foreign)
                return self._write(effect, foreign) if effect.insist and not _stops(foreign) else unwritten
            if isinstance(effect, Rewrite) and report.tail is None and not _stops(foreign):
                again = self._rewrite(effect)
                return replace(again, foreign=(*foreign, *again.foreign))
            return self._synced(replace(report, revision=self._revision, foreign=foreign, torn=False), effect)

    def reopen(self, effect: Reopen) -> Opened:
        """Accept the content as it is now, and say which attempted lines stand in it."""
        with self._lock:
            opened = self._load()
            return replace(opened, present=self._find(effect.attempted, effect.since))

    def park(self) -> None:
        """Give nothing back: there is neither descriptor nor lock."""

    def unpark(self) -> Opened:
        """Go on with the content; a new generation if it is not the one that was parked."""
        return self.reopen(Reopen())

    def close(self, effect: Close) -> Report:
        """Sync if asked; the content stays."""
        with self._lock:
            self.synced = self._known if effect.sync else self.synced
            return Report(self._revision, synced=effect.sync)

    # Opening

    def _load(self, *, generation: int | None = None) -> Opened:
        """Heal and read the content; without a `generation` it is a new one if the content is."""
        content = bytes(self.content)
        start = content.rfind(LINE_FEED) + 1
        repair = repair_of(content[start:])
        whole = content[: start + repair.keep] + LINE_FEED * repair.needs_line_feed
        header = self._read_header(whole)
        findings = self._scan(whole)
        self.content[:] = whole
        self._believe(whole, generation or self._revision.generation + (whole != self._known))
        self.synced = whole
        healed = Healed(repair.cut, newline_added=repair.needs_line_feed)
        tail = findings.tail or Tail()
        return Opened(self._revision, header, tail, healed, findings.damaged, tuple(findings.damaged_at))

    def _read_header(self, content: bytes) -> Record | None:
        if not (self.format.has_header and content):
            return None
        try:
            return self.format.read_header(content.partition(LINE_FEED)[0])
        except FormatError as error:
            error.path = self.path
            raise

    def _scan(self, content: bytes, start: int = 0) -> Findings:
        findings = Findings(self.format)
        scan_lines([content[start:]], start, findings)
        return findings

    def _find(self, lines: Sequence[bytes], since: int) -> tuple[Placement | None, ...]:
        """Say where each line stands from `since` on; a line that stands there once is found once."""
        places: dict[bytes, Iterator[Placement]] = {}
        for line in Counter(lines):
            stand = [there for there in LineSplitter().feed(bytes(self.content)) if there.content == line]
            places[line] = iter([Placement(there.offset, there.size) for there in stand if there.offset >= since])
        return tuple(next(places[line], None) for line in lines)

    def _believe(self, content: bytes, generation: int | None = None) -> None:
        generation = self._revision.generation if generation is None else generation
        believed = Revision(generation, len(content), hashlib.sha256(content).digest())
        # `unpark` promises the old object if nothing has changed.
        self._revision = self._revision if believed == self._revision else believed
        self._known = content

    # Looking

    def _looked(self, *, end_torn: bool = False) -> Report:
        """Compare the content with what we believe; whole lines that others have appended are adopted."""
        change = self._judge()
        if change is None:
            return Report(self._revision)
        if change.stops:
            return Report(self._revision, foreign=(self._stop(change),))
        torn = not self.content.endswith(LINE_FEED)
        if torn and not end_torn:
            return Report(self._revision, torn=True)
        self.content += LINE_FEED * torn
        foreign = self._adopt(Change.TORN if torn else Change.APPENDED)
        return Report(self._revision, foreign=(foreign,))

    def _judge(self) -> Change | None:
        return classify(
            Evidence(
                lock_held=True,
                found=self._found(),
                same_file=True,
                length=len(self._known),
                prefix_equal=self.content.startswith(self._known),
                ends_whole=self.content.endswith(LINE_FEED),
                moved=False,
            )
        )

    def _stop(self, change: Change) -> Foreign:
        cut = change is Change.TRUNCATED
        start, end = (len(self.content), len(self._known)) if cut else (None, None)
        return Foreign(change, self._revision, self._found(), start, end)

    def _adopt(self, change: Change, *, slipped: bool = False) -> Foreign:
        expected, start, content = self._revision, len(self._known), bytes(self.content)
        findings = self._scan(content, start)
        header = None
        with suppress(FormatError):  # what came where there was nothing may be no session: its records say so
            header = self._read_header(content) if start == 0 else None
        self._believe(content)
        return Foreign(
            change, expected, self._found(), start, len(content),
            first_records=tuple(findings.first_records),
            records=None if findings.records is None else tuple(findings.records),
            damaged=findings.damaged, tail=findings.tail, slipped=slipped, header=header,
        )  # fmt: skip

    def _found(self) -> Fingerprint:
        return Fingerprint(1, 1, len(self.content), 0, 0)

    def _synced(self, report: Report, effect: Act) -> Report:
        """Complete a report with the sync that its effect asks for; what was taken over is not ours to sync."""
        wanted = isinstance(effect, Sync) or (isinstance(effect, Append | Compare) and effect.sync)
        wanted = wanted or (isinstance(effect, Rewrite) and report.tail is not None)
        if not wanted or report.torn or _stops(report.foreign):
            return report
        self.synced = self._known
        return replace(report, synced=True)

    # Writing

    def _append(self, effect: Append) -> Report:
        looked = self._looked()
        if looked.torn or _stops(looked.foreign) or (looked.foreign and not effect.insist):
            return looked
        return self._write(effect, looked.foreign)

    def _write(self, effect: Append, found: Sequence[Foreign]) -> Report:
        foreign = [replace(change, slipped=True) for change in found]
        slipping, self.between = self.between, []
        for line in slipping:
            self.content += line
            foreign.append(self._adopt(Change.APPENDED, slipped=True))
        if self.refusal is not None:
            fault = Fault.ROOM if self.refusal.errno in _ROOM else Fault.WRITE
            return Report(self._revision, foreign=tuple(foreign), fault=fault, error=self.refusal)
        self.content += b"" if self.content else effect.header or b""
        written = [self._place(line) for line in effect.lines]
        self._believe(bytes(self.content))
        return self._synced(Report(self._revision, written, tuple(foreign)), effect)

    def _place(self, line: bytes) -> int:
        self.content += line
        return len(self.content) - len(line)

    # Rewriting

    def _rewrite(self, effect: Rewrite) -> Report:
        looked = self._looked()
        headless = self.format.has_header and not self._known
        if looked.torn or _stops(looked.foreign) or headless:
            return replace(looked, refused=self._changed() if looked.torn or looked.foreign else None)
        try:
            lines, tail = self._transformed(effect)
        except Exception as error:  # noqa: BLE001 - the transform is the caller's, and so is its error
            return replace(looked, refused=self._refused(error))
        if self.refusal is not None:
            return replace(looked, refused=self._refused(self.refusal))
        return self._publish(effect, b"".join(lines), tail, looked)

    def _transformed(self, effect: Rewrite) -> tuple[list[bytes], Tail]:
        """Return the new lines; header and damaged lines are carried over where they stand."""
        lines, tail = list[bytes](), Tail()
        records = self._records(into=lines)
        for record in effect.transform(records):
            draft = self.format.encode(record)
            if len(draft.line) > self._limits.record_bytes_max + len(LINE_FEED):
                raise RecordError("the transform made a record over record_bytes_max", hint="keep records smaller")
            stamped = self.format.stamp(draft, tail, now_ms=effect.now_ms)
            lines.append(stamped.line)
            tail = tail.merge(stamped.tail)
        for _ in records:
            pass  # damaged lines behind the last record that the transform wanted are carried over too
        return lines, tail

    def _records(self, *, into: list[bytes]) -> Iterator[Record]:
        for line in LineSplitter().feed(self._known):
            content = line.content or b""
            is_header = line.offset == 0 and self.format.has_header
            record = None if is_header else self.format.read(content)
            if record is None:
                into.append(content)
            else:
                yield record

    def _publish(self, effect: Rewrite, content: bytes, tail: Tail, looked: Report) -> Report:
        change = self._judge()
        if change is not None and change.stops:
            return replace(looked, foreign=(*looked.foreign, self._stop(change)), refused=self._changed())
        appended = bytes(self.content[len(self._known) :])
        self.content[:] = content + appended
        self._believe(content, self._revision.generation + 1)
        late = self._looked()
        report = replace(late, foreign=(*looked.foreign, *late.foreign), tail=tail)
        return self._synced(report, effect)

    def _changed(self) -> WriteFailedError:
        hint = "the old content is in use as before; try again"
        return WriteFailedError("somebody else was writing to the file", path=self.path, hint=hint)

    def _refused(self, error: Exception) -> Exception:
        if isinstance(error, CoordinatorError) and error.path is None:
            error.path = self.path
        if not isinstance(error, OSError) or isinstance(error, CoordinatorError):
            return error
        hint = "the old content is in use as before; see to the disk, then try again"
        refused = WriteFailedError(f"the new content could not be written: {error}", path=self.path, hint=hint)
        refused.__cause__ = error
        return refused


def _stops(foreign: Sequence[Foreign]) -> bool:
    return any(found.change.stops for found in foreign)
