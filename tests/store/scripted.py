"""An operating system with a script: acts between any two system calls, and calls that fail or stop short."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from coordinator._store import System

CALLS = (
    "lstat", "fstat", "open", "close", "write", "position", "pread", "truncate", "sync", "sync_directory",
    "make_directory", "list_directory", "unlink", "rename", "exchange", "link", "copy_owner",
)  # fmt: skip


class ScriptedSystem(System):
    """Passes every call on to the real one, unless the script says otherwise; `calls` is what was called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self._acts: dict[int, Callable[[], object]] = {}
        self._named_acts: dict[str, Callable[[], object]] = {}
        self._failures: dict[str, list[OSError | None]] = {}
        self._for_ever: dict[str, OSError] = {}
        self._short: list[int] = []

    def begin(self) -> None:
        """Count the calls from here on."""
        self.calls.clear()
        self._acts.clear()

    def act_before(self, number: int, act: Callable[[], object]) -> None:
        """Act right before the call of this number, counted from 0 since `begin`."""
        self._acts[number] = act

    def act_at(self, call: str, act: Callable[[], object]) -> None:
        """Act right before the next call of this name."""
        self._named_acts[call] = act

    def fail(self, call: str, error: OSError, *, skip: int = 0, for_ever: bool = False) -> None:
        """Let a call fail after `skip` good ones, once or from then on."""
        self._failures[call] = [None] * skip + [error]
        if for_ever:
            self._for_ever[call] = error

    def fail_at(self, number: int, error: OSError, *, for_ever: bool) -> None:
        """Let the call of this number fail (and all calls of its name from then on)."""

        def plan() -> None:
            self._failures[self.calls[-1]] = [error]
            if for_ever:
                self._for_ever[self.calls[-1]] = error

        self._acts[number] = plan

    def mend(self) -> None:
        """Let everything work again."""
        self._failures.clear()
        self._for_ever.clear()
        self._acts.clear()
        self._named_acts.clear()
        self._short.clear()

    def shorten(self, *sizes: int) -> None:
        """Let the next writes take this many bytes only."""
        self._short += sizes

    def write(self, fd: int, data: bytes | memoryview) -> int:
        """Write as much as the script allows."""
        self._enter("write")
        return super().write(fd, data[: self._short.pop(0)] if self._short else data)

    def _enter(self, call: str) -> None:
        acts = self._acts.pop(len(self.calls), None), self._named_acts.pop(call, None)
        self.calls.append(call)
        for act in acts:
            if act is not None:
                act()
        planned = self._failures.get(call, [])
        error = planned.pop(0) if planned else self._for_ever.get(call)
        if error is not None:
            raise error


def _passing(call: str) -> Callable[..., Any]:
    def method(self: ScriptedSystem, *arguments: Any) -> Any:
        self._enter(call)
        return getattr(System, call)(self, *arguments)

    return method


for _call in CALLS:
    if _call != "write":
        setattr(ScriptedSystem, _call, _passing(_call))


def append_to(path: Path, content: bytes) -> Callable[[], object]:
    """Return an act: somebody else appends."""

    def act() -> None:
        with path.open("ab") as file:
            file.write(content)

    return act
