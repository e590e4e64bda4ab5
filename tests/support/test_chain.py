"""The check of a conversation fails for each thing that can be wrong with one."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import DATA
from tests.support.chain import check_chain, read_session, texts


def test_a_real_conversation_is_one_chain() -> None:
    """Every record of it, in order."""
    assert len(check_chain(DATA / "short.jsonl")) == 8
    assert len(check_chain(DATA / "long-2000.jsonl")) == 2_003
    assert texts(check_chain(DATA / "short.jsonl"))[0].startswith("Meadow meadow signal")


def test_branches_are_no_single_chain() -> None:
    """What is left out is named."""
    session = read_session(DATA / "branches.jsonl")
    assert len(session.chain()) + len(session.off_chain()) == len(session.records) == 59
    with pytest.raises(AssertionError, match="branched"):
        check_chain(DATA / "branches.jsonl")


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("headerless", "no header"),
        ("empty", "no header"),
        ("torn-tail", "half a line"),
        ("no-final-newline", "half a line"),
        ("damaged-middle", "other damage"),
    ],
)
def test_a_damaged_file_is_no_conversation(name: str, complaint: str) -> None:
    """Unless the damage is expected."""
    with pytest.raises(AssertionError, match=complaint):
        check_chain(DATA / f"{name}.jsonl")


def test_expected_damage_must_be_there(copy_of: Callable[[str], Path]) -> None:
    """A number too many is as wrong as one too few."""
    path = copy_of("short")
    with path.open("ab") as file:
        file.write(b"{torn\n")
    assert len(check_chain(path, damaged=1)) == 8
    with pytest.raises(AssertionError, match="other damage"):
        check_chain(path, damaged=2)


def test_a_record_that_stands_twice_is_found(copy_of: Callable[[str], Path]) -> None:
    """Exactly once means once."""
    path = copy_of("short")
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[-1])
    with pytest.raises(AssertionError, match="twice"):
        check_chain(path)


def test_a_missing_parent_is_found(copy_of: Callable[[str], Path]) -> None:
    """It cuts off everything before it."""
    path = copy_of("short")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3] + lines[4:]))
    with pytest.raises(AssertionError, match="missing"):
        check_chain(path)
