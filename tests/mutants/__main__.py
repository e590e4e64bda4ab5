"""Break the code on purpose, one small change at a time: the test that states the promise must notice.

`make mutants`, or `python -m tests.mutants [part of a name]`. Says of each mutant what became of it, and fails if one
survives, or if a change or its test is not there any more. `--apply-only` looks for those in a second, without trying
any; `--report PATH` writes the list and the killer of each as JSON.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from .catalogue import ALL
from .mutant import Mutant

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
SECONDS_MAX = 120
PARTS = ("coordinator", "tests", "pyproject.toml", "README.md")
PYTEST = (
    sys.executable, "-B", "-m", "pytest", "-x", "-q", "--no-header", "--timeout=30", "-p", "no:cacheprovider",
    "--tb=short", "-m", "not slow",
)  # fmt: skip

Projects = SimpleQueue[Path]
"""The copies of the project that nobody uses now."""


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant: killed, SURVIVED, or why that says nothing; `seen` is what the killer complained of."""

    mutant: Mutant
    verdict: str
    seen: str


def fault_of(mutant: Mutant, root: Path = ROOT) -> str:
    """Say why a mutant says nothing any more; empty if it can be tried."""
    healthy = (root / mutant.file).read_text()
    if healthy.count(mutant.old) != 1:
        return f"STALE: `old` stands {healthy.count(mutant.old)} times in {mutant.file}"
    try:
        compile(healthy.replace(mutant.old, mutant.new), mutant.file, "exec", dont_inherit=True)
    except SyntaxError as error:
        return f"NO CODE: {error}"
    file, name = mutant.killer.split("::")
    killer = root / file
    return "" if killer.exists() and name in killer.read_text() else f"NO KILLER: {mutant.killer}"


def copy_project(target: Path) -> Path:
    """Copy what a test run needs; mutants never touch the checkout."""
    target.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, target / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return target


def run(project: Path, file: str, names: str) -> tuple[int, str]:
    """Run the tests of a file whose names fit; exit status 1 means that one of them noticed."""
    try:
        finished = subprocess.run(
            [*PYTEST, file, "-k", names], cwd=project, capture_output=True, text=True, timeout=SECONDS_MAX,
            check=False, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return 1, "E   it hung"
    return finished.returncode, finished.stdout


def try_mutant(mutant: Mutant, projects: Projects) -> Outcome:
    """Put a mutant into a copy of the project, and let its killer look."""
    project = projects.get()
    file = project / mutant.file
    healthy = file.read_text()
    try:
        fault = fault_of(mutant, project)
        if fault:
            return Outcome(mutant, fault, "")
        file.write_text(healthy.replace(mutant.old, mutant.new))
        status, output = run(project, *mutant.killer.split("::"))
        # pytest: 1 is a failed test; 2 to 5 are no verdict (broken collection, no test of that name).
        verdict = {0: "SURVIVED", 1: "killed"}.get(status, f"NO VERDICT ({status}): {output[-300:]}")
        complaint = re.search(r"^E +(.*)$", output, re.MULTILINE)
        return Outcome(mutant, verdict, complaint[1] if complaint else "")
    finally:
        file.write_text(healthy)
        projects.put(project)


def try_healthy(file: str, names: Iterable[str], projects: Projects) -> str:
    """Run the killers of one file on the healthy code: a test that is red anyway kills nothing."""
    project = projects.get()
    try:
        status, output = run(project, file, " or ".join(sorted(names)))
        return "" if status == 0 else f"red without any mutant: {file}\n{output[-2000:]}"
    finally:
        projects.put(project)


def red_without_mutants(mutants: Iterable[Mutant], projects: Projects, workers: ThreadPoolExecutor) -> list[str]:
    """Say which killers are red on the healthy code."""
    by_file: defaultdict[str, set[str]] = defaultdict(set)
    for mutant in mutants:
        file, name = mutant.killer.split("::")
        by_file[file].add(name)
    jobs = [workers.submit(try_healthy, file, names, projects) for file, names in by_file.items()]
    red = []
    for number, job in enumerate(as_completed(jobs), start=1):
        print(f"\r  the healthy code: {number} of {len(jobs)} files", end="", flush=True)
        red.append(job.result())
    print()
    return [reason for reason in red if reason]


def tried(mutants: Sequence[Mutant], projects: Projects, workers: ThreadPoolExecutor) -> list[Outcome]:
    """Try all mutants, and print a row for each."""
    jobs = [workers.submit(try_mutant, mutant, projects) for mutant in mutants]
    outcomes = []
    for number, job in enumerate(as_completed(jobs), start=1):
        outcomes.append(job.result())
        mutant, verdict = outcomes[-1].mutant, outcomes[-1].verdict
        killer = mutant.killer.partition("::")[2]
        print(f"  {number:3}/{len(jobs)}  {verdict:8}  {mutant.name:58}  {killer}", flush=True)
    return outcomes


def survivors(mutants: Sequence[Mutant], projects: Projects, workers: ThreadPoolExecutor) -> list[str]:
    """Try all mutants, and return the names of those that were not killed."""
    return [each.mutant.name for each in tried(mutants, projects, workers) if each.verdict != "killed"]


def report(outcomes: Sequence[Outcome], seconds: float) -> dict[str, object]:
    """Sum up for `--report`."""
    killed = [each for each in outcomes if each.verdict == "killed"]
    return {
        "part": "mutants",
        "explored": f"{len(killed)} of {len(outcomes)} mutants killed",
        "violations": [f"{each.mutant.name}: {each.verdict}" for each in outcomes if each.verdict != "killed"],
        "seconds": round(seconds, 1),
        "mutants": [
            {"name": each.mutant.name, "file": each.mutant.file, "killer": each.mutant.killer, "seen": each.seen}
            for each in sorted(killed, key=lambda each: each.mutant.name)
        ],
    }


def apply_only(mutants: Sequence[Mutant]) -> int:
    """Say which mutants cannot be tried."""
    faults = [f"{mutant.name}: {fault}" for mutant in mutants if (fault := fault_of(mutant))]
    print(*faults, f"{len(mutants) - len(faults)} of {len(mutants)} mutants can be tried", sep="\n")
    return 1 if faults else 0


def try_all(mutants: Sequence[Mutant], report_path: Path | None) -> int:
    """Try the mutants; the exit status says whether all were killed."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory, ThreadPoolExecutor(WORKERS) as workers:
        projects: Projects = SimpleQueue()
        for number in range(WORKERS):
            projects.put(copy_project(Path(directory) / str(number)))
        red = red_without_mutants(mutants, projects, workers)
        if red:
            print(*red, sep="\n")
            return 1
        outcomes = tried(mutants, projects, workers)
    summary = report(outcomes, time.monotonic() - started)
    print(f"{summary['explored']} in {summary['seconds']} s")
    for each in outcomes:
        if each.verdict != "killed":
            print(f"  not killed: {each.mutant.name}")
    if report_path is not None:
        report_path.write_text(json.dumps(summary, indent=1) + "\n")
    return 1 if summary["violations"] or not mutants else 0


def main(words: Sequence[str] | None = None) -> int:
    """Try the mutants whose name contains what is wanted."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("name", nargs="*", help="a part of the name; several words are one part")
    parser.add_argument("--apply-only", action="store_true", help="only look whether they can be tried")
    parser.add_argument("--report", type=Path, help="write the list, with the killer of each, to this file as JSON")
    options = parser.parse_args(words)
    wanted = " ".join(options.name)
    mutants = [mutant for mutant in ALL if wanted in mutant.name]
    return apply_only(mutants) if options.apply_only else try_all(mutants, options.report)


if __name__ == "__main__":
    sys.exit(main())
