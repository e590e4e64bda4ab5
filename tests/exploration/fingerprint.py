"""When two worlds are the same: whatever can still happen in one can happen in the other, and is judged alike.

Everything that can be reached from a world counts, but for what is listed here with its reason.
"""

from __future__ import annotations

import marshal
from collections import deque
from collections.abc import Callable
from enum import Enum
from hashlib import blake2b
from operator import attrgetter
from typing import Any

from .world import World

LEFT_OUT = {
    "World": {"is_news", "setting"},  # the first says of the way here, not of what can happen
    "Machine": {"path", "format", "limits", "durability", "events"}  # constant, or emptied after every action
    | {"ledger", "ledger_from", "last_change", "last_timestamp_ms"},  # evidence: shown, never asked
    "Fences": {"_path", "_ledger"},
    "FenceState": {"since", "ledger_from", "accept", "shared"},  # the last two are the task's
    "Group": {"arrival"},  # only the order counts, and waiting groups come in it
    "WriterState": {"written_records", "written_bytes", "refused"},  # statistics
    "Pool": {"records_max", "bytes_max", "_writer_records_max", "_writer_bytes_max", "_per_writer", "_waiting"},
    "Foreign": {"expected", "found", "first_records", "records", "tail"},  # what its range says already
    "Trouble": {"path", "ledger", "cause"},
}
ATOMS = frozenset({int, str, bytes, type(None), bool, float})
SEQUENCES = frozenset({list, tuple, deque})
ERROR = ("outcome", "change", "written", "unwritten", "forked", "usable")


def fingerprint(world: World) -> bytes:
    """Name a world by everything that counts."""
    tokens: list[Any] = []
    numbers: dict[int, int] = {}
    stack: list[Any] = [world.machine.inbox.waiting(), world]
    while stack:
        value = stack.pop()
        kind = value.__class__
        if kind in ATOMS:
            tokens.append(value)
        elif kind in SEQUENCES:
            tokens.append(len(value))
            stack += value
        elif kind is dict:
            tokens.append(len(value))
            stack += value
            stack += value.values()
        else:
            number = numbers.setdefault(id(value), len(numbers))
            tokens.append(number)
            if number == len(numbers) - 1:
                parts = _PARTS.get(kind) or _learn(kind, value)
                stack += parts(value)
    return blake2b(marshal.dumps(tokens, 2), digest_size=16).digest()


_PARTS: dict[type, Callable[[Any], tuple[Any, ...]]] = {}


def _learn(kind: type, value: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Find out once how a kind of object is taken apart."""
    if isinstance(value, Exception):
        names = [name for name in ERROR if hasattr(value, name)]
    elif isinstance(value, Enum):
        names = ["name"]
    elif callable(value):
        names = []
    else:
        names = [name for base in kind.__mro__ for name in getattr(base, "__slots__", ())]
        names += list(getattr(value, "__dict__", ()))
    kept = [name for name in dict.fromkeys(names) if name not in LEFT_OUT.get(kind.__name__, ())]
    getter = attrgetter(*kept) if kept else None
    label = kind.__name__
    parts = _PARTS[kind] = (
        (lambda _: (label,))
        if getter is None
        else (lambda each: (label, getter(each)))
        if len(kept) == 1
        else (lambda each: (label, *getter(each)))
    )
    return parts
