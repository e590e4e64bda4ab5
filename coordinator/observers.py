"""Observers: plain callables that are told what happened.

`log_events` is the one that comes with the library. Nothing is logged unless it is asked for, and where structlog is
not configured it goes through the standard `logging` module: structlog's own default would print to standard output.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any

import structlog

from ._arguments import check_function, check_kind
from ._core._events import (
    AnswerUnheard,
    DiskFailed,
    DiskFull,
    Event,
    FenceBroken,
    ForeignChange,
    PluginFailed,
    SessionOpened,
    WaitingLong,
)

Observer = Callable[[Event], None]

_LOUD = (AnswerUnheard, DiskFailed, DiskFull, FenceBroken, ForeignChange, PluginFailed, WaitingLong)


def log_events(logger: Any = None) -> Observer:
    """Make an observer that logs every event: what needs a person as a warning, the rest as debug.

    `logger` is any structlog logger; by default structlog's, or, while structlog is not configured, the standard
    logger called `coordinator`.
    """

    def observe(event: Event) -> None:
        """Log one event."""
        target = logger if logger is not None else _default_logger()
        values = {field.name: getattr(event, field.name) for field in fields(event)}
        values["path"] = None if event.path is None else str(event.path)
        loud = isinstance(event, _LOUD) or (isinstance(event, SessionOpened) and event.notes)
        (target.warning if loud else target.debug)(event.name, **values)

    return observe


def _default_logger() -> Any:
    if structlog.is_configured():
        return structlog.get_logger("coordinator")
    return structlog.wrap_logger(
        logging.getLogger("coordinator"),
        processors=[structlog.stdlib.filter_by_level, structlog.stdlib.render_to_log_kwargs],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


class Observers:
    """Tells every observer; one that raises is counted and disturbs nobody."""

    def __init__(self, observers: Iterable[Observer]) -> None:
        check_kind("observers", observers, Iterable)
        self._observers = tuple(observers)
        for observer in self._observers:
            check_function("observers", observer)
        self.failures = 0

    def tell(self, event: Event) -> None:
        """Hand an event to every observer."""
        for observer in self._observers:
            try:
                observer(event)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:  # noqa: BLE001 - an observer must not be able to fail, or to cancel, an append
                self.failures += 1
