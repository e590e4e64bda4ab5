"""The public names: exactly these, each with a docstring, each in the documentation."""

import enum
import inspect
import re
from pathlib import Path

import pytest

import coordinator

ROOT = Path(__file__).parents[1]
DOCUMENTATION = "\n".join((ROOT / name).read_text() for name in ("README.md", "ARCHITECTURE.md"))

NOUNS = {
    "Coordinator": {
        "aclose", "drain", "open", "plugins", "register", "sessions", "start", "statistics", "unregister",
    },
    "Session": {
        "aclose", "branch", "drain", "generation", "header", "leaf", "path", "records", "reopen", "revision", "rewrite",
        "state", "statistics", "sync", "tail", "writer",
    },
    "Writer": {
        "append", "append_all", "append_from_thread", "append_nowait", "close", "fence", "name", "submit",
    },
    "Fence": {"append", "append_all", "broken", "check", "revision"},
}  # fmt: skip
VALUES = {
    "Change", "CoordinatorStatistics", "Durability", "Entry", "Event", "Limits", "Observer", "Outcome",
    "PI", "PLAIN", "PendingReceipt", "Position", "Receipt", "Record", "RecordFormat", "Reopened", "Revision",
    "SessionState", "SessionStatistics", "hookimpl",
}  # fmt: skip
ERRORS_OF_THE_CALLER = {"ClosedError", "FenceOrderError", "QueueFullError", "RecordError"}
ERRORS_OF_THE_WORLD = {
    "DrainTimeoutError", "FenceTimeoutError", "FormatError", "LockedError", "PathError", "PositionLostError",
    "TakeoverError", "WriteFailedError",
}  # fmt: skip
ERRORS = {"CoordinatorError"} | ERRORS_OF_THE_CALLER | ERRORS_OF_THE_WORLD
NAMES = sorted(NOUNS.keys() | VALUES | ERRORS)
CLASSES = [name for name in NAMES if inspect.isclass(getattr(coordinator, name, None))]
NEVER_WAITS = {"start", "unregister"}
SPEAKS_OF_CANCELLING = re.compile(r"[Cc]ancel|otherwise as `")
ANOTHER_SENTENCE = re.compile(r"[.!?]\s+[A-Z`]")


def members(cls: type) -> dict[str, object]:
    """Return what a class itself offers: its public methods and properties, no data fields."""
    return {
        name: member
        for name, member in vars(cls).items()
        if not name.startswith("_") and (inspect.isroutine(member) or isinstance(member, property))
    }


def assert_one_sentence(owner: str, docstring: str | None) -> None:
    """The first paragraph is one sentence that a user can act on."""
    assert docstring, f"{owner} has no docstring"
    first = docstring.splitlines()[0]
    assert first.endswith("."), f"{owner}: {first}"
    assert not ANOTHER_SENTENCE.search(first), f"{owner}: {first}"


def test_the_package_exports_exactly_the_public_names() -> None:
    """Whoever needs another name asks for it; whoever removes one breaks a gateway."""
    assert sorted(coordinator.__all__) == NAMES


def test_every_exported_name_exists() -> None:
    """A name in `__all__` that is not there fails at the user's star import only."""
    assert [name for name in coordinator.__all__ if not hasattr(coordinator, name)] == []


@pytest.mark.parametrize("noun", NOUNS)
def test_a_noun_has_exactly_its_public_verbs(noun: str) -> None:
    """Internal doors on a public class would be used by somebody."""
    assert {name for name in dir(getattr(coordinator, noun)) if not name.startswith("_")} == NOUNS[noun]


@pytest.mark.parametrize("name", sorted(ERRORS))
def test_every_error_is_a_coordinator_error(name: str) -> None:
    """One `except` clause is enough for whoever does not care which."""
    assert issubclass(getattr(coordinator, name), coordinator.CoordinatorError)


@pytest.mark.parametrize(
    ("name", "base"), [("PathError", OSError), ("DrainTimeoutError", TimeoutError), ("FenceTimeoutError", TimeoutError)]
)
def test_an_error_of_the_world_is_also_what_python_calls_it(name: str, base: type[Exception]) -> None:
    """Code that knows nothing of us handles it as it handles its like."""
    assert issubclass(getattr(coordinator, name), base)


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_class_begins_its_docstring_with_one_sentence(name: str) -> None:
    """The first line is what an editor shows."""
    assert_one_sentence(name, getattr(coordinator, name).__doc__)


@pytest.mark.parametrize("name", CLASSES)
def test_every_public_method_begins_its_docstring_with_one_sentence(name: str) -> None:
    """The same for whatever hangs on a public class."""
    cls = getattr(coordinator, name)
    for member_name, member in members(cls).items():
        assert_one_sentence(f"{name}.{member_name}", inspect.getdoc(member))


@pytest.mark.parametrize("noun", NOUNS)
def test_every_async_verb_says_what_cancellation_means(noun: str) -> None:
    """Cancelling is how a user presses stop; nobody should have to guess what it does to a record."""
    silent = [
        name
        for name, member in members(getattr(coordinator, noun)).items()
        if inspect.iscoroutinefunction(member)
        and name not in NEVER_WAITS
        and not SPEAKS_OF_CANCELLING.search(inspect.getdoc(member) or "")
    ]
    assert silent == []


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_documented(name: str) -> None:
    """A name that README and ARCHITECTURE do not mention is a secret."""
    assert re.search(rf"\b{name}\b", DOCUMENTATION)


@pytest.mark.parametrize("name", [name for name in CLASSES if issubclass(getattr(coordinator, name), enum.Enum)])
def test_every_member_of_a_public_enumeration_is_documented(name: str) -> None:
    """A state or a change that a user can meet is explained to that user."""
    missing = [m.name for m in getattr(coordinator, name) if not re.search(rf"\b{m.name}\b", DOCUMENTATION)]
    assert missing == []
