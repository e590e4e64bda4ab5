"""What to do when the file was changed by somebody else, so that each record is in it once: never none, never twice."""

from __future__ import annotations

from collections.abc import Sequence

import stamina
import structlog

from coordinator import (
    Outcome,
    PendingReceipt,
    Record,
    Session,
    SessionState,
    TakeoverError,
    WriteFailedError,
    Writer,
)

log = structlog.get_logger("gateway")


async def recover(session: Session, writer: Writer, error: TakeoverError) -> None:
    """Write what a broken fence was given and could not write."""
    log.warning("foreign write", session=session.path.name, change=error.change.value, suspects=error.suspects)
    if not error.usable:
        await reopen(session)
    await append_surely(session, writer, error.unwritten)


async def append_surely(session: Session, writer: Writer, records: Sequence[Record]) -> None:
    """Append records; if the file is taken over once more, the session has kept them, and reopening writes them."""
    try:
        await writer.append_all(records)
    except (TakeoverError, WriteFailedError) as error:
        await _write_kept(session, error)


async def settle(session: Session, pending: PendingReceipt) -> None:
    """Wait until a record that was accepted is written; otherwise as `append_surely`."""
    try:
        await pending
    except (TakeoverError, WriteFailedError) as error:
        await _write_kept(session, error)


async def make_usable(session: Session) -> None:
    """Go on with a session that has stopped since it was last used."""
    if session.state in {SessionState.STOPPED, SessionState.FAILED}:
        await reopen(session)


@stamina.retry(on=TakeoverError, attempts=8, wait_initial=0.05)
async def reopen(session: Session) -> None:
    """Accept the file as it is, also if it is being changed while we do so."""
    reopened = await session.reopen()
    log.warning("session reopened", session=session.path.name, reopened=reopened)


async def _write_kept(session: Session, error: TakeoverError | WriteFailedError) -> None:
    if error.outcome is not Outcome.KEPT:
        raise error
    await reopen(session)
