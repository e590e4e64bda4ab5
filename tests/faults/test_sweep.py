"""The short form of `make sweep`, in processes of its own: the test runner has threads, and must not be forked."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow


def swept(environment: dict[str, str], **choice: str) -> int:
    """Sweep a sample; return how many system calls it disturbed."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.faults"], cwd=ROOT, env={**environment, **choice}, capture_output=True,
        text=True, timeout=55, check=False,
    )  # fmt: skip
    print(run.stdout, run.stderr)
    assert run.returncode == 0
    covered = re.search(r"calls covered (\d+)", run.stdout)
    assert covered is not None
    return int(covered[1])


def test_a_failing_system_call_loses_nothing_and_is_a_clear_error(shim_environment: dict[str, str]) -> None:
    """Whichever call fails, once or for ever: no acknowledged record lost, no torn line, no hang, an error of ours."""
    assert swept(shim_environment, KIND="failures", COUNT="80") > 40


def test_a_short_write_never_leaves_a_partial_line(shim_environment: dict[str, str]) -> None:
    """It is finished, cut back, or ended when it cannot be cut: never glued to what follows."""
    assert swept(shim_environment, KIND="short_writes", COUNT="40") > 10


def test_foreign_bytes_are_never_cut(shim_environment: dict[str, str]) -> None:
    """Another process writes before any call, or right behind a write of ours that stopped short: its bytes stay."""
    assert swept(shim_environment, KIND="foreign_acts", COUNT="50") > 30


def test_kill_9_at_any_call_or_byte_loses_no_acknowledged_record(shim_environment: dict[str, str]) -> None:
    """Before a call, after it, in the middle of a write: everything that had a receipt is there, whole, in order."""
    assert swept(shim_environment, KIND="kills", COUNT="60") > 40


def test_healing_may_be_killed_anywhere(shim_environment: dict[str, str]) -> None:
    """A torn tail is in the file or beside it at every moment, and the next opening finishes the work."""
    assert swept(shim_environment, KIND="kills", STORY="heal", COUNT="40") > 20


def test_a_rewrite_shows_the_old_or_the_new_file(shim_environment: dict[str, str]) -> None:
    """Killed anywhere: one of the two as a whole, and no stray file after the next opening."""
    assert swept(shim_environment, KIND="kills", STORY="rewrite", COUNT="40") > 20
