"""The queue of one session: what was accepted, in the order in which it goes to the file, and what is held back.

Held records wait beside the queue, in room of their own, so that they never take room from anybody; when the last
fence ends they go to the end of the queue, in the order of their arrival.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator

from ._admission import Pool
from ._limits import Limits
from ._tickets import Barrier, Group, Rewriting, Stage
from ._turns import FenceState

Item = Group | FenceState | Barrier | Rewriting
"""A fence in the queue is its token."""


class Inbox:
    """Accepted groups, tokens and barriers in their order, and the groups that wait for room."""

    __slots__ = ("_batch_bytes_max", "held", "held_room", "queue", "room")

    def __init__(self, limits: Limits) -> None:
        self._batch_bytes_max = limits.batch_bytes_max
        self.room = Pool(
            limits.session_records_max,
            limits.session_bytes_max,
            writer_records_max=limits.writer_records_max,
            writer_bytes_max=limits.writer_bytes_max,
        )
        self.held_room = Pool(limits.held_records_max, limits.held_bytes_max)
        # A list, not a deque: an empty deque weighs ten times as much, and a batch leaves the front in one cut.
        self.queue: list[Item] = []
        self.held: list[Group] = []

    def offer(self, group: Group, *, held: bool, wait: bool) -> bool:
        """Accept a group if there is room; otherwise let it wait, or not."""
        if not (self.held_room if held else self.room).offer(group, wait=wait):
            return False
        self._accept(group, held=held)
        return True

    def _accept(self, group: Group, *, held: bool) -> None:
        group.stage = Stage.HELD if held else Stage.QUEUED
        (self.held if held else self.queue).append(group)
        if group.admitted is not None:
            group.admitted.resolve()

    def admit(self) -> None:
        """Accept whoever waited for the room that is there now."""
        for group in self.room.admit():
            self._accept(group, held=False)
        for group in self.held_room.admit():
            self._accept(group, held=True)

    def withdraw(self, group: Group) -> bool:
        """Forget a group that was not accepted yet."""
        gone = self.room.withdraw(group) or self.held_room.withdraw(group)
        if gone:
            group.stage = Stage.OVER
        return gone

    def hold_waiting(self, is_held: Callable[[Group], bool]) -> None:
        """Let the groups that wait for room, and would be held if they were accepted now, wait for held room."""
        self.room.move_waiting(self.held_room, is_held)

    def release_held(self) -> None:
        """Put the held groups at the end of the queue; they keep their own room until they are written."""
        for group in self.held:
            group.stage = Stage.QUEUED
        self.queue.extend(self.held)
        self.held.clear()
        self.held_room.move_waiting(self.room, lambda _group: True)

    def take(self) -> list[Group]:
        """Take the groups at the front that fit into one batch (a fence's append is a batch of its own)."""
        groups: list[Group] = []
        size, writing = 0, Stage.WRITING
        for item in self.queue:
            if not isinstance(item, Group):
                break
            size += item.bytes
            if groups and (item.fence is not None or size > self._batch_bytes_max):
                break
            item.stage = writing
            groups.append(item)
            if item.fence is not None:
                break
        del self.queue[: len(groups)]
        return groups

    def put_back(self, groups: list[Group]) -> None:
        """Return groups that were taken and not written to the front, in their order."""
        for group in groups:
            group.stage = Stage.QUEUED
        self.queue[:0] = groups

    def over(self, group: Group) -> None:
        """Give back what a group used: it is in the file, or gone."""
        group.stage = Stage.OVER
        pool: Pool | None = group.pool
        if pool is not None:
            pool.free(group)

    def waiting(self) -> list[Group]:
        """List the groups that wait for room."""
        return [*self.room.waiting(), *self.held_room.waiting()]

    def groups(self) -> Iterator[Group]:
        """Iterate over the accepted groups, the held ones last."""
        yield from (item for item in self.queue if isinstance(item, Group))
        yield from self.held

    def pending(self, being_written: Iterable[Group] = ()) -> dict[str, int]:
        """Count the accepted records by writer, those that are being written included."""
        counts: Counter[str] = Counter()
        for group in (*being_written, *self.groups()):
            counts[group.writer.name] += len(group.drafts)
        return dict(counts)
