"""Sizes, times and foreign text, as people read them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime

KILO = 1000
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_SPACES = re.compile(r"\s+")
_AGES = ((60, "s"), (60, "min"), (24, "h"), (365, "d"))


def size_text(size: float) -> str:
    """Write a number of bytes shortly, such as `1.4 MB`."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if size < KILO:
            break
        size, unit = size / KILO, larger
    return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"


def age_text(seconds: float) -> str:
    """Write for how long something has been so, such as `3 min`."""
    number = max(seconds, 0.0)
    for limit, unit in _AGES:
        if number < limit:
            return f"{number:.0f} {unit}"
        number /= limit
    return f"{number:.1f} years"


def count_text(number: int, noun: str) -> str:
    """Write a count with its noun, such as `2,003 records`."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def time_of(time_ms: int) -> datetime:
    """Return a time of a record; the first day of the epoch stands for none."""
    return datetime.fromtimestamp(time_ms / KILO, UTC)


def json_text(value: object, *, ensure_ascii: bool = True) -> str:
    """Write a value as JSON; it may come from a file, and be nested more deeply than can be written."""
    try:
        return json.dumps(value, ensure_ascii=ensure_ascii, default=str)
    except RecursionError:
        return '"(nested too deeply to be shown)"'


def visible(text: str) -> str:
    """Make foreign text harmless for a terminal: what would control it is shown, half characters are replaced."""
    harmless = _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text.replace("\r\n", "\n"))
    return harmless.encode(errors="replace").decode()


def one_line(text: str, characters_max: int) -> str:
    """Bring foreign text onto one line of limited length."""
    flat = visible(_SPACES.sub(" ", text[: 4 * characters_max]).strip())
    return flat if len(flat) <= characters_max else f"{flat[: characters_max - 1]}…"
