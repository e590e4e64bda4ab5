"""The table of promises in `tests/README.md` names what exists, and leaves nothing out."""

import ast

import pytest

from tests.mutants.catalogue import ALL

from .parts import PARTS
from .table import COUNT, ROOT, Promise, named_tests, promises

TABLE = promises()
MUTANTS = {mutant.name for mutant in ALL}


def test_every_promise_has_its_row() -> None:
    """Each number once, in order."""
    assert [promise.number for promise in TABLE] == list(range(1, COUNT + 1))


@pytest.mark.parametrize("promise", TABLE, ids=lambda promise: str(promise.number))
def test_every_promise_has_a_test_and_a_mutant_that_exist(promise: Promise) -> None:
    """A name that nobody can run holds nobody to anything."""
    assert promise.tests
    assert promise.mutants
    assert [name for name in promise.mutants if name not in MUTANTS] == []
    assert [f"{file}::{name}" for file, name in promise.tests if name not in names_in(file)] == []


def names_in(file: str) -> set[str]:
    """Find the tests of a module."""
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_mechanism_is_a_part_of_the_proof() -> None:
    """A mechanism that is never run proves nothing."""
    known = {part.name for part in PARTS}
    assert {way for promise in TABLE for way in promise.mechanisms} - known == set()


def test_the_tests_of_the_table_can_be_asked_for() -> None:
    """Each is named once, below `tests/`."""
    assert len(named_tests()) >= COUNT
    assert all(name.startswith("tests/") for name in named_tests())
