"""A disk for a test that is none: the sessions of a coordinator live in memory and are gone with it."""

from __future__ import annotations

import os
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any, final
from weakref import WeakSet

from .. import Coordinator, RecordFormat, _reading
from .._core._errors import PathError
from .._core._limits import Limits
from .._store import session_path
from ._memory_store import MemoryStore

StrPath = str | os.PathLike[str]


@final
class Memory:
    """Keeps sessions in memory, one `MemoryStore` for each path; closing and opening again finds what was there.

    `memory.serve(coordinator)` before its sessions are opened. The paths name nothing on a disk, and no two memories
    should use the same one at the same time. There is no lock, no second process and no descriptor to park.
    """

    def __init__(self) -> None:
        self._stores: dict[Path, MemoryStore] = {}
        _memories.add(self)

    def serve(self, coordinator: Coordinator) -> None:
        """Keep here what this coordinator opens from now on."""
        coordinator._new_store = self._new_store  # pyright: ignore[reportPrivateUsage]
        _reading._open = _open  # pyright: ignore[reportPrivateUsage]

    def __contains__(self, path: StrPath) -> bool:
        return session_path(path) in self._stores

    def __getitem__(self, path: StrPath) -> MemoryStore:
        return self._stores[session_path(path)]

    def _new_store(
        self, path: Path, *, record_format: RecordFormat, limits: Limits, create: bool, **_options: Any
    ) -> MemoryStore:
        before = self._stores.get(path)
        if before is None and not create:
            raise PathError("there is no such file", path=path, hint="pass `create=True` to have it made")
        content = b"" if before is None else bytes(before.content)
        store = self._stores[path] = MemoryStore(record_format, content, path=path, limits=limits)
        return store


_memories: WeakSet[Memory] = WeakSet()
_open_file = _reading._open  # pyright: ignore[reportPrivateUsage]


def _open(path: Path) -> BufferedReader:
    """Open what is in a memory, and every other path as always."""
    for memory in list(_memories):
        if path in memory:
            return BufferedReader(BytesIO(bytes(memory[path].content)))
    return _open_file(path)
