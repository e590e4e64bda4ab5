"""The store of the tests of the core: the one that the library offers to everybody's tests."""

from coordinator.testing import MemoryStore

__all__ = ["MemoryStore"]
