"""Mutants that cannot be tried say nothing: the code that they change has to be there, and so has their killer."""

from __future__ import annotations

from collections import Counter

import pytest

from .__main__ import fault_of
from .catalogue import ALL
from .mutant import Mutant


@pytest.mark.parametrize("mutant", ALL, ids=lambda mutant: mutant.name)
def test_a_mutant_can_be_tried(mutant: Mutant) -> None:
    """Whoever changes a line that a mutant changes brings the mutant along: `python -m tests.mutants --apply-only`."""
    assert fault_of(mutant) == ""


def test_names_are_unique() -> None:
    """A promise is held by a mutant's name."""
    assert [name for name, times in Counter(mutant.name for mutant in ALL).items() if times > 1] == []
