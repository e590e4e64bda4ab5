"""What somebody else may do to the file between any two calls, and how a session gets out of it."""

from __future__ import annotations

import os
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from coordinator import Change, CoordinatorError, Outcome, SessionState, TakeoverError

from .disk import side_files
from .machine import ADVANCE, NUMBER, Calls, healthy
from .model import Line, Turn, parsed


def changeable(machine: Any) -> bool:
    """Say whether there is a line that somebody else can spoil."""
    return healthy(machine) and bool(machine.model.lines) and not machine.model.torn


class DisturbedCalls(Calls):
    """The calls, with a second program at work on the file."""

    def append_foreign(self, raw: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(raw)
        self.unseen = True

    def break_turns(self, *, harmless: bool = False) -> None:
        for turn in self.turns:
            turn.broken = turn.broken or not (harmless and turn.tolerant)

    # What leaves the session usable

    @precondition(lambda self: healthy(self) and not self.model.torn)
    @rule(harmless=st.booleans(), lines=st.integers(1, 2))
    def foreign_records(self, *, harmless: bool, lines: int) -> None:
        self.settle()
        if not self.content():
            return
        for _ in range(lines):
            raw = self.foreign_line(harmless=int(harmless))
            self.append_foreign(raw + b"\n")
            self.model.lines.append(Line(parsed(raw), None, raw))
        self.break_turns(harmless=harmless)

    @precondition(changeable)
    @rule(raw=st.sampled_from([b"", b"garbage", b"\xff\x00", b'{"half":']), torn=st.booleans())
    def foreign_damage(self, raw: bytes, *, torn: bool) -> None:
        self.settle()
        self.model.torn = torn and raw != b""
        self.append_foreign(raw if self.model.torn else raw + b"\n")
        self.model.lines.append(Line(None, None, raw))
        self.break_turns()

    @precondition(changeable)
    @rule(how=st.sampled_from(["touch", "mode", "link", "copy"]))
    def touch(self, how: str) -> None:
        self.settle()
        other = self.path.with_name("other")
        if how == "touch":
            os.utime(self.path)
        elif how == "mode":
            self.path.chmod(0o640)
        elif how == "link":
            os.link(self.path, other)
            other.unlink()
        elif not self.unseen:
            other.write_bytes(self.content())
            other.replace(self.path)
            self.append("chat")  # what came behind an unseen copy would make it another file

    @precondition(lambda self: changeable(self) and not self.turns)
    @rule(writer=ADVANCE, tolerant=st.booleans(), harmless=st.booleans(), look=st.sampled_from(["", "append", "check"]))
    def disturbed_turn(self, writer: str, *, tolerant: bool, harmless: bool, look: str) -> None:
        """What chance alone would meet too seldom: a whole turn with a foreign line in it."""
        self.enter(writer, shared=False, tolerant=tolerant)
        self.foreign_records(harmless=harmless, lines=1)
        if look == "append":
            self.fence_append(0)
        elif look == "check":
            self.check(0)
        self.leave(self.turns[0], raised=None)

    @precondition(lambda self: changeable(self) and not self.turns)
    @rule(writer=ADVANCE, number=st.integers(1, 4))
    def race(self, writer: str, number: int) -> None:
        """The other program writes while our records are on their way, perhaps in a thread."""
        self.settle()
        foreign = []
        for _ in range(number):
            record = self.new_record()
            self.call(self.writer(writer).append_nowait, record)
            self.accepted(writer, record)
            raw = self.foreign_line()
            self.append_foreign(raw + b"\n")
            foreign.append(Line(parsed(raw), None, raw))
        self.run(self.session.drain())
        self.model.settle_race(self.content(), foreign)

    # What stops it

    @precondition(changeable)
    @rule(how=st.sampled_from(["edit", "truncate", "replace", "unlink"]), which=NUMBER, writer=ADVANCE)
    def spoil(self, how: str, which: int, writer: str) -> None:
        if self.unseen:
            self.append(writer)
        self.settle()
        whole = [turn for turn in self.turns if not turn.fence.broken]
        for turn in [] if whole else list(self.turns):
            self.leave(turn, raised=None)
        change = self.change(how, which)
        self.break_turns()
        self.stopped = True
        if whole:
            self.find_by_check(whole[which % len(whole)], change)
        elif how == "edit" or which % 2:
            self.find_by_fence(writer, change)
        else:
            self.keep(writer, change)
        assert self.session.state is SessionState.STOPPED

    def change(self, how: str, which: int) -> Change:
        content = self.content()
        header = len(content) - len(self.model.raw())
        if how == "edit":
            at = header + which % (len(content) - header)
            content = content[:at] + (b"#" if content[at : at + 1] != b"#" else b"%") + content[at + 1 :]
            self.path.write_bytes(content)
            return Change.REWRITTEN
        if how == "truncate":
            os.truncate(self.path, header + which % (len(content) - header))
            return Change.TRUNCATED
        if how == "replace":
            other = self.path.with_name("other")
            other.write_bytes(content + self.foreign_line() + b"\n")
            other.replace(self.path)
            return Change.REPLACED
        self.path.unlink()
        return Change.VANISHED

    def find_by_check(self, turn: Turn, change: Change) -> None:
        with pytest.raises(TakeoverError) as takeover:
            self.run(turn.fence.check())
        self.check_evidence(turn, takeover.value)
        assert takeover.value.change is change

    def find_by_fence(self, writer: str, change: Change) -> None:
        with pytest.raises(TakeoverError) as takeover:
            self.run(self.scope(writer).__aenter__())
        error = takeover.value
        assert (error.change, error.usable, error.written, error.unwritten) == (change, False, [], [])

    def keep(self, writer: str, change: Change | None) -> None:
        record = self.new_record()
        with pytest.raises(TakeoverError) as takeover:
            self.run(self.writer(writer).append(record))
        error = takeover.value
        assert (error.outcome, error.usable, error.written, error.unwritten) == (Outcome.KEPT, False, [], [])
        assert change is None or error.change is change
        self.accepted(writer, record)

    @precondition(lambda self: self.stopped)
    @rule(writer=ADVANCE)
    def append_stopped(self, writer: str) -> None:
        self.keep(writer, None)

    @precondition(lambda self: self.stopped)
    @rule()
    def wait_stopped(self) -> None:
        for act in (self.session.drain, self.session.sync):
            with pytest.raises(TakeoverError):
                self.run(act())

    # The way out

    @precondition(lambda self: self.stopped)
    @rule(discard=st.booleans())
    def reopen(self, *, discard: bool = False) -> None:
        discard = discard and not self.turns
        self.model.restart(self.content())
        before = set(side_files(self.path))
        reopened = self.run(self.session.reopen(discard=discard))
        new = set(side_files(self.path)) - before
        self.stopped = self.unseen = False
        if discard:
            assert reopened.discarded == len(self.model.pending)
            assert (reopened.side_file in new) == bool(self.model.pending)
            self.model.pending.clear()
        else:
            assert reopened.skipped == ()
        self.settle()
        assert self.session.state is SessionState.OPEN

    @precondition(lambda self: self.stopped and not self.turns)
    @rule()
    def close_stopped(self) -> None:
        kept = [line.record for line in self.model.pending]
        before = set(side_files(self.path))
        if kept:
            with pytest.raises(CoordinatorError) as failure:
                self.run(self.session.aclose())
            side_file = (set(side_files(self.path)) - before).pop()
            assert str(side_file) in str(failure.value)
            rows = [parsed(raw) for raw in side_file.read_bytes().splitlines()]
            assert [row["record"] for row in rows if row] == kept
        else:
            self.run(self.session.aclose())
        self.model.pending.clear()
        self.model.restart(self.content())
        self.open()
        self.stopped = self.unseen = False
        self.settle()
