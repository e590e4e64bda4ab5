"""The short form: some schedules of the real library on the simulated loop and disk; the long one is a command."""

from collections.abc import Iterator

import pytest

from .explore import attempt, explore_all, explore_seeds, replay, split
from .store import simulated
from .tape import RandomTape, pack, unpack

SEEDS = 300


@pytest.fixture(autouse=True)
def _cut_off() -> Iterator[None]:
    with simulated():
        yield


def test_random_schedules_keep_every_promise():
    """Whatever order, fault, crash and foreign change is drawn: nothing that was promised is broken."""
    tally = explore_seeds(range(SEEDS))
    assert tally.schedules == SEEDS
    assert [(found.seed, found.what, found.token) for found in tally.violations] == []


@pytest.mark.parametrize("world", ["append", "edit", "replace same", "kill"])
def test_every_schedule_without_a_preemption_keeps_every_promise(world: str):
    """Two writers, two steps each, and one thing that happens, at every instant at which it can."""
    tally = explore_all(world, preemptions=0)
    assert tally.schedules > 10
    assert tally.violations == []


def test_a_world_that_is_split_is_explored_once():
    """Several processes share a world: together they run all of it, and nothing twice."""
    parts = [explore_all("append", 0, beginning).schedules for beginning in split("append", 0, depth=12)]
    assert len(parts) > 2
    assert sum(parts) == explore_all("append", 0).schedules


def test_a_token_replays_its_run():
    """A failure that was seen once must be seen again, as often as it is asked for."""
    tape = RandomTape(7)
    assert attempt("any", tape) is None
    token = pack("any", tape.choices)
    profile, choices = unpack(token)
    assert choices == tape.choices[: len(choices)]
    assert not any(tape.choices[len(choices) :])
    assert profile == "any"
    assert replay(token) is None


def test_the_same_seed_makes_the_same_run():
    """Nothing but the tape decides: otherwise a token would mean nothing."""
    one, other = RandomTape(11), RandomTape(11)
    assert attempt("any", one) == attempt("any", other)
    assert one.choices == other.choices
