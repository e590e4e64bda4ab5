"""What the demo takes from the checkout around it: a real session, and the example gateway."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

_NAME = "long-2000.jsonl"
_GATEWAY_NEEDS = (
    "apscheduler", "httpx", "pydantic_settings", "stamina", "starlette", "uvicorn",
    "coordinator_memory_index", "coordinator_model_snapshot", "coordinator_trajectory_sync",
)  # fmt: skip


def sample_session() -> Path:
    """Return the session file that came with the package, or that of the checkout."""
    here = Path(__file__).parent
    for path in (here / _NAME, here.parents[1] / "tests" / "data" / _NAME):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{_NAME} is neither beside {here} nor in a checkout around it; install the package again")


def example_gateway() -> Path | None:
    """Return the folder that the example gateway can be imported from, if it and all that it needs are there."""
    folder = Path(__file__).parents[2] / "examples"
    if not (folder / "gateway" / "__main__.py").is_file():
        return None
    return folder if all(find_spec(name) for name in _GATEWAY_NEEDS) else None
