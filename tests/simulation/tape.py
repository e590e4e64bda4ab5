"""The choice tape: every decision of a run in one list of small numbers, so that a run can be replayed and shrunk.

A choice of 0 always means "as if nothing special happened": the first of the callbacks, no foreign change, no fault.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from enum import Enum


class Kind(Enum):
    """What is decided; the kinds are drawn at different rates, and bounded apart from each other."""

    WORLD = "world"
    """What takes part in the run."""
    ORDER = "order"
    """Which callback, job or answer comes next."""
    ACT = "act"
    """Whether something happens between two system calls, and what."""


class Tape:
    """Draws choices and remembers them; a run that asks for more than was recorded gets zeros."""

    def __init__(self) -> None:
        self.choices: list[int] = []
        self.sizes: list[int] = []
        self.kinds: list[Kind] = []

    def choose(self, size: int, kind: Kind) -> int:
        """Return a number below `size`; a choice among one is none and leaves no trace."""
        if size <= 1:
            return 0
        choice = self.draw(size, kind)
        self.choices.append(choice)
        self.sizes.append(size)
        self.kinds.append(kind)
        return choice

    def draw(self, size: int, kind: Kind) -> int:
        """Return the next choice of the source; the plain tape has only zeros."""
        del size, kind
        return 0


class RandomTape(Tape):
    """Seeded; how often something special happens is itself drawn once for each run, so that runs differ in kind."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._random = random.Random(seed)
        order, act = self._random.choice((0.02, 0.1, 0.3, 0.6)), self._random.choice((0.02, 0.05, 0.1, 0.3))
        self._rates = {Kind.WORLD: 1.0, Kind.ORDER: order, Kind.ACT: act}

    def draw(self, size: int, kind: Kind) -> int:
        """Return 0 mostly, otherwise anything; what a world is made of is drawn evenly."""
        if kind is Kind.WORLD:
            return int(self._random.random() * size)
        if self._random.random() >= self._rates[kind]:
            return 0
        return 1 + int(self._random.random() * (size - 1))


class ReplayTape(Tape):
    """Plays a list of choices; one that is too large for its place counts round."""

    def __init__(self, choices: Iterable[int]) -> None:
        super().__init__()
        self._rest = iter(choices)

    def draw(self, size: int, kind: Kind) -> int:
        """Return the next of the list."""
        del kind
        return next(self._rest, 0) % size


class EnumeratingTape(Tape):
    """Goes through every tape within the bounds, one after the other: an odometer over the choice points.

    After a run, `next_tape` gives the tape of the next run, or None after the last one. Acts are bounded by the world,
    which has only so many; of the choices of order at most `preemptions` may differ from the first possibility
    (None: all of them).
    """

    def __init__(self, preemptions: int | None, prefix: list[int] | None = None) -> None:
        super().__init__()
        self._prefix = prefix or []
        self._preemptions = preemptions

    def draw(self, size: int, kind: Kind) -> int:
        """Follow the prefix, then take the first possibility."""
        del size, kind
        at = len(self.choices)
        return self._prefix[at] if at < len(self._prefix) else 0

    def next_tape(self, fixed: int = 0, end: int | None = None) -> EnumeratingTape | None:
        """Return the tape of the next run, which differs in a choice from `fixed` on and before `end`."""
        spent = [0]
        for choice, kind in zip(self.choices, self.kinds, strict=True):
            spent.append(spent[-1] + (kind is Kind.ORDER and choice > 0))
        for at in reversed(range(len(self.choices))[fixed:end]):
            if self.choices[at] + 1 < self.sizes[at] and self._may_differ(at, spent[at]):
                return EnumeratingTape(self._preemptions, [*self.choices[:at], self.choices[at] + 1])
        return None

    def _may_differ(self, at: int, spent: int) -> bool:
        return self._preemptions is None or self.kinds[at] is not Kind.ORDER or spent < self._preemptions


DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
RUN = re.compile(r"0{4,}")
PART = re.compile(r"_(\d+)_|\((\d+)\)|([0-9a-z])")


def pack(profile: str, choices: list[int]) -> str:
    """Return the token of a run: a digit for each choice, `(n)` for a large one, `_n_` for a run of n zeros."""
    text = "".join(DIGITS[choice] if choice < len(DIGITS) else f"({choice})" for choice in choices).rstrip("0")
    return f"{profile}:{RUN.sub(lambda run: f'_{len(run[0])}_', text)}"


def unpack(token: str) -> tuple[str, list[int]]:
    """Read a token: the profile of the world, and the choices."""
    profile, _, text = token.partition(":")
    choices: list[int] = []
    for zeros, large, digit in PART.findall(text):
        choices += [0] * int(zeros) if zeros else [int(large or DIGITS.index(digit or "0"))]
    return profile, choices
