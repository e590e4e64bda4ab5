"""Imports point one way, towards the core, and the core is pure."""

import ast
from collections.abc import Iterator
from pathlib import Path

import grimp
import pytest

PACKAGE = Path(__file__).parents[1] / "coordinator"

LAYERS = (
    {"coordinator._core"},
    {"coordinator._formats"},
    {"coordinator._store", "coordinator._reading"},
    {"every other module: sessions, writers, fences, and what drives them"},
    {"coordinator"},
    {"coordinator._cli", "coordinator._demo", "coordinator.__main__", "coordinator.testing"},
)
SHELL = 3
OUTSIDE = ("coordinator._cli", "coordinator._demo", "coordinator.__main__")
DOOR = "coordinator._cli._inside"

PURE = {
    "__future__", "abc", "array", "bisect", "collections", "contextlib", "dataclasses", "enum", "functools", "hashlib",
    "heapq", "itertools", "json", "math", "operator", "orjson", "pathlib", "re", "typing",
}  # fmt: skip
TYPES_OF_IMPURE_MODULES = {"os.PathLike"}
ACTS = {
    "exists", "is_dir", "is_file", "iterdir", "mkdir", "read_bytes", "read_text", "stat", "touch", "unlink",
    "write_bytes", "write_text",
}  # fmt: skip


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    """Return who imports whom, type-checking imports included."""
    return grimp.build_graph("coordinator", cache_dir=None)


def layer_of(module: str) -> int:
    """Return how far out a module stands; 0 is the core."""
    if module == "coordinator":
        return LAYERS.index({"coordinator"})
    parts = module.split(".")
    package = ".".join(parts[:2])
    return next((number for number, layer in enumerate(LAYERS) if package in layer), SHELL)


def imports(graph: grimp.ImportGraph) -> Iterator[tuple[str, str]]:
    """Find every direct import inside the package."""
    for importer in graph.modules:
        for imported in graph.find_modules_directly_imported_by(importer):
            yield importer, imported


def core_modules() -> list[Path]:
    """Find the modules that must be pure."""
    modules = sorted((PACKAGE / "_core").rglob("*.py"))
    assert modules, "the core has moved; move this test with it"
    return modules


def named_modules(tree: ast.Module) -> Iterator[str]:
    """Find the modules outside the package that a module imports."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


def test_no_module_imports_from_a_layer_above_its_own(graph: grimp.ImportGraph) -> None:
    """What is deep in the house knows nothing of what is built on it."""
    upwards = [f"{above} <- {below}" for below, above in imports(graph) if layer_of(above) > layer_of(below)]
    assert upwards == []


def test_the_layers_are_there_to_be_tested(graph: grimp.ImportGraph) -> None:
    """A layer that was renamed would otherwise pass unseen."""
    assert {layer_of(module) for module in graph.modules} == set(range(len(LAYERS)))


def test_the_command_line_and_the_demo_use_public_names_only(graph: grimp.ImportGraph) -> None:
    """They are written like anybody's gateway; one door of the command line sees what opening would do, unopened."""
    private = [
        f"{importer} -> {imported}"
        for importer, imported in imports(graph)
        if importer.startswith(OUTSIDE) and importer != DOOR and not imported.startswith(OUTSIDE) and "._" in imported
    ]
    assert private == []


@pytest.mark.parametrize("path", core_modules(), ids=lambda path: path.name)
def test_a_core_module_imports_nothing_that_acts(path: Path) -> None:
    """No file, no clock, no loop, no log: what the core decides depends on what it was told alone."""
    tree = ast.parse(path.read_text())
    foreign = {name.partition(".")[0] for name in named_modules(tree)} - PURE
    used = {
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in foreign
    }
    assert used <= TYPES_OF_IMPURE_MODULES
    assert foreign <= {name.partition(".")[0] for name in used}


@pytest.mark.parametrize("path", core_modules(), ids=lambda path: path.name)
def test_a_core_module_never_waits(path: Path) -> None:
    """The core answers at once; whoever asks may wait somewhere else."""
    waits = ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith
    assert [node.lineno for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, waits)] == []


@pytest.mark.parametrize("path", core_modules(), ids=lambda path: path.name)
def test_a_core_module_touches_no_file(path: Path) -> None:
    """A path is a name here, never a door."""
    calls = [node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
    by_name = [call.id for call in calls if isinstance(call, ast.Name) and call.id in {"open", "print", "input"}]
    by_method = [call.attr for call in calls if isinstance(call, ast.Attribute) and call.attr in ACTS]
    assert by_name + by_method == []
