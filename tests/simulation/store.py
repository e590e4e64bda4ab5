"""The store of the library, watched; and what of its surroundings is replaced by the simulation."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

from coordinator._core._effects import Act, Report
from coordinator._core._endings import Unwritten
from coordinator._sidefile import SideFile
from coordinator._store import FileStore
from coordinator._store._compare import Comparer

from .loop import SimulatedExecutor
from .system import SimulatedLock, SimulatedSystem
from .truth import Truth

EPOCH_SECONDS = 1_800_000_000


class WatchedComparer(Comparer):
    """The real comparer, that says where its looks begin and end."""

    __slots__ = ()

    def compare(self, content: Any, **options: Any) -> Any:
        """Compare, watched."""
        system = self._system
        assert isinstance(system, SimulatedSystem)
        system.on_comparison(False)
        verdict = super().compare(content, **options)
        system.on_comparison(True)
        return verdict


class WatchedStore(FileStore):
    """The real store, whose effects the ground truth is told of."""

    __slots__ = ("_truth",)

    def __init__(self, truth: Truth, path: Path, **options: Any) -> None:
        super().__init__(path, **options)
        self._truth = truth

    def _begin(self, content: Any, opener: Any) -> None:
        super()._begin(content, opener)
        self._truth.content = content

    def perform(self, effect: Act) -> Report:
        """Perform, watched."""
        self._truth.begin(effect)
        report = super().perform(effect)
        self._truth.end(report)
        return report

    def perform_quickly(self, effect: Act) -> Report | None:
        """Perform on the loop, watched; what is left is the same job still."""
        self._truth.begin(effect)
        report = super().perform_quickly(effect)
        if report is not None:
            self._truth.end(report)
        return report

    def finish(self, effect: Act, report: Report) -> Report:
        """Finish, watched."""
        self._truth.begin(effect)
        report = super().finish(effect, report)
        self._truth.end(report)
        return report


def _now() -> float:
    try:
        return asyncio.get_running_loop().time()
    except RuntimeError:
        return 0.0


CLOCK = SimpleNamespace(
    time=lambda: EPOCH_SECONDS + _now(), monotonic=_now, perf_counter=_now,
    time_ns=lambda: int((EPOCH_SECONDS + _now()) * 1e9),
)  # fmt: skip
UNWRITTEN: list[Unwritten] = []
"""What was put aside when a session was closed or told to discard."""


def _put_aside(path: Path, rows: Sequence[Unwritten], *, reason: str) -> SideFile:
    del reason
    UNWRITTEN.extend(rows)
    return SideFile(path.with_name("unwritten"), None)


def _as_given(path: Path, *, root: object = None) -> Path:
    del root
    return path


class _NoSuspects:
    def __init__(self, *_: object) -> None:
        """Look for nobody."""

    def search(self, files: object) -> tuple[()]:
        """Find nobody."""
        del files
        return ()


class _NoPlugins:
    """An empty registry: making the real one takes longer than a short run does."""

    def __init__(self, *_: object) -> None:
        """Take the name of the project."""

    def add_hookspecs(self, specification: object) -> None:
        """Know no hook."""


REPLACED: dict[str, Callable[..., Any] | SimpleNamespace] = {
    "coordinator._coordinator.Threads": SimulatedExecutor,
    "coordinator._coordinator.session_path": _as_given,
    "coordinator._store._store.session_path": _as_given,
    "coordinator._store._store.prepare_directory": lambda *_, **__: [],
    "coordinator._store._store.Comparer": WatchedComparer,
    "coordinator._store._store.SessionLock": SimulatedLock,
    "coordinator._store._compare.SuspectSearch": _NoSuspects,
    "coordinator._store._opening.find_doubt": lambda _: None,
    "coordinator._host.pluggy.PluginManager": _NoPlugins,
    "coordinator._closing.write_unwritten": _put_aside,
    "coordinator._reopening.write_unwritten": _put_aside,
    **{f"coordinator.{name}.time": CLOCK for name in ("_breaker", "_coordinator", "_driver", "_engine", "_fence")},
}
"""What looks at the real machine: directories, mounts, processes, threads and clocks."""


@contextmanager
def simulated() -> Iterator[None]:
    """Cut the library off from the machine it runs on."""
    patches = [mock.patch(name, new) for name, new in REPLACED.items()]
    for patch in patches:
        patch.start()
    try:
        yield
    finally:
        for patch in patches:
            patch.stop()
