"""What happened, as frozen values: one type per outcome feeds logs, metrics, traces and screens alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ._effects import Foreign, Healed
from ._values import OwnWrite, Receipt, Revision, SessionState


@dataclass(frozen=True, slots=True)
class Event:
    """Something an observer may want to know; `path` names the session, None for the coordinator itself."""

    path: Path | None

    @property
    def name(self) -> str:
        """Return the name under which logs and metrics know this event, such as `records_written`."""
        letters = (f"_{letter.lower()}" if letter.isupper() else letter for letter in type(self).__name__)
        return "".join(letters).removeprefix("_")


@dataclass(frozen=True, slots=True)
class SessionOpened(Event):
    """A session was opened; what was healed and what is damaged."""

    revision: Revision
    healed: Healed
    damaged: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SessionClosed(Event):
    """A session was closed; `side_file` holds what could not be written."""

    side_file: Path | None = None
    unwritten: int = 0


@dataclass(frozen=True, slots=True)
class StateChanged(Event):
    """A session went from one state to another."""

    before: SessionState
    after: SessionState


@dataclass(frozen=True, slots=True)
class RecordsWritten(Event):
    """One batch is in the file."""

    receipts: tuple[Receipt, ...] = field(repr=False)
    lines: tuple[bytes, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ForeignChange(Event):
    """Somebody else changed the file; `forked` says that records of ours stand behind lines they do not know of."""

    foreign: Foreign
    forked: bool
    ledger: tuple[OwnWrite, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class FenceEntered(Event):
    """A turn began: everything accepted before is in the file."""

    writer: str
    revision: Revision


@dataclass(frozen=True, slots=True)
class FenceLeft(Event):
    """A turn ended; `broken_by` is what broke it (None: it was whole)."""

    writer: str
    broken_by: Foreign | None


@dataclass(frozen=True, slots=True)
class FenceBroken(Event):
    """A turn was taken over, the moment it was found."""

    writer: str
    foreign: Foreign
    ledger: tuple[OwnWrite, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class DiskFull(Event):
    """There is no room for the next batch; records are kept and tried again (said once)."""

    error: OSError


@dataclass(frozen=True, slots=True)
class DiskRoom(Event):
    """There is room again; the session goes on by itself."""


@dataclass(frozen=True, slots=True)
class DiskFailed(Event):
    """A write or a sync failed; nothing more is acknowledged until `reopen()`."""

    error: OSError
    while_syncing: bool


@dataclass(frozen=True, slots=True)
class AnswerUnheard(Event):
    """A record got an error and nobody was waiting for it."""

    writer: str
    error: Exception


@dataclass(frozen=True, slots=True)
class SessionReopened(Event):
    """The file was accepted as it is."""

    revision: Revision
    kept: int
    skipped: int


@dataclass(frozen=True, slots=True)
class SessionUnparked(Event):
    """An idle session is in use again; `handed_over`: another owner changed the file meanwhile."""

    revision: Revision
    handed_over: bool


@dataclass(frozen=True, slots=True)
class SessionRewritten(Event):
    """The whole content was replaced, by us."""

    revision: Revision


@dataclass(frozen=True, slots=True)
class WaitingLong(Event):
    """A turn, or a held record, has been waiting for longer than `wait_report_seconds`."""

    what: str
    writer: str
    holder: str | None
    seconds: float


@dataclass(frozen=True, slots=True)
class PluginFailed(Event):
    """A plugin's hook raised or took too long; the append or the fence went on without it."""

    plugin: str
    hook: str
    error: BaseException
