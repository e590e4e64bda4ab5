"""Waiting for a ticket: the one place where a task of the caller sleeps, and may be cancelled, inside the library."""

from __future__ import annotations

import asyncio
from contextvars import Context
from functools import partial
from typing import Any

from ._core._tickets import Ticket


async def wait(ticket: Ticket) -> Any:
    """Return a ticket's answer when it is there, or raise it; cancelling stops the waiting, nothing else."""
    if not ticket.done:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wake = partial(_wake, future)
        ticket.listen(wake)
        try:
            await future
        except BaseException:
            ticket.unlisten(wake)
            raise
    return ticket.result()


def _wake(future: asyncio.Future[None]) -> bool:
    if future.done():  # cancelled, and its task does not know yet
        return False
    future.set_result(None)
    return True


def empty_context() -> Context:
    """Return the context of our own tasks and hooks: nothing a caller has set may leak into them."""
    return Context()
