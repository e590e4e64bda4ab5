"""The style guide as a test: sizes, leftovers, docstrings, measured over all code that is shipped or shown.

A function's size counts every line from `def` to its end, docstring included. A bound here is a ratchet: it may be
tightened, never loosened.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest

ROOT = Path(__file__).parents[1]
SHIPPED = [path for top in ("coordinator", "plugins", "examples") for path in sorted((ROOT / top).rglob("*.py"))]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
TEST_MODULES = [path for path in TESTS if path.name.startswith("test_")]
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef

LEFTOVER = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b|\braise NotImplemented" r"Error\b")
FOREIGN_HOST = re.compile(r"https?://(?!127\.0\.0\.1|localhost|\{)\S*")
MACHINE_PATH = re.compile(r"""["'](/home/(?!demo)|/Users/|/root/)""")


def functions(path: Path) -> Iterator[tuple[str, FunctionNode]]:
    """Find every function of a module, with a name that a person can click on."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, FunctionNode):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node


def sizes() -> dict[str, int]:
    """Count the lines of every function that is shipped."""
    return {name: (node.end_lineno or 0) - node.lineno + 1 for path in SHIPPED for name, node in functions(path)}


def lines_with(pattern: re.Pattern[str], paths: list[Path]) -> list[str]:
    """Find the lines that hold what must not be there."""
    return [
        f"{path.relative_to(ROOT)}:{number} {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if pattern.search(line)
    ]


def test_the_median_function_has_at_most_ten_lines() -> None:
    """Most functions can be read at a glance."""
    assert median(sizes().values()) <= 10


def test_nine_functions_in_ten_have_at_most_thirty_lines() -> None:
    """A long function is the exception."""
    assert quantiles(sizes().values(), n=10)[-1] <= 30


def test_no_function_has_more_than_sixty_lines() -> None:
    """Whatever needs more than a screen is two ideas."""
    assert [name for name, size in sizes().items() if size > 60] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_has_at_most_four_hundred_lines(path: Path) -> None:
    """One module holds one idea."""
    assert len(path.read_text().splitlines()) <= 400


def test_nothing_is_left_to_do() -> None:
    """What is not built is absent; it is not promised by a comment or a stub."""
    assert lines_with(LEFTOVER, SHIPPED + TESTS) == []


def test_no_foreign_host_is_named_in_code() -> None:
    """The library speaks to no host; the demo speaks to its own machine only."""
    assert lines_with(FOREIGN_HOST, SHIPPED) == []


def test_no_path_of_a_developers_machine_is_named() -> None:
    """What works only on one machine does not work."""
    assert lines_with(MACHINE_PATH, SHIPPED + TESTS) == []


def public_definitions(body: list[ast.stmt]) -> Iterator[ast.ClassDef | FunctionNode]:
    """Find what has a public name: classes, functions, and the methods of public classes."""
    for node in body:
        if isinstance(node, ast.ClassDef | FunctionNode) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public_definitions(node.body)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_public_name_has_a_docstring(path: Path) -> None:
    """Also in private modules, which the linter does not look at: colleagues are readers too."""
    tree = ast.parse(path.read_text())
    bare = [node.name for node in public_definitions(tree.body) if ast.get_docstring(node) is None]
    assert bare == []
    assert not tree.body or ast.get_docstring(tree) is not None


@pytest.mark.parametrize("path", TEST_MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_test_says_why_it_matters(path: Path) -> None:
    """The name says what must be; the docstring says for whom."""
    tests = [(name, node) for name, node in functions(path) if node.name.startswith("test_")]
    assert tests
    assert [name for name, node in tests if ast.get_docstring(node) is None] == []


@pytest.mark.parametrize("path", TEST_MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_test_never_sleeps(path: Path) -> None:
    """A test that waits for time to pass is slow when it is right and wrong when the machine is slow."""
    naps = [
        name
        for name, function in functions(path)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        and ast.unparse(call.func).split(".")[-1] == "sleep"
        and not (call.args and isinstance(call.args[0], ast.Constant) and call.args[0].value == 0)
    ]
    assert naps == []
