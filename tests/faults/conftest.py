"""What the tests of this directory need of the machine; what is missing is named by the skip."""

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from .disks import Mounts
from .shim import build, compiler, preloading


@pytest.fixture(scope="session")
def shim_environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a process that has the shim, compiled once."""
    if compiler() is None:
        pytest.skip("needs cc, a C compiler")
    return dict(preloading(build(tmp_path_factory.mktemp("shim"))))


@pytest.fixture
def mounts(tmp_path: Path) -> Iterator[Mounts]:
    """Return what mounts small disks, and takes them away again."""
    mounted, limit = Mounts(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    yield mounted
    resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    mounted.unmount()
