"""Every bound of the library in one place; nothing waits, grows or retries without one of these."""

from __future__ import annotations

from dataclasses import dataclass, fields

from ._errors import ArgumentValueError

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """Bound what a session may use; pass one to `Coordinator(limits=...)`, change only what you need.

    Sizes are bytes, times are seconds, the rest are counts. A record must fit every bound that applies to it: the
    smallest one decides. `None` means "no bound", where it is allowed.
    """

    record_bytes_max: int = 8 * MIB
    """The largest encoded record; a larger one is a `RecordError` at the call."""
    batch_bytes_max: int = 16 * MIB
    """How much one write takes; a group of `append_all` must fit, because it is never split."""
    session_records_max: int = 65_536
    session_bytes_max: int = 32 * MIB
    """What may wait in the queue of one session."""
    writer_records_max: int = 16_384
    writer_bytes_max: int = 16 * MIB
    """What may wait of one writer, so that a chatty one cannot starve the turn."""
    held_records_max: int = 4_096
    held_bytes_max: int = 16 * MIB
    """What may be held for the end of a fence, beside the bounds above."""
    unsynced_bytes_max: int = 8 * MIB
    unsynced_bytes_total_max: int = 128 * MIB
    """What may be in files but not on stable storage: it is kept in memory until a sync succeeded."""
    content_check_bytes_max: int | None = 16 * MIB
    """Up to this size every fence comparison reads the whole file; above it only when something looks wrong."""
    open_files_max: int = 512
    """How many descriptors sessions may hold (two each: file and lock); idle ones beyond it give theirs back."""
    drain_seconds_max: float = 60.0
    """How long entering a fence waits for the disk."""
    close_seconds_max: float = 30.0
    """How long closing waits for held fences, and after that for the queue; a call that hangs may take longer."""
    hook_seconds_max: float = 5.0
    """How long one plugin hook may take."""
    torn_wait_seconds: float = 0.1
    """How long a foreign line without its end may take to be finished."""
    sync_idle_seconds: float = 1.0
    """How long written bytes stay unsynced in `FENCE` mode when nothing else happens."""
    wait_report_seconds: float = 30.0
    """After how long a waiting turn or a held record is reported to the observers."""

    def __post_init__(self) -> None:
        """Refuse what cannot work at the place where it was written."""
        for bound in fields(self):
            value = getattr(self, bound.name)
            optional = bound.name == "content_check_bytes_max"
            if (value is None and optional) or (isinstance(value, (int, float)) and self._fits(bound.name, value)):
                continue
            least = ">= 0" if self._may_be_zero(bound.name) else "> 0"
            message = f"Limits.{bound.name} must be {least}, not {value!r}"
            raise ArgumentValueError(message, hint="the unit is in the name")

    @classmethod
    def _fits(cls, name: str, value: float) -> bool:
        return value >= 0 if cls._may_be_zero(name) else value > 0

    @staticmethod
    def _may_be_zero(name: str) -> bool:
        return name.endswith("_seconds") or "_seconds_" in name or name == "content_check_bytes_max"
