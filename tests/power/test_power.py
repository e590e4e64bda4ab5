import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .log import Cut, Entry, Kind, cuts, state_of

ROOT = Path(__file__).parents[2]
NOT_PERMITTED = 2

pytestmark = [pytest.mark.root, pytest.mark.timeout(180)]


def cut_the_power(directory: Path, *arguments: str) -> tuple[int, str]:
    """Run it as a process, with mounts of its own; return how many violations it has found, and what it said."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    report = directory / "report"
    command = [sys.executable, "-m", "tests.power", f"--report={report}", f"--logs={directory}", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == NOT_PERMITTED:
        pytest.skip(done.stdout.strip())
    print(done.stdout, done.stderr)
    return json.loads(report.read_text())["violations"], done.stdout


def test_what_is_durable_survives_a_power_cut(tmp_path):
    """Whoever has a durable receipt has the record, whichever blocks are lost or torn."""
    assert cut_the_power(tmp_path, "--mechanism=log", "--states=6")[0] == 0


def test_what_is_durable_survives_a_file_system_that_shuts_down(tmp_path):
    """Two ways to cut the power that share only the judge are unlikely to be blind to the same loss."""
    chosen = ("--operation=create", "--operation=rewrite", "--operation=close")
    assert cut_the_power(tmp_path, "--mechanism=shutdown", "--states=6", *chosen)[0] == 0


@pytest.mark.parametrize(
    ("operation", "fault"),
    [
        ("rewrite", "no sync of the directory"),
        ("rewrite", "no sync before the new name"),
        ("reopen", "no sync before the new name"),
    ],
)
def test_a_missing_sync_is_noticed(tmp_path, operation, fault):
    """A power cut that finds nothing in wrong code proves nothing about right code."""
    arguments = ("--mechanism=log", "--states=60", f"--operation={operation}", f"--break={fault}")
    assert cut_the_power(tmp_path, *arguments)[0] > 0


def test_a_loss_is_had_again_by_its_token(tmp_path):
    """A failure that cannot be had again cannot be mended."""
    _, said = cut_the_power(tmp_path, "--mechanism=log", "--states=60", "--operation=always", "--break=no sync")
    token, loss = re.findall(r"^(always\S*:\d+): (of .*)$", said, re.MULTILINE)[0]
    violations, said = cut_the_power(tmp_path, f"--replay={token}")
    assert violations > 0
    assert loss in said


def test_a_shut_down_file_system_shows_a_missing_sync(tmp_path):
    """The second mechanism can fail as well."""
    arguments = ("--mechanism=shutdown", "--states=100", "--operation=create", "--break=no sync")
    assert cut_the_power(tmp_path, *arguments)[0] > 0


def test_what_was_flushed_is_never_taken_away():
    """The states are those of a disk that keeps its word, or every finding would be ours."""
    log = [Entry(Kind.WRITE, 0, bytes(4096)), Entry(Kind.FLUSH, 0, b""), Entry(Kind.WRITE, 8192, bytes(1000))]
    states = [state_of(log, cut, 7) for cut in cuts(log, 20, 7)]
    assert all(state.flushed == 2 for state in states if any(number == 2 for number, _, _ in state.pieces))
    pieces = {piece for state in states if state.flushed == 2 for piece in state.pieces}
    assert pieces == {(2, 0, 1000), (2, 0, 512), (2, 512, 1000)}


def test_a_state_is_known_by_its_numbers():
    """The token of a state holds numbers, not the state."""
    log = [Entry(Kind.WRITE, at * 4096, bytes(4096)) for at in range(1, 9)]
    assert len({state_of(log, Cut(8, draw), 3) for draw in range(20)}) > 10
    assert [state_of(log, Cut(8, 5), 3) for _ in range(3)] == [state_of(log, Cut(8, 5), 3)] * 3
