"""Every error of the library, grouped by who was wrong: the caller, or the world.

Each carries `path` (which session) and `hint` (what the person at the console should do next). Errors about a record
also carry `outcome`: whether it may be sent again.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._values import Change, Outcome, OwnWrite, Receipt, Record, Suspect

StrPath = str | os.PathLike[str]


class CoordinatorError(Exception):
    """Something the coordinator could not do; read `hint` for the next step."""

    def __init__(
        self, message: str, *, path: StrPath | None = None, hint: str = "", outcome: Outcome | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = None if path is None else Path(path)
        self.hint = hint
        self.outcome = outcome

    def __str__(self) -> str:
        where = f" [{self.path}]" if self.path is not None else ""
        what = f" (record: {self.outcome.value})" if self.outcome is not None else ""
        return f"{self.message}{where}{what}" + (f" — {self.hint}" if self.hint else "")


# The caller was wrong.


class ClosedError(CoordinatorError):
    """The coordinator, session, writer or fence is closed; open it again or stop writing."""

    unwritten: Sequence[Record] = ()


class QueueFullError(CoordinatorError):
    """There is no room in the queue; await `append`, or slow the writer down."""


class RecordError(CoordinatorError):
    """This record can never be written as it is, so mend it; nothing else was affected."""


class FenceOrderError(CoordinatorError):
    """Waiting here would wait for oneself: the fence that this code is inside of has to end first."""


class ArgumentValueError(CoordinatorError, ValueError):
    """An argument has a value that cannot work."""


class ArgumentTypeError(CoordinatorError, TypeError):
    """An argument has the wrong type."""


class UsageError(CoordinatorError, RuntimeError):
    """A call was made where it cannot work: another event loop, the wrong thread, before `start()`."""


# The world was wrong.


class PathError(CoordinatorError, OSError):
    """The path cannot be a session file: not there, a directory, a symbolic link, outside `root`, not permitted."""


class LockedError(CoordinatorError):
    """Another process owns the session; `pid` and `host` name it where that is known."""

    def __init__(self, message: str, *, pid: int | None = None, host: str | None = None, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.pid = pid
        self.host = host


class FormatError(CoordinatorError):
    """The file is not what its format says; it was left exactly as it is."""


class WriteFailedError(CoordinatorError):
    """The disk refused a write or a sync; `__cause__` is the OS error, `outcome` says what became of the record."""


class PositionLostError(CoordinatorError):
    """The file no longer has what the stored position points at; start again from 0."""


class DrainTimeoutError(CoordinatorError, TimeoutError):
    """The queue was not in the file in time; `pending` counts the waiting records by writer."""

    def __init__(self, message: str, *, pending: dict[str, int] | None = None, **rest: Any) -> None:
        super().__init__(message, **rest)
        self.pending = dict(pending or {})


class FenceTimeoutError(CoordinatorError, TimeoutError):
    """The turn did not come in time; `holder` has it, since `holder_seconds`."""

    def __init__(
        self, message: str, *, holder: str | None = None, holder_seconds: float | None = None, **rest: Any
    ) -> None:
        super().__init__(message, **rest)
        self.holder = holder
        self.holder_seconds = holder_seconds


class ThreadTimeoutError(CoordinatorError, TimeoutError):
    """`append_from_thread` did not get its receipt in time; `outcome` says whether the record may be sent again."""


class TakeoverError(CoordinatorError):
    """Somebody else changed the file while it mattered; the evidence is attached.

    Attributes: `change`; `expected` (what we believe, a `Revision`) and `found` (a fingerprint, None if there was no
    file); `foreign_range` (start and end offset) and `foreign_records` (at most 10, 64 KiB); `ledger` (our own writes
    in the window); `writer` (the fence's); `suspects`; `written` (receipts) and `unwritten` (records) of what the
    fence was given; `forked` (a record of ours stands behind a foreign line it does not know of); `usable` (False:
    `await session.reopen()` first).
    """

    def __init__(
        self,
        message: str,
        *,
        change: Change,
        expected: object = None,
        found: object = None,
        foreign_range: tuple[int, int] | None = None,
        foreign_records: Sequence[Record] = (),
        ledger: Sequence[OwnWrite] = (),
        writer: str | None = None,
        suspects: Sequence[Suspect] = (),
        written: Sequence[Receipt] = (),
        unwritten: Sequence[Record] = (),
        forked: bool = False,
        usable: bool = True,
        **rest: Any,
    ) -> None:
        super().__init__(message, **rest)
        self.change = change
        self.expected = expected
        self.found = found
        self.foreign_range = foreign_range
        self.foreign_records = list(foreign_records)
        self.ledger = list(ledger)
        self.writer = writer
        self.suspects = list(suspects)
        self.written = list(written)
        self.unwritten = list(unwritten)
        self.forked = forked
        self.usable = usable
