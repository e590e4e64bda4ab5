"""`python -m tests.proof.mutants`: the wrong changes that the table of promises names, and no others."""

from __future__ import annotations

import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

from tests.mutants.__main__ import WORKERS, Projects, copy_project, survivors
from tests.mutants.catalogue import ALL
from tests.mutants.mutant import Mutant

from .table import promises


def named() -> list[Mutant]:
    """List the mutants of the table, each once."""
    names = {name for promise in promises() for name in promise.mutants}
    return [mutant for mutant in ALL if mutant.name in names]


def main() -> int:
    """Try them; the tests that kill them are run on the healthy code by the part before."""
    mutants = named()
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory, ThreadPoolExecutor(WORKERS) as workers:
        projects: Projects = SimpleQueue()
        for number in range(WORKERS):
            projects.put(copy_project(Path(directory) / str(number)))
        left = survivors(mutants, projects, workers)
    print(f"{len(mutants) - len(left)} of {len(mutants)} mutants killed")
    return 1 if left or not mutants else 0


if __name__ == "__main__":
    sys.exit(main())
