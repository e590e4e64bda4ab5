"""The gateway's log: one line for each thing that somebody should know, on standard error."""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import EventDict, WrappedLogger

CHARACTERS_MAX = 120
WHOLE = {"exc_info", "unwritten"}


def log_to_stderr() -> None:
    """Log warnings and worse; standard output belongs to the line that says where the server listens."""
    structlog.configure(
        processors=[
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.add_log_level,
            _shorten,
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def _shorten(_logger: WrappedLogger, _name: str, event: EventDict) -> EventDict:
    """Cut long values: evidence of a takeover is for the client who sees it, and for the file it is about."""
    return {key: value if key in WHOLE else _short(value) for key, value in event.items()}


def _short(value: object) -> object:
    text = value if isinstance(value, str) else repr(value)
    return value if len(text) <= CHARACTERS_MAX else f"{text[: CHARACTERS_MAX - 1]}…"
