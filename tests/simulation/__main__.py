"""`python -m tests.simulation`: explore schedules of the real library, or replay one from its token.

Without `--all` the schedules are random, one for each seed; with it, small worlds are explored systematically. Exit
status 1 means that something was not as it must be; the tokens are printed, and are in the report.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from .explore import Tally, explore_all, explore_seeds, replay, shrink, split
from .store import simulated
from .world import COMPLETE, PREEMPTIONS_MAX, WORLDS

SEEDS_PER_PART = 500
DEPTH = 5
"""How many choices a part of a systematic exploration begins with."""
SHRUNK_MAX = 5


class Part(NamedTuple):
    """What one process does at a time."""

    world: str
    explore: Callable[..., Tally]
    arguments: tuple[Any, ...]


def main() -> int:
    """Do what the command line says."""
    options = _options()
    with simulated():
        if options.replay is not None:
            return _replay(options.replay)
        started = time.monotonic()
        tallies, is_complete = _explore(options, started)
        return _conclude(options, tallies, time.monotonic() - started, is_complete=is_complete)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many random schedules")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so many minutes")
    parser.add_argument("--workers", type=int, default=2, help="how many processes")
    parser.add_argument("--all", action="store_true", help="explore all small worlds systematically instead")
    parser.add_argument("--world", action="append", help="only this world, by name (again for more)")
    parser.add_argument("--report", type=Path, default=None, help="where to write the result as JSON")
    parser.add_argument("--replay", default=None, help="run this token, and say what is wrong")
    return parser.parse_args()


def _replay(token: str) -> int:
    wrong = replay(token)
    print("nothing is wrong" if wrong is None else wrong)
    return int(wrong is not None)


# What there is to do


def _parts(options: argparse.Namespace) -> Iterator[Part]:
    for world in options.world or (WORLDS if options.all else ["any"]):
        yield from _systematic_parts(world) if options.all else _random_parts(world, options)


def _random_parts(world: str, options: argparse.Namespace) -> Iterator[Part]:
    end = options.first + options.seeds
    for first in range(options.first, end, SEEDS_PER_PART):
        yield Part(world, explore_seeds, (range(first, min(first + SEEDS_PER_PART, end)), world))


def _systematic_parts(world: str) -> Iterator[Part]:
    preemptions = None if world in COMPLETE else PREEMPTIONS_MAX
    for beginning in split(world, preemptions, DEPTH):
        yield Part(world, explore_all, (world, preemptions, beginning))


# Doing it


def _work(part: Part) -> tuple[str, Tally]:
    with simulated():
        return part.world, part.explore(*part.arguments)


def _explore(options: argparse.Namespace, started: float) -> tuple[dict[str, Tally], bool]:
    deadline = None if options.minutes is None else started + options.minutes * 60
    tallies: dict[str, Tally] = {}
    parts, total = _parts(options), Tally()
    with ProcessPoolExecutor(options.workers) as pool:
        for world, tally in _in_turn(pool, parts, 2 * options.workers, deadline):
            tallies.setdefault(world, Tally()).add(tally)
            total.add(tally)
            rate = total.schedules / (time.monotonic() - started)
            print(
                f"\r{total.schedules} schedules, {rate:.0f}/s, {len(total.violations)} violations ", end="", flush=True
            )
    print()
    return tallies, next(parts, None) is None


def _in_turn(
    pool: ProcessPoolExecutor, parts: Iterator[Part], ahead: int, deadline: float | None
) -> Iterator[tuple[str, Tally]]:
    """Keep a few parts under way until there are no more, or no more time."""
    jobs: set[Future[tuple[str, Tally]]] = {pool.submit(_work, part) for part in islice(parts, ahead)}
    while jobs:
        done, jobs = wait(jobs, return_when=FIRST_COMPLETED)
        for job in done:
            yield job.result()
        if deadline is None or time.monotonic() < deadline:
            jobs |= {pool.submit(_work, part) for part in islice(parts, len(done))}


# Saying what came of it


def _conclude(options: argparse.Namespace, tallies: dict[str, Tally], seconds: float, *, is_complete: bool) -> int:
    total = Tally()
    for tally in tallies.values():
        total.add(tally)
    per_second = round(total.schedules / seconds, 1)
    if options.report is not None:
        result = {
            "schedules": total.schedules, "seconds": round(seconds, 1), "per_second": per_second,
            "choices": total.choices, "system_calls": total.calls, "complete": is_complete,
            "seen": dict(total.seen.most_common()),
            "worlds": {world: tally.schedules for world, tally in tallies.items()},
            "first_seed": None if options.all else options.first, "violations": len(total.violations),
            "tokens": [(violation.seed, violation.what, violation.token) for violation in total.violations[:100]],
        }  # fmt: skip
        options.report.write_text(json.dumps(result, indent=1))
    if options.all:
        _print_worlds(tallies)
    print("  seen:", ", ".join(f"{count} {what}" for what, count in total.seen.most_common()))
    for violation in total.violations[:SHRUNK_MAX]:
        print(f"seed {violation.seed}: {violation.what}\n  --replay {shrink(violation.token)}")
    print(
        f"{total.schedules} schedules, {total.choices} choices, {total.calls} system calls in {seconds:.0f} s "
        f"({per_second}/s), {len(total.violations)} violations{'' if is_complete else ', stopped before the end'}"
    )
    return int(bool(total.violations))


def _print_worlds(tallies: dict[str, Tally]) -> None:
    for world, tally in tallies.items():
        bound = "every schedule" if world in COMPLETE else f"at most {PREEMPTIONS_MAX} preemptions"
        print(f"  {world:24} {tally.schedules:9} schedules  {bound:24} {len(tally.violations)} violations")


if __name__ == "__main__":
    sys.exit(main())
