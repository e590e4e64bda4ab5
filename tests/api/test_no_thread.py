"""When the system gives no more threads: refused for good, said clearly, and nothing is held."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest.mock import patch

import pytest

from coordinator import (
    Coordinator,
    CoordinatorError,
    Durability,
    Limits,
    Outcome,
    SessionState,
    WriteFailedError,
)
from coordinator._threads import Threads

from .desk import check_clear, desk, note, soon, until


@contextmanager
def no_thread() -> Iterator[None]:
    """Let no thread begin."""
    with patch.object(threading.Thread, "start", side_effect=RuntimeError("can't start new thread")):
        yield


async def test_a_session_that_could_not_be_opened_for_want_of_a_thread_is_free(session_path: Path) -> None:
    """Its lock was not taken behind the caller's back, and the next attempt succeeds."""
    async with Coordinator() as coordinator, Coordinator() as other:
        with no_thread(), pytest.raises(CoordinatorError) as caught:
            await soon(coordinator.open(session_path))
        check_clear(caught.value, session_path)
        for each in (coordinator, other):
            session = await soon(each.open(session_path))
            await soon(session.aclose())


async def test_a_batch_that_was_refused_for_want_of_a_thread_is_not_written_later(session_path: Path) -> None:
    """It is kept, and `reopen` writes it: once."""
    with Threads() as threads:  # one that has no thread yet
        async with desk(session_path) as home:
            home.session._engine.driver._executor = threads
            with no_thread(), pytest.raises(WriteFailedError):
                await soon(home.chat.append(note("x")))
            await soon(home.session.reopen())
            assert home.texts() == ["x"]


async def test_a_session_is_closed_and_its_file_free_even_without_a_thread(session_path: Path) -> None:
    """The lock would be held until the process ends."""
    async with Coordinator() as coordinator, Coordinator() as other:
        session = await coordinator.open(session_path)
        with Threads() as threads:
            session._engine.driver._executor = threads
            with no_thread():
                await soon(session.aclose())
        assert session.state is SessionState.CLOSED
        assert (await soon(other.open(session_path))).state is SessionState.OPEN


async def test_a_session_is_parked_and_taken_back_even_without_a_thread(tmp_path: Path) -> None:
    """Giving a file back needs none, taking it is refused and tried again."""
    limits = Limits(open_files_max=2)
    async with Coordinator(durability=Durability.NONE, limits=limits) as coordinator:
        session, other = [await coordinator.open(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
        await session.writer("w").append({"n": 1})
        with Threads() as threads:
            session._engine.driver._executor = threads
            with no_thread():
                await other.writer("w").append({"n": 1})
                await until(lambda: session.state is SessionState.PARKED)
                with pytest.raises(CoordinatorError) as caught:
                    await soon(session.writer("w").append({"n": 2}))
                assert caught.value.outcome is Outcome.NOT_WRITTEN
            await soon(session.writer("w").append({"n": 2}))
            await soon(session.aclose())


def test_a_job_that_was_refused_is_never_run() -> None:
    """Not even by a thread that becomes free."""
    ran: list[str] = []
    with Threads() as threads:
        begun, go_on = threading.Event(), threading.Event()
        busy = threads.submit(lambda: (begun.set(), go_on.wait()))
        begun.wait()
        with no_thread(), pytest.raises(RuntimeError):
            threads.submit(ran.append, "refused")
        go_on.set()
        assert busy.result(20)
        threads.submit(ran.append, "accepted").result(20)
    assert ran == ["accepted"]


def test_what_a_job_raises_comes_out(session_path: Path) -> None:
    """As with any pool."""
    with Threads() as threads, pytest.raises(FileNotFoundError):
        threads.submit(session_path.read_bytes).result(20)
