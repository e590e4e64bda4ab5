"""A plugin that writes down what it is told, and a way to wait until it was told something."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from coordinator import Event, hookimpl


class Listener:
    """Implements every hook, and lets a test wait for what it heard."""

    def __init__(self, name: str = "listener") -> None:
        self.name = name
        self.heard: list[tuple[str, Any]] = []
        self._changed = asyncio.Event()

    def hear(self, hook: str, what: Any = None) -> None:
        """Note a call."""
        self.heard.append((hook, what))
        self._changed.set()

    @property
    def hooks(self) -> list[str]:
        """Return the names of the hooks that were called, in order."""
        return [hook for hook, _ in self.heard]

    async def until(self, hook: str, times: int = 1) -> Any:
        """Wait until a hook was called so often, and return what it was told the last time."""
        while self.hooks.count(hook) < times:
            self._changed.clear()
            await self._changed.wait()
        return [what for name, what in self.heard if name == hook][times - 1]

    @hookimpl
    def coordinator_started(self, coordinator):
        """Note it."""
        self.hear("coordinator_started", coordinator)

    @hookimpl
    async def session_opened(self, session):
        """Note it."""
        self.hear("session_opened", session.path.name)

    @hookimpl
    def fence_entering(self, writer, annotations):
        """Note it."""
        self.hear("fence_entering", (writer, dict(annotations)))

    @hookimpl
    def fence_left(  # noqa: PLR0917 - the hook's arguments
        self, writer, annotations, asked_at, entered_at, left_at, before, after, error, raised
    ):
        """Note it."""
        story = locals()
        self.hear("fence_left", story)

    @hookimpl
    def records_written(self, receipts):
        """Note it."""
        self.hear("records_written", [receipt.writer for receipt in receipts])

    @hookimpl
    def takeover(self, error):
        """Note it."""
        self.hear("takeover", error)

    @hookimpl
    async def session_closing(self, session):
        """Note it."""
        self.hear("session_closing", session.path.name)


class Events(list[Event]):
    """An observer that remembers."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def failures(self) -> list[tuple[str, str]]:
        """Return which plugin failed in which hook."""
        return [(event.plugin, event.hook) for event in self if event.name == "plugin_failed"]


@pytest.fixture
def listener() -> Listener:
    """Return a plugin that hears everything."""
    return Listener()


@pytest.fixture
def new_listener() -> Callable[[str], Listener]:
    """Return a way to make more of them."""
    return Listener


@pytest.fixture
def events() -> Events:
    """Return an observer."""
    return Events()
