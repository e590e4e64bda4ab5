"""One stand-in model for all tests, and a folder with a gateway for each."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from .home import Home
from .processes import Program


@pytest.fixture(scope="session")
def model_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the stand-in model."""
    with Program("gateway.model", "--port", "0", log=tmp_path_factory.mktemp("model") / "model") as model:
        yield model.url


@pytest.fixture
def home(tmp_path: Path, model_url: str) -> Home:
    """Return a folder for a gateway that is not started yet."""
    return Home(tmp_path, model_url)
