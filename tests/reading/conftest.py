"""Fixtures for the tests of reading."""

from collections.abc import Callable

import pytest

from coordinator import _reading as reading


@pytest.fixture
def block_bytes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that sets how much is read at a time."""
    return lambda size: monkeypatch.setattr(reading, "BLOCK_BYTES", size)
