"""What the tests of this directory share with those of real faults."""

from tests.faults.conftest import mounts

__all__ = ["mounts"]
