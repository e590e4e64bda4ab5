"""A directory of its own for every example, and sessions in it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from coordinator import PLAIN, Coordinator, Durability, Entry, RecordFormat, Session

Result = TypeVar("Result")


@contextmanager
def session_file(content: bytes | None = None) -> Iterator[Path]:
    """Give a path in a new directory, with a file there if it has content; a fixture would be shared by examples."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "session.jsonl")
        if content is not None:
            path.write_bytes(content)
        yield path


def in_session(
    path: Path, act: Callable[[Session], Awaitable[Result]], *, record_format: RecordFormat = PLAIN
) -> Result:
    """Open a session, act in it, and close it."""

    async def run() -> Result:
        async with Coordinator(durability=Durability.NONE) as coordinator:
            return await act(await coordinator.open(path, format=record_format))

    return asyncio.run(run())


async def entries(session: Session) -> list[Entry]:
    """Read a session from its first record to its last."""
    return [entry async for entry in session.records()]


def side_files(path: Path) -> list[Path]:
    """Return what stands beside a session file, its lock apart."""
    return sorted(set(path.parent.iterdir()) - {path, path.with_name(f".{path.name}.lock")})
