"""Waiting for what plugins do in the background."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

LOOK_SECONDS = 0.002


async def until(condition: Callable[[], Any]) -> Any:
    """Wait until a condition (which may be async) holds, and return it; the test's own time-out is the deadline."""
    while True:
        holds = condition()
        if inspect.isawaitable(holds):
            holds = await holds
        if holds:
            return holds
        await asyncio.sleep(LOOK_SECONDS)
