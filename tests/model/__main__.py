"""Run the model to completion, and see every broken variant fail.

`python -m tests.model` takes less than a minute of one core; `--long` has larger bounds, `--report PATH` writes the
results as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from .runs import BROKEN, HEALTHY, LONG, Result, Run, is_available, search


def arguments(words: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.model", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the larger bounds as well")
    parser.add_argument("--report", type=Path, help="write the results to this file, as JSON")
    return parser.parse_args(words)


def told(run: Run, result: Result) -> str:
    """Say in one line what came out."""
    verdict = result.fault or "complete, no error"
    if run.breaks:
        verdict = f"fails, as it has to: {verdict}"
    if not result.is_as_expected:
        verdict = f"WRONG: {result.fault or 'it does not fail'}"
    return f"{result.states:>11,} {result.transitions:>12,} {result.seconds:6.1f} s  {run.name:45} {verdict}"


def report(results: Sequence[Result], seconds: float) -> dict[str, object]:
    """Sum up for `--report`."""
    complete = [result for result in results if not result.run.breaks]
    states, transitions = sum(each.states for each in complete), sum(each.transitions for each in complete)
    failed = sum(1 for result in results if result.run.breaks and result.is_as_expected)
    return {
        "part": "model",
        "explored": f"{states:,} states, {transitions:,} transitions of {len(complete)} complete searches; "
        f"{failed} of {sum(bool(each.run.breaks) for each in results)} broken variants fail",
        "states": states,
        "transitions": transitions,
        "violations": [told(each.run, each) for each in results if not each.is_as_expected],
        "seconds": round(seconds, 1),
        "runs": [
            {"name": each.run.name, "states": each.states, "transitions": each.transitions, "fault": each.fault}
            for each in results
        ],
    }


def main(words: Sequence[str] | None = None) -> int:
    """Run everything; the exit status says whether anything came out otherwise than it has to."""
    options = arguments(words)
    if not is_available():
        print("spin is not installed (Debian: apt-get install spin gcc)")
        return 2
    started = time.monotonic()
    runs = (*HEALTHY, *(LONG if options.long else ()), *BROKEN)
    results = []
    print(f"{'states':>11} {'transitions':>12}", flush=True)
    for run in runs:
        results.append(search(run))
        print(told(run, results[-1]), flush=True)
    summary = report(results, time.monotonic() - started)
    print(summary["explored"])
    if options.report is not None:
        options.report.write_text(json.dumps(summary, indent=1) + "\n")
    return 1 if summary["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
