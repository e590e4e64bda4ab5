"""Wrong arguments are refused at the call, before anything is done, by an error that is also the built-in one."""

from __future__ import annotations

import inspect
from math import isnan

from ._core._errors import ArgumentTypeError, ArgumentValueError, StrPath


def check_kind(name: str, value: object, *kinds: type, path: StrPath | None = None) -> None:
    """Refuse an argument of another type."""
    if not isinstance(value, kinds):
        wanted = " or ".join(kind.__name__ for kind in kinds)
        hint = f"pass a {wanted}, not a {type(value).__name__}"
        raise ArgumentTypeError(f"`{name}` is no {wanted}: {value!r}", path=path, hint=hint)


def check_function(name: str, value: object, *, path: StrPath | None = None) -> None:
    """Refuse what cannot be called, and what would only give a coroutine that nobody awaits."""
    if not callable(value) or inspect.iscoroutinefunction(value):
        raise ArgumentTypeError(f"`{name}` is no function: {value!r}", path=path, hint="pass a plain function")


def check_timeout(value: object, *, path: StrPath | None = None) -> None:
    """Refuse what is no number of seconds; None is no limit."""
    check_kind("timeout", value, float, int, type(None), path=path)
    if isinstance(value, float) and isnan(value):
        raise ArgumentValueError("`timeout` is not a number", path=path, hint="pass seconds, or None for no limit")
