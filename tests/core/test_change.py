"""The table of foreign changes: which verdict fits the evidence, the most serious first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator import Change
from coordinator._core._change import Evidence, classify
from coordinator._core._values import Fingerprint


def evidence(size: int | None = 100, **different: Any) -> Evidence:
    """Return what a look at an unchanged file of 100 bytes gives, but for what is different."""
    found = None if size is None else Fingerprint(1, 2, size, 3, 4)
    unchanged: dict[str, Any] = {
        "lock_held": True, "same_file": True, "length": 100, "prefix_equal": True, "ends_whole": True, "moved": False,
    }  # fmt: skip
    return Evidence(found=found, **(unchanged | different))


@pytest.mark.parametrize(
    ("found", "change"),
    [
        (evidence(), None),
        (evidence(moved=True), Change.TOUCHED),
        (evidence(same_file=False), Change.TOUCHED),
        (evidence(101), Change.APPENDED),
        (evidence(101, ends_whole=False), Change.TORN),
        (evidence(101, prefix_equal=False), Change.REWRITTEN),
        (evidence(prefix_equal=False), Change.REWRITTEN),
        (evidence(99), Change.TRUNCATED),
        (evidence(99, prefix_equal=False), Change.TRUNCATED),
        (evidence(same_file=False, prefix_equal=False), Change.REPLACED),
        (evidence(101, same_file=False), Change.REPLACED),
        (evidence(99, same_file=False), Change.REPLACED),
        (evidence(None, same_file=False), Change.VANISHED),
        (evidence(None, lock_held=False), Change.LOCK_LOST),
        (evidence(lock_held=False), Change.LOCK_LOST),
    ],
)
def test_the_first_verdict_that_applies_is_taken(found: Evidence, change: Change | None) -> None:
    """Each row is a row of the table of foreign changes."""
    assert classify(found) is change


@given(
    st.none() | st.integers(0, 3),
    st.fixed_dictionaries({name: st.booleans() for name in ("same_file", "prefix_equal", "ends_whole", "moved")}),
)
def test_only_what_keeps_our_bytes_first_goes_on(size: int | None, different: dict[str, bool]) -> None:
    """A verdict that does not stop the session implies that every byte we believe in is still there."""
    found = evidence(size, length=2, **different)
    change = classify(found)
    if change is None or not change.stops:
        assert found.prefix_equal
        assert size is not None
        assert size >= found.length
