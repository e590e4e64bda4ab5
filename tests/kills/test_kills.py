"""The short form of `make kills`, in a process of its own: the test runner has threads, and must not be forked."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_kill_9_loses_no_acknowledged_record_and_leaves_no_torn_line(tmp_path: Path) -> None:
    """A hundred lives end at random moments; whatever had a receipt is there, whole, when the file is opened again."""
    environment = {**os.environ, "COUNT": "100", "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "tests.kills"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=50,
        check=False,
    )  # fmt: skip
    print(run.stdout, run.stderr)
    assert run.returncode == 0
    assert "kills 100" in run.stdout
