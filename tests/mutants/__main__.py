"""Break the code on purpose, one small change at a time: the test that states the promise must notice.

`make mutants`, or `python -m tests.mutants [part of a name]`. Ends with a table and fails if a mutant survives.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from .catalogue import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
SECONDS_MAX = 90
PARTS = ("coordinator", "tests", "pyproject.toml", "README.md")


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


def run(project: Path, killer: str) -> tuple[int, str]:
    """Run one test (or all whose names begin like it); exit status 1 means that it noticed."""
    file, _, name = killer.partition("::")
    command = [
        sys.executable,
        "-B",
        "-m",
        "pytest",
        "-x",
        "-q",
        "--no-header",
        "--timeout=20",
        "-p",
        "no:cacheprovider",
    ]
    command += [file, "-k", name, "-m", "not slow"]
    try:
        finished = subprocess.run(
            command,
            cwd=project,
            capture_output=True,
            text=True,
            timeout=SECONDS_MAX,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return 1, "it hung"
    return finished.returncode, finished.stdout[-2000:]


def try_mutant(mutant: Mutant, projects: SimpleQueue[Path]) -> str:
    """Say what became of a mutant: killed, SURVIVED, or why it says nothing."""
    project = projects.get()
    file = project / mutant.file
    healthy = file.read_text()
    try:
        if healthy.count(mutant.old) != 1:
            return f"STALE: `old` stands {healthy.count(mutant.old)} times in {mutant.file}"
        file.write_text(healthy.replace(mutant.old, mutant.new))
        status, output = run(project, mutant.killer)
        # pytest: 1 is a failed test; 2 to 5 are no verdict (broken collection, no test of that name).
        return {0: "SURVIVED", 1: "killed"}.get(status, f"NO VERDICT ({status}): {output[-300:]}")
    finally:
        file.write_text(healthy)
        projects.put(project)


def healthy_killers(mutants: Iterable[Mutant], projects: SimpleQueue[Path]) -> list[str]:
    """Run every killer on the healthy code first: a test that is red anyway kills nothing."""
    project = projects.get()
    red = [killer for killer in sorted({mutant.killer for mutant in mutants}) if run(project, killer)[0] != 0]
    projects.put(project)
    return red


def main(wanted: str) -> int:
    """Try the mutants whose name contains `wanted`."""
    mutants = [mutant for mutant in MUTANTS if wanted in mutant.name]
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        projects: SimpleQueue[Path] = SimpleQueue()
        for number in range(WORKERS):
            projects.put(copy_project(Path(directory) / str(number)))
        print(f"{len(mutants)} mutants; first their killers on the healthy code …", flush=True)
        red = healthy_killers(mutants, projects)
        if red:
            print("red without any mutant:", *red, sep="\n  ")
            return 1
        with ThreadPoolExecutor(WORKERS) as workers:
            verdicts = workers.map(lambda mutant: (mutant, try_mutant(mutant, projects)), mutants)
            left = [mutant.name for mutant, verdict in verdicts if not _said(mutant, verdict)]
    print(f"{len(mutants) - len(left)} of {len(mutants)} mutants killed")
    return 1 if left else 0


def _said(mutant: Mutant, verdict: str) -> bool:
    print(f"  {verdict:8}  {mutant.name:58}  {mutant.killer.partition('::')[2]}", flush=True)
    return verdict == "killed"


if __name__ == "__main__":
    sys.exit(main(" ".join(sys.argv[1:])))
