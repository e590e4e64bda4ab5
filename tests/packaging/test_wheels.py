"""What `pip install` gives: wheels that are whole, and plugins that are found."""

from __future__ import annotations

import json
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.gateway.client import Client
from tests.gateway.processes import Program
from tests.support.chain import check_chain, texts

from .environment import PACKAGES, ROOT, Environment, build_wheels, new_environment

PLUGINS = {"memory_index", "model_snapshot", "trajectory_sync"}

FIND_PLUGINS = """
import json
from importlib.metadata import entry_points
found = entry_points(group="coordinator.plugins")
print(json.dumps({point.name: point.load().__name__ for point in found}))
"""

FIND_FILES = """
import json, sys, coordinator, coordinator_memory_index, coordinator_model_snapshot, coordinator_trajectory_sync
print(json.dumps([module.__file__ for name, module in sys.modules.items() if name.startswith("coordinator")]))
"""

ONE_TURN = """
import asyncio, sys
from coordinator import PI, Coordinator

async def main():
    async with Coordinator(plugins="installed") as coordinator:
        session = await coordinator.open("chat.jsonl", format=PI)
        chat = session.writer("chat")
        async with chat.fence(annotations={"provider": "local", "modelApi": "none", "modelId": "m"}) as fence:
            await fence.append({"type": "message", "message": {"role": "assistant", "content": "yes"}})
        statistics = coordinator.statistics()
        assert not statistics.plugins_broken, statistics.plugins_broken
        print(*sorted(statistics.plugins))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build them once."""
    return build_wheels(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory, wheels: list[Path]) -> Environment:
    """Install them once."""
    return new_environment(tmp_path_factory.mktemp("environment"), wheels)


def test_each_package_has_a_wheel_with_its_types_and_nothing_else(wheels: list[Path]) -> None:
    """A wheel without `py.typed` makes every user's type checker blind."""
    assert len(wheels) == len(PACKAGES)
    for wheel in wheels:
        with zipfile.ZipFile(wheel) as archive:
            names = archive.namelist()
        assert [name for name in names if name.endswith("/py.typed")], wheel.name
        assert not [name for name in names if name.startswith(("tests/", "examples/", "plugins/"))], wheel.name


def test_nothing_comes_from_the_checkout(environment: Environment) -> None:
    """Otherwise the other tests here would prove nothing."""
    files = json.loads(environment.run(FIND_FILES))
    assert len(files) > len(PLUGINS)
    assert [file for file in files if not Path(file).is_relative_to(environment.site_packages)] == []


def test_the_plugins_are_found_by_their_entry_points(environment: Environment) -> None:
    """Installing a plugin is all that a gateway has to do for it."""
    found = json.loads(environment.run(FIND_PLUGINS))
    assert found == {
        "memory_index": "MemoryIndex", "model_snapshot": "ModelSnapshot", "trajectory_sync": "TrajectorySync",
    }  # fmt: skip


def test_installed_plugins_take_part_in_a_turn(environment: Environment) -> None:
    """They are not only found: each starts, and the snapshot stands before the reply."""
    assert set(environment.run(ONE_TURN).split()) == PLUGINS
    records = [json.loads(line) for line in (environment.home / "chat.jsonl").read_bytes().splitlines()]
    kinds = [record.get("customType", record["type"]) for record in records]
    assert kinds[:3] == ["session", "model-snapshot", "message"]
    assert (environment.home / "memory-index.sqlite3").exists()
    assert (environment.home / "chat.jsonl.trajectory").exists()


async def test_the_gateway_works_with_nothing_but_what_is_installed(environment: Environment, tmp_path: Path) -> None:
    """Copied out of the checkout, with its own stand-in model: one turn, a graceful end, a file that is in order."""
    shutil.copytree(ROOT / "examples" / "gateway", tmp_path / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
    options = ["--root", str(tmp_path / "sessions"), "--port", "0"]
    with Program(
        "gateway",
        *options,
        log=tmp_path / "log",
        python=environment.python,
        directory=tmp_path,
        environ=environment.environ(),
    ) as program:
        async with Client(program.url, model_url="") as client:
            exchange = await client.ask("chat", "hello")
            statistics = await client.statistics()
        assert program.end() == 0, program.errors
    assert set(statistics["plugins"]) == PLUGINS
    assert texts(check_chain(tmp_path / "sessions" / "chat.jsonl")) == ["hello", exchange.reply]


def test_the_command_line_is_installed(environment: Environment) -> None:
    """The script has the name that the README says, and looks at a file."""
    command = [environment.home / "bin" / "session-coordinator", "check", ROOT / "tests" / "data" / "short.jsonl"]
    done = subprocess.run(command, env=environment.environ(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "short.jsonl" in done.stdout
