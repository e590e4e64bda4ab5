"""Another process that opens each path it is given and prints what came of it: `python -m tests.api.child MODE PATH…`.

`nobody` gives up root's rights first, `few files` leaves no descriptor free, `plainly` does neither.
"""

from __future__ import annotations

import asyncio
import json
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from coordinator import Coordinator, CoordinatorError

NOBODY = 65534


async def attempt(coordinator: Coordinator, path: str) -> dict[str, Any]:
    """Open one path, and say which error came."""
    try:
        session = await coordinator.open(path)
    except CoordinatorError as error:
        about = {"path": str(error.path), "hint": error.hint, "errno": getattr(error, "errno", None)}
        return {"error": type(error).__name__, "text": str(error), **about}
    await session.aclose()
    return {"error": None}


@contextmanager
def no_descriptor_left() -> Iterator[None]:
    """Use every descriptor up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    probe = os.dup(0)
    os.close(probe)
    resource.setrlimit(resource.RLIMIT_NOFILE, (probe, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def run(mode: str, paths: list[str]) -> list[dict[str, Any]]:
    """Open all paths."""
    async with Coordinator() as coordinator:
        if mode != "few files":
            return [await attempt(coordinator, path) for path in paths]
        with no_descriptor_left():
            answers = [await attempt(coordinator, path) for path in paths]
        for path in paths:
            assert await attempt(coordinator, path) == {"error": None}
        return answers


if __name__ == "__main__":
    if sys.argv[1] == "nobody":
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    print(json.dumps(asyncio.run(run(sys.argv[1], sys.argv[2:]))))
