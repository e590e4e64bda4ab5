"""The simulation finds wrong changes: each of these is a mistake that somebody might make, and is found at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest

from coordinator import Change, LockedError
from coordinator._core._inbox import Inbox
from coordinator._core._machine import Machine
from coordinator._driver import Driver
from coordinator._store import _compare
from coordinator._store._batch import Batch
from coordinator._store._compare import Comparer
from coordinator._store._content import Content, Remembered, times_of
from coordinator._store._durable import Durable
from coordinator._store._rewrite import Rewriter
from coordinator._store._write import Appender

from .explore import attempt, replay, shrink
from .store import simulated
from .system import SimulatedLock
from .tape import RandomTape, pack

SCHEDULES_MAX = 2000


@pytest.fixture(autouse=True)
def _cut_off() -> Iterator[None]:
    with simulated():
        yield


def first_failure(world: str) -> tuple[str, str]:
    """Return what was found first, and the token of its run."""
    for seed in range(SCHEDULES_MAX):
        tape = RandomTape(seed)
        wrong = attempt(world, tape)
        if wrong is not None:
            return wrong, pack(world, tape.choices)
    return f"nothing was found in {SCHEDULES_MAX} schedules", ""


def test_a_length_that_is_adopted_from_a_stat_is_found(monkeypatch: pytest.MonkeyPatch):
    """The classic mistake: whatever the file is after our write is taken for ours."""

    def adopt(self: Appender, content: Content, current: Any, found: Any) -> Any:
        offsets = accept(self, content, current, found)
        content.length, content.digest, content._revision = found.st_size, None, None
        return offsets

    accept = Appender._accept
    monkeypatch.setattr(Appender, "_accept", adopt)
    monkeypatch.setattr(Appender, "_is_as_expected", lambda *_: True)
    wrong, token = first_failure("append")
    assert wrong.startswith("AssertionError")
    assert replay(token) == wrong


def test_a_missing_second_look_is_found(monkeypatch: pytest.MonkeyPatch):
    """Without it a foreign line before ours moves every receipt."""
    monkeypatch.setattr(Appender, "_is_as_expected", lambda *_: True)
    assert "the store believes" in first_failure("append")[0]


def test_a_look_that_nothing_follows_is_found(monkeypatch: pytest.MonkeyPatch):
    """Only the third read is the last one: what moved during an earlier one must be read again."""
    monkeypatch.setattr(_compare, "READS_MAX", 1)
    assert "the store believes in" in first_failure("append")[0]


def test_a_cut_that_is_taken_as_it_comes_is_found(monkeypatch: pytest.MonkeyPatch):
    """Believing in what is left is consistent, and the fence has missed what was cut."""

    def launder(self: Comparer, content: Content, found: Any, verdict: Any, change: Any, **how: Any) -> None:
        if change is not Change.TRUNCATED:
            act(self, content, found, verdict, change, **how)
        elif content.fd is not None:
            content.grow(found.st_size, self._digest_of(content.fd, found.st_size), inside_line=False)

    act = Comparer._act
    monkeypatch.setattr(Comparer, "_act", launder)
    assert "missed by the fence: [(1, 'truncate')]" in first_failure("truncate")[0]


def test_a_cut_of_the_file_that_a_rewrite_has_copied_is_found(monkeypatch: pytest.MonkeyPatch):
    """Only a file that a refused rewrite has taken back does not count."""
    monkeypatch.setattr(Rewriter, "_has_displaced_ours", lambda *_: True)
    monkeypatch.setattr(_compare, "carry_over", lambda *_: True)
    assert "missed by the fence: [(1, 'truncate')]" in first_failure("rewrite, truncate")[0]


def test_foreign_bytes_that_are_believed_without_a_digest_of_them_are_found(monkeypatch: pytest.MonkeyPatch):
    """What others have appended may change while it is read; what is believed must have stood there all the same."""

    def grow_unread(self: Content, length: int, digest: Any, **how: Any) -> None:
        digest.update(b"what nobody wrote")
        grow(self, length, digest, **how)

    grow = Content.grow
    monkeypatch.setattr(Content, "grow", grow_unread)
    assert "the store believes in other bytes" in first_failure("append")[0]


def test_a_token_that_does_not_wait_for_the_queue_is_found(monkeypatch: pytest.MonkeyPatch):
    """A fingerprint that is taken before the drain is what this library is about."""

    def enter_at_once(self: Machine, fence: Any) -> None:
        enter(self, fence)
        self.inbox.queue.insert(0, self.inbox.queue.pop())

    enter = Machine.enter
    monkeypatch.setattr(Machine, "enter", enter_at_once)
    assert "entered before the queue was drained" in first_failure("submit")[0]


def test_times_that_are_pinned_again_unread_are_found(monkeypatch: pytest.MonkeyPatch):
    """Of a large file the times are all there is to show an edit that keeps the length."""
    monkeypatch.setattr(Content, "note_times", lambda self, found: setattr(self, "times", times_of(found)))
    assert "AssertionError" in first_failure("large, edit")[0]


def test_a_failed_sync_that_is_tried_again_is_found(monkeypatch: pytest.MonkeyPatch):
    """The second sync returns 0, and the data is gone."""

    def sync_again(self: Durable, fd: int | None) -> None:
        try:
            self._sync(fd)
        except OSError:
            self._sync(fd)

    monkeypatch.setattr(Durable, "sync", sync_again)
    assert "did not survive" in first_failure("sync fails, power")[0]


def test_a_forgotten_wake_up_is_found(monkeypatch: pytest.MonkeyPatch):
    """A queue that nobody looks at any more keeps its writers waiting for ever."""
    monkeypatch.setattr(Driver, "_take", lambda self, effect, answer: self._settle(effect, answer))
    assert first_failure("submit")[0].startswith("StuckError")


@pytest.mark.parametrize("world", ["power, always", "power, reordered"])
def test_an_answer_before_the_sync_is_found(world: str, monkeypatch: pytest.MonkeyPatch):
    """A receipt with `ALWAYS`, or a fence that was entered, is a promise that a power cut must not break."""
    monkeypatch.setattr(Durable, "sync", lambda self, fd: None)
    wrong, token = first_failure(world)
    assert "did not survive" in wrong
    assert len(shrink(token)) <= len(token)


def test_records_that_are_acknowledged_in_a_file_without_a_header_are_found(monkeypatch: pytest.MonkeyPatch):
    """Only what others have destroyed, and what was said to need a reopening first, may be in no session."""
    monkeypatch.setattr(Machine, "header_line", lambda self: None)
    tapes = map(RandomTape, range(SCHEDULES_MAX))
    assert "AssertionError: acknowledged, and no session" in (attempt("new tree, kill", tape) for tape in tapes)


@pytest.mark.parametrize("world", ["submit", "submit, half"])
def test_records_out_of_order_are_found(world: str, monkeypatch: pytest.MonkeyPatch):
    """Only a batch of which a line was glued to somebody else's may be, and only that one."""
    take = Inbox.take
    monkeypatch.setattr(Inbox, "take", lambda self: take(self)[::-1])
    assert "stands behind a later record of its writer" in first_failure(world)[0]


def test_a_glued_line_that_nobody_is_told_of_is_found(monkeypatch: pytest.MonkeyPatch):
    """It stands behind its batch, and what follows it in the batch does not know of it."""
    monkeypatch.setattr(Batch, "mark_slipped", lambda self, *, since: None)
    adopt = Comparer.adopt
    monkeypatch.setattr(Comparer, "adopt", lambda self, *given, **how: adopt(self, *given, **how | {"slipped": False}))
    assert "stands behind a later record of its writer" in first_failure("submit, half")[0]


def test_an_owner_that_goes_on_without_the_lock_is_found(monkeypatch: pytest.MonkeyPatch):
    """Whoever finds the lock taken when a parked session is used again must not touch the file."""

    def acquire_anyway(self: SimulatedLock) -> None:
        with suppress(LockedError):
            acquire(self)

    acquire = SimulatedLock.acquire
    monkeypatch.setattr(SimulatedLock, "acquire", acquire_anyway)
    assert "without the lock" in first_failure("parked, taken")[0]


def test_a_hand_over_that_nobody_is_told_of_is_found(monkeypatch: pytest.MonkeyPatch):
    """What another owner did while a session was parked must be known when it is used again."""
    monkeypatch.setattr(Remembered, "looks_like", lambda *_: True)
    assert "a hand-over was not noticed" in first_failure("parked")[0]
