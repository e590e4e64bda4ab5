"""The table of promises in `tests/README.md`, read as data: who keeps which promise."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "tests" / "README.md"
COUNT = 27
ROW = re.compile(r"^\| *(\d+) *\|(.*)\|(.*)\|(.*)\|(.*)\| *$")
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
MUTANT = re.compile(r'"([^"]+)"')


@dataclass(frozen=True)
class Promise:
    """One row: what is promised, the tests and mutants that hold us to it, the mechanisms that look for more."""

    number: int
    text: str
    tests: tuple[tuple[str, str], ...]
    """File (below `tests/`) and name."""
    mutants: tuple[str, ...]
    mechanisms: tuple[str, ...]


def promises(text: str | None = None) -> list[Promise]:
    """Read the rows of the table, in their order."""
    lines = (TABLE.read_text() if text is None else text).splitlines()
    return [_promise(*found.groups()) for found in map(ROW.match, lines) if found is not None]


def _promise(number: str, text: str, tests: str, mutants: str, mechanisms: str) -> Promise:
    words = tuple(word.strip() for word in mechanisms.split(",") if word.strip())
    return Promise(int(number), text.strip(), tuple(TEST.findall(tests)), tuple(MUTANT.findall(mutants)), words)


def named_tests() -> list[str]:
    """List the tests of the table as pytest wants them, each once."""
    return sorted({f"tests/{file}::{name}" for promise in promises() for file, name in promise.tests})
