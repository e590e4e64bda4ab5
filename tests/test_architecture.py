"""ARCHITECTURE.md says what the code says."""

import re

from tests.draw_states import DIAGRAM, DOCUMENT, draw


def test_the_state_diagram_is_the_table_of_transitions() -> None:
    """Renew it with `python -m tests.draw_states`."""
    assert DIAGRAM.findall(DOCUMENT.read_text()) == [draw()]


def test_every_file_that_is_named_is_there() -> None:
    """A map that names places which are gone is worse than none."""
    root = DOCUMENT.parent
    named = re.findall(r"`((?:coordinator|tests|plugins|examples)/[\w./]+)`", DOCUMENT.read_text())
    assert named
    assert [name for name in named if not (root / name).exists()] == []
