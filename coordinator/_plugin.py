"""One registered plugin: its hooks, called one after the other; its tasks; and what both have cost.

Whatever a plugin does, it is bounded: a hook in time, the calls that wait for it in number, and hooks that do not even
end when they are cancelled in number too, after which the plugin is not called until one of them ends.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pluggy

from ._context import enter_hook
from ._core._errors import ClosedError, QueueFullError
from ._core._machine import Machine
from ._core._tickets import Ticket
from ._statistics import PluginStatistics
from ._waiting import empty_context, wait

CALLS_MAX = 256
STUCK_MAX = 4
TIMES_MAX = 1024

_running: ContextVar[Plugin | None] = ContextVar("coordinator_plugin", default=None)

Fail = Callable[[Path | None, str, str, BaseException], None]
"""Reports a failure: session, plugin, hook, error."""


def running_plugin() -> Plugin | None:
    """Return the plugin whose hook or task is running, None in anybody else's code."""
    return _running.get()


@dataclass(slots=True, eq=False)
class Call:
    """One hook to be called, and whether that is over."""

    hook: str
    path: Path | None
    arguments: Mapping[str, object]
    over: Ticket = field(default_factory=Ticket)


class Plugin:
    """What the host knows of one plugin."""

    def __init__(
        self, name: str, implementations: Mapping[str, list[pluggy.HookImpl]], fail: Fail, *, seconds_max: float
    ) -> None:
        self.name = name
        self.records_written = 0
        self.bytes_written = 0
        self._implementations = implementations
        self._report = fail
        self._seconds_max = seconds_max
        self._calls: deque[Call] = deque()
        self._caller: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._hooks: set[asyncio.Task[Any]] = set()
        self._stuck: set[asyncio.Task[Any]] = set()
        self._ended = False
        self._failures = 0
        self._called = 0
        self._dropped = 0
        self._dropping = False
        self._seconds: deque[float] = deque(maxlen=TIMES_MAX)

    def implements(self, hook: str) -> bool:
        """Say whether calling this hook would do anything."""
        return hook in self._implementations

    def statistics(self) -> PluginStatistics:
        """Take a snapshot of what the plugin did and cost."""
        ordered = sorted(self._seconds)
        return PluginStatistics(
            name=self.name,
            records_written=self.records_written,
            bytes_written=self.bytes_written,
            hook_calls=self._called,
            hook_calls_dropped=self._dropped,
            hook_seconds_p50=ordered[len(ordered) // 2] if ordered else None,
            hook_seconds_p99=ordered[len(ordered) * 99 // 100] if ordered else None,
            failures=self._failures,
            tasks=len(self._tasks),
        )

    # Calling

    def call_later(self, hook: str, path: Path | None, arguments: Mapping[str, object], *, must: bool = True) -> Call:
        """Call a hook in the background, after those that wait already; `must` False may drop it when too many do."""
        call = Call(hook, path, arguments)
        if self._ended or (not must and len(self._calls) >= CALLS_MAX):
            self._drop(call)
        else:
            self._calls.append(call)
            if self._caller is None:
                self._caller = asyncio.get_running_loop().create_task(self._call_waiting(), context=empty_context())
        return call

    def call_beside(self, hook: str, path: Path | None, arguments: Mapping[str, object]) -> Call:
        """Call a hook in the background at once: the plugin's own code waits for it, so it must not wait in line."""
        call = Call(hook, path, arguments)
        self._start(self._call_one(call), self._hooks)
        return call

    async def call(self, hook: str, path: Path | None, arguments: Mapping[str, object], machine: Machine) -> None:
        """Call a hook now, inside a fence's entering: what it appends to this session advances."""
        await self._call_all(Call(hook, path, arguments), machine)

    def _drop(self, call: Call) -> None:
        self._dropped += 1
        if not self._dropping and not self._ended:
            self._dropping = True
            self._fail(call.path, call.hook, QueueFullError("the plugin is too slow: calls of its hooks are left out"))
        call.over.resolve()

    async def _call_waiting(self) -> None:
        try:
            while self._calls:
                await self._call_one(self._calls.popleft())
            self._dropping = False
        finally:
            self._caller = None

    async def _call_one(self, call: Call) -> None:
        try:
            await self._call_all(call, None)
        finally:
            call.over.resolve()

    async def _call_all(self, call: Call, machine: Machine | None) -> None:
        for implementation in self._implementations[call.hook]:
            if len(self._stuck) >= STUCK_MAX:
                self._drop(call)
                return
            began = time.perf_counter()
            try:
                await self._run(implementation, call, machine)
            except Exception as error:  # noqa: BLE001 - whatever a plugin raises is reported, and fails nobody
                self._fail(call.path, call.hook, error)
            finally:
                self._called += 1
                self._seconds.append(time.perf_counter() - began)

    async def _run(self, implementation: pluggy.HookImpl, call: Call, machine: Machine | None) -> None:
        context, began = self._context(machine), time.perf_counter()
        arguments = [call.arguments[name] for name in implementation.argnames]
        result: Any = context.run(implementation.function, *arguments)
        if inspect.isawaitable(result):
            await self._bounded(result, context)
        elif time.perf_counter() - began > self._seconds_max:
            raise TimeoutError(f"the hook blocked the event loop for more than {self._seconds_max} s")

    async def _bounded(self, awaitable: Any, context: Context) -> None:
        task = self._start(_awaited(awaitable), self._hooks, context)
        try:
            await asyncio.wait({task}, timeout=self._seconds_max)
        finally:
            if not task.done():
                task.cancel()
                self._stuck.add(task)
                task.add_done_callback(self._stuck.discard)
        if not task.done():
            raise TimeoutError(f"the hook took longer than {self._seconds_max} s")
        if task.cancelled():
            raise RuntimeError("the hook cancelled itself")
        task.result()

    def _fail(self, path: Path | None, hook: str, error: BaseException) -> None:
        self._failures += 1
        self._report(path, self.name, hook, error)

    # Tasks

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        """Start a task of the plugin; it ends with the coordinator, or when the plugin is removed."""
        if self._ended:
            coroutine.close()
            hint = "start tasks while the plugin is registered and the coordinator runs"
            raise ClosedError(f"the plugin {self.name!r} has ended", hint=hint)
        task = self._start(coroutine, self._tasks)
        task.add_done_callback(self._supervise)
        return task

    def _supervise(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(None, f"task {task.get_name()}", error)

    def _start(
        self, coroutine: Coroutine[Any, Any, None], among: set[asyncio.Task[Any]], context: Context | None = None
    ) -> asyncio.Task[None]:
        name = getattr(coroutine, "__qualname__", None)
        context = self._context(None) if context is None else context
        task = asyncio.get_running_loop().create_task(coroutine, name=name, context=context)
        among.add(task)
        task.add_done_callback(among.discard)
        # Nobody may be left to ask for its exception: it is reported where it is awaited or supervised.
        task.add_done_callback(lambda task: task.cancelled() or task.exception())
        return task

    def _context(self, machine: Machine | None) -> Context:
        context = empty_context()
        context.run(_running.set, self)
        if machine is not None:
            context.run(enter_hook, machine)
        return context

    # Beginning and end

    def begin(self) -> None:
        """Take calls (again)."""
        self._ended = False

    async def end(self, caller: asyncio.Task[Any] | None) -> None:
        """Finish the calls that wait, then end every task; what does not end in time is reported and left behind.

        The task of the `caller` is not ended: it waits for this.
        """
        inside = _running.get() is self
        if self._caller is not None and not inside:
            await asyncio.wait({self._caller}, timeout=self._seconds_max)
        self._ended = True
        self._drop_waiting()
        tasks = set(self._tasks)
        if caller is not None:
            tasks.discard(caller)
        if not inside:
            tasks |= self._hooks
            tasks |= {self._caller} if self._caller is not None else set[asyncio.Task[Any]]()
        await self._cancel(tasks)

    def _drop_waiting(self) -> None:
        while self._calls:
            self._drop(self._calls.popleft())

    async def _cancel(self, tasks: set[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        if not tasks:
            return
        _, left = await asyncio.wait(tasks, timeout=self._seconds_max)
        for task in left:
            self._fail(None, f"task {task.get_name()}", TimeoutError("the task did not end when it was cancelled"))


async def _awaited(awaitable: Any) -> None:
    await awaitable


async def over(calls: list[Call], seconds_max: float) -> None:
    """Wait until these calls are over, or the time is."""
    with anyio.move_on_after(seconds_max):
        for call in calls:
            await wait(call.over)
