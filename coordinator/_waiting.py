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
        future = answered(ticket, asyncio.get_running_loop())
        try:
            await future
        finally:
            future.cancel()  # whatever ended the waiting: nobody listens any more
    return ticket.result()


def answered(ticket: Ticket, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """Return what is done when the ticket is; cancelling it, as a cancelled task does, only stops the listening."""
    future: asyncio.Future[None] = loop.create_future()
    ticket.listeners += (partial(_wake, future),)
    return future


def _wake(future: asyncio.Future[None]) -> bool:
    if future.done():
        return False
    future.set_result(None)
    return True


def empty_context() -> Context:
    """Return the context of our own tasks and hooks: nothing a caller has set may leak into them."""
    return Context()
