"""Helpers for tests of code that uses this library; `coordinator.testing.pytest_plugin` has them as fixtures.

`open_session` makes a session with a coordinator of its own, `Memory` keeps sessions off the disk, `ManualClock` lets
time pass when told, `foreign_append` is the foreign writer, and `Interposer` acts between any two system calls.
"""

from ._clock import ManualClock
from ._foreign import foreign_append
from ._interposer import Interposer
from ._memory import Memory
from ._memory_store import MemoryStore
from ._sessions import open_session

__all__ = ["Interposer", "ManualClock", "Memory", "MemoryStore", "foreign_append", "open_session"]
