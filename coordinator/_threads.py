"""The threads that wait for disks: a job is run, or refused for good."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from ._core._errors import CoordinatorError

THREADS_MAX = 16
Result = TypeVar("Result")


class Threads(ThreadPoolExecutor):
    """A pool that never runs what it has refused.

    `ThreadPoolExecutor.submit` puts a job into its queue before it starts a thread for it. Where the system gives no
    thread it raises, and the job would be run later all the same, by a thread that has become free.
    """

    def __init__(self) -> None:
        super().__init__(THREADS_MAX, thread_name_prefix="coordinator")

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run a job in a thread; RuntimeError if there is none, and then it will not be run."""
        job = Future[Any]()

        def run() -> None:
            if job.set_running_or_notify_cancel():
                try:
                    result = fn(*args, **kwargs)
                except BaseException as error:  # noqa: BLE001 - whoever waits for the job gets it
                    job.set_exception(error)
                else:
                    job.set_result(result)

        try:
            super().submit(run)
        except RuntimeError:
            if job.cancel():
                raise
        return job


async def in_thread(executor: Executor, job: Callable[[], Result], *, path: Path) -> Result:
    """Return what a job returns that is done in a thread; CoordinatorError if there is no thread to be had."""
    try:
        future = asyncio.get_running_loop().run_in_executor(executor, job)
    except RuntimeError as error:
        hint = "the system gives no more threads: raise its limit, or end some, then try again"
        raise CoordinatorError(f"no thread for the file: {error}", path=path, hint=hint) from error
    return await future
