"""`python -m tests.exploration`: every interleaving of the core, each state visited once.

The short form is that of the tests; `--full` visits two writers with two records each, in minutes. `--only` keeps the
settings whose name contains a text. The last line is the sum; `--report FILE` writes it as JSON too. What was done
before a violation is printed: `--only SETTING --replay "run 0, take, step"` does it again.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from .explore import Verdict, explore, replay
from .settings import full, short
from .world import Setting

TELL_EVERY_STATES = 20_000


def main(arguments: list[str]) -> int:
    """Explore; the exit status says whether anything was wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.exploration", description=__doc__)
    parser.add_argument("--full", action="store_true", help="the complete form")
    parser.add_argument("--only", default="", help="settings whose name contains this")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--report", type=Path, help="a JSON file to write")
    parser.add_argument("--replay", help="what was done before a violation")
    given = parser.parse_args(arguments)
    settings = [each for each in (full() if given.full else short()) if given.only in each.name]
    if given.replay is not None:
        return _replay(settings, given.replay)
    started = time.monotonic()
    verdicts = list[Verdict]()
    with ProcessPoolExecutor(given.jobs) as workers:
        jobs = [workers.submit(partial(explore, each, _tell)) for each in settings]
        for job in as_completed(jobs):
            verdicts.append(job.result())
            _print(verdicts[-1], len(verdicts), len(settings))
    return _sum(verdicts, time.monotonic() - started, given.report)


def _replay(settings: list[Setting], actions: str) -> int:
    wrong = [told for setting in settings if (told := replay(setting, actions))]
    print(*wrong or ["nothing is wrong"], sep="\n")
    return min(len(wrong), 1)


def _tell(verdict: Verdict) -> None:
    if verdict.states % TELL_EVERY_STATES == 0:
        print(f"          {verdict.setting.name}: {verdict.states:,} states so far", flush=True)


def _print(verdict: Verdict, number: int, count: int) -> None:
    print(
        f"  {number:2}/{count}  {verdict.setting.name:32} {verdict.states:9,} states"
        f" {verdict.transitions:10,} transitions  depth {verdict.deepest:3}  {verdict.seconds:6.1f} s",
        *verdict.violations, sep="\n", flush=True,
    )  # fmt: skip


def _sum(verdicts: list[Verdict], seconds: float, report: Path | None) -> int:
    violations = [each for verdict in verdicts for each in verdict.violations]
    sums = {
        "settings": len(verdicts),
        "states": sum(verdict.states for verdict in verdicts),
        "transitions": sum(verdict.transitions for verdict in verdicts),
        "ends": sum(verdict.ends for verdict in verdicts),
        "violations": len(violations),
        "seconds": round(seconds, 1),
    }
    print(", ".join(f"{value:,} {name}" for name, value in sums.items()))
    if report is not None:
        report.parent.mkdir(parents=True, exist_ok=True)
        report.write_text(json.dumps({**sums, "told": violations}, indent=1))
    return 1 if violations or not verdicts else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
