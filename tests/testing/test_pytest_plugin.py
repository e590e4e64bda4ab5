"""The fixtures: found wherever the library is installed, and harmless where nothing runs async tests."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from coordinator import PLAIN, SessionState, TakeoverError

PLUGIN = "coordinator.testing.pytest_plugin"
LOOP = ("-o", "asyncio_default_fixture_loop_scope=function")
A_PLAIN_TEST = """
import os

def test_plain(session_path, session_format, session_memory, coordinator_options):
    assert not session_path.exists()
    assert coordinator_options == {}
"""
AN_ASYNC_TEST = """
import pytest
from coordinator import hookimpl

class Noting:
    name = "noting"

    @hookimpl
    async def fence_entering(self, session, writer):
        await session.writer("notes").append({"turn": writer})

@pytest.fixture
def coordinator_options():
    return {"plugins": [Noting()]}

MARK
async def test_it_notes_each_turn(session, foreign):
    async with session.writer("chat").fence():
        pass
    foreign({"b": 2})
    await session.drain()
    async with session.writer("chat").fence():
        pass
    records = [entry.record async for entry in session.records()]
    assert records == [{"turn": "chat"}, {"b": 2}, {"turn": "chat"}]
"""


def run_pytest(directory: Path, test: str, *options: str, without: str = "nothing") -> subprocess.CompletedProcess[str]:
    """Run one test in a process of its own, with our plugin alone and one module missing."""
    (directory / "test_it.py").write_text(test)
    code = f"import sys; sys.modules[{without!r}] = None; import pytest; sys.exit(pytest.main(sys.argv[1:]))"
    command = [
        sys.executable,
        "-c",
        code,
        "-p",
        PLUGIN,
        *options,
        "-p",
        "no:cacheprovider",
        "-W",
        "error",
        str(directory),
    ]
    environment = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True, check=False)


def test_pytest_finds_it() -> None:
    """Nobody has to name it in a `conftest.py`."""
    assert PLUGIN in [entry.value for entry in entry_points(group="pytest11")]


def test_it_does_no_harm_where_nothing_runs_async_tests(tmp_path) -> None:
    """It is loaded into every pytest of an environment, also into those of other projects."""
    result = run_pytest(tmp_path, A_PLAIN_TEST, without="pytest_asyncio")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


@pytest.mark.parametrize(
    ("mark", "options", "without"),
    [
        ("@pytest.mark.asyncio", ("-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=strict", *LOOP), "nothing"),
        ("", ("-p", "pytest_asyncio.plugin", "-o", "asyncio_mode=auto", *LOOP), "nothing"),
        ("@pytest.mark.parametrize('anyio_backend', ['asyncio'])\n@pytest.mark.anyio", ("-p", "anyio.pytest_plugin"),
         "pytest_asyncio"),
    ],
    ids=["strict", "auto", "anyio"],
)  # fmt: skip
def test_async_fixtures_work_with_whoever_runs_async_tests(tmp_path, mark, options, without) -> None:
    """Which plugin that is, and in which mode, is the project's own choice."""
    result = run_pytest(tmp_path, AN_ASYNC_TEST.replace("MARK", mark), *options, without=without)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "1 passed" in result.stdout


async def test_the_session_is_one_of_the_coordinator(coordinator, session, session_path) -> None:
    """Its file is where `session_path` says."""
    assert dict(coordinator.sessions) == {session_path: session}
    assert session.state is SessionState.OPEN


async def test_a_foreign_record_is_a_takeover(session, foreign, session_path) -> None:
    """A record or its bytes, as the test likes."""
    with pytest.raises(TakeoverError) as caught:
        async with session.writer("chat").fence():
            await session.writer("tools").append({"a": 1})
            assert foreign({"b": 2}) + 1 == foreign(b"\n") == session_path.stat().st_size
    assert caught.value.foreign_records == [{"b": 2}]


async def test_the_clock_drives_the_coordinator(manual_clock, session) -> None:
    """It stands still by itself, so a turn takes no time."""
    async with session.writer("chat").fence() as fence:
        await fence.append({"a": 1})
    manual_clock.advance(5)
    assert manual_clock.time() == 1_700_000_005


def test_a_plain_session_is_the_default(session_format) -> None:
    """It takes any record."""
    assert session_format is PLAIN
