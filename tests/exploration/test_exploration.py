"""Every interleaving of the core, and wrong cores that must not pass."""

from __future__ import annotations

from typing import Any

import pytest

from coordinator._core import _machine, _reports
from coordinator._core._effects import Report
from coordinator._core._fences import Fences
from coordinator._core._machine import Machine
from coordinator._core._turns import FenceStage, FenceState

from . import world
from .copying import freeze, thaw
from .explore import explore, replay
from .fingerprint import fingerprint
from .settings import CHANGES, CLOSING, FAULTS, KINDS, SHORT_KINDS, always, full, short
from .world import Setting, World


def violation(kind: str, event: str, **given: Any) -> str:
    """Explore a short setting until something is wrong, and say what."""
    verdict = explore(Setting("wrong", event=event, **{**SHORT_KINDS[kind], **given}))
    return "".join(verdict.violations)


@pytest.mark.parametrize("setting", short(), ids=lambda setting: setting.name)
def test_every_interleaving_keeps_every_promise(setting: Setting) -> None:
    """All states that can be reached are visited, and everybody is right in each of them."""
    verdict = explore(setting)
    assert verdict.violations == []
    assert verdict.states > 100


def test_the_full_form_has_every_kind_of_fence_with_every_event() -> None:
    """A setting that was dropped would be missed by nobody else."""
    names = {setting.name for setting in full()}
    cancelling = {f"{kind}, {event}, cancel" for kind in KINDS for event in (*CHANGES, *FAULTS)}
    closing = {f"{kind}, {event}, close" for kind in KINDS for event in CLOSING}
    assert names == cancelling | closing | {setting.name for setting in always(KINDS)}
    for writer in ("chat", "memory"):
        assert all(len([verb for verb in given[writer] if " " in verb]) == 2 for given in KINDS.values())


def test_a_copy_of_a_world_is_the_same_world() -> None:
    """Nothing is lost by freezing: the copy goes on where the original is."""
    original = World(short()[0])
    while action := next(iter(original.work()), None):
        copy = thaw(freeze(original))
        assert fingerprint(copy) == fingerprint(original)
        original.act(action)
        copy.act(action)
        assert fingerprint(copy) == fingerprint(original)
        if action == ("take",) and original.job is None:
            break


# Wrong cores


def test_a_fence_that_is_entered_without_draining_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The token goes to the front of the queue: what was accepted before is not in the file."""

    def enter(machine: Machine, fence: FenceState) -> None:
        fence.stage = FenceStage.TOKEN
        machine.inbox.queue.insert(0, fence)

    monkeypatch.setattr(Machine, "enter", enter)
    assert "a fence was entered before b1 was written" in violation("hold", "append")


def test_receipts_in_another_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each caller gets the place of somebody else's record."""
    healthy = _reports._receive

    def receive(machine: Machine, running: Any, answer: Report, now: float) -> bool:
        places = answer.written and answer.written[::-1]
        return healthy(machine, running, _replaced(answer, written=places), now)

    monkeypatch.setattr(_reports, "_receive", receive)
    assert "the receipt of b1 is wrong" in violation("hold", "append", memory=("submit b1", "submit b2"))


def _replaced(answer: Report, **changed: Any) -> Report:
    names = Report.__slots__
    return Report(**{**{name: getattr(answer, name) for name in names}, **changed})


def test_adopting_without_comparing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A foreign line is taken over, and the turn does not hear of it."""
    monkeypatch.setattr(Fences, "found", lambda fences, foreign: [])
    assert "a foreign change was there, and the fence holds" in violation("exclusive", "append")


def test_own_writes_that_are_not_accounted_for_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next look meets our own lines as foreign ones: a takeover by nobody."""
    healthy = _reports.report

    def report(machine: Machine, answer: Report, *, now: float) -> None:
        believed = machine.revision
        healthy(machine, answer, now=now)
        machine.revision = believed

    monkeypatch.setattr(world, "report", report)
    assert "by nobody" in violation("hold", "no room")


def test_a_fence_left_without_a_look_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What came during the turn would never be told."""
    healthy = Machine.leave

    def leave(machine: Machine, fence: FenceState) -> Any:
        fence.appended_last = True
        return healthy(machine, fence)

    monkeypatch.setattr(Machine, "leave", leave)
    assert "a fence was left without a look" in violation("exclusive", "append")


def test_a_turn_that_is_never_given_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is next waits for ever: a deadlock, or a broken invariant of the turn."""
    monkeypatch.setattr(Machine, "_grant", _grant_only_to_the_first)
    found = violation("exclusive", "append")
    assert "nobody waits for a free turn" in found


def _grant_only_to_the_first(machine: Machine) -> None:
    if machine.sequence == 0 and not machine.fences.turns.holders:
        for fence in machine.fences.turns.grant(may_overlap=False):
            fence.turn.resolve()


def test_a_violation_is_replayed_by_what_was_done_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever mends it needs it again, and again."""
    monkeypatch.setattr(Fences, "found", lambda fences, foreign: [])
    setting = Setting("wrong", event="append", **SHORT_KINDS["exclusive"])
    (told,) = explore(setting).violations
    actions = told.rpartition("after: ")[2]
    assert replay(setting, actions) == told
    assert replay(setting, actions.rpartition(", ")[0]) == ""


def test_an_answer_that_never_comes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """No invariant speaks of a ticket that nobody answers: only that everybody comes to his end does."""
    monkeypatch.setattr(_reports, "_confirm", lambda machine, group: machine.inbox.over(group))
    assert "nothing can happen any more" in violation("hold", "append")


def test_a_record_that_is_written_again_after_a_fault_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of the batch stands in the file: reopening must not write it twice."""
    monkeypatch.setattr(_reports, "_remember_attempt", lambda *_, **__: None)
    assert "the file has a record twice" in violation("hold", "half a write")


def test_an_acknowledgement_before_the_write_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The receipt is a guess, and a crash makes it a lie."""
    healthy = Machine._append

    def append(machine: Machine, now_ms: int) -> Any:
        running = healthy(machine, now_ms)
        for group in running.groups:
            group.resolve([])
        return running

    monkeypatch.setattr(_machine.Machine, "_append", append)
    assert "was acknowledged and is not in the file" in violation("hold", "append")
