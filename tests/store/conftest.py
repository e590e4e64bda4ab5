"""A store on a real file, and the verbs with which tests speak to it."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from coordinator import PLAIN, Durability, Limits
from coordinator._core._effects import Append, Close, Compare, Opened, Reopen, Report, Sync
from coordinator._store import FileStore

from .scripted import ScriptedSystem


class Desk:
    """One store, and what the core would do with it: it always expects what the last report said."""

    def __init__(self, path: Path, *, on_loop: bool = False, **options: Any) -> None:
        self.path = path
        self._on_loop = on_loop
        self.is_open = False
        self.system = ScriptedSystem()
        limits = replace(Limits(), **{name: options.pop(name) for name in list(options) if name.endswith("_max")})
        options = {"record_format": PLAIN, "durability": Durability.FENCE} | options
        self.store = FileStore(path, limits=limits, system=self.system, **options)

    def open(self) -> Opened:
        """Open the session."""
        opened = self.store.open()
        self.is_open = True
        return opened

    def append(self, *lines: bytes, **options: Any) -> Report:
        """Append one batch; a torn foreign line is ended as the driver does it."""
        effect = Append(self.store.revision, lines, **options)
        return self._finish(effect, self._perform(effect))

    def compare(self, *, sync: bool = False) -> Report:
        """Compare as a fence does."""
        effect = Compare(self.store.revision, sync=sync)
        return self._finish(effect, self._perform(effect))

    def begin_compare(self) -> Report:
        """Compare, but leave a torn foreign line as it is."""
        return self._perform(Compare(self.store.revision))

    def begin_append(self, *lines: bytes) -> Report:
        """Append, but leave a torn foreign line as it is."""
        return self._perform(Append(self.store.revision, lines))

    def finish_append(self, report: Report, *lines: bytes) -> Report:
        """Do what the driver does when the wait for the end of a foreign line is over."""
        return self.store.finish(Append(report.revision, lines), report)

    def sync(self) -> Report:
        """Sync."""
        return self.store.perform(Sync(self.store.revision))

    def reopen(self, *attempted: bytes, since: int = 0, create: bool = True) -> Opened:
        """Accept the file as it is."""
        return self.store.reopen(Reopen(attempted, since, create))

    def close(self, *, sync: bool = False) -> Report:
        """Give everything back."""
        return self.store.close(Close(self.store.revision, sync=sync))

    def _perform(self, effect: Append | Compare) -> Report:
        """Do as the driver does: on the event loop what can be done there, and the rest in a thread."""
        report = self.store.perform_quickly(effect) if self._on_loop else None
        return self.store.perform(effect) if report is None else report

    def _finish(self, effect: Append | Compare, report: Report) -> Report:
        while report.torn:
            report = self.store.finish(effect, report)
        return report

    @property
    def content(self) -> bytes:
        """Return what is in the file."""
        return self.path.read_bytes()

    @property
    def knows_the_content(self) -> bool:
        """Whether the store believes exactly what is in the file."""
        content, revision = self.content, self.store.revision
        return (revision.length, revision.digest) == (len(content), hashlib.sha256(content).digest())


OpenDesk = Callable[..., Desk]


@pytest.fixture(params=["in a thread", "on the loop"])
def new_desk(session_path: Path, request: pytest.FixtureRequest) -> Iterator[OpenDesk]:
    """Return a function that makes a store which is closed at the end, on `path` or on a new session file."""
    desks: list[Desk] = []

    def make(path: Path = session_path, **options: Any) -> Desk:
        desks.append(Desk(path, on_loop=request.param == "on the loop", **options))
        return desks[-1]

    yield make
    for desk in desks:
        desk.system.mend()
        if desk.is_open:
            desk.close()


@pytest.fixture
def desk(new_desk: OpenDesk) -> Desk:
    """Return an opened store on a session file with two lines of ours."""
    desk = new_desk()
    desk.open()
    desk.append(b'{"own":1}\n', b'{"own":2}\n')
    return desk
