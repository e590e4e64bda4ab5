"""The files that stand beside a session file: what was cut, what could not be written, what was left over."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

RECOVERED = ".recovered"
RECOVERING = ".recovering"
_SIDE_FILE = re.compile(r"(?P<session>.+)\.(?P<kind>unwritten|torn)-\d{8}T\d{6}Z(-\d+)?")
_STRAY = re.compile(r"\.(?P<session>.+)\.rewrite-[0-9a-f]{16}(-old)?")


@dataclass(slots=True)
class Beside:
    """What stands beside one session file."""

    unwritten: list[Path] = field(default_factory=list[Path])
    torn: list[Path] = field(default_factory=list[Path])
    strays: list[Path] = field(default_factory=list[Path])


def session_of(side_file: Path) -> str | None:
    """Return the name of the session that a file of unwritten records belongs to; None if it is no such file."""
    found = _SIDE_FILE.fullmatch(side_file.name)
    return None if found is None or found["kind"] != "unwritten" else found["session"]


def sort_names(directory: Path, names: Iterable[str]) -> dict[str, Beside]:
    """Sort the names of one directory by the session they belong to."""
    beside: defaultdict[str, Beside] = defaultdict(Beside)
    for name in sorted(names):
        side_file, stray = _SIDE_FILE.fullmatch(name), _STRAY.fullmatch(name)
        if side_file is not None:
            found = beside[side_file["session"]]
            (found.unwritten if side_file["kind"] == "unwritten" else found.torn).append(directory / name)
        elif stray is not None:
            beside[stray["session"]].strays.append(directory / name)
    return beside


def find_beside(path: Path) -> Beside:
    """Find what stands beside one session file."""
    return sort_names(path.parent, os.listdir(path.parent)).get(path.name, Beside())
