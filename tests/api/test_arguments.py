"""Wrong arguments are refused at the call, by an error of ours that is the built-in one as well."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator import ClosedError, Coordinator, CoordinatorError, Outcome, Position
from coordinator.testing import open_session


async def coroutine_function(records: Any) -> Any:
    """Return what nobody would await."""
    return records


@pytest.mark.parametrize(
    "options",
    [
        {"durability": "fence"}, {"durability": None}, {"limits": None}, {"limits": {}}, {"root": 5},
        {"transform": "x"}, {"transform": coroutine_function}, {"observers": 5}, {"observers": [5]}, {"plugins": 5},
        {"plugins": "every one"},
    ],
    ids=str,
)  # fmt: skip
def test_a_coordinator_refuses_what_cannot_work(options: dict[str, Any]) -> None:
    """A word for the durability would have meant none at all, in silence."""
    with pytest.raises(TypeError) as caught:
        Coordinator(**options)
    assert isinstance(caught.value, CoordinatorError)
    assert caught.value.hint


CALLS: dict[str, Callable[[Any], Any]] = {
    "drain(timeout)": lambda session: session.drain("soon"),
    "sync(timeout)": lambda session: session.sync([]),
    "rewrite(transform)": lambda session: session.rewrite(None),
    "rewrite(async transform)": lambda session: session.rewrite(coroutine_function),
    "fence(accept)": lambda session: session.writer("chat").fence(accept=5),
    "fence(annotations)": lambda session: session.writer("chat").fence(annotations=None),
    "fence(timeout)": lambda session: session.writer("chat").fence(timeout="soon"),
    "append_from_thread(timeout)": lambda session: session.writer("chat").append_from_thread({}, timeout="soon"),
    "writer(half a character)": lambda session: session.writer("\ud83d"),
    "drain(nan)": lambda session: session.drain(float("nan")),
    "parse": lambda _session: Position.parse(None),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
async def test_a_call_refuses_what_cannot_work_and_does_nothing(session_path: Path, call: Callable[[Any], Any]) -> None:
    """Least of all after the record was handed over."""
    async with open_session(session_path) as session:
        with pytest.raises((TypeError, ValueError)) as caught:
            await call(session)
        assert session.statistics().records_written == 0
    assert isinstance(caught.value, CoordinatorError)
    assert caught.value.hint


async def test_only_an_error_about_a_record_says_what_became_of_it(session_path: Path) -> None:
    """Who asked for the tail of a closed session had no record."""
    async with open_session(session_path) as session:
        writer = session.writer("chat")
    for call in (session.drain, session.sync, lambda: session.tail(1), session.branch, session.reopen):
        with pytest.raises(ClosedError) as caught:
            await call()
        assert caught.value.outcome is None
    for append in (writer.append, writer.submit):
        with pytest.raises(ClosedError) as caught:
            await append({"a": 1})
        assert caught.value.outcome is Outcome.NOT_WRITTEN
