"""Fixtures for tests of plugins and gateways; pytest loads them wherever the library is installed.

A fixture of your own with the same name takes the place of one of these. To load a plugin, say so in `conftest.py`:

    @pytest.fixture
    def coordinator_options():
        return {"plugins": [MyPlugin()]}
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson
import pytest

from .. import PLAIN, Coordinator, RecordFormat, Session
from . import ManualClock, Memory, foreign_append

Foreign = Callable[[bytes | Mapping[str, object]], int]


def _async_fixture(function: Any) -> Any:
    """Make a fixture that pytest-asyncio runs in all its modes; whoever else runs async tests takes plain ones."""
    make: Any = pytest.fixture
    with suppress(ImportError):
        import pytest_asyncio  # noqa: PLC0415 - it may be missing

        make = pytest_asyncio.fixture
    return make(function)


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


@_async_fixture
async def coordinator(coordinator_options: dict[str, Any]) -> AsyncGenerator[Coordinator]:
    """Return a coordinator that works until the end of the test."""
    async with Coordinator(**coordinator_options) as running:
        yield running


@_async_fixture
async def session(coordinator: Coordinator, session_path: Path, session_format: RecordFormat) -> Session:
    """Return a new session of `coordinator`, at `session_path`."""
    return await coordinator.open(session_path, format=session_format)


@pytest.fixture
def foreign(session_path: Path) -> Foreign:
    """Return a function that appends to `session_path` as a program does that knows nothing of us.

    It takes a record, or bytes as they are, and returns the offset behind them. The file must be there.
    """

    def append(record: bytes | Mapping[str, object]) -> int:
        data = record if isinstance(record, bytes) else orjson.dumps(dict(record)) + b"\n"
        return foreign_append(session_path, data)

    return append


@pytest.fixture
def session_memory() -> Memory:
    """Return a place for sessions that is no disk: `session_memory.serve(coordinator)`, then open them."""
    return Memory()


@_async_fixture
async def manual_clock() -> AsyncGenerator[ManualClock]:
    """Return the clock of the test's loop, which stands still until told; ask for it before `coordinator`."""
    with ManualClock() as clock:
        yield clock
