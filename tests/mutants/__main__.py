"""Break the code on purpose, one small change at a time: the test that states the promise must notice.

`make mutants`, or `python -m tests.mutants [part of a name]`. Says of each mutant what became of it, and fails if one
survives, or if a change or its test is not there any more.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import SimpleQueue

from .classics import CLASSICS
from .mutant import Mutant
from .promises import PROMISES
from .scenarios import SCENARIOS

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
SECONDS_MAX = 120
PARTS = ("coordinator", "tests", "pyproject.toml", "README.md")
PYTEST = (
    sys.executable, "-B", "-m", "pytest", "-x", "-q", "--no-header", "--timeout=30", "-p", "no:cacheprovider",
    "-m", "not slow",
)  # fmt: skip

Projects = SimpleQueue[Path]
"""The copies of the project that nobody uses now."""


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
        return 1, "it hung"
    return finished.returncode, finished.stdout[-2000:]


def try_mutant(mutant: Mutant, projects: Projects) -> str:
    """Say what became of a mutant: killed, SURVIVED, or why it says nothing."""
    project = projects.get()
    file = project / mutant.file
    healthy = file.read_text()
    try:
        if healthy.count(mutant.old) != 1:
            return f"STALE: `old` stands {healthy.count(mutant.old)} times in {mutant.file}"
        file.write_text(healthy.replace(mutant.old, mutant.new))
        status, output = run(project, *mutant.killer.split("::"))
        # pytest: 1 is a failed test; 2 to 5 are no verdict (broken collection, no test of that name).
        return {0: "SURVIVED", 1: "killed"}.get(status, f"NO VERDICT ({status}): {output[-300:]}")
    finally:
        file.write_text(healthy)
        projects.put(project)


def try_healthy(file: str, names: Iterable[str], projects: Projects) -> str:
    """Run the killers of one file on the healthy code: a test that is red anyway kills nothing."""
    project = projects.get()
    try:
        status, output = run(project, file, " or ".join(sorted(names)))
        return "" if status == 0 else f"red without any mutant: {file}\n{output}"
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


def survivors(mutants: list[Mutant], projects: Projects, workers: ThreadPoolExecutor) -> list[str]:
    """Try all mutants, print a row for each, and return the names of those that were not killed."""
    jobs = {workers.submit(try_mutant, mutant, projects): mutant for mutant in mutants}
    left = []
    for number, job in enumerate(as_completed(jobs), start=1):
        mutant, verdict = jobs[job], job.result()
        killer = mutant.killer.partition("::")[2]
        print(f"  {number:3}/{len(jobs)}  {verdict:8}  {mutant.name:58}  {killer}", flush=True)
        if verdict != "killed":
            left.append(mutant.name)
    return left


def main(wanted: str) -> int:
    """Try the mutants whose name contains `wanted`."""
    started = time.monotonic()
    mutants = [mutant for mutant in (*SCENARIOS, *CLASSICS, *PROMISES) if wanted in mutant.name]
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory, ThreadPoolExecutor(WORKERS) as workers:
        projects: Projects = SimpleQueue()
        for number in range(WORKERS):
            projects.put(copy_project(Path(directory) / str(number)))
        red = red_without_mutants(mutants, projects, workers)
        if red:
            print(*red, sep="\n")
            return 1
        left = survivors(mutants, projects, workers)
    print(f"{len(mutants) - len(left)} of {len(mutants)} mutants killed in {time.monotonic() - started:.0f} s")
    for name in left:
        print(f"  not killed: {name}")
    return 1 if left or not mutants else 0


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
