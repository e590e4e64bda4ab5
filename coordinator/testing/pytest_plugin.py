"""Fixtures for tests of plugins and gateways; pytest loads them wherever the library is installed.

A fixture of your own with the same name takes the place of one of these. To load a plugin, say so in `conftest.py`:

    @pytest.fixture
    def coordinator_options():
        return {"plugins": [MyPlugin()]}

Besides those below there are the async ones `coordinator`, `session` and `manual_clock`, for pytest-asyncio in both of
its modes, or for anyio's plugin.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orjson
import pytest

from .. import PLAIN, RecordFormat
from . import Memory, foreign_append

Foreign = Callable[[bytes | Mapping[str, object]], int]


def pytest_configure(config: pytest.Config) -> None:
    """Add the async fixtures, now that it is known which plugin runs async tests."""
    from . import _async_fixtures  # noqa: PLC0415 - it asks at import whether pytest-asyncio is loaded

    config.pluginmanager.register(_async_fixtures, "session-coordinator-async")


@pytest.fixture
def session_path(tmp_path: Path) -> Path:
    """Return where a new session file may be made; there is none yet."""
    return tmp_path / "session.jsonl"


@pytest.fixture
def session_format() -> RecordFormat:
    """Return the format of `session`; yours may be `PI`."""
    return PLAIN


@pytest.fixture
def coordinator_options() -> dict[str, Any]:
    """Return the arguments of `coordinator`; yours may name plugins, limits and observers."""
    return {}


@pytest.fixture
def foreign(session_path: Path) -> Foreign:
    """Return a function that appends to `session_path` as a program does that knows nothing of us.

    It takes a record, or bytes as they are, and returns the offset behind them. The file must be there.
    """

    def append(record: bytes | Mapping[str, object]) -> int:
        """Append one line, and return the offset behind it."""
        data = record if isinstance(record, bytes) else orjson.dumps(dict(record)) + b"\n"
        return foreign_append(session_path, data)

    return append


@pytest.fixture
def session_memory() -> Memory:
    """Return a place for sessions that is no disk: `session_memory.serve(coordinator)`, then open them."""
    return Memory()
