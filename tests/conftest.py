"""Fixtures for every test: a place for a session file, and copies of the files in `tests/data`."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

DATA = Path(__file__).parent / "data"

settings.register_profile("default", deadline=None, print_blob=True)  # a busy machine is no failure; a blob replays one
settings.load_profile("default")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what only root can do, for everybody else."""
    if os.geteuid() == 0:
        return
    for item in items:
        if item.get_closest_marker("root"):
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture
def session_path(tmp_path: Path) -> Path:
    """Return where a new session file may be made; there is none yet."""
    return tmp_path / "session.jsonl"


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that copies a file of `tests/data`, named without its ending, and returns the copy."""

    def copy(name: str) -> Path:
        return Path(shutil.copy(DATA / f"{name}.jsonl", tmp_path))

    return copy
