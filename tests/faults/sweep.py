"""Runs cases in parallel and adds up what was covered and what was wrong.

The parent imports the library once and never runs a loop or a thread of its own before it forks its workers; each
life and each opening is a fork of a worker, which costs a few milliseconds.
"""

import multiprocessing
import os
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .cases import KINDS
from .judge import judge
from .life import STORIES, Case, Life, live
from .shim import Act

Point = tuple[str, int, str]
"""One system call of one story: the story, the number of the call, its name."""


@dataclass
class Tally:
    """The figures of many cases; everything in `wrong` breaks a promise."""

    counts: Counter[str] = field(default_factory=Counter)
    covered: set[Point] = field(default_factory=set)
    wrong: list[str] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        """Add the figures of another tally."""
        self.counts += other.counts
        self.covered |= other.covered
        self.wrong += other.wrong

    def __str__(self) -> str:
        kinds = Counter(name for _, _, name in self.covered)
        calls = ", ".join(f"{count} {name}" for name, count in kinds.most_common())
        figures = ", ".join(f"{name} {count}" for name, count in sorted(self.counts.items()))
        head = f"{figures}; calls covered {len(self.covered)} ({calls}); violations {len(self.wrong)}"
        return "\n".join([head, *self.wrong[:40]])


def lived(case: Case) -> tuple[Life, list[str]]:
    """Live a case in a directory of its own and judge it."""
    home = Path(tempfile.mkdtemp(prefix="case-"))
    directory = home / "sessions"
    directory.mkdir()
    try:
        life = live(case, directory)
        return life, judge(case, life, directory)
    finally:
        shutil.rmtree(home)


def tallied(case: Case) -> Tally:
    """Live a case and count it."""
    life, wrong = lived(case)
    tally = Tally(wrong=wrong)
    tally.counts["lives"] += 1
    tally.counts["kills"] += case.kills and life.signal > 0
    tally.counts["foreign acts"] += len(life.acts)
    tally.counts["errors met"] += len(life.errors)
    tally.counts["acknowledged"] += len(life.texts("acknowledged"))
    first = min((rule.first for rule in case.rules), default=0)
    tally.covered |= {(case.story, call.number, call.name) for call in life.calls if call.number == first}
    return tally


def enumerated(story: str = "", kind: str = "") -> Iterator[Case]:
    """Live each story (whose name begins so) undisturbed, and return everything (of a kind) that can happen to it."""
    for name in STORIES:
        if name.startswith(story):
            calls = _undisturbed(name).calls
            for wanted in [kind] if kind else KINDS:
                yield from KINDS[wanted](name, calls)


def _undisturbed(story: str) -> Life:
    """Live a story to its end; on a busy machine the victim may lose its patience, and then it lives again."""
    while True:
        life, wrong = lived(Case(story))
        assert not wrong, wrong
        if not life.texts("accepted"):
            return life


def sampled(every: Sequence[Case], count: int, seed: int) -> list[Case]:
    """Choose some of the cases: kills within a write are many and alike, so that one in ten is one of them."""
    chance = random.Random(seed)
    alike = [case for case in every if case.rules[0].act is Act.KILL_WITHIN]
    others = [case for case in every if case.rules[0].act is not Act.KILL_WITHIN]
    some = chance.sample(alike, min(count // 10, len(alike)))
    return some + chance.sample(others, min(count - len(some), len(others)))


def sweep(every: Sequence[Case], tell: Callable[[int, Tally], None] = lambda done, tally: None) -> Tally:
    """Live and judge all these cases, on all processors; `tell` hears of the progress."""
    tally = Tally()
    with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
        for done, result in enumerate(pool.imap_unordered(tallied, every, chunksize=4), start=1):
            tally.add(result)
            tell(done, tally)
    return tally
