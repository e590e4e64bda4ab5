"""The plugin host: finds plugins, loads each alone, and tells them what happens.

pluggy finds the implementations; they are called one by one (`_plugin.py`), because pluggy's own call would let one
broken plugin keep the others from being called.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pluggy

from ._core._errors import ArgumentTypeError, ArgumentValueError
from ._core._events import Event, FenceBroken, ForeignChange, PluginFailed, RecordsWritten
from ._core._machine import Machine
from ._core._trouble import takeover
from ._hooks import ENTRY_POINTS, PROJECT, Hooks
from ._plugin import Call, Plugin, over, running_plugin
from ._statistics import PluginStatistics

if TYPE_CHECKING:
    from ._coordinator import Coordinator
    from ._session import Session


class Host:
    """Loads plugins, each alone, and calls their hooks, each alone."""

    def __init__(self, tell: Callable[[Event], None], *, hook_seconds_max: float) -> None:
        self._tell = tell
        self._hook_seconds_max = hook_seconds_max
        self._manager = pluggy.PluginManager(PROJECT)
        self._manager.add_hookspecs(Hooks)
        self._plugins: dict[str, Plugin] = {}
        self._coordinator: Coordinator | None = None
        self._owners: dict[Path, dict[str, Plugin]] = {}
        """Who made which writer of which session."""
        self.broken: dict[str, str] = {}
        self.failures: Counter[str] = Counter()

    # Coming and going

    def load(self, plugins: Iterable[object] | Literal["installed"]) -> None:
        """Register these plugins, or all that are installed; a broken installed one is named and left out."""
        if plugins != "installed":
            if isinstance(plugins, str) or not isinstance(plugins, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
                hint = 'pass a list of plugin objects, or the word "installed"'
                raise ArgumentTypeError(f"not plugins: {plugins!r}", hint=hint)
            for plugin in plugins:
                self.register(plugin)
            return
        for entry in entry_points(group=ENTRY_POINTS):
            self._load(entry)

    def _load(self, entry: EntryPoint) -> None:
        try:
            loaded = entry.load()
            self.register(loaded() if inspect.isclass(loaded) else loaded, entry.name)
        except Exception as error:  # noqa: BLE001 - one broken plugin must not keep the gateway from starting
            self._fail(None, entry.name, "load", error)
            self.broken[entry.name] = f"{type(error).__name__}: {error}"

    def register(self, plugin: object, name: str | None = None) -> None:
        """Add a plugin; `ValueError` if it, or one of its name, is there already, or it implements a hook wrongly."""
        name = name or _name_of(plugin)
        try:
            self._manager.register(plugin, name)
            self._manager.check_pending()
            implementations = self._implementations(plugin)
        except (ValueError, pluggy.PluginValidationError) as error:
            if self._manager.get_plugin(name) is plugin and name not in self._plugins:
                self._manager.unregister(plugin)
            hint = "give each plugin a `name` of its own, and take only the hooks and arguments that there are"
            raise ArgumentValueError(f"the plugin {name!r} cannot be registered: {error}", hint=hint) from error
        added = Plugin(name, implementations, self._fail, seconds_max=self._hook_seconds_max)
        self._plugins[name] = added
        self._catch_up(added)

    def _implementations(self, plugin: object) -> dict[str, list[pluggy.HookImpl]]:
        found = {
            caller.name: [each for each in reversed(caller.get_hookimpls()) if each.plugin is plugin]
            for caller in self._manager.get_hookcallers(plugin) or ()
        }
        if any(each.wrapper or each.hookwrapper for implementations in found.values() for each in implementations):
            raise ValueError("hooks are called one by one, so there is nothing to wrap")
        return found

    def _catch_up(self, plugin: Plugin) -> None:
        """Tell a plugin that comes late what is there already."""
        if self._coordinator is None:
            return
        self._call_started(plugin, self._coordinator)
        for session in self._coordinator.sessions.values():
            self._call_opened(plugin, session)

    async def unregister(self, plugin: object) -> None:
        """Remove a plugin and end its tasks; `ValueError` if it is not registered."""
        name = self._manager.get_name(plugin)
        if name is None or name not in self._plugins:
            raise ArgumentValueError(f"the plugin is not registered: {plugin!r}", hint="register it first")
        removed = self._plugins.pop(name)
        self._manager.unregister(plugin)
        await removed.end(asyncio.current_task())

    def started(self, coordinator: Coordinator) -> None:
        """Begin: the coordinator runs."""
        self._coordinator = coordinator
        for plugin in self._plugins.values():
            plugin.begin()
            self._call_started(plugin, coordinator)

    async def ended(self, caller: asyncio.Task[object] | None) -> None:
        """End the tasks of every plugin but that of the `caller`, who waits; the sessions are closed by now."""
        self._coordinator = None
        await asyncio.gather(*(plugin.end(caller) for plugin in self._plugins.values()))

    # What happens

    def session_opened(self, session: Session) -> None:
        """Tell every plugin of a new session."""
        for plugin in self._plugins.values():
            self._call_opened(plugin, session)

    def session_closing(self, session: Session) -> list[Call]:
        """Let every plugin append its last record; wait for what is returned with `closing_over`."""
        closer, arguments = running_plugin(), {"session": session}
        return [
            (plugin.call_beside if plugin is closer else plugin.call_later)("session_closing", session.path, arguments)
            for plugin in self._implementing("session_closing")
        ]

    async def closing_over(self, calls: list[Call]) -> None:
        """Wait for the plugins' last records, but no longer than one hook may take."""
        await over(calls, self._hook_seconds_max)

    def session_closed(self, path: Path) -> None:
        """Forget whose writers were whose."""
        self._owners.pop(path, None)

    async def fence_entering(
        self, machine: Machine, session: Session | None, writer: str, annotations: Mapping[str, object]
    ) -> None:
        """Call `fence_entering` of every plugin; what they append is before the line."""
        offered = {"session": session, "writer": writer, "annotations": annotations}
        for plugin in self._implementing("fence_entering"):
            await plugin.call("fence_entering", machine.path, offered, machine)

    def fence_left(self, session: Session, story: Mapping[str, object]) -> list[Call]:
        """Tell every plugin how a turn went; who has to wait for that uses `closing_over`."""
        return [
            plugin.call_later("fence_left", session.path, {"session": session, **story}, must=False)
            for plugin in self._implementing("fence_left")
        ]

    def notice(self, session: Session, machine: Machine, event: Event) -> None:
        """Pass on what plugins want to know."""
        if not self._plugins:
            return
        if isinstance(event, RecordsWritten):
            self._count(session.path, event)
            for plugin in self._implementing("records_written"):
                arguments = {"session": session, "receipts": event.receipts}
                plugin.call_later("records_written", session.path, arguments, must=False)
        elif isinstance(event, FenceBroken):
            self._tell_takeover(session, machine, event, writer=event.writer)
        elif isinstance(event, ForeignChange) and event.foreign.change.stops and not machine.fences.watching:
            self._tell_takeover(session, machine, event)

    def _tell_takeover(
        self, session: Session, machine: Machine, event: FenceBroken | ForeignChange, writer: str | None = None
    ) -> None:
        usable = machine.trouble is None
        for plugin in self._implementing("takeover"):
            error = takeover(event.foreign, path=session.path, usable=usable, ledger=event.ledger, writer=writer)
            plugin.call_later("takeover", session.path, {"session": session, "error": error}, must=False)

    def _implementing(self, hook: str) -> list[Plugin]:
        return [plugin for plugin in self._plugins.values() if plugin.implements(hook)]

    def _call_started(self, plugin: Plugin, coordinator: Coordinator) -> None:
        if plugin.implements("coordinator_started"):
            arguments = {"coordinator": coordinator, "spawn": plugin.spawn}
            plugin.call_later("coordinator_started", None, arguments)

    def _call_opened(self, plugin: Plugin, session: Session) -> None:
        if plugin.implements("session_opened"):
            arguments = {"session": session, "spawn": plugin.spawn}
            plugin.call_later("session_opened", session.path, arguments)

    # Counts

    def own(self, path: Path, writer: str) -> None:
        """Remember whose a new writer is, if a plugin is making it."""
        plugin = running_plugin()
        if plugin is not None:
            self._owners.setdefault(path, {})[writer] = plugin

    def disown(self, path: Path, writers: Iterable[str]) -> None:
        """Forget whose these writers were."""
        owners = self._owners.get(path, {})
        for writer in writers:
            owners.pop(writer, None)

    def _count(self, path: Path, event: RecordsWritten) -> None:
        owners = self._owners.get(path)
        if not owners:
            return
        for receipt in event.receipts:
            owner = owners.get(receipt.writer)
            if owner is not None:
                owner.records_written += 1
                owner.bytes_written += receipt.size

    @property
    def plugins(self) -> dict[str, object]:
        """Return the registered plugins by name."""
        return {name: self._manager.get_plugin(name) for name in self._plugins}

    def statistics(self) -> dict[str, PluginStatistics]:
        """Return what each registered plugin did and cost."""
        return {name: plugin.statistics() for name, plugin in self._plugins.items()}

    def _fail(self, path: Path | None, plugin: str, hook: str, error: BaseException) -> None:
        self.failures[plugin] += 1
        self._tell(PluginFailed(path, plugin, hook, error))


def _name_of(plugin: object) -> str:
    """Return the name a plugin gives itself, or the one Python gave it."""
    named = getattr(plugin, "name", None) or getattr(plugin, "__name__", None)
    return named if isinstance(named, str) else type(plugin).__name__
