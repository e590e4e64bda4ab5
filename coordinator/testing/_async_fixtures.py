"""The async fixtures of `coordinator.testing.pytest_plugin`."""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from .. import Coordinator, RecordFormat, Session
from . import ManualClock


def _async_fixture(function: Any) -> Any:
    """Make a fixture that pytest-asyncio runs in all its modes, if it is there; others run plain ones."""
    make: Any = getattr(sys.modules.get("pytest_asyncio"), "fixture", pytest.fixture)
    return make(function)


@_async_fixture
async def coordinator(coordinator_options: dict[str, Any]) -> AsyncGenerator[Coordinator]:
    """Return a coordinator that works until the end of the test."""
    async with Coordinator(**coordinator_options) as running:
        yield running


@_async_fixture
async def session(coordinator: Coordinator, session_path: Path, session_format: RecordFormat) -> Session:
    """Return a new session of `coordinator`, at `session_path`."""
    return await coordinator.open(session_path, format=session_format)


@_async_fixture
async def manual_clock() -> AsyncGenerator[ManualClock]:
    """Return the clock of the test's loop, which stands still until told; ask for it before `coordinator`."""
    with ManualClock() as clock:
        yield clock
