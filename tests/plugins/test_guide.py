"""The guide for writing a plugin says what works."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from coordinator import Coordinator
from coordinator._hooks import Hooks
from tests.plugins.waiting import until

GUIDE = (Path(__file__).parents[2] / "plugins" / "README.md").read_text()
PLUGIN, TEST = re.findall(r"<!-- [^>]*test_guide[^>]* -->\n```python\n(.*?)```", GUIDE, re.DOTALL)


async def test_the_plugin_of_the_guide_works(session_path) -> None:
    """It is copied more often than it is read."""
    names: dict[str, Any] = {}
    exec(PLUGIN, names)
    async with Coordinator(plugins=[names["Heartbeat"]()]) as coordinator:
        session = await coordinator.open(session_path)
        async with session.writer("chat").fence() as fence:
            await fence.append({"question": "alive?"})
            await until(lambda: b'"yes"' in session_path.read_bytes())
        assert coordinator.statistics().hook_failures == {}


def test_the_test_of_the_guide_works(tmp_path) -> None:
    """In a project that has nothing but the library, pytest and pytest-asyncio."""
    (tmp_path / "test_heartbeat.py").write_text(PLUGIN + TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\nasyncio_mode=auto\nasyncio_default_fixture_loop_scope=function\n")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "error", "test_heartbeat.py"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=30)
    assert "1 passed" in result.stdout, result.stdout + result.stderr


def test_the_guide_names_every_hook_with_its_arguments() -> None:
    """A hook that is not in the table does not exist for its readers."""
    hooks = {name: hook for name, hook in vars(Hooks).items() if not name.startswith("_")}
    table = dict(re.findall(r"^\| `(\w+)` \| .* \| ((?:`\w+` ?)+) \|$", GUIDE, re.MULTILINE))
    assert {name: set(re.findall(r"\w+", arguments)) for name, arguments in table.items()} == {
        name: set(hook.__code__.co_varnames[: hook.__code__.co_argcount]) - {"self"} for name, hook in hooks.items()
    }
