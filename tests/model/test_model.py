"""The short form of `python -m tests.model`: complete searches of the protocol, and the variants that have to fail."""

from __future__ import annotations

import pytest

from .runs import BROKEN, HEALTHY, Run, is_available, search

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.skipif(not is_available(), reason="spin is not installed"),
]


@pytest.mark.parametrize("run", HEALTHY, ids=lambda run: run.name)
def test_the_protocol_keeps_every_promise_in_every_state(run: Run) -> None:
    """Every interleaving of writers, a turn, a compaction, a foreign writer, a failing sync and a power cut."""
    result = search(run, seconds_max=170)
    assert result.fault == ""
    assert result.states > 1000


@pytest.mark.parametrize("run", BROKEN, ids=lambda run: run.name)
def test_a_broken_protocol_fails(run: Run) -> None:
    """A model that cannot fail proves nothing: each thing left out breaks the assertion that is about it."""
    result = search(run, seconds_max=170)
    assert run.caught_by
    assert result.is_as_expected, result.fault
