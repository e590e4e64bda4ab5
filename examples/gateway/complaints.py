"""What pydantic has to say against somebody's input, in a line each."""

from __future__ import annotations

from pydantic import ValidationError


def complaints(error: ValidationError) -> list[str]:
    """Return what is wrong, and with what."""
    return [": ".join(filter(None, (".".join(map(str, each["loc"])), each["msg"]))) for each in error.errors()]
