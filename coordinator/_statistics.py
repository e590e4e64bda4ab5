"""Snapshots for people and metrics: frozen, taken at the call, never kept."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ._core._machine import Machine
from ._core._tickets import WriterState
from ._core._values import Change, Revision, SessionState


@dataclass(frozen=True, slots=True)
class WriterStatistics:
    """The counts of one writer: written, waiting in the queue, and refused because there was no room."""

    name: str
    written_records: int
    written_bytes: int
    queued_records: int
    queued_bytes: int
    refused_records: int


@dataclass(frozen=True, slots=True)
class TurnStatistics:
    """One fence that has the turn, and for how long."""

    writer: str
    shared: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class SessionStatistics:
    """What a session is doing now."""

    path: Path
    state: SessionState
    revision: Revision
    records_written: int
    writers: Mapping[str, WriterStatistics]
    queued_records: int
    queued_bytes: int
    held_records: int
    waiting_calls: int
    unsynced_bytes: int
    turns: tuple[TurnStatistics, ...]
    turns_waiting: int
    damaged_lines: int
    notes: tuple[str, ...]
    """What opening has found that a person should know: a place where locks mean little, a file not read in full."""
    last_change: Change | None

    @property
    def turn_holder(self) -> str | None:
        """Return the writer whose fence has the turn (the oldest one, if shared)."""
        return self.turns[0].writer if self.turns else None

    @property
    def turn_seconds(self) -> float | None:
        """Return for how long the turn has been held."""
        return self.turns[0].seconds if self.turns else None


@dataclass(frozen=True, slots=True)
class PluginStatistics:
    """What one plugin did and cost; `hook_calls_dropped` were left out because it was too slow for them."""

    name: str
    records_written: int
    bytes_written: int
    hook_calls: int
    hook_calls_dropped: int
    hook_seconds_p50: float | None
    hook_seconds_p99: float | None
    failures: int
    tasks: int


@dataclass(frozen=True, slots=True)
class CoordinatorStatistics:
    """What a coordinator is doing now, over all its sessions."""

    sessions: Mapping[Path, SessionStatistics]
    records_written: int
    queued_records: int
    unsynced_bytes: int
    plugins: Mapping[str, PluginStatistics]
    plugins_broken: Mapping[str, str]
    hook_failures: Mapping[str, int]
    observer_failures: int


def session_statistics(
    machine: Machine, writers: Iterable[WriterState], *, notes: tuple[str, ...]
) -> SessionStatistics:
    """Take a snapshot of one session."""
    now = time.monotonic()
    inbox, turns = machine.inbox, machine.fences.turns
    rooms, held = (inbox.room, inbox.held_room), inbox.held
    held_records = sum(len(group.drafts) for group in held)
    return SessionStatistics(
        path=machine.path,
        state=machine.state,
        revision=machine.revision,
        records_written=machine.sequence,
        writers={writer.name: _writer_statistics(writer) for writer in writers},
        # What was held keeps its own room until it is written, so it may be in either, and is counted once.
        queued_records=sum(room.records for room in rooms) - held_records,
        queued_bytes=sum(room.bytes for room in rooms) - sum(group.bytes for group in held),
        held_records=held_records,
        waiting_calls=len(inbox.waiting()),
        unsynced_bytes=machine.unsynced_bytes,
        turns=tuple(TurnStatistics(f.writer.name, f.shared, now - f.since) for f in turns.holders),
        turns_waiting=len(turns.line),
        damaged_lines=machine.damaged,
        notes=notes,
        last_change=None if machine.last_change is None else machine.last_change.change,
    )


def _writer_statistics(writer: WriterState) -> WriterStatistics:
    return WriterStatistics(
        writer.name,
        writer.written_records,
        writer.written_bytes,
        writer.queued_records,
        writer.queued_bytes,
        writer.refused,
    )
