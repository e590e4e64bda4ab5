"""What is true of a world, kept beside the machine and compared with what the machine says after every action."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from coordinator._core._effects import Append, Effect
from coordinator._core._endings import Unwritten
from coordinator._core._errors import CoordinatorError, TakeoverError
from coordinator._core._invariants import check
from coordinator._core._running import Comparison
from coordinator._core._tickets import Group, Stage, Ticket
from coordinator._core._turns import FenceState
from coordinator._core._values import Change, Outcome

from .chained import FOREIGN, identity
from .disk import Job

if TYPE_CHECKING:
    from .tasks import Writer
    from .world import World

ACCEPTED = (Stage.QUEUED, Stage.HELD, Stage.WRITING, Stage.OVER)


class Window:
    """What is known of one turn from outside of the machine."""

    def __init__(self) -> None:
        self.before: list[str] = []
        """What had been accepted when the token was put into the queue."""
        self.is_open = False
        self.broken = False
        self.owes = ""
        """A comparison that was asked for: `look`, then `taken` when an effect was taken afterwards."""
        self.is_leaving = False
        self.replied = False
        """Whether the last thing done through the fence was a successful reply."""


class Truth:
    """The history of a world, as far as promises speak of it."""

    def __init__(self) -> None:
        self.accepted: list[str] = []
        """In the order in which the records must stand in the file."""
        self.offers: list[str] = []
        """Offered, and not accepted yet."""
        self.held: list[str] = []
        self.answers: dict[str, str] = {}
        self.windows: dict[str, Window] = {"chat": Window(), "memory": Window()}
        self.aside: list[str] = []
        self.stopped = False
        self.durable: tuple[str, ...] = ()
        """What a power cut must leave."""

    # Records

    def offered(self, record: str) -> None:
        """Remember the order of the calls."""
        self._forget(record)
        self.offers.append(record)

    def withdrawn(self, record: str) -> None:
        """Forget what will never be written."""
        self._forget(record)
        self.answers[record] = "withdrawn"

    def _forget(self, record: str) -> None:
        self.answers.pop(record, None)
        for records in (self.offers, self.held, self.accepted, *(window.before for window in self.windows.values())):
            if record in records:
                records.remove(record)

    def promises(self) -> tuple[object, ...]:
        """Return what a crash must not take away."""
        return self.durable, [record for record, answer in self.answers.items() if answer == "written"]

    def observe(self, world: World) -> None:
        """Compare everything that can be compared in any state."""
        check(world.machine)
        self._accept(world)
        for record, group in list(world.groups.items()):
            if group.done and record not in self.answers:
                self._answered(world, record, group)
            if group.stage is Stage.OVER and group.done:
                del world.groups[record]
        self._compare_file(world)
        for writer in world.writers:
            self._compare_window(world, writer)

    def _accept(self, world: World) -> None:
        stages = {record: group.stage for record, group in world.groups.items()}
        released = [record for record in self.held if stages.get(record) is not Stage.HELD]
        new = [record for record in self.offers if stages.get(record) in ACCEPTED]
        self.held = [record for record in self.held if record not in released]
        self.held += [record for record in new if stages[record] is Stage.HELD]
        self.offers = [record for record in self.offers if record not in new and record in stages]
        self.accepted += released + [record for record in new if stages[record] is not Stage.HELD]

    def _answered(self, world: World, record: str, group: Group) -> None:
        answer = "written" if group.error is None else self._meaning(record, group.error)
        self.answers[record] = answer
        landed = record in world.disk.places
        if answer == "written":
            assert landed, f"{record} was acknowledged and is not in the file"
            self._compare_receipt(world, record, group)
        elif answer in ("refused", "unwritten"):
            assert not landed or record in world.disk.lost, f"{record} is said to be {answer} and is in the file"

    @staticmethod
    def _meaning(record: str, error: Exception) -> str:
        assert isinstance(error, CoordinatorError)
        unwritten = [each["id"] for each in getattr(error, "unwritten", ())]
        written = [each.id for each in getattr(error, "written", ())]
        said = [record in unwritten, record in written, error.outcome not in (None, Outcome.NOT_WRITTEN)]
        assert sum(said) == 1 or (error.outcome is Outcome.NOT_WRITTEN and record not in written), (
            f"{record}: the error says {unwritten=} {written=} {error.outcome=}"
        )
        if error.outcome is not None:
            return "kept" if error.outcome is Outcome.KEPT else "refused"
        return "unwritten" if record in unwritten else "written"

    def _compare_receipt(self, world: World, record: str, group: Group) -> None:
        inode, offset, size = world.disk.places[record]
        (receipt,) = group.receipts
        assert (receipt.id, receipt.offset, receipt.size) == (record, offset, size), f"the receipt of {record} is wrong"
        if receipt.durable and inode == world.disk.inode:
            durable = sum(map(len, world.disk.lines[: world.disk.synced]))
            assert offset + size <= durable, f"{record} is said to be durable"
            self.durable = tuple(sorted({*self.durable, record}))

    def _compare_file(self, world: World) -> None:
        ids = [identity(line) for line in world.disk.lines[1:] if line != FOREIGN]
        assert len(ids) == len(set(ids)), f"the file has a record twice: {ids}"
        expected = [record for record in self.accepted if record in ids]
        assert ids == expected, f"the file has {ids}, accepted were {expected}"
        for record, answer in self.answers.items():
            if answer == "written":
                assert record in ids or record in world.disk.lost, f"{record} was acknowledged and is gone"
            elif answer in ("refused", "unwritten", "withdrawn"):
                assert record not in ids, f"{record} was {answer} and is in the file"

    # Effects

    def taken(self, world: World, effect: Effect) -> None:
        """A new effect begins now: whatever it looks at, it looks after what was asked before."""
        if isinstance(effect, Append):
            assert world.machine.trouble is None, "written in trouble"
            assert not world.disk.poisoned, "written after a failed sync"
        for window in self.windows.values():
            window.owes = "taken" if window.owes else ""

    def found(self, world: World, job: Job) -> None:
        """Say whose turn is broken by what was there when the store looked, whatever the machine will say."""
        for foreign in job.foreign:
            assert world.disk.disturbed, f"{foreign.change.value} by nobody"
            assert all(record["id"] == "foreign" for record in foreign.records or ()), "our own record is said foreign"
            self.stopped = self.stopped or foreign.change.stops
            for writer in world.writers:
                window = self.windows[writer.writer.name]
                tolerated = foreign.change is Change.APPENDED and writer.accept is not None and not foreign.slipped
                window.broken = window.broken or (window.is_open and not tolerated)
        if job.looked:
            for window in self.windows.values():
                if window.owes == "taken":
                    window.owes, window.is_open = "", not window.is_leaving and window.is_open

    def delivered(self, world: World, job: Job) -> None:
        """Open the window of a turn whose token was reached, and see that it was right to."""
        for writer in world.writers:
            fence, window = writer.fence, self.windows[writer.writer.name]
            if fence is None or window.is_open or writer.verbs[:1] != ("drain",):
                continue
            if fence.entered.done and fence.entered.error is None:
                self._entered(world, job, fence, window)
        self._replied(world, job)

    @staticmethod
    def _entered(world: World, job: Job, fence: FenceState, window: Window) -> None:
        assert job.looked, "a fence was entered without a look"
        assert fence.entered.result() == job.revision, "the revision is not that of the look"
        for record in window.before:
            told = record not in world.groups or world.groups[record].error is not None
            assert told or record in world.disk.places, f"a fence was entered before {record} was written"
        window.is_open, window.before = True, []
        world.truth.synced(world)

    def _replied(self, world: World, job: Job) -> None:
        for writer in world.writers:
            window, group = self.windows[writer.writer.name], writer.group
            if window.is_open and group is not None and group.fence is writer.fence and group.done:
                if group.error is None:
                    assert isinstance(job.effect, Append), "a reply was acknowledged by something else than its write"
                    assert job.looked, "a reply was written without a look"
                    window.replied = True
                writer.group = None

    # Turns

    def token(self, world: World, writer: Writer) -> None:
        """Remember what is before the line."""
        held = set(self.held)
        before = [record for record in self.accepted if record not in held and record in world.groups]
        self.windows[writer.writer.name].before = before

    def asked(self, writer: Writer) -> None:
        """A comparison was asked for."""
        self.windows[writer.writer.name].owes = "look"

    def compared(self, writer: Writer, ticket: Ticket) -> None:
        """A comparison was answered: with success only after a look."""
        window = self.windows[writer.writer.name]
        if ticket.error is None:
            assert not window.owes, "a comparison was answered without a look"
        window.owes = ""

    def abandoned(self, writer: Writer) -> None:
        """A turn was given up before its body began."""
        self.windows[writer.writer.name].is_open = False

    def left(self, world: World, writer: Writer, comparison: Comparison | None) -> None:
        """Whoever has not just replied owes a last look."""
        window, fence = self.windows[writer.writer.name], writer.fence
        assert fence is not None
        usable = not fence.broken and world.machine.trouble is None
        if window.replied or not usable or not window.is_open:
            window.is_open = False
            return
        window.is_leaving = True
        assert comparison is not None, "a fence was left without a look"
        assert comparison.look, "a fence was left without a look"
        window.owes = "look"

    def _compare_window(self, world: World, writer: Writer) -> None:
        fence, window = writer.fence, self.windows[writer.writer.name]
        if fence is None:
            return
        if window.broken:
            assert fence.cause is not None or fence.closed, "a foreign change was there, and the fence holds"
        else:
            assert fence.cause is None, "the fence was broken by nobody"

    def takeover(self, world: World, writer: Writer, error: TakeoverError) -> None:
        """A takeover was raised: it must have happened, and what it says of the records must be so."""
        assert self.windows[writer.writer.name].broken or self.stopped, "a takeover by nobody"
        for receipt in error.written:
            assert receipt.id in world.disk.places, f"{receipt.id} is said to be written"

    # The end

    def synced(self, world: World) -> None:
        """A sync was promised and answered."""
        self.durable = tuple(sorted(world.disk.places))

    def crashed(self, world: World, how: str) -> None:
        """See what a crash has left, and begin a new life with it."""
        left = [identity(line) for line in world.disk.lines[1:] if line != FOREIGN]
        promised = [record for record, answer in self.answers.items() if answer == "written"]
        for record in self.durable if how == "power cut" else promised:
            assert record in left or record in world.disk.lost, f"{record} did not survive: {how}"
        vars(self).update(vars(Truth()))
        self.accepted, self.answers = left, dict.fromkeys(left, "written")

    def put_aside(self, rows: list[Unwritten]) -> None:
        """Note what closing could not write."""
        self.aside += [json.loads(row.record)["id"] for row in rows]

    def end(self, world: World) -> None:
        """Judge a world in which nothing happens any more: what was accepted is in the file, or aside, or was told."""
        for record, answer in self.answers.items():
            landed = record in world.disk.places or record in self.aside
            assert answer != "kept" or landed or world.machine.trouble is not None, f"{record} was kept and is nowhere"
        undisturbed = (
            not world.closer.begun and world.cancels == world.setting.cancels and world.machine.trouble is None
        )
        forgotten = [record for record, answer in self.answers.items() if answer == "unwritten"]
        assert not (undisturbed and forgotten), f"nobody gave up, and these were not written: {forgotten}"
