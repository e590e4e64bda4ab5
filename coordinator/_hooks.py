"""The hooks that a plugin may implement: what each is called for, and with what.

A hook may be a plain or an async function and take any of the arguments. Every hook but `fence_entering` is called in
the background, in order for each plugin, so that no append and no fence ever waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pluggy

from ._core._errors import CoordinatorError, TakeoverError
from ._core._values import Receipt, Revision

if TYPE_CHECKING:
    from ._coordinator import Coordinator
    from ._session import Session

PROJECT = "coordinator"
ENTRY_POINTS = "coordinator.plugins"

_hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Mark a plugin's method as the implementation of the hook of the same name."""

Spawn = Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
"""Starts a long-running task of a plugin: its failure is reported by name, and it ends with the coordinator."""


class Hooks:
    """The hooks, in the order in which a session meets them."""

    @_hookspec
    def coordinator_started(self, coordinator: Coordinator, spawn: Spawn) -> None:
        """Begin to work; called again when the coordinator is started again, or when the plugin is registered late."""

    @_hookspec
    def session_opened(self, session: Session, spawn: Spawn) -> None:
        """Get to know a session; also those that were open when the plugin was registered."""

    @_hookspec
    def fence_entering(self, session: Session, writer: str, annotations: Mapping[str, object]) -> None:
        """Append what belongs before the line: runs after the turn has come and before the queue is drained."""

    @_hookspec
    def fence_left(  # noqa: PLR0917 - a plugin takes those it wants, by name
        self,
        session: Session,
        writer: str,
        annotations: Mapping[str, object],
        asked_at: float,
        entered_at: float | None,
        left_at: float,
        before: Revision | None,
        after: Revision,
        error: CoordinatorError | None,
        raised: BaseException | None,
    ) -> None:
        """Learn how a turn went, once its last comparison is done.

        Times are seconds since the epoch; `entered_at` and `before` are None if the fence was never entered. `before`
        and `after` are the revisions at both ends, so that `session.records(before.length)` begins with the turn's
        first record. `annotations` is the very mapping of the caller, who may have added to it meanwhile. `error` is
        what broke the fence (None: it was whole), `raised` what the body raised.
        """

    @_hookspec
    def records_written(self, session: Session, receipts: Sequence[Receipt]) -> None:
        """Learn that a batch is in the file; a plugin that falls behind misses some, so read `records` for them all."""

    @_hookspec
    def takeover(self, session: Session, error: TakeoverError) -> None:
        """Learn that somebody else changed the file: once for each fence that broke, or once if the session stopped."""

    @_hookspec
    def session_closing(self, session: Session) -> None:
        """Append the last record: the session refuses new ones when every plugin is done, or the time is over."""
