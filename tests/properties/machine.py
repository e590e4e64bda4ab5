"""Any order of calls and of foreign changes on one session, on a real file, against the model.

Every rule runs the event loop until its calls are answered, in a context of its own: a fence is entered in one task and
left in another, as by an async generator, and no rule is seen as being inside of it.
"""

from __future__ import annotations

import asyncio
import contextvars
import shutil
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from coordinator import (
    PI,
    PLAIN,
    Coordinator,
    Durability,
    FenceTimeoutError,
    Limits,
    Position,
    SessionState,
    TakeoverError,
)

from .disk import entries
from .model import Line, Model, Record, Turn, parsed

WRITERS = {"chat": "advance", "memory": "advance", "follow-up": "hold", "cron": "hold"}
ADVANCE = st.sampled_from(["chat", "memory"])
ANY_WRITER = st.sampled_from(sorted(WRITERS))
NUMBER = st.integers(0, 1000)


def healthy(machine: Any) -> bool:
    """Say whether the session writes."""
    return not machine.stopped


class Calls(RuleBasedStateMachine):
    """The calls, each with what must come of it."""

    record_format = PLAIN

    def __init__(self) -> None:
        super().__init__()
        self.directory = tempfile.mkdtemp()
        self.path = Path(self.directory, "session.jsonl")
        self.runner = asyncio.Runner()
        self.model = Model(has_header=self.record_format is PI)
        self.turns: list[Turn] = []
        self.made = 0
        self.stopped = False
        self.unseen = False
        """A foreign change may not have been found yet."""

    # How the rules act

    def run(self, act: Coroutine[Any, Any, Any]) -> Any:
        async def bounded() -> Any:
            async with asyncio.timeout(20):
                return await act

        return self.runner.run(bounded(), context=contextvars.copy_context())

    def call(self, function: Any, *arguments: Any) -> Any:
        async def called() -> Any:
            return function(*arguments)

        return self.run(called())

    def writer(self, name: str) -> Any:
        return self.call(self.writer_here, name)

    def writer_here(self, name: str) -> Any:
        return self.session.writer(name, during_fence=WRITERS[name])

    def scope(self, writer: str, **options: Any) -> Any:
        return self.call(lambda: self.writer_here(writer).fence(**options))

    def content(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    def new_record(self) -> Record:
        self.made += 1
        kind = {"type": "custom"} if self.record_format is PI else {}
        return {**kind, "number": self.made}

    def foreign_line(self, **more: object) -> bytes:
        stamps = {"id": f"foreign-{self.made}", "parentId": self.session.leaf} if self.record_format is PI else {}
        return str({**self.new_record(), **stamps, **more}).replace("'", '"').replace("None", "null").encode()

    def accepted(self, writer: str, *records: Record) -> None:
        owned = any(turn.writer == writer for turn in self.turns)
        held = WRITERS[writer] == "hold" and self.turns and not owned
        (self.model.held if held else self.model.pending).extend(Line(record, writer) for record in records)

    def settle(self) -> None:
        if not self.stopped:
            wrote = bool(self.model.pending)
            self.run(self.session.drain())
            self.model.settle(self.content())
            self.unseen = self.unseen and not wrote
            self.count()

    def count(self) -> None:
        statistics = self.session.statistics()
        assert statistics.state is SessionState.OPEN
        assert (statistics.queued_records, statistics.held_records) == (0, len(self.model.held))

    # Beginning and end

    @initialize(durability=st.sampled_from(Durability), old=st.integers(0, 3))
    def begin(self, durability: Durability, old: int) -> None:
        limits = Limits(torn_wait_seconds=0, sync_idle_seconds=0.01)
        self.coordinator = Coordinator(durability=durability, limits=limits)
        self.run(self.coordinator.start())
        self.open()
        for _ in range(old):
            self.append("chat")

    def open(self) -> None:
        self.session = self.run(self.coordinator.open(self.path, format=self.record_format))

    def reopen(self) -> None:
        """Get out of trouble, where there is any."""

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            self.runner.close()
            shutil.rmtree(self.directory)

    def finish(self) -> None:
        for turn in list(self.turns):
            self.leave(turn, raised=ValueError())
        if self.stopped:
            self.reopen()
        self.run(self.coordinator.aclose())
        self.model.settle(self.content())
        assert not self.model.held

    # Writing

    @precondition(healthy)
    @rule(writer=ADVANCE)
    def append(self, writer: str) -> None:
        record = self.new_record()
        receipt = self.run(self.writer(writer).append(record))
        self.accepted(writer, record)
        self.settle()
        content = self.content()
        assert parsed(content[receipt.offset : receipt.offset + receipt.size]) == self.model.lines[-1].record
        assert receipt.offset + receipt.size == len(content)
        assert receipt.writer == writer

    @precondition(healthy)
    @rule(writer=ADVANCE, size=st.integers(0, 3))
    def append_all(self, writer: str, size: int) -> None:
        records = [self.new_record() for _ in range(size)]
        receipts = self.run(self.writer(writer).append_all(records))
        assert [receipt.sequence - receipts[0].sequence for receipt in receipts] == list(range(size))
        self.accepted(writer, *records)
        self.settle()

    @precondition(healthy)
    @rule(writer=ANY_WRITER, number=st.integers(1, 3), settle=st.booleans())
    def append_nowait(self, writer: str, number: int, *, settle: bool) -> None:
        for _ in range(number):
            record = self.new_record()
            self.call(self.writer(writer).append_nowait, record)
            self.accepted(writer, record)
        if settle:
            self.settle()

    @precondition(healthy)
    @rule(writer=ANY_WRITER)
    def submit(self, writer: str) -> None:
        record = self.new_record()
        pending = self.run(self.writer(writer).submit(record))
        self.accepted(writer, record)
        if not self.model.held:
            assert self.run(_await(pending)).writer == writer

    @precondition(healthy)
    @rule()
    def sync(self) -> None:
        self.run(self.session.sync())
        self.settle()
        assert self.session.statistics().unsynced_bytes == 0

    # Turns

    @precondition(healthy)
    @rule(writer=ANY_WRITER, shared=st.booleans(), tolerant=st.booleans())
    def enter(self, writer: str, *, shared: bool, tolerant: bool) -> None:
        accept = (lambda record: record.get("harmless", False)) if tolerant else None
        if not self.is_free(shared):
            self.settle()
        scope = self.scope(writer, shared=shared, accept=accept, timeout=None if self.is_free(shared) else 0)
        if not self.is_free(shared):
            with pytest.raises(FenceTimeoutError) as timeout:
                self.run(scope.__aenter__())
            assert timeout.value.holder in {turn.writer for turn in self.turns}
            return
        fence = self.run(scope.__aenter__())
        self.unseen = False
        self.settle()
        assert fence.revision.length == len(self.content())
        self.turns.append(Turn(writer, shared, tolerant, scope, fence))

    def is_free(self, shared: bool) -> bool:
        overlaps = shared and not self.model.held and all(turn.shared for turn in self.turns)
        return overlaps or not self.turns

    @precondition(lambda self: self.turns)
    @rule(which=NUMBER)
    def fence_append(self, which: int) -> None:
        turn, record = self.turns[which % len(self.turns)], self.new_record()
        self.settle()
        if turn.broken:
            turn.unwritten.append(record)
            with pytest.raises(TakeoverError) as takeover:
                self.run(turn.fence.append(record))
            self.check_evidence(turn, takeover.value)
            return
        receipt = self.run(turn.fence.append(record))
        turn.appended_last, turn.written = True, turn.written + 1
        self.model.pending.append(Line(record, turn.writer))
        self.settle()
        assert receipt.offset + receipt.size == len(self.content())

    @precondition(lambda self: self.turns)
    @rule(which=NUMBER)
    def check(self, which: int) -> None:
        turn = self.turns[which % len(self.turns)]
        self.settle()
        turn.appended_last = False
        if turn.broken:
            with pytest.raises(TakeoverError) as takeover:
                self.run(turn.fence.check())
            self.check_evidence(turn, takeover.value)
        else:
            self.run(turn.fence.check())
            self.unseen = False

    def check_evidence(self, turn: Turn, error: TakeoverError) -> None:
        turn.told, turn.appended_last = True, False
        assert turn.fence.broken
        assert error.unwritten == turn.unwritten
        assert len(error.written) == turn.written
        assert (error.usable, error.writer, error.path) == (not self.stopped, turn.writer, self.path)
        assert error.hint

    @precondition(lambda self: self.turns)
    @rule(which=NUMBER, fails=st.booleans())
    def leave_one(self, which: int, *, fails: bool) -> None:
        self.leave(self.turns[which % len(self.turns)], ValueError() if fails else None)

    def leave(self, turn: Turn, raised: Exception | None) -> None:
        self.settle()
        leaving = turn.scope.__aexit__(None if raised is None else type(raised), raised, None)
        if raised is None and turn.broken and not turn.told and not turn.appended_last:
            with pytest.raises(TakeoverError) as takeover:
                self.run(leaving)
            self.check_evidence(turn, takeover.value)
        else:
            assert not self.run(leaving)
        self.turns.remove(turn)
        if not self.turns:
            self.model.pending += self.model.held
            self.model.held.clear()
        self.settle()
        if turn.unwritten and not self.stopped and not self.is_held(turn.writer):
            self.run(self.writer(turn.writer).append_all(turn.unwritten))
            self.accepted(turn.writer, *turn.unwritten)
            self.settle()

    def is_held(self, writer: str) -> bool:
        return WRITERS[writer] == "hold" and bool(self.turns)

    @precondition(lambda self: healthy(self) and not self.turns)
    @rule(others=st.lists(ANY_WRITER, max_size=4), replies=st.integers(0, 2))
    def busy_turn(self, others: list[str], replies: int) -> None:
        """What chance alone would meet too seldom: a whole turn, with everybody writing meanwhile."""
        self.enter("chat", shared=False, tolerant=False)
        for writer in others:
            self.append_nowait(writer, 1, settle=False)
        for _ in range(replies):
            self.fence_append(0)
        self.leave(self.turns[0], raised=None)

    # Reading

    @precondition(healthy)
    @rule(which=NUMBER, count=st.integers(0, 5))
    def read(self, which: int, count: int) -> None:
        self.settle()
        found = self.run(entries(self.session))
        expected = self.model.records
        assert [entry.record for entry in found] == expected[: len(found)]
        assert self.unseen or len(found) == len(expected)
        assert [entry.record for entry in self.run(self.session.tail(count))] == [
            entry.record for entry in found[max(0, len(found) - count) :]
        ]
        if found:
            entry = found[which % len(found)]
            rest = found[which % len(found) + 1 :]
            assert self.run(_read_from(self.session, Position.parse(str(entry.position)))) == rest
            assert self.run(_read_from(self.session, entry.offset)) == [entry, *rest]

    # Rewriting and closing

    @precondition(lambda self: healthy(self) and not self.unseen and not self.model.torn)
    @rule(keep=st.integers(1, 3), settle=st.booleans())
    def rewrite(self, keep: int, *, settle: bool) -> None:
        if settle:
            self.settle()
        if not self.model.records:
            return
        self.model.lines += self.model.pending
        self.model.pending.clear()
        generation = self.session.generation
        self.run(self.session.rewrite(lambda records: (one for one in records if _stays(one, keep))))
        self.model.lines = [line for line in self.model.lines if line.record is None or _stays(line.record, keep)]
        self.learn_rewritten()
        assert self.session.generation == generation + 1

    def learn_rewritten(self) -> None:
        _, raws, rest = self.model.split(self.content())
        assert rest == b""
        for line, raw in zip(self.model.lines, raws, strict=True):
            found = self.model.record_of(raw)
            if line.record is None or found is None:
                assert raw == line.raw
            else:
                assert found == {**found, **line.record}  # a foreign one may have lacked a stamp
            line.raw, line.record = raw, found

    @precondition(lambda self: healthy(self) and not self.turns)
    @rule()
    def close_and_open(self) -> None:
        self.settle()
        self.run(self.session.aclose())
        self.model.settle(self.content())
        if self.model.torn:
            self.model.lines.pop()
        self.open()
        self.model.torn = self.unseen = False
        self.model.settle(self.content())


def _stays(record: Record, keep: int) -> bool:
    return record.get("number", 0) % keep == 0  # somebody may have changed the key


async def _await(pending: Any) -> Any:
    return await pending


async def _read_from(session: Any, start: Position | int) -> list[Any]:
    return [entry async for entry in session.records(start)]
