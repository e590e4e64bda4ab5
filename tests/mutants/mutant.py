"""What a mutant is."""

from __future__ import annotations

from dataclasses import dataclass

CORE, STORE, FORMATS, SHELL = "coordinator/_core/", "coordinator/_store/", "coordinator/_formats/", "coordinator/"
QUIET = "tests/scenarios/test_own_writes_stay_quiet.py::"
TURNS = "tests/scenarios/test_turns_wait_for_each_other.py::"
FOUND = "tests/scenarios/test_foreign_writers_are_found.py::"
WORLD = "tests/scenarios/test_the_world_around_the_file.py::"


@dataclass(frozen=True)
class Mutant:
    """One change: `old` stands exactly once in `file` and becomes `new`; `killer` is the test that must go red."""

    name: str
    file: str
    old: str
    new: str
    killer: str
