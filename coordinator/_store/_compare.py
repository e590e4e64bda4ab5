"""Comparing the file with what we believe: looks, reads, verdicts, and the adoption of what others have appended."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from .._core._change import Evidence, classify
from .._core._effects import Foreign
from .._core._errors import FormatError, PathError, WriteFailedError
from .._core._lines import LINE_FEED
from .._core._values import Change, Suspect
from ._content import Content, Digest, digesting, fingerprint, look, new_digest, times_of
from ._durable import Durable
from ._lock import SessionLock
from ._opening import Opener
from ._paths import identity
from ._publish import carry_over
from ._scan import RECORDS_BYTES_MAX, Findings, MovedError, ends_line, read_range, scan_lines
from ._suspects import SuspectSearch
from ._system import EXISTING, System

READS_MAX = 3


@dataclass(slots=True)
class Verdict:
    """What a comparison found; `torn`: an unfinished foreign line ends the file, wait for its end."""

    foreign: list[Foreign] = field(default_factory=list[Foreign])
    torn: bool = False

    @property
    def stops(self) -> bool:
        """Whether what we knew of the file no longer holds."""
        return any(foreign.change.stops for foreign in self.foreign)

    @property
    def changes(self) -> bool:
        """Whether the content is not what we believed when the comparison began."""
        return self.torn or any(foreign.change is not Change.TOUCHED for foreign in self.foreign)


class Comparer:
    """Compares the file at the path with the content, and moves the content along when others have appended."""

    __slots__ = ("_durable", "_lock", "_opener", "_suspects", "_system")

    def __init__(self, system: System, lock: SessionLock, opener: Opener, durable: Durable) -> None:
        self._system = system
        self._lock = lock
        self._opener = opener
        self._durable = durable
        self._suspects: SuspectSearch | None = None

    def compare(self, content: Content, *, end_torn: bool = False, into: list[Foreign] | None = None) -> Verdict:
        """Compare; small or suspect files are read, and what others appended is adopted.

        An unfinished line at the end is only reported; with `end_torn` one is ended by our line feed and adopted.
        Reads at most three times: whoever changes the file during the last one is found by the next comparison. A file
        that could not be read even once, because it was never the one that was looked at, is not what we believe.
        Raises `OSError` if the file cannot be looked at or read; what was adopted until then is in the list `into`.
        """
        verdict = Verdict([] if into is None else into)
        if not carry_over(self._system, content):
            verdict.foreign.append(self.foreign(Change.REWRITTEN, content, look(self._system, content.path)))
            return verdict
        found, moved = None, False
        for _ in range(READS_MAX):
            found, held, moved = look(self._system, content.path), self._lock.held(), False
            if held and self._is_quiet(content, found):
                break
            try:
                change = self._judge(content, found, verdict, held=held, end_torn=end_torn)
            except MovedError:
                moved = True
                continue
            end_torn = end_torn and change is not Change.TORN
            if verdict.stops or verdict.torn or self._is_settled(content, found):
                break
        if moved:
            verdict.foreign.append(self.foreign(_unread(content, found), content, found))
        return verdict

    def is_quiet(self, content: Content) -> bool:
        """Whether two looks are enough to say that nothing has changed; no look is made where they cannot be."""
        if content.displaced or self._opener.is_small(content.length):
            return False
        try:
            return self._lock.held() and self._is_quiet(content, look(self._system, content.path))
        except OSError:
            return False

    def _is_quiet(self, content: Content, found: os.stat_result | None) -> bool:
        """Whether the metadata alone decides that nothing has changed."""
        if content.fd is None or found is None:
            return content.fd is None and found is None
        same = content.is_at(found) and found.st_size == content.length and content.times == times_of(found)
        return same and not content.suspect and content.digest is not None and not self._opener.is_small(content.length)

    def _is_settled(self, content: Content, found: os.stat_result | None) -> bool:
        """Look again after everything was read: whether nothing moved meanwhile. Only then suspicion ends."""
        after = look(self._system, content.path)
        if found is None or after is None:
            return found is after
        if (identity(after), after.st_size, times_of(after)) != (identity(found), found.st_size, times_of(found)):
            return False
        # Times may be coarse: what was cut again after it was read looks as if nothing had happened.
        if not content.is_at(after) or content.length != after.st_size:
            return False
        content.accept_times(after)
        content.suspect = False
        return True

    def _judge(
        self, content: Content, found: os.stat_result | None, verdict: Verdict, *, held: bool, end_torn: bool
    ) -> Change | None:
        if held and content.fd is None and found is not None:
            self._adopt_new_file(content, found, verdict)
            return None
        if found is not None and content.is_at(found):
            content.note_times(found)
        other = self._open_equal(content, found) if held else None
        change = classify(self._evidence(content, found, held=held, other=other))
        if other is not None and found is not None:
            self.switch(content, other, found)
        self._act(content, found, verdict, change, end_torn=end_torn)
        return change

    def _evidence(self, content: Content, found: os.stat_result | None, *, held: bool, other: int | None) -> Evidence:
        equal, whole = other is not None, True
        size = 0 if found is None else found.st_size
        same_file = found is not None and content.is_at(found)
        if held and same_file and size >= content.length:
            equal = self.prefix_equal(content)
            whole = size == content.length or content.fd is None or ends_line(self._system, content.fd, size)
        return Evidence(
            lock_held=held, found=fingerprint(found), same_file=same_file, length=content.length,
            prefix_equal=equal, ends_whole=whole, moved=content.suspect,
        )  # fmt: skip

    def _act(
        self,
        content: Content,
        found: os.stat_result | None,
        verdict: Verdict,
        change: Change | None,
        *,
        end_torn: bool,
    ) -> None:
        if change is Change.APPENDED and found is not None:
            verdict.foreign.append(self.adopt(content, found.st_size, found))
        elif change is Change.TORN and found is not None:
            if end_torn:
                verdict.foreign.append(self._end_torn_line(content, found))
            else:
                verdict.torn = True
        elif change is not None and (change.stops or not verdict.foreign):
            # After an adoption the times have moved, of course; that is no second finding.
            verdict.foreign.append(self.foreign(change, content, found))

    # Reading

    def prefix_equal(self, content: Content) -> bool:
        """Whether the bytes that we believe in are there; learns their digest if it was not known yet."""
        if content.fd is None:
            return True
        digest = self._digest_of(content.fd, content.length)
        if content.digest is None:
            content.replace_digest(digest)
        return content.digest is not None and digest.digest() == content.digest.digest()

    def _digest_of(self, fd: int, size: int) -> Digest:
        digest = new_digest()
        for block in read_range(self._system, fd, 0, size):
            digest.update(block)
        return digest

    def _open_equal(self, content: Content, found: os.stat_result | None) -> int | None:
        """Open the file at the path if it is another one with the bytes we believe in."""
        if found is None or content.fd is None or content.is_at(found) or found.st_size != content.length:
            return None
        if content.digest is None:
            content.replace_digest(self._digest_of(content.fd, content.length))
        assert content.digest is not None
        return self.open_other(content, found, [content.digest], [content.length])

    def open_other(
        self, content: Content, found: os.stat_result, digests: Sequence[Digest], lengths: Sequence[int]
    ) -> int | None:
        """Open another file that now has our path if its content is one of these; None if not.

        `MovedError` if it is not the one that was looked at any more.
        """
        if found.st_size not in lengths:
            return None
        try:
            fd = self._system.open(content.path, EXISTING)
        except FileNotFoundError:
            raise MovedError from None
        except PermissionError:
            return None
        try:
            if identity(self._system.fstat(fd)) != identity(found):
                raise MovedError
            digest = digests[lengths.index(found.st_size)].digest()
            if self._digest_of(fd, found.st_size).digest() == digest:
                kept, fd = fd, -1
                return kept
            return None
        finally:
            if fd >= 0:
                self._system.close(fd)

    # Moving along

    def switch(self, content: Content, fd: int, found: os.stat_result) -> None:
        """Go on with another file that has the same content."""
        content.hold(fd, found)
        content.accept_times(found)
        self._durable.wrote()
        self._durable.named([content.path.parent])  # whoever renamed it into place may not have synced that

    def adopt(
        self, content: Content, end: int, found: os.stat_result, *, change: Change | None = None, slipped: bool = False
    ) -> Foreign:
        """Believe in what others appended, up to `end`; it is read once, for its records and for the digest."""
        assert content.fd is not None
        expected, start, inside_line = content.revision, content.length, content.inside_line
        findings = Findings(self._opener.format)
        digest = None if content.digest is None else content.digest.copy()
        blocks = read_range(self._system, content.fd, start, end)
        if end - start <= RECORDS_BYTES_MAX:
            blocks = _retaining(content, blocks)
        blocks = blocks if digest is None else digesting(digest, blocks)
        rest = scan_lines(blocks, start, findings, inside_line=inside_line)
        content.grow(end, digest, inside_line=rest > 0)
        self._durable.wrote()
        if end - start > RECORDS_BYTES_MAX and self._durable.sync(content.fd) is None:
            content.mark_synced()  # too much to keep in memory: a failed sync is latched and found at the next one
        if change is None:
            change = Change.TORN if inside_line or rest else Change.APPENDED
        return Foreign(
            change, expected, fingerprint(found), start, end,
            first_records=tuple(findings.first_records),
            records=None if findings.records is None else tuple(findings.records),
            damaged=findings.damaged + (rest > 0), tail=findings.tail,
            suspects=self._search(content, found), slipped=slipped,
        )  # fmt: skip

    def _end_torn_line(self, content: Content, found: os.stat_result) -> Foreign:
        assert content.fd is not None
        try:
            self._system.write(content.fd, LINE_FEED)
        except OSError:
            # Without room the line stays unfinished; the next batch then begins with the line feed.
            return self.adopt(content, found.st_size, found, change=Change.TORN)
        end = self._system.position(content.fd)
        if end <= found.st_size:
            raise MovedError
        return self.adopt(content, end, found, change=Change.TORN)

    def _adopt_new_file(self, content: Content, found: os.stat_result, verdict: Verdict) -> None:
        """Take a file that appeared where we had none; an empty one is simply used."""
        try:
            loaded = self._opener.load(generation=content.generation)
        except WriteFailedError as error:
            raise error.__cause__ or error from None
        except (FormatError, PathError) as error:
            if isinstance(error, PathError) and error.errno is not None:
                raise
            verdict.foreign.append(self.foreign(Change.REPLACED, content, found))
            return
        if loaded is None:
            raise MovedError
        content.take(loaded.content)
        self._durable.named([content.path.parent])
        if loaded.content.length:
            foreign = self.adopt(content, loaded.content.length, found, change=Change.APPENDED)
            verdict.foreign.append(replace(foreign, header=loaded.header))

    # Evidence

    def foreign(self, change: Change, content: Content, found: os.stat_result | None) -> Foreign:
        """Describe a change that adopts nothing."""
        cut = change is Change.TRUNCATED and found is not None and found.st_size < content.length
        return Foreign(
            change,
            content.revision,
            fingerprint(found),
            start=found.st_size if cut and found is not None else None,
            end=content.length if cut else None,
            suspects=() if change is Change.TOUCHED else self._search(content, found),
        )

    def _search(self, content: Content, found: os.stat_result | None) -> tuple[Suspect, ...]:
        files = {content.file, None if found is None else identity(found)} - {None}
        self._suspects = self._suspects or SuspectSearch(self._system, content.path)
        return self._suspects.search(file for file in files if file is not None)

    def held(self) -> bool:
        """Whether the lock is still ours."""
        return self._lock.held()


def _retaining(content: Content, blocks: Iterable[bytes]) -> Iterator[bytes]:
    for block in blocks:
        content.retain(block)
        yield block


def _unread(content: Content, found: os.stat_result | None) -> Change:
    """Say what happened to a file that moved under every attempt to read it."""
    if found is None:
        return Change.VANISHED
    if not content.is_at(found):
        return Change.REPLACED
    return Change.TRUNCATED if found.st_size < content.length else Change.REWRITTEN
