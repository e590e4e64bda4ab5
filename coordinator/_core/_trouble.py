"""From findings to errors: one place that words what went wrong and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ._effects import Fault, Foreign
from ._errors import CoordinatorError, TakeoverError, WriteFailedError
from ._values import Change, Outcome, OwnWrite

_WHAT: Mapping[Change, str] = {
    Change.LOCK_LOST: "somebody removed or replaced the session's lock",
    Change.VANISHED: "somebody removed the session file",
    Change.REPLACED: "somebody replaced the session file",
    Change.TRUNCATED: "somebody truncated the session file",
    Change.REWRITTEN: "somebody rewrote a part of the session file",
    Change.APPENDED: "somebody else appended to the session file",
    Change.TORN: "somebody else appended an unfinished line to the session file",
    Change.TOUCHED: "somebody touched the session file",
}
_GO_ON = "the session goes on: append again what is in `unwritten`, then find out who else writes this file"
_REOPEN = "look at the file, then `await session.reopen()` to accept it as it is; kept records are written then"


def takeover(
    foreign: Foreign, *, path: Path, usable: bool, ledger: Sequence[OwnWrite] = (), **about: Any
) -> TakeoverError:
    """Build the error that answers "what wrote, and was it us?"."""
    spread = None if foreign.start is None or foreign.end is None else (foreign.start, foreign.end)
    where = "" if spread is None else f" (bytes {spread[0]} to {spread[1]})"
    return TakeoverError(
        _WHAT[foreign.change] + where,
        path=path,
        hint=_GO_ON if usable else _REOPEN,
        change=foreign.change,
        expected=foreign.expected,
        found=foreign.found,
        foreign_range=spread,
        foreign_records=foreign.first_records,
        suspects=foreign.suspects,
        ledger=ledger,
        usable=usable,
        **about,
    )


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why a session does not write: a takeover (`foreign`) or a failing disk (`fault`, `cause`)."""

    path: Path
    foreign: Foreign | None = None
    ledger: tuple[OwnWrite, ...] = ()
    fault: Fault | None = None
    cause: OSError | None = None

    def error(self, outcome: Outcome | None = None) -> CoordinatorError:
        """Build a fresh error for one caller: shared ones would collect each other's tracebacks."""
        if self.foreign is not None:
            return takeover(self.foreign, path=self.path, usable=False, ledger=self.ledger, outcome=outcome)
        act = "sync" if self.fault is Fault.SYNC else "write"
        hint = "see to the disk, then `await session.reopen()`; kept records are written then"
        error = WriteFailedError(f"a {act} failed: {self.cause}", path=self.path, hint=hint, outcome=outcome)
        error.__cause__ = self.cause
        return error
