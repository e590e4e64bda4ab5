"""A session on a desk: what tests of the public names do again and again, and a hand on the store's system calls."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import Context
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coordinator import PI, CoordinatorError, Event, Record, RecordFormat, Session, Writer
from coordinator.testing import Interposer, open_session

SECONDS_MAX = 20
"""How long a test waits for anything: long enough for a busy machine, short enough to end."""


class Gate:
    """Holds one system call of the store up, in its thread, until the test opens the gate."""

    def __init__(self) -> None:
        self._reached = threading.Event()
        self._opened = threading.Event()

    def __call__(self) -> None:
        """Wait, as the thread that makes the call."""
        self._reached.set()
        assert self._opened.wait(SECONDS_MAX), "nobody opened the gate"

    async def reached(self) -> None:
        """Wait until the call is about to be made."""
        assert await asyncio.to_thread(self._reached.wait, SECONDS_MAX), "the call was never made"

    def open(self) -> None:
        """Let the call be made."""
        self._opened.set()


@dataclass
class Desk:
    """One session, what its observers heard, and the system calls of its store."""

    session: Session
    interposer: Interposer
    events: list[Event]

    @property
    def path(self) -> Path:
        """Return where the session file is."""
        return self.session.path

    @property
    def chat(self) -> Writer:
        """Return a writer that goes on during fences."""
        return self.session.writer("chat")

    @property
    def later(self) -> Writer:
        """Return a writer that is held during fences."""
        return self.session.writer("later", during_fence="hold")

    @property
    def waiting(self) -> int:
        """Return how many calls wait for room."""
        return self.session.statistics().waiting_calls

    def told(self, name: str) -> list[Event]:
        """Return the events of one kind."""
        return [event for event in self.events if event.name == name]

    def texts(self) -> list[str]:
        """Return the texts of all notes in the file, in their order."""
        return texts_of(self.path)

    @contextmanager
    def gate(self, call: str = "write") -> Iterator[Gate]:
        """Hold up the next system call of this name; at the end the gate is open whatever happened."""
        gate = Gate()
        self.interposer.before(call, gate)
        try:
            yield gate
        finally:
            gate.open()

    def fail(self, call: str, number: int) -> None:
        """Let the next system call of this name fail."""

        def refuse() -> None:
            raise OSError(number, os.strerror(number))

        self.interposer.before(call, refuse)


@asynccontextmanager
async def desk(path: Path, *, format: RecordFormat = PI, **options: Any) -> AsyncIterator[Desk]:  # noqa: A002
    """Open a session of its own coordinator, whose options these are."""
    events, interposer = list[Event](), Interposer()
    async with open_session(
        path, format=format, interposer=interposer, observers=[events.append], **options
    ) as session:
        yield Desk(session, interposer, events)


def note(text: str, **keys: object) -> Record:
    """Return a record that is found again by its text."""
    return {"type": "custom", "customType": "note", "data": {"text": text}, **keys}


def texts_of(path: Path) -> list[str]:
    """Return the texts of all notes in a file, in their order."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    records = [json.loads(line) for line in lines]
    return [record["data"]["text"] for record in records if record.get("customType") == "note"]


async def until(holds: Callable[[], object]) -> None:
    """Give the loop to others until something holds."""
    async with asyncio.timeout(SECONDS_MAX):
        while not holds():  # noqa: ASYNC110 - what is looked at has no event of its own
            await asyncio.sleep(0)


async def soon(job: Awaitable[Any]) -> Any:
    """Wait for something that must end."""
    async with asyncio.timeout(SECONDS_MAX):
        return await job


def elsewhere(job: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """Start a job outside of every fence, as another part of the gateway would."""
    return asyncio.get_running_loop().create_task(job, context=Context())


async def stopped(task: asyncio.Task[Any]) -> BaseException | None:
    """Cancel a task, wait for its end, and return what it raised."""
    task.cancel()
    await asyncio.wait({task}, timeout=SECONDS_MAX)
    assert task.done(), "it does not end"
    return None if task.cancelled() else task.exception()


def check_clear(error: BaseException, path: Path | None) -> None:
    """An error of ours says which session, and what to do next."""
    assert isinstance(error, CoordinatorError), repr(error)
    assert error.path == path
    assert error.hint
    assert str(path or "") in str(error)


def snapshot(directory: Path) -> dict[str, tuple[object, ...]]:
    """Return what stands in a directory, bytes, modes and times; lock files are no part of anybody's session."""
    return {
        str(path.relative_to(directory)): _describe(path)
        for path in sorted(directory.rglob("*"))
        if not path.name.endswith(".lock")
    }


def _describe(path: Path) -> tuple[object, ...]:
    found = path.lstat()
    content = path.read_bytes() if stat.S_ISREG(found.st_mode) else None
    times = () if content is None else (found.st_mtime_ns, found.st_ctime_ns)
    return (stat.filemode(found.st_mode), content, *times)


NO_ROOM, BROKEN = errno.ENOSPC, errno.EIO
