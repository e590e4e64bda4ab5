"""The state machine alone: no file, no clock, no loop."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import orjson
import pytest

from coordinator._core._effects import Append, Close, Compare, Effect, Fault, Reopen, Report, Sync
from coordinator._core._endings import begin_close, break_fences, closed, reopened, request_close, request_reopen
from coordinator._core._errors import (
    ClosedError,
    CoordinatorError,
    QueueFullError,
    TakeoverError,
    WriteFailedError,
)
from coordinator._core._format import Draft, RecordFormat, Stamped
from coordinator._core._invariants import check
from coordinator._core._limits import Limits
from coordinator._core._machine import Machine
from coordinator._core._reports import fail, report
from coordinator._core._states import TRANSITIONS, Trigger
from coordinator._core._tickets import Group, Stage, WriterState
from coordinator._core._turns import FenceStage, FenceState
from coordinator._core._values import Change, Durability, Outcome, Record, SessionState, Tail
from tests.support.memory_store import MemoryStore

PATH = Path("/sessions/chat.jsonl")


class Numbered(RecordFormat):
    """The smallest format with a chain: each record names the one before it."""

    name = "numbered"
    has_header = False
    stamp_bytes_max = 0

    def new_header(self, given: Mapping[str, object] | None, *, now_ms: int) -> Record | None:
        return None

    def read_header(self, line: bytes) -> Record:
        return self.read(line) or {}

    def encode(self, record: Mapping[str, object]) -> Draft:
        return Draft(orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE), str(record["id"]))

    def stamp(self, draft: Draft, tail: Tail, *, now_ms: int) -> Stamped:
        line = orjson.dumps({**draft.record, "parent": tail.leaf}) + b"\n"
        return Stamped(line, draft.id, Tail(draft.id, now_ms))

    def read(self, line: bytes) -> Record | None:
        try:
            return dict(orjson.loads(line))
        except (ValueError, TypeError):
            return None

    def tail_of(self, record: Mapping[str, object]) -> Tail:
        return Tail(str(record["id"]), 0)


class World:
    """One machine and one store, moved by hand; every step checks the invariants."""

    def __init__(self, limits: Limits = Limits(), durability: Durability = Durability.NONE) -> None:  # noqa: B008
        self.format = Numbered()
        self.store = MemoryStore(self.format)
        self.machine = Machine(PATH, self.format, limits, durability)
        self.machine.opened(self.store.open(), None)
        self.ids = itertools.count(1)

    def writer(self, name: str, *, hold: bool = False) -> WriterState:
        return WriterState(name, hold=hold)

    def offer(self, writer: WriterState, count: int = 1, **options: Any) -> Group:
        drafts = [self.format.encode({"id": f"{writer.name}{next(self.ids)}"}) for _ in range(count)]
        group = self.machine.offer(writer, drafts, **options)
        check(self.machine)
        return group

    def step(self, change_report: Callable[[Report], Report] = lambda answer: answer) -> Effect | None:
        effect = self.machine.next_effect(now_ms=1)
        check(self.machine)
        if isinstance(effect, Reopen):
            reopened(self.machine, self.store.reopen(effect))
        elif isinstance(effect, Close):
            closed(self.machine, self.store.close(effect))
        elif effect is not None:
            report(self.machine, change_report(self.store.perform(effect)), now=0.0)
        check(self.machine)
        return effect

    def run(self) -> list[Effect]:
        return list(iter(self.step, None))

    def enter(self, writer: WriterState, **options: Any) -> FenceState:
        fence = self.machine.request_turn(
            writer, shared=options.pop("shared", False), accept=options.pop("accept", None), since=0.0
        )
        if fence.turn.done:
            self.machine.enter(fence)
        return fence

    def foreign(self, identity: str) -> None:
        self.store.content += orjson.dumps({"id": identity}) + b"\n"

    def file(self) -> list[str]:
        return [orjson.loads(line)["id"] for line in self.store.content.splitlines()]


def test_everything_that_is_pending_goes_into_one_batch() -> None:
    """Group commit: three writers, one write."""
    world = World()
    groups = [world.offer(world.writer(name)) for name in "abc"]
    effects = world.run()
    assert [type(effect) for effect in effects] == [Append]
    assert [group.result()[0].sequence for group in groups] == [1, 2, 3]


def test_records_are_chained_in_the_order_in_which_they_were_accepted() -> None:
    """The parent is stamped when the batch is built, not when the record was submitted."""
    world = World()
    for name in "ab":
        world.offer(world.writer(name), 2)
    world.run()
    lines = [orjson.loads(line) for line in world.store.content.splitlines()]
    assert [line["parent"] for line in lines] == [None, "a1", "a2", "b3"]


def test_a_fence_takes_its_revision_after_everything_accepted_before_it() -> None:
    """The drain is real: the token is reached when the queue before it is in the file."""
    world = World()
    before = world.offer(world.writer("memory"))
    fence = world.enter(world.writer("chat"))
    after = world.offer(world.writer("memory"))
    world.step()
    assert before.done
    assert not fence.entered.done
    world.step()
    assert fence.entered.result() == world.machine.revision
    assert not after.done


def test_own_writes_never_break_a_fence() -> None:
    """They move the revision along."""
    world = World()
    fence = world.enter(world.writer("chat"))
    world.run()
    world.offer(world.writer("memory"), 3)
    world.run()
    comparison = world.machine.leave(fence)
    world.run()
    assert comparison is not None
    assert comparison.result() is None


def test_a_foreign_line_breaks_the_fence_and_leaves_the_session_usable() -> None:
    """APPENDED is adopted: the next own record is chained after it."""
    world = World()
    chat = world.writer("chat")
    fence = world.enter(chat)
    world.run()
    world.foreign("x")
    reply = world.offer(chat, fence=fence)
    world.run()
    with pytest.raises(TakeoverError) as caught:
        reply.result()
    assert caught.value.change is Change.APPENDED
    assert caught.value.usable
    assert [record["id"] for record in caught.value.unwritten] == ["chat1"]
    world.offer(chat)
    world.run()
    assert world.file() == ["x", "chat2"]


def test_a_line_that_slips_in_is_reported_as_forked() -> None:
    """The record is in the file behind a line it does not know of."""
    world = World()
    chat = world.writer("chat")
    fence = world.enter(chat)
    world.run()
    world.store.between.append(b'{"id":"x"}\n')
    reply = world.offer(chat, fence=fence)
    world.run()
    with pytest.raises(TakeoverError) as caught:
        reply.result()
    assert caught.value.forked
    assert [receipt.id for receipt in caught.value.written] == ["chat1"]
    assert caught.value.unwritten == []


def test_an_accepted_foreign_line_does_not_break_the_fence() -> None:
    """`accept` decides per record; the reply is chained after it."""
    world = World()
    chat = world.writer("chat")
    fence = world.enter(chat, accept=lambda record: record["id"] == "x")
    world.run()
    world.foreign("x")
    reply = world.offer(chat, fence=fence)
    world.run()
    assert reply.result()[0].id == "chat1"
    assert world.machine.tail.leaf == "chat1"


def test_a_stopped_session_keeps_what_was_accepted_and_writes_it_after_reopen() -> None:
    """The caller is told KEPT; reopening writes the record, once."""
    world = World()
    memory = world.writer("memory")
    world.offer(memory)
    world.run()
    world.store.content[:] = b""
    kept = world.offer(memory)
    world.run()
    assert world.machine.state is SessionState.STOPPED
    with pytest.raises(TakeoverError) as caught:
        kept.result()
    assert caught.value.outcome is Outcome.KEPT
    assert not caught.value.usable
    request_reopen(world.machine, create=True)
    world.run()
    assert world.file() == ["memory2"]


def test_held_records_are_written_when_the_last_fence_ends() -> None:
    """A follow-up waits for the reply, and stands behind it."""
    world = World()
    chat, follow = world.writer("chat"), world.writer("follow", hold=True)
    fence = world.enter(chat)
    world.run()
    held = world.offer(follow)
    assert held.stage is Stage.HELD
    world.offer(chat, fence=fence)
    world.run()
    world.machine.leave(fence)
    world.run()
    assert world.file() == ["chat2", "follow1"]


def test_turns_come_in_order_and_shared_ones_overlap() -> None:
    """First come, first served; a shared fence does not pass a waiting exclusive one."""
    world = World()
    first = world.enter(world.writer("a"), shared=True)
    second = world.enter(world.writer("b"), shared=True)
    exclusive = world.enter(world.writer("c"))
    last = world.enter(world.writer("d"), shared=True)
    assert [fence.turn.done for fence in (first, second, exclusive, last)] == [True, True, False, False]
    world.run()
    world.machine.leave(first)
    world.machine.leave(second)
    assert exclusive.turn.done
    assert not last.turn.done


def test_a_full_disk_stalls_and_goes_on_in_order() -> None:
    """Nothing is lost or doubled, and the state is said."""
    world = World()
    group = world.offer(world.writer("memory"))
    world.machine.next_effect(now_ms=1)
    report(world.machine, Report(world.store.revision(), fault=Fault.ROOM, error=OSError(28, "full")), now=0.0)
    check(world.machine)
    assert world.machine.state is SessionState.STALLED
    assert world.step() is None
    world.machine.retry_due = True
    world.run()
    assert group.result()[0].offset == 0
    assert world.machine.state is SessionState.OPEN


def test_a_comparison_does_not_wait_behind_records_that_cannot_be_written() -> None:
    """Leaving a fence on a full disk ends."""
    world = World()
    fence = world.enter(world.writer("chat"))
    world.run()
    world.offer(world.writer("memory"))
    world.machine.next_effect(now_ms=1)
    report(world.machine, Report(world.store.revision(), fault=Fault.ROOM, error=OSError(28, "full")), now=0.0)
    comparison = world.machine.leave(fence)
    assert isinstance(world.step(), Compare)
    assert comparison is not None
    assert comparison.done


def test_a_check_comes_before_the_queue() -> None:
    """A comparison needs no room, so it never waits behind records that do."""
    world = World()
    fence = world.enter(world.writer("chat"))
    world.run()
    world.offer(world.writer("memory"))
    world.machine.check_fence(fence)
    assert [type(effect) for effect in world.run()] == [Compare, Append]


def test_a_store_that_names_too_few_places_hands_out_nothing() -> None:
    """A group without its receipt would be answered with nothing."""
    world = World()
    groups = [world.offer(world.writer(name)) for name in "ab"]
    world.machine.next_effect(now_ms=1)
    with pytest.raises(ValueError, match="shorter"):
        report(world.machine, Report(world.store.revision(), [0]), now=0.0)
    assert not any(group.done for group in groups)


def test_checks_never_keep_the_queue_waiting() -> None:
    """A fence that is checked again as soon as it was answered leaves every second effect to the queue."""
    world = World()
    fence = world.enter(world.writer("chat"))
    world.run()
    effects = list[Effect | None]()
    for _ in range(4):
        world.machine.check_fence(fence)
        world.offer(world.writer("memory"))
        effects.append(world.step())
    assert [type(effect) for effect in effects] == [Compare, Append, Compare, Append]


def test_a_failed_write_latches_the_session() -> None:
    """Everybody who waits is told, and told what became of the record."""
    world = World()
    group = world.offer(world.writer("memory"))
    world.machine.next_effect(now_ms=1)
    report(world.machine, Report(world.store.revision(), fault=Fault.WRITE, error=OSError(5, "io")), now=0.0)
    check(world.machine)
    assert world.machine.state is SessionState.FAILED
    with pytest.raises(WriteFailedError) as caught:
        group.result()
    assert caught.value.outcome is Outcome.KEPT
    with pytest.raises(WriteFailedError):
        world.machine.barrier(sync=False)


def test_a_chatty_writer_cannot_take_the_room_of_the_turn() -> None:
    """Its own bound is reached first."""
    world = World(Limits(session_records_max=4, writer_records_max=3))
    flood, chat = world.writer("flood"), world.writer("chat")
    groups = [world.offer(flood) for _ in range(5)]
    assert [group.stage for group in groups[2:]] == [Stage.QUEUED, Stage.WAITING, Stage.WAITING]
    assert world.offer(chat).stage is Stage.QUEUED
    with pytest.raises(QueueFullError):
        world.offer(flood, wait=False)
    world.run()
    assert world.file() == ["flood1", "flood2", "flood3", "chat6", "flood4", "flood5"]


def test_a_closed_writer_refuses_and_what_it_had_accepted_is_written() -> None:
    """Closing a writer loses nothing."""
    world = World(Limits(session_records_max=1))
    writer = world.writer("memory")
    accepted, waiting = world.offer(writer), world.offer(writer)
    world.machine.close_writer(writer)
    world.run()
    assert accepted.result()
    with pytest.raises(ClosedError):
        waiting.result()


def test_closing_takes_the_turn_from_a_fence_whose_hooks_still_run() -> None:
    """A closed session has no fence, also if a plugin's hook outlives the patience of closing."""
    world = World()
    fence = world.machine.request_turn(world.writer("chat"), shared=False, accept=None, since=0.0)
    begin_close(world.machine)
    break_fences(world.machine)
    request_close(world.machine)
    world.run()
    world.machine.enter(fence)
    with pytest.raises(ClosedError):
        fence.entered.result()


def test_a_record_for_a_fence_that_a_disk_has_broken_is_known_not_to_be_written() -> None:
    """Errors about a record say whether it may be sent again."""
    world = World()
    fence = world.enter(world.writer("chat"))
    world.run()
    fail(world.machine, OSError("broken"))
    with pytest.raises(WriteFailedError) as caught:
        world.offer(fence.writer, fence=fence)
    assert caught.value.outcome is Outcome.NOT_WRITTEN


def test_after_reopening_everything_is_to_be_synced_again() -> None:
    """Receipts may name what stands there, and nobody knows who has synced it."""
    world = World(durability=Durability.FENCE)
    world.offer(world.writer("memory"))
    world.machine.barrier(sync=True)
    world.run()
    assert world.machine.unsynced_bytes == 0
    fail(world.machine, OSError("broken"))
    request_reopen(world.machine, create=True)
    world.run()
    assert world.machine.unsynced_bytes == world.machine.revision.length > 0


def test_syncs_are_due_as_the_durability_says() -> None:
    """ALWAYS syncs each batch, FENCE at the fence, NONE never."""
    seen = {}
    for durability in Durability:
        world = World(durability=durability)
        world.offer(world.writer("memory"))
        world.enter(world.writer("chat"))
        seen[durability] = [getattr(effect, "sync", False) for effect in world.run()]
    assert seen == {
        Durability.NONE: [False, False],
        Durability.FENCE: [False, True],
        Durability.ALWAYS: [True, False],
    }


def test_a_sync_barrier_asks_for_a_sync_only_if_something_is_unsynced() -> None:
    """`sync` costs nothing on a clean session."""
    world = World(durability=Durability.FENCE)
    world.machine.barrier(sync=True)
    assert world.run() == []
    world.offer(world.writer("memory"))
    world.machine.barrier(sync=True)
    assert [type(effect) for effect in world.run()] == [Append, Sync]


@pytest.mark.parametrize("state", list(SessionState))
def test_every_state_but_the_last_can_be_left(state: SessionState) -> None:
    """The table has no trap."""
    ways = [after for (before, _), after in TRANSITIONS.items() if before is state and after is not state]
    assert bool(ways) == (state is not SessionState.CLOSED)


def test_a_transition_that_is_not_in_the_table_is_a_bug() -> None:
    """`go` takes nothing for granted."""
    with pytest.raises(KeyError):
        World().machine.go(Trigger.CLOSED)


class History:
    """One order of the acts of a small world; every act is tried at every moment."""

    ACTS = ("memory", "hold", "enter", "reply", "foreign", "slip", "leave", "step", "withdraw", "truncate", "reopen")

    def __init__(self) -> None:
        self.world = World(Limits(session_records_max=2, held_records_max=1))
        self.memory = self.world.writer("memory")
        self.hold = self.world.writer("hold", hold=True)
        self.chat = self.world.writer("chat")
        self.fence: FenceState | None = None
        self.groups: list[Group] = []
        self.foreign_done = False
        self.found_foreign = False

    def act(self, name: str) -> None:
        with contextlib.suppress(CoordinatorError):
            getattr(self, f"do_{name}")()
        check(self.world.machine)

    def do_memory(self) -> None:
        self.groups.append(self.world.offer(self.memory))

    def do_hold(self) -> None:
        self.groups.append(self.world.offer(self.hold))

    def do_enter(self) -> None:
        if self.fence is None or self.fence.stage is FenceStage.OVER:
            self.fence = self.world.enter(self.chat)

    def do_reply(self) -> None:
        if self.fence is not None:
            self.groups.append(self.world.offer(self.chat, fence=self.fence))

    def do_leave(self) -> None:
        if self.fence is not None and self.fence.stage is FenceStage.ACTIVE:
            self.world.machine.leave(self.fence)
        elif self.fence is not None:
            self.world.machine.abandon(self.fence)

    def do_foreign(self) -> None:
        self.world.foreign(f"x{next(self.world.ids)}")
        self.foreign_done = True

    def do_slip(self) -> None:
        self.world.store.between.append(b'{"id":"y%d"}\n' % next(self.world.ids))
        self.foreign_done = True

    def do_truncate(self) -> None:
        self.world.store.content[:] = b""
        self.foreign_done = True

    def do_step(self) -> None:
        self.world.step()

    def do_withdraw(self) -> None:
        if self.groups:
            self.world.machine.withdraw(self.groups[-1])

    def do_reopen(self) -> None:
        if self.world.machine.trouble is not None:
            request_reopen(self.world.machine, create=True)
            self.world.step()

    def finish(self) -> None:
        self.do_leave()
        for _ in range(30):
            self.do_reopen()
            self.world.run()
        check(self.world.machine)
        self.judge()

    def judge(self) -> None:
        machine = self.world.machine
        assert not list(machine.inbox.groups()), "nothing stays in the queue of a healthy session"
        if not self.foreign_done and self.fence is not None:
            assert self.fence.cause is None, "no foreign change, no takeover"
        file = self.world.file()
        if not any(change == "truncate" for change in self.acts):
            assert len(file) == len(set(file)), "each record once"
            for group in self.groups:
                if group.done and group.error is None:
                    assert group.receipts[0].id in file, "acknowledged means written"

    acts: tuple[str, ...] = ()


@pytest.mark.parametrize("first", History.ACTS)
def test_every_order_of_small_histories_keeps_the_invariants(first: str) -> None:
    """All orders of four acts: the invariants hold after each step, nothing is lost, doubled or blamed on us."""
    for rest in itertools.product(History.ACTS, repeat=3):
        history = History()
        history.acts = (first, *rest)
        for act in history.acts:
            history.act(act)
        try:
            history.finish()
        except AssertionError as error:
            error.add_note(f"history: {history.acts}")
            raise


class Starved(Numbered):
    """A format that runs out of memory at the second record."""

    def stamp(self, draft: Draft, tail: Tail, *, now_ms: int) -> Stamped:
        if tail.leaf is not None:
            raise MemoryError
        return super().stamp(draft, tail, now_ms=now_ms)


def test_out_of_memory_after_a_write_loses_and_doubles_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lines are in the file and nobody can be told: they are kept, and reopening finds them there."""
    world = World()
    groups = [world.offer(world.writer("memory")) for _ in range(2)]
    effect, running = world.machine.next_effect(now_ms=1), world.machine.running
    monkeypatch.setattr("coordinator._core._reports._hand_out", Mock(side_effect=MemoryError))
    with pytest.raises(MemoryError):
        report(world.machine, world.store.perform(effect), now=0.0)
    monkeypatch.undo()
    fail(world.machine, OSError(12, "out of memory"), running)
    check(world.machine)
    assert [group.error.outcome for group in groups] == [Outcome.KEPT] * 2
    request_reopen(world.machine, create=True)
    world.run()
    world.offer(world.writer("memory"))
    world.run()
    assert world.file() == ["memory1", "memory2", "memory3"]


def test_out_of_memory_while_a_batch_is_made_loses_nothing_of_the_queue() -> None:
    """Everybody who waits is told KEPT, and reopening writes what was kept, in its order."""
    world = World()
    healthy, world.machine.format = world.machine.format, Starved()
    groups = [world.offer(world.writer("memory")) for _ in range(3)]
    with pytest.raises(MemoryError):
        world.step()
    fail(world.machine, OSError(12, "out of memory"))
    check(world.machine)
    assert [group.error.outcome for group in groups] == [Outcome.KEPT] * 3
    world.machine.format = healthy
    request_reopen(world.machine, create=True)
    world.run()
    assert world.file() == ["memory1", "memory2", "memory3"]
