"""Compaction: replace the whole content by what a transform makes of its records, as an own write.

Nothing of the old file is in doubt at any moment: it stays in use until the new one is durable, what is read of it is
compared with what we believe, and what others did to it until the exchange is found by looking at the displaced file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice

from .._core._effects import Fault, Foreign, Report, Rewrite
from .._core._errors import CoordinatorError, RecordError, WriteFailedError
from .._core._format import RecordFormat
from .._core._lines import LINE_FEED, Line, LineSplitter
from .._core._values import Change, Record, Tail
from ._compare import Comparer
from ._content import Content, digesting, look, new_digest
from ._durable import Durable
from ._publish import NewFile, exchange, exchange_back, new_file
from ._scan import MovedError, read_range
from ._system import System

WAITS_MAX = 8


class Source:
    """The records of the old file, read lazily; header and damaged lines are carried over as they are."""

    def __init__(self, system: System, content: Content, record_format: RecordFormat) -> None:
        assert content.fd is not None
        self._content = content
        self._format = record_format
        self._digest = new_digest()
        self._lines = _lines(digesting(self._digest, read_range(system, content.fd, 0, content.length)))
        self._carried = [_whole(line) for line in islice(self._lines, int(record_format.has_header))]
        self.largest = 0
        """How many bytes the longest record that was read has: one that stands there may stay."""

    def records(self) -> Iterator[Record]:
        """Give the records, oldest first."""
        for line in self._lines:
            content = _whole(line)
            record = self._format.read(content)
            if record is None:
                self._carried.append(content)
            else:
                self.largest = max(self.largest, len(content))
                yield record

    def take_carried(self) -> list[bytes]:
        """Return what was read and is no record, to be written as it is: damage is never dropped silently."""
        carried, self._carried = self._carried, []
        return carried

    def is_as_believed(self) -> bool:
        """Whether everything that was read is what we believe the file to be; learns the digest if it was unknown."""
        if self._content.digest is None:
            self._content.replace_digest(self._digest)
        assert self._content.digest is not None
        return self._digest.digest() == self._content.digest.digest()


class Rewriter:
    """Carries out one `Rewrite` after the other."""

    __slots__ = ("_comparer", "_durable", "_format", "_line_bytes_max", "_system", "_tail", "_waits")

    def __init__(
        self,
        system: System,
        comparer: Comparer,
        durable: Durable,
        record_format: RecordFormat,
        *,
        record_bytes_max: int,
    ) -> None:
        self._system = system
        self._comparer = comparer
        self._durable = durable
        self._format = record_format
        self._line_bytes_max = record_bytes_max + record_format.stamp_bytes_max + len(LINE_FEED)
        """Records that are read have their stamp already."""
        self._tail = Tail()
        self._waits = 0

    def rewrite(self, content: Content, effect: Rewrite) -> Report:
        """Write the new file, publish it, and look at what it has displaced; torn if an unfinished line is in the way.

        Then wait, look once more, and `go_on`.
        """
        self._waits = 0
        return self._attempt(content, effect)

    def go_on(self, content: Content, effect: Rewrite, report: Report) -> Report:
        """Try again, now that the unfinished foreign line is no more; give up if there is always another one."""
        self._waits += 1
        if any(foreign.change.stops for foreign in report.foreign) or report.fault is not None:
            return report
        if self._waits > WAITS_MAX:
            return replace(report, torn=False)
        if report.torn:
            return report
        again = self._attempt(content, effect)
        return replace(again, foreign=(*report.foreign, *again.foreign))

    def _attempt(self, content: Content, effect: Rewrite) -> Report:
        verdict = self._comparer.compare(content)
        headless = self._format.has_header and content.length == 0  # the first batch brings the header
        if verdict.stops or verdict.torn or content.fd is None or headless:
            refused = _changed(content) if verdict.changes else None
            return Report(content.revision, foreign=tuple(verdict.foreign), torn=verdict.torn, refused=refused)
        try:
            report = self._rewrite(content, effect)
        except OSError as error:
            report = Report(content.revision, refused=_refused(content, error))
        except Exception as error:  # noqa: BLE001 - the transform is the caller's, and so is its error
            if isinstance(error, CoordinatorError) and error.path is None:
                error.path = content.path
            report = Report(content.revision, refused=error)
        return replace(report, foreign=(*verdict.foreign, *report.foreign))

    def _rewrite(self, content: Content, effect: Rewrite) -> Report:
        assert content.fd is not None
        self._tail = Tail()
        with new_file(self._system, content.path) as new:
            try:
                source = Source(self._system, content, self._format)
                new.write(self._lines(source, effect))
                unchanged = source.is_as_believed()
            except MovedError:
                unchanged = False
            if not unchanged:
                return self._stop(content, Change.REWRITTEN)
            new.finish(self._system.fstat(content.fd))
            return self._publish(content, new)

    def _lines(self, source: Source, effect: Rewrite) -> Iterator[bytes]:
        records = source.records()
        for record in effect.transform(records):
            yield from source.take_carried()
            yield self._line(record, effect.now_ms, bytes_max=max(self._line_bytes_max, source.largest))
        for _ in records:
            pass  # what the transform did not want to see is read all the same: is it what we believe?
        yield from source.take_carried()

    def _line(self, record: Record, now_ms: int, *, bytes_max: int) -> bytes:
        draft = self._format.encode_again(record)
        if len(draft.line) > bytes_max:
            raise RecordError("the transform made a record over record_bytes_max", hint="keep records smaller")
        stamped = self._format.stamp(draft, self._tail, now_ms=now_ms)
        self._tail = self._tail.merge(stamped.tail)
        return stamped.line

    def _publish(self, content: Content, new: NewFile) -> Report:
        assert new.found is not None
        assert content.digest is not None
        exchange(self._system, new.path, content.path)
        self._durable.named([content.path.parent])  # exchanged back too: a power cut may keep the first exchange only
        try:
            ours, failure = self._has_displaced_ours(content, new), None
        except OSError as error:
            ours, failure = False, error
        if not ours:
            return self._give_back(content, new, failure)
        copied = content.length, content.digest.digest()
        content.move_to(new.keep(), new.found, new.length, new.digest, copied=copied)
        self._durable.wrote()
        found, torn = list[Foreign](), False
        # What others appended until the exchange is brought over, found, and adopted like any foreign line. If it
        # cannot be looked at now, the next comparison does it: the new file is in use either way.
        with suppress(OSError):
            torn = self._comparer.compare(content, into=found).torn
        # What has only moved metadata was the exchange itself.
        foreign = tuple(foreign for foreign in found if foreign.change is not Change.TOUCHED)
        return Report(content.revision, foreign=foreign, torn=torn, tail=self._tail)

    def _give_back(self, content: Content, new: NewFile, failure: OSError | None) -> Report:
        """Let the displaced file have its path again, with what others appended to the new one meanwhile."""
        try:
            exchange_back(self._system, new, content.path)
        except OSError as error:
            # What others appended is lost, or the wrong file has the path: more than a rewrite that is refused.
            return Report(content.revision, fault=Fault.WRITE, error=error)
        if failure is not None:
            raise failure
        return self._stop(content)

    def _has_displaced_ours(self, content: Content, new: NewFile) -> bool:
        """Whether the exchange took away the file that was copied, and nobody has changed it meanwhile."""
        displaced = look(self._system, new.path)
        if displaced is None or not content.is_at(displaced):
            return False
        try:
            return self._comparer.prefix_equal(content)
        except MovedError:
            return False

    def _stop(self, content: Content, seen: Change | None = None) -> Report:
        """The file was not what we believed: say what has become of it; what was `seen` counts also if it is undone.

        Another file with the same bytes had the path when nothing else was seen: that is no takeover.
        """
        content.suspect = True
        verdict = self._comparer.compare(content)
        if seen is not None and not verdict.stops:
            verdict.foreign.append(self._comparer.foreign(seen, content, look(self._system, content.path)))
        return Report(content.revision, foreign=tuple(verdict.foreign), refused=_changed(content))


def _lines(blocks: Iterable[bytes]) -> Iterator[Line]:
    splitter = LineSplitter()
    for block in blocks:
        yield from splitter.feed(block)


def _whole(line: Line) -> bytes:
    if line.content is None:
        raise RecordError("a damaged line is too long to be copied", hint="mend the file by hand, then rewrite it")
    return line.content


def _changed(content: Content) -> WriteFailedError:
    hint = "the old file is in use as before; try again"
    return WriteFailedError("somebody else was writing to the file", path=content.path, hint=hint)


def _refused(content: Content, error: OSError) -> WriteFailedError:
    hint = "the old file is in use as before; see to the disk, then try again"
    refused = WriteFailedError(f"the new file could not be written: {error}", path=content.path, hint=hint)
    refused.__cause__ = error
    return refused
