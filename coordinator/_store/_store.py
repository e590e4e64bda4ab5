"""The file store: the only code that touches a session file. Start reading here; `_write` has the batch."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from .._core._effects import Act, Append, Close, Compare, Fault, Opened, Placement, Reopen, Report, Rewrite
from .._core._errors import PathError, StrPath
from .._core._format import RecordFormat
from .._core._limits import Limits
from .._core._values import Durability, Revision
from ._compare import Comparer
from ._content import Content, Remembered
from ._durable import Durable
from ._lock import SessionLock
from ._opening import Loaded, Opener
from ._paths import prepare_directory, session_path
from ._publish import carry_over, remove_strays
from ._rebuild import rebuild
from ._rewrite import Rewriter
from ._scan import find_lines
from ._system import System
from ._write import Appender


class Tools:
    """What works on the content of a file while it is owned; thousands of parked sessions do without."""

    __slots__ = ("appender", "comparer", "content", "durable", "quick")

    def __init__(
        self,
        content: Content,
        system: System,
        lock: SessionLock,
        opener: Opener,
        *,
        retains: bool,
        unsynced_names: list[Path],
    ) -> None:
        content.retains = retains
        self.quick = system.quick and not opener.notes
        """Whether the event loop may look and write: not where a look is a question to another machine."""
        self.content = content
        self.durable = Durable(system, unsynced_names)
        self.comparer = Comparer(system, lock, opener, self.durable)
        self.appender = Appender(system, self.comparer, self.durable)


class FileStore:
    """One session file: implements `Store`. All but `perform_quickly` may block; one call at a time, in any thread."""

    __slots__ = (
        "_create", "_format", "_limits", "_lock", "_parked", "_retains", "_rewriter", "_root", "_system", "_tools",
        "_unsynced_names", "path",
    )  # fmt: skip

    def __init__(
        self,
        path: StrPath,
        *,
        record_format: RecordFormat,
        limits: Limits,
        durability: Durability = Durability.FENCE,
        root: StrPath | None = None,
        create: bool = True,
        system: System | None = None,
    ) -> None:
        self.path = session_path(path, root=root)
        self._root = root
        self._create = create
        self._format = record_format
        self._limits = limits
        self._system = system or System()
        self._retains = durability is not Durability.NONE
        self._lock = SessionLock(self._system, self.path)
        self._unsynced_names = [self.path.parent]
        """Directories with names that no sync of ours has covered: whoever made the file may have been killed then."""
        self._tools: Tools | None = None
        self._rewriter: Rewriter | None = None
        self._parked: Remembered | None = None

    def _begin(self, content: Content, opener: Opener) -> None:
        """Start afresh with this content: nothing that was known of another one applies to it."""
        self._parked = None
        self._tools = Tools(
            content, self._system, self._lock, opener, retains=self._retains, unsynced_names=self._unsynced_names
        )
        self._rewriter = None

    @property
    def _owned(self) -> Tools:
        assert self._tools is not None, "the file is not ours now"
        return self._tools

    @property
    def revision(self) -> Revision:
        """Return what we believe the content to be."""
        return self._owned.content.revision if self._parked is None else self._parked.revision

    def open(self) -> Opened:
        """Own the file, make its end whole, and read it.

        Raises `PathError`, `LockedError`, `FormatError` (nothing was changed), `WriteFailedError` (healing failed).
        """
        session_path(self.path, root=self._root)
        new_names = prepare_directory(self._system, self.path, root=self._root, create=self._create)
        if not self._opener().probe() and not self._create:
            raise self._missing()
        self._lock.acquire()
        try:
            remove_strays(self._system, self.path)
            loaded = self._load(generation=1, create=self._create)
        except BaseException:
            self._lock.release()
            raise
        self._owned.durable.named(new_names)
        return self._opened(loaded)

    def _opener(self) -> Opener:
        check_max = self._limits.content_check_bytes_max
        return Opener(self._system, self.path, self._format, content_check_bytes_max=check_max)

    def _load(self, *, generation: int, create: bool) -> Loaded:
        opener = self._opener()
        loaded = opener.load(generation=generation)
        if loaded is None:
            if not create:
                raise self._missing()
            loaded = Loaded(Content(self._system, self.path, generation=generation), notes=opener.notes)
        self._begin(loaded.content, opener)
        return loaded

    def _missing(self) -> PathError:
        hint = "pass `create=True` to have it made, or look for where it went"
        return PathError("there is no such file", path=self.path, hint=hint)

    def _opened(self, loaded: Loaded, present: tuple[Placement | None, ...] = ()) -> Opened:
        return Opened(
            self.revision, loaded.header, loaded.tail, loaded.healed, loaded.damaged, loaded.damaged_at,
            present, loaded.notes,
        )  # fmt: skip

    # Effects

    def perform(self, effect: Act) -> Report:
        """Do what the effect says, or say in the report why not."""
        assert effect.expected == self.revision, "the core believes in another revision than the store"
        try:
            return self._note_sync(self._perform(effect))
        except OSError as error:
            return self._failed(error)

    def perform_quickly(self, effect: Act) -> Report | None:
        """Do what the effect says with looks and one small write, on the event loop; None leaves the rest to `perform`.

        A hop to a thread and back costs ten times what a small batch does.
        """
        tools = self._owned
        content = tools.content
        revision = content.revision
        assert revision is effect.expected or revision == effect.expected, "the core believes in another revision"
        if not tools.quick:
            return None
        if isinstance(effect, Append):
            return tools.appender.append_quickly(content, effect)
        quiet = isinstance(effect, Compare) and not effect.sync and tools.comparer.is_quiet(content)
        return Report(revision) if quiet else None

    def _note_sync(self, report: Report) -> Report:
        if report.synced:
            self._owned.content.mark_synced()
        return report

    def _perform(self, effect: Act) -> Report:
        if isinstance(effect, Append):
            return self._owned.appender.append(self._owned.content, effect)
        if isinstance(effect, Rewrite):
            return self._rewrite(effect)
        return self._compare(effect) if isinstance(effect, Compare) else self._sync()

    def finish(self, effect: Act, report: Report) -> Report:
        """End the unfinished foreign line that `report` tells of, and complete the report; it may be torn again.

        But not for ever: a comparison leaves the next unfinished line to the next one, a batch gives up.
        """
        if isinstance(effect, Append):
            return self._note_sync(self._owned.appender.finish(self._owned.content, effect, report))
        if isinstance(effect, Rewrite) and report.tail is None:
            return self._note_sync(self._go_on(effect, self._look(report, end_torn=True)))
        sync = isinstance(effect, Rewrite) or (isinstance(effect, Compare) and effect.sync)
        return self._note_sync(self._synced(replace(self._look(report, end_torn=True), torn=False), sync=sync))

    def _compare(self, effect: Compare) -> Report:
        report = self._synced(Report(self.revision), sync=effect.sync)
        return report if report.fault is not None else self._synced(self._look(report), sync=effect.sync)

    def _look(self, report: Report, *, end_torn: bool = False) -> Report:
        """Compare, and add to the report what was found, also if looking or reading fails in the middle."""
        found = [*report.foreign]
        try:
            torn = self._owned.comparer.compare(self._owned.content, end_torn=end_torn, into=found).torn
        except OSError as error:
            return replace(self._failed(error), foreign=tuple(found))
        return replace(report, revision=self.revision, foreign=tuple(found), torn=torn)

    def _new_rewriter(self) -> Rewriter:
        # Most sessions are never rewritten: an idle one has none.
        record_bytes_max, owned = self._limits.record_bytes_max, self._owned
        self._rewriter = Rewriter(
            self._system, owned.comparer, owned.durable, self._format, record_bytes_max=record_bytes_max
        )
        return self._rewriter

    def _rewrite(self, effect: Rewrite) -> Report:
        return self._published(self._new_rewriter().rewrite(self._owned.content, effect))

    def _go_on(self, effect: Rewrite, report: Report) -> Report:
        assert self._rewriter is not None, "there is no rewrite to go on with"
        return self._published(self._rewriter.go_on(self._owned.content, effect, report))

    def _published(self, report: Report) -> Report:
        """Sync, also where the old content is still in use: its name may have been given away and taken back."""
        return self._synced(report, sync=not report.torn)

    def _sync(self) -> Report:
        return self._synced(Report(self.revision), sync=True)

    def _synced(self, report: Report, *, sync: bool) -> Report:
        """Complete a report with a sync, if one is asked for and due."""
        if not sync or report.fault is not None:
            return report
        failure = self._owned.durable.sync(self._owned.content.fd)
        if failure is not None:
            return replace(report, fault=Fault.SYNC, error=failure, synced=False)
        return replace(report, synced=True)

    def _failed(self, error: OSError) -> Report:
        """Report that the file could not be looked at or read: unreadable is never unchanged."""
        return Report(self.revision, fault=Fault.WRITE, error=error)

    # Reopening and closing

    def reopen(self, effect: Reopen) -> Opened:
        """Accept the file as it is now: lock it again if need be, heal it, read it, look for attempted lines.

        Raises what `open` raises; then everything is as it was before, and it may be tried again.
        """
        new_names = prepare_directory(self._system, self.path, root=self._root, create=effect.create)
        self._lock.acquire()
        remove_strays(self._system, self.path)
        before, failed = self._owned.content, self._owned.durable.failure is not None
        rebuilt = failed and before.retains and before.fd is not None
        if rebuilt:
            rebuild(self._system, before, effect.attempted)
        loaded = self._load(generation=before.generation, create=effect.create)
        if (failed and not rebuilt) or loaded.content.revision != before.revision:
            loaded.content.next_generation()
        if failed and not before.retains:
            loaded.notes += ("a sync failed, and with Durability.NONE nothing is kept that could be written again",)
        loaded.content.watch(before)
        before.release()
        self._owned.durable.named(new_names)
        fd, end = loaded.content.fd, loaded.content.length
        if fd is None:
            return self._opened(loaded, (None,) * len(effect.attempted))
        present = find_lines(self._system, fd, effect.attempted, effect.since, end)
        return self._opened(loaded, present)

    # Parking

    def park(self) -> None:
        """Give descriptor and lock back for now, and remember what the content was."""
        content = self._owned.content
        with suppress(OSError):
            carry_over(self._system, content)
        self._parked = content.remember(is_small=self._opener().is_small(content.length))
        with suppress(OSError):
            content.release()
        self._tools = None
        self._lock.release()

    def unpark(self) -> Opened:
        """Own the file again; if it is not what it was, somebody else has owned it meanwhile: open it as it is now.

        Raises what `open` raises, and then holds nothing.
        """
        before = self._parked
        assert before is not None, "this session is not parked"
        self._unsynced_names += prepare_directory(self._system, self.path, root=self._root, create=True)
        self._lock.acquire()
        try:
            loaded = self._load(generation=before.generation, create=True)
        except BaseException:
            self._lock.release()
            raise
        content = loaded.content
        if before.looks_like(content):
            content.recognise(before)
        elif before.may_be(content):
            with suppress(OSError):  # then it is taken for another one
                self._owned.comparer.prefix_equal(content)
        if content.revision != before.revision:
            content.next_generation()
        return self._opened(loaded)

    def close(self, effect: Close) -> Report:
        """Give descriptor and lock back, after a last sync if asked; the second time it does nothing."""
        tools = self._tools
        if tools is None:
            self._lock.release()
            return Report(effect.expected)
        with suppress(OSError):  # the last chance of what others appended to a file that ours has displaced
            carry_over(self._system, tools.content)
        report = self._synced(Report(self.revision), sync=effect.sync and tools.content.fd is not None)
        if tools.durable.failure is not None:
            report = replace(report, unsynced=(tools.content.synced_length, b"".join(tools.content.unsynced)))
        try:
            tools.content.release()
        except OSError as error:
            report = replace(report, fault=report.fault or Fault.WRITE, error=report.error or error)
        finally:
            self._lock.release()
        return report
