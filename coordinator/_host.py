"""The plugin host: hooks that may be slow or broken without ever failing an append or a fence.

pluggy finds the implementations; they are called one by one, each in a task with an empty context and a bound of time,
because pluggy's own call would let one broken plugin keep the others from being called.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from ._context import enter_hook
from ._core._errors import ArgumentValueError
from ._core._events import Event, PluginFailed
from ._core._machine import Machine
from ._waiting import empty_context

if TYPE_CHECKING:
    from ._session import Session

PROJECT = "coordinator"
ENTRY_POINTS = "coordinator.plugins"

_hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Mark a plugin's method as the implementation of the hook of the same name."""


class Hooks:
    """The hooks a plugin may implement; each may be a plain or an async function and take any of the arguments."""

    @_hookspec
    def fence_entering(self, session: Session, writer: str, annotations: Mapping[str, object]) -> None:
        """Append what belongs before the line: runs after the turn has come and before the queue is drained."""


class Host:
    """Loads plugins, each alone, and calls their hooks, each alone."""

    def __init__(self, tell: Callable[[Event], None], *, hook_seconds_max: float) -> None:
        self._tell = tell
        self._hook_seconds_max = hook_seconds_max
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Hooks)
        self.broken: dict[str, str] = {}
        self.failures: Counter[str] = Counter()

    def load(self, plugins: Iterable[object] | Literal["installed"]) -> None:
        """Register these plugins, or all that are installed; a broken installed one is named and left out."""
        if plugins != "installed":
            for plugin in plugins:
                self.register(plugin)
            return
        for entry in entry_points(group=ENTRY_POINTS):
            try:
                loaded = entry.load()
                self._manager.register(loaded() if inspect.isclass(loaded) else loaded, entry.name)
            except Exception as error:  # noqa: BLE001 - one broken plugin must not keep the gateway from starting
                self._fail(entry.name, "load", error)
                self.broken[entry.name] = repr(error)

    def register(self, plugin: object) -> None:
        """Add a plugin; `ValueError` if it, or one of its name, is there already, or it implements a hook wrongly."""
        try:
            self._manager.register(plugin)
        except (ValueError, pluggy.PluginValidationError) as error:
            self._manager.unregister(plugin) if self._manager.is_registered(plugin) else None
            hint = "give each plugin a name of its own, and take only the arguments that the hook offers"
            raise ArgumentValueError(f"the plugin cannot be registered: {error}", hint=hint) from error

    def unregister(self, plugin: object) -> None:
        """Remove a plugin; `ValueError` if it is not registered."""
        if not self._manager.is_registered(plugin):
            raise ArgumentValueError(f"the plugin is not registered: {plugin!r}", hint="register it first")
        self._manager.unregister(plugin)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the registered plugins."""
        return tuple(name for name, plugin in self._manager.list_name_plugin() if plugin is not None)

    async def fence_entering(
        self, machine: Machine, session: object, writer: str, annotations: Mapping[str, object]
    ) -> None:
        """Call `fence_entering` of every plugin; what they append is before the line."""
        implementations = self._manager.hook.fence_entering.get_hookimpls()
        if not implementations:
            return
        offered: dict[str, Any] = {"session": session, "writer": writer, "annotations": annotations}
        for implementation in reversed(implementations):
            await self._call(implementation, offered, machine)

    async def _call(self, implementation: pluggy.HookImpl, offered: Mapping[str, Any], machine: Machine) -> None:
        async def run() -> None:
            enter_hook(machine)
            result: Any = implementation.function(*(offered[name] for name in implementation.argnames))
            if inspect.isawaitable(result):
                await result

        task = asyncio.get_running_loop().create_task(run(), context=empty_context())
        try:
            await asyncio.wait({task}, timeout=self._hook_seconds_max)
        finally:
            finished = task.done()
            task.cancel()
        error = _failure(task, finished=finished, seconds=self._hook_seconds_max)
        if error is not None:
            self._fail(implementation.plugin_name, "fence_entering", error)

    def _fail(self, plugin: str, hook: str, error: BaseException) -> None:
        self.failures[plugin] += 1
        self._tell(PluginFailed(None, plugin, hook, error))


def _failure(task: asyncio.Task[None], *, finished: bool, seconds: float) -> BaseException | None:
    if not finished:
        return TimeoutError(f"the hook took longer than {seconds} s")
    return asyncio.CancelledError() if task.cancelled() else task.exception()
