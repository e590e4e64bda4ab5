"""Running many schedules: by seeds, or all of them within bounds; and making the tape of a failure short."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from .life import run
from .tape import EnumeratingTape, RandomTape, ReplayTape, Tape, pack, unpack

RUNS_PER_COLLECTION = 200
SHRINKS_MAX = 2000


@dataclass(slots=True)
class Violation:
    """One run that was not as it must be."""

    token: str
    what: str
    seed: int | None = None


@dataclass(slots=True)
class Tally:
    """What has been explored."""

    schedules: int = 0
    choices: int = 0
    calls: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    """What has happened in these runs, and how often."""
    violations: list[Violation] = field(default_factory=list)

    def add(self, other: Tally) -> None:
        """Count what somebody else has explored."""
        self.schedules += other.schedules
        self.choices += other.choices
        self.calls += other.calls
        self.seen += other.seen
        self.violations += other.violations


def attempt(profile: str, tape: Tape, tally: Tally | None = None) -> str | None:
    """Run once; what was wrong, None if nothing was."""
    try:
        life = run(profile, tape)
    except (Exception, asyncio.CancelledError) as error:  # noqa: BLE001 - whatever comes out is a finding
        return f"{type(error).__name__}: {error}"
    finally:
        if tally is not None:
            tally.schedules += 1
            tally.choices += len(tape.choices)
    if tally is not None:
        tally.calls += life.system.calls
        tally.seen += life.truth.seen
    return None


def explore_seeds(seeds: Iterable[int], profile: str = "any") -> Tally:
    """Run one random schedule for each seed."""
    tally = Tally()
    with collected_by_hand():
        for seed in paced(seeds):
            tape = RandomTape(seed)
            wrong = attempt(profile, tape, tally)
            if wrong is not None:
                tally.violations.append(Violation(pack(profile, tape.choices), wrong, seed))
    return tally


def explore_all(profile: str, preemptions: int | None, fixed: Sequence[int] = ()) -> Tally:
    """Run every schedule of a world within the bounds that begins with the `fixed` choices."""
    tally = Tally()
    tape: EnumeratingTape | None = EnumeratingTape(preemptions, [*fixed])
    with collected_by_hand():
        while tape is not None:
            wrong = attempt(profile, tape, tally)
            if wrong is not None:
                tally.violations.append(Violation(pack(profile, tape.choices), wrong))
            if tally.schedules % RUNS_PER_COLLECTION == 0:
                gc.collect()
            tape = tape.next_tape(len(fixed))
    return tally


def split(profile: str, preemptions: int | None, depth: int) -> Iterator[list[int]]:
    """Return all beginnings of that many choices; together they have every schedule, and none twice."""
    tape: EnumeratingTape | None = EnumeratingTape(preemptions)
    while tape is not None:
        attempt(profile, tape)
        yield tape.choices[:depth]
        tape = tape.next_tape(end=depth)


class collected_by_hand:  # noqa: N801 - reads as what it does
    """Keep the collector from searching everything after every few runs: they leave only what is theirs."""

    def __enter__(self) -> None:
        gc.collect()
        gc.freeze()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        gc.enable()
        gc.unfreeze()


def paced(runs: Iterable[int]) -> Iterator[int]:
    """Collect what the runs have left, now and then."""
    for number, one in enumerate(runs):
        yield one
        if number % RUNS_PER_COLLECTION == RUNS_PER_COLLECTION - 1:
            gc.collect()


def replay(token: str) -> str | None:
    """Run a token again; what was wrong, None if nothing was."""
    profile, choices = unpack(token)
    return attempt(profile, ReplayTape(choices))


def shrink(token: str) -> str:
    """Return a token that is as short and as quiet as can be found, and still fails in the same way."""
    profile, choices = unpack(token)
    wrong, budget = replay(token), SHRINKS_MAX
    assert wrong is not None, "this token does not fail"

    def still_fails(candidate: list[int]) -> bool:
        nonlocal budget
        budget -= 1
        again = attempt(profile, ReplayTape(candidate))
        return again is not None and again[:24] == wrong[:24]

    size = max(1, len(choices) // 2)
    while size and budget > 0:
        for start in range(len(choices) - 1, -1, -size):
            for candidate in _simpler(choices, max(0, start - size + 1), start + 1):
                if budget > 0 and still_fails(candidate):
                    choices = candidate
                    break
        size //= 2
    return pack(profile, choices)


def _simpler(choices: list[int], start: int, end: int) -> Iterator[list[int]]:
    if start >= len(choices):
        return
    yield choices[:start] + choices[end:]
    if any(choices[start:end]):
        yield choices[:start] + [0] * (min(end, len(choices)) - start) + choices[end:]
