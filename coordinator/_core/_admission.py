"""Bounded admission: who may put how much into the queue, and who waits for room.

Room is counted in records and in bytes, for the session and for each writer, so that memory is bounded and a chatty
writer cannot starve the turn. Waiters are admitted in the order of their arrival among those whose writer has room;
the calls of one writer never overtake each other. A newcomer does not slip past a waiter that only lacks the room of
the session: large groups would starve.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from ._format import Draft
from ._tickets import Group, Stage, Ticket, WriterState

_arrivals = count()


def room_for(drafts: Sequence[Draft], stamp_bytes_max: int) -> int:
    """Return how many bytes a group may come to, when stamping makes each line that much longer."""
    if len(drafts) == 1:  # nearly always, and it is a tenth of an offer
        return len(drafts[0].line) + stamp_bytes_max
    return sum([len(draft.line) for draft in drafts]) + len(drafts) * stamp_bytes_max


class Pool:
    """Room for groups of records: `offer` takes it or waits for it, `free` gives it back, `admit` wakes the waiting."""

    __slots__ = (
        "_head_lacks_room", "_per_writer", "_waiting", "_writer_bytes_max", "_writer_records_max", "bytes",
        "bytes_max", "records", "records_max",
    )  # fmt: skip

    def __init__(
        self,
        records_max: int,
        bytes_max: int,
        *,
        writer_records_max: int | None = None,
        writer_bytes_max: int | None = None,
    ) -> None:
        self.records_max = records_max
        self.bytes_max = bytes_max
        self._per_writer = writer_records_max is not None
        self._writer_records_max = records_max if writer_records_max is None else writer_records_max
        self._writer_bytes_max = bytes_max if writer_bytes_max is None else writer_bytes_max
        self.records = 0
        self.bytes = 0
        self._waiting: dict[WriterState, deque[Group]] = {}
        self._head_lacks_room = False

    def fits_ever(self, records: int, size: int) -> bool:
        """Say whether a group of this size could be admitted to an empty pool."""
        return records <= min(self.records_max, self._writer_records_max) and size <= min(
            self.bytes_max, self._writer_bytes_max
        )

    def offer(self, group: Group, *, wait: bool) -> bool:
        """Take room for `group` now; if there is none, let it wait (or not) and return False."""
        first = not self._head_lacks_room and group.writer not in self._waiting
        if first and self._take(group):
            return True
        if wait:
            self._wait(group)
        return False

    def withdraw(self, group: Group) -> bool:
        """Let a waiting group go; False if it does not wait here."""
        line = self._waiting.get(group.writer)
        if line is None or group not in line:
            return False
        line.remove(group)
        if not line:
            del self._waiting[group.writer]
        return True

    def free(self, group: Group) -> None:
        """Give back the room of a group that is in the file, or gone."""
        records, size = len(group.drafts), group.bytes
        self.records -= records
        self.bytes -= size
        if self._per_writer:
            writer = group.writer
            writer.queued_records -= records
            writer.queued_bytes -= size
        group.pool = None
        assert self.records >= 0, "room was given back twice"
        assert self.bytes >= 0, "room was given back twice"

    def shrink(self, group: Group, drafts: Sequence[Draft]) -> None:
        """Give back a part of a group's room: only these drafts of it are still to be written."""
        self.free(group)
        group.bytes -= room_for(group.drafts, 0) - room_for(drafts, 0)
        group.drafts = drafts
        taken = self._take(group)
        assert taken, "a part of a group needs more room than all of it"

    def admit(self) -> list[Group]:
        """Take room for as many waiting groups as fit now, and return them in their order."""
        self._head_lacks_room = False
        if not self._waiting:
            return []
        admitted: list[Group] = []
        heads = [(line[0].arrival, line) for line in self._waiting.values()]
        heapq.heapify(heads)
        while heads and not self._head_lacks_room:
            _, line = heapq.heappop(heads)
            self._admit_head(line, heads, admitted)
        return admitted

    def _admit_head(self, line: deque[Group], heads: list[tuple[int, deque[Group]]], admitted: list[Group]) -> None:
        group = line[0]
        if not self._take(group):
            self._head_lacks_room = self._writer_has_room(group)
            return
        self.withdraw(group)
        admitted.append(group)
        if line:
            heapq.heappush(heads, (line[0].arrival, line))

    def move_waiting(self, other: Pool, which: Callable[[Group], bool]) -> None:
        """Let the waiting groups for which `which` is true wait in another pool instead, in their order."""
        for group in [group for group in self.waiting() if which(group)]:
            self.withdraw(group)
            other._wait(group)

    def waiting(self) -> Iterator[Group]:
        """Iterate over the groups without room, in the order of their arrival."""
        return iter(sorted((g for line in self._waiting.values() for g in line), key=lambda g: g.arrival))

    def _wait(self, group: Group) -> None:
        if not group.arrival:
            group.arrival = next(_arrivals) + 1
        group.stage = Stage.WAITING
        group.admitted = group.admitted or Ticket()
        self._waiting.setdefault(group.writer, deque()).append(group)
        self._head_lacks_room = self._head_lacks_room or self._writer_has_room(self._waiting[group.writer][0])

    def _take(self, group: Group) -> bool:
        """Take the room of a group, if all of it is there; spelled out, because every append comes through here."""
        records, size = len(group.drafts), group.bytes
        if self.records + records > self.records_max or self.bytes + size > self.bytes_max:
            return False
        if self._per_writer:
            writer = group.writer
            if (
                writer.queued_records + records > self._writer_records_max
                or writer.queued_bytes + size > self._writer_bytes_max
            ):
                return False
            writer.queued_records += records
            writer.queued_bytes += size
        self.records += records
        self.bytes += size
        group.pool = self
        return True

    def _writer_has_room(self, group: Group) -> bool:
        writer = group.writer
        return not self._per_writer or (
            writer.queued_records + len(group.drafts) <= self._writer_records_max
            and writer.queued_bytes + group.bytes <= self._writer_bytes_max
        )
