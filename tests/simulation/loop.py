"""An event loop without time and without threads: what runs next is a choice.

Jobs for worker threads run in one piece, at an instant of the tape's choice, and their answer is delivered at another.
That loses nothing. A job shares no state with the callbacks of the loop but through the answer, so only the order of
its system calls and of what others do to the disk matters; others act between any two of its calls (see `system`). A
callback that would run in the middle of a job runs before or after it with the same result.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from contextvars import Context
from typing import Any

from .tape import Kind, Tape

SECONDS_MAX = 4000.0
STEPS_MAX = 20_000
STUCK = "nothing can happen any more, and the work is not done"


class StuckError(AssertionError):
    """Nothing can happen any more, or nothing else ever will, and the work is not done."""


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs one thing at a time: a callback that is ready, an answer, a job, or the next timer."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape
        self.jobs: list[Callable[[], object]] = []
        self.answers: list[asyncio.Handle] = []
        self.interventions: list[Callable[[], None]] = []
        """What may happen at any step besides, once each: somebody is cancelled."""
        self.after_step: Callable[[], None] = lambda: None
        self.tasks: list[asyncio.Task[Any]] = []
        self.arrivals: list[asyncio.Future[None]] = []
        self.is_free = False
        """Whether there is a choice at all; beginnings and ends are the same for all runs."""
        self.is_strict = False
        """Whether callbacks run in the order in which they were scheduled, and jobs at once: all that asyncio allows.

        A job at once loses nothing, as long as its answer may be late. What comes from outside (an answer, an arrival)
        takes its place in the line of callbacks, and only that place matters: so it is chosen when a callback is put
        in line, before which it may come, and when the line is empty. Each order of the line is explored once.
        Otherwise callbacks run in any order: no code should depend on more than it has to.
        """
        self.is_slow = False
        """Whether a timer may be due before other things have happened."""
        self._is_coming = False
        """Whether something from outside is just put in line."""
        self.steps = 0
        self._seconds = 0.0
        self._in_job = False

    def time(self) -> float:
        """Return virtual seconds."""
        return self._seconds

    def create_task(self, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        """Remember every task, to throw it away in the end."""
        task = super().create_task(coroutine, **options)
        self.tasks.append(task)
        return task

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> asyncio.Handle:
        """Put a callback in line, perhaps behind something that has just come from outside."""
        if self.is_strict and self.is_free and not self._in_job:
            self._let_come_first()
        return super().call_soon(callback, *args, context=context)

    def _let_come_first(self) -> None:
        while not self._is_coming:
            choice = self.tape.choose(1 + len(self.answers) + len(self.arrivals), Kind.ORDER)
            if not choice:
                return
            self._let_come(choice - 1)

    def _let_come(self, number: int) -> None:
        """Put an answer or an arrival at the end of the line."""
        self._is_coming = True
        if number < len(self.answers):
            self._ready.append(self.answers.pop(number))
        else:
            self._let_arrive(number - len(self.answers))
        self._is_coming = False

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Take the answer of a job; it arrives at another time."""
        if not self._in_job:
            return self.call_soon(callback, *args, context=context)
        handle = asyncio.Handle(callback, args, self, context)
        self.answers.append(handle)
        return handle

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Run a function as a job."""
        future = self.create_future()

        def settle(error: BaseException | None, result: object) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def work() -> None:
            try:
                result = func(*args)
            except BaseException as error:  # noqa: BLE001 - as a thread would
                self.call_soon_threadsafe(settle, error, None)
            else:
                self.call_soon_threadsafe(settle, None, result)

        executor.submit(work)
        return future

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Fail: nothing may go wrong unseen, but for the end of the world."""
        if self.is_closed():
            return  # what was thrown away with its run
        error = context.get("exception")
        if isinstance(error, Exception) or error is None:
            raise AssertionError(f"unhandled in the loop: {context.get('message')}: {error!r}") from error

    async def arrive(self) -> None:
        """Wait for the outside world to come to this point: the tape chooses when."""
        future = self.create_future()
        self.arrivals.append(future)
        await future

    def _run_once(self) -> None:
        self.steps += 1
        if self.steps > STEPS_MAX:
            raise StuckError(f"no end after {STEPS_MAX} steps")
        while self._scheduled and self._scheduled[0]._cancelled:
            heapq.heappop(self._scheduled)._scheduled = False
        if self.is_strict and self.jobs:
            self._work(self.jobs.pop(0))
        elif self.is_strict and self.is_free:
            self._step_in_line()
        else:
            self._step()
        self.after_step()

    def _step_in_line(self) -> None:
        outside = len(self.answers) + len(self.arrivals)
        usual = len(self._ready) + outside
        intervention = self.tape.choose(1 + len(self.interventions), Kind.ORDER) if usual else 0
        if intervention:
            self._intervene(intervention - 1)
        elif not usual or self._is_due_early():
            self._fire()
        elif self._ready:
            self._run_ready(0)
        else:
            self._let_come(self.tape.choose(outside, Kind.ORDER))

    def _is_due_early(self) -> bool:
        return bool(self.is_slow and self._scheduled and self.tape.choose(2, Kind.ORDER))

    def _step(self) -> None:
        sizes = [len(self._ready), len(self.answers), len(self.jobs), len(self.arrivals)]
        usual = sum(sizes)
        sizes.append(int(bool(self._scheduled) and (not usual or self.is_slow)))
        sizes.append(len(self.interventions) if usual else 0)
        size = usual + sizes[-2] + sizes[-1]
        if not size:
            raise StuckError(STUCK)
        choice, group = self.tape.choose(size, Kind.ORDER) if self.is_free else 0, 0
        while choice >= sizes[group]:
            choice -= sizes[group]
            group += 1
        (self._run_ready, self._run_answer, self._run_job, self._let_arrive, self._fire, self._intervene)[group](choice)

    def _run_ready(self, number: int) -> None:
        handle = self._ready[number]
        del self._ready[number]
        self._run(handle)

    def _run_answer(self, number: int) -> None:
        self._run(self.answers.pop(number))

    def _run_job(self, number: int) -> None:
        self._work(self.jobs.pop(number))

    def _let_arrive(self, number: int) -> None:
        future = self.arrivals.pop(number)
        if not future.done():
            future.set_result(None)

    def _intervene(self, number: int) -> None:
        self.interventions.pop(number)()

    def _run(self, handle: asyncio.Handle) -> None:
        if not handle._cancelled:
            handle._run()

    def _work(self, job: Callable[[], object]) -> None:
        self._in_job = True
        try:
            job()
        finally:
            self._in_job = False

    def _fire(self, number: int = 0) -> None:
        del number
        if not self._scheduled:
            raise StuckError(STUCK)
        timer = heapq.heappop(self._scheduled)
        timer._scheduled = False
        self._seconds = max(self._seconds, timer._when)
        if self._seconds > SECONDS_MAX:
            raise StuckError(f"the work is not done after {SECONDS_MAX} s")
        self._ready.append(timer)

    def _process_events(self, event_list: object) -> None:
        del event_list

    def _write_to_self(self) -> None:
        """Nobody sleeps."""


class SimulatedExecutor:
    """Stands in for the thread pool of the coordinator."""

    def __init__(self, *_: object, **__: object) -> None:
        self._loop = asyncio.get_running_loop()

    def submit(self, job: Callable[[], object]) -> None:
        """Let the loop run it some time."""
        assert isinstance(self._loop, SimulatedLoop)
        self._loop.jobs.append(job)

    def shutdown(self, *, wait: bool) -> None:
        """There are no threads to end."""
        del wait
