"""A way to act between any two system calls of the store."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

from .._store._system import System

Act = Callable[[], object]


class Interposer:
    """Runs an act right before or after the next system call of a name, in the thread that makes the call.

    The names are those of the store's system calls: `write`, `lstat`, `fstat`, `position`, `pread`, `sync`,
    `truncate`, `open`, `close`. `before("write", act)` acts between the look and the write of the next batch,
    `after("write", act)` between its write and its second look. Each act runs once.
    """

    def __init__(self, *, quick: bool = False) -> None:
        self.calls: list[str] = []
        """The names of all calls that were made, in their order."""
        self.quick = quick
        """Whether small writes may be made on the event loop; an act must not wait for anything there then."""
        self._system = System()
        self._numbered: dict[int, Act] = {}
        self._before: defaultdict[str, deque[Act]] = defaultdict(deque)
        self._after: defaultdict[str, deque[Act]] = defaultdict(deque)

    def before(self, call: str, act: Act) -> None:
        """Act right before the next `call`; several acts take one call each, in this order."""
        self._acts(self._before, call).append(act)

    def after(self, call: str, act: Act) -> None:
        """Act right after the next `call` that returns."""
        self._acts(self._after, call).append(act)

    def at(self, number: int, act: Act) -> None:
        """Act right before the call that is made after `number` others from now on, whatever its name."""
        self._numbered[len(self.calls) + number] = act

    @property
    def waiting(self) -> int:
        """Return how many acts have not had their call yet."""
        return sum(map(len, (self._numbered, *self._before.values(), *self._after.values())))

    def _acts(self, acts: defaultdict[str, deque[Act]], call: str) -> deque[Act]:
        if not hasattr(System, call):
            raise ValueError(f"the store makes no system call {call!r}")
        return acts[call]

    def __getattr__(self, call: str) -> Callable[..., Any]:
        perform = getattr(self._system, call)

        def interposed(*arguments: object) -> object:
            self._numbered.pop(len(self.calls), _nothing)()
            self.calls.append(call)
            _act_once(self._before[call])
            result = perform(*arguments)
            _act_once(self._after[call])
            return result

        return interposed


def _act_once(acts: deque[Act]) -> None:
    if acts:
        acts.popleft()()


def _nothing() -> None:
    """Let most calls pass."""
