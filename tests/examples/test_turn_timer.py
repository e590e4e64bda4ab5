"""The plugin in ten lines is a package: it is built, found by its name, and does what it says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "examples" / "turn_timer"

ONE_TURN = """
import asyncio, json, sys
from coordinator import PI, Coordinator, hookimpl

async def main():
    async with Coordinator(plugins="installed") as coordinator:
        session = await coordinator.open("session.jsonl", format=PI)
        async with session.writer("chat").fence():
            pass
        timed = (entry.record["data"] async for entry in session.records(follow=True) if entry.writer == "turn_timer")
        print(json.dumps(await anext(timed)))
        await timed.aclose()
        assert "turn_timer" not in coordinator.statistics().plugins_broken

asyncio.run(main())
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """Build the wheel, and return a directory that it is installed in."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PACKAGE, check=True, capture_output=True, timeout=30)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path / "installed")
    return tmp_path / "installed"


def test_a_turn_is_timed_by_the_plugin_that_was_installed(tmp_path: Path, installed: Path) -> None:
    """Who writes a plugin copies this one: the entry point must lead to it, and its record into the file."""
    command = [sys.executable, "-W", "error", "-c", ONE_TURN]
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    timed = json.loads(done.stdout)
    assert timed["writer"] == "chat"
    assert 0 <= timed["seconds"] < 30


def test_the_plugin_has_ten_lines() -> None:
    """That a plugin is this small is what the example is there to show."""
    lines = (PACKAGE / "coordinator_turn_timer.py").read_text().splitlines()
    code = [line for line in lines[lines.index("class TurnTimer:") :] if line.strip() and '"""' not in line]
    assert len(code) <= 10
