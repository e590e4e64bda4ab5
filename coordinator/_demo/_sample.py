"""The real session that the demo runs on."""

from __future__ import annotations

from pathlib import Path

_NAME = "long-2000.jsonl"


def sample_session() -> Path:
    """Return the session file that came with the package, or that of the checkout."""
    here = Path(__file__).parent
    for path in (here / _NAME, here.parents[1] / "tests" / "data" / _NAME):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{_NAME} is neither beside {here} nor in a checkout around it; install the package again")
