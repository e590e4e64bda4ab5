"""What can never be written is refused at the call, by itself, and leaves no trace."""

from __future__ import annotations

import asyncio
from collections import UserDict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from coordinator import PI, PLAIN, Coordinator, CoordinatorError, Fence, Limits, Outcome, RecordError, Writer

from .desk import Desk, check_clear, desk, note, soon


def nested(depth: int) -> Any:
    """Return a list in a list in a list."""
    value: Any = "deep"
    for _ in range(depth):
        value = [value]
    return value


NO_RECORDS: dict[str, Any] = {
    "none": None,
    "text": "text",
    "list of pairs": [("type", "custom")],
    "NaN": note("x", number=float("nan")),
    "infinity": note("x", number=float("-inf")),
    "too large an integer": note("x", number=2**70),
    "an object": note("x", thing=object()),
    "a set": note("x", things={1}),
    "bytes": note("x", data=b"bytes"),
    "half a character": note("\ud83d"),
    "half a character in a key": {**note("x"), "\udc00": 1},
    "a key that is no text": {**note("x"), 1: 1},
    "nested too deeply": note("x", deep=nested(5000)),
    "larger than the limit": note("x" * 3000),
    "no type": {"data": 1},
    "type that is no text": {"type": 1},
    "a second header": {"type": "session", "id": "x"},
    "id that is no text": note("x", id=7),
    "empty id": note("x", id=""),
}
SMALL = Limits(record_bytes_max=2000)

Attempt = Callable[[Desk, Fence, Any], Awaitable[object]]


async def _nowait(home: Desk, _fence: Fence, record: Any) -> None:
    home.chat.append_nowait(record)


ATTEMPTS: dict[str, Attempt] = {
    "append": lambda home, _fence, record: home.chat.append(record),
    "append_all": lambda home, _fence, record: home.chat.append_all([note("neighbour"), record]),
    "submit": lambda home, _fence, record: home.chat.submit(record),
    "append_nowait": _nowait,
    "append_from_thread": lambda home, _fence, record: asyncio.to_thread(home.chat.append_from_thread, record),
    "fence.append": lambda _home, fence, record: fence.append(record),
    "fence.append_all": lambda _home, fence, record: fence.append_all([note("neighbour"), record]),
}


@pytest.mark.parametrize("attempt", ATTEMPTS.values(), ids=ATTEMPTS)
async def test_what_is_no_record_is_refused_at_the_call_and_alone(session_path: Path, attempt: Attempt) -> None:
    """Through every way to write: the error says where and what to do, and nothing on the disk has changed."""
    async with desk(session_path, limits=SMALL) as home:
        await home.chat.append(note("before"))
        before = session_path.read_bytes()
        async with home.chat.fence() as fence:
            for record in NO_RECORDS.values():
                with pytest.raises(RecordError) as caught:
                    await soon(attempt(home, fence, record))
                check_clear(caught.value, session_path)
                assert caught.value.outcome is Outcome.NOT_WRITTEN
            await home.session.drain()
            assert session_path.read_bytes() == before
        await home.chat.append(note("after"))
        assert home.texts() == ["before", "after"]


async def test_a_record_that_is_refused_makes_no_file(session_path: Path) -> None:
    """The first record of a session makes its file, a refused one does not."""
    async with desk(session_path) as home:
        with pytest.raises(RecordError):
            await home.chat.append({"no": "type"})
        await home.session.drain()
    assert not session_path.exists()


async def test_changing_a_record_after_the_call_changes_nothing(session_path: Path) -> None:
    """It was turned into bytes at the call."""
    async with desk(session_path) as home:
        record = note("as it was")
        with home.gate() as gate:
            pending = home.chat.append_nowait(record)
            await gate.reached()
            record["data"]["text"] = "changed"
        await soon(pending)
        queued = note("queued")
        pending = home.chat.append_nowait(queued)
        queued.clear()
        await soon(pending)
        assert home.texts() == ["as it was", "queued"]


async def test_any_mapping_is_a_record(session_path: Path) -> None:
    """Not only a dict."""
    async with desk(session_path, format=PLAIN) as home:
        await home.chat.append(UserDict(text="mapping"))
        assert session_path.read_bytes() == b'{"text":"mapping"}\n'


async def test_a_group_over_a_bound_is_refused_at_once(session_path: Path) -> None:
    """It could never be accepted, so nobody waits for it."""
    async with desk(session_path, limits=Limits(writer_records_max=4)) as home:
        with pytest.raises(RecordError) as caught:
            await soon(home.chat.append_all([note("one of five")] * 5))
        check_clear(caught.value, session_path)
        assert not session_path.exists()
        assert len(await soon(home.chat.append_all([note("one of four")] * 4))) == 4


@pytest.mark.parametrize("bound", ["batch_bytes_max", "writer_bytes_max", "session_bytes_max"])
async def test_a_record_must_fit_every_bound(session_path: Path, bound: str) -> None:
    """The smallest bound decides."""
    async with desk(session_path, limits=Limits(**{bound: 1000})) as home:
        with pytest.raises(RecordError):
            await soon(home.chat.append(note("x" * 1000)))
        await soon(home.chat.append(note("small")))


async def test_an_empty_group_is_written_at_once(session_path: Path) -> None:
    """In every state, without a file, also after closing."""
    async with desk(session_path) as home:
        chat = home.chat
        assert await chat.append_all([]) == []
        async with chat.fence() as fence:
            assert await fence.append_all(iter(())) == []
    assert not session_path.exists()
    assert await chat.append_all([]) == []
    assert await fence.append_all([]) == []


# The transform


async def test_the_transform_sees_everything_that_reaches_the_disk(session_path: Path) -> None:
    """Records, a fence's records, the header: one choke point for redaction."""

    def redact(record: dict[str, Any]) -> dict[str, Any]:
        return {key: "gone" if key == "secret" else value for key, value in record.items()}

    async with Coordinator(transform=redact) as coordinator:
        session = await coordinator.open(session_path, format=PI, header={"secret": "in the header"})
        chat = session.writer("chat")
        given = note("a", secret="in a record")
        await chat.append(given)
        async with chat.fence() as fence:
            await fence.append(note("b", secret="in a reply"))
    assert given["secret"] == "in a record"
    assert session_path.read_bytes().count(b'"secret":"gone"') == 3
    assert b"in a" not in session_path.read_bytes()
    assert b"in the header" not in session_path.read_bytes()


@pytest.mark.parametrize("result", [None, "text", {"type": 1}])
async def test_a_transform_that_makes_no_record_is_an_error_of_the_record(session_path: Path, result: Any) -> None:
    """What it returns is judged like what a caller gives."""
    async with desk(session_path, transform=lambda record: result if "bad" in record else record) as home:
        with pytest.raises(RecordError) as caught:
            await home.chat.append(note("x", bad=1))
        check_clear(caught.value, session_path)


async def test_a_transform_that_raises_is_named(session_path: Path) -> None:
    """The caller hears of it as of any bad record, with the cause, and other records go on."""

    def broken(record: dict[str, Any]) -> dict[str, Any]:
        if "bad" in record:
            raise KeyError("my own bug")
        return record

    async with desk(session_path, transform=broken) as home:
        with pytest.raises(RecordError, match="my own bug") as caught:
            await home.chat.append(note("x", bad=1))
        check_clear(caught.value, session_path)
        assert isinstance(caught.value.__cause__, KeyError)
        await home.chat.append(note("good"))


# Names and other arguments


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        ({"name": ""}, ValueError),
        ({"name": None}, TypeError),
        ({"name": "w", "during_fence": "sleep"}, ValueError),
        ({"name": "later", "during_fence": "advance"}, ValueError),
        ({"name": "chat", "during_fence": "hold"}, ValueError),
    ],
    ids=str,
)
async def test_a_writer_needs_a_name_and_one_option(
    session_path: Path, arguments: dict[str, Any], kind: type[Exception]
) -> None:
    """One name with two options would be two promises."""
    async with desk(session_path) as home:
        chat, later = home.chat, home.later
        with pytest.raises(kind) as caught:
            home.session.writer(**arguments)
        check_clear(caught.value, session_path)
        assert (home.chat, home.later) == (chat, later)


async def test_a_closed_writer_gives_its_name_back(session_path: Path) -> None:
    """With either option; the old handle stays closed."""
    async with desk(session_path) as home:
        old = home.chat
        old.close()
        new = home.session.writer("chat", during_fence="hold")
        with pytest.raises(CoordinatorError) as caught:
            await old.append(note("old"))
        check_clear(caught.value, session_path)
        assert (await new.append(note("new"))).writer == "chat"


WRONG_CALLS: dict[str, tuple[type[Exception], Callable[[Desk, Writer], Awaitable[object]]]] = {
    "records that are none": (TypeError, lambda _home, chat: chat.append_all(5)),  # type: ignore[arg-type]
    "a tail of no number": (TypeError, lambda home, _chat: home.session.tail("all")),  # type: ignore[arg-type]
    "a tail of less than nothing": (ValueError, lambda home, _chat: home.session.tail(-1)),
    "a start that is no line": (ValueError, lambda home, _chat: anext(home.session.records(3))),
    "a start that is no place": (TypeError, lambda home, _chat: anext(home.session.records("x"))),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("kind", "call"), WRONG_CALLS.values(), ids=WRONG_CALLS)
async def test_a_wrong_argument_is_an_error_of_ours_and_of_its_kind(
    session_path: Path, kind: type[Exception], call: Callable[[Desk, Writer], Awaitable[object]]
) -> None:
    """A caller may catch it as what it is, or as everything that the library raises."""
    async with desk(session_path) as home:
        await home.chat.append(note("here"))
        with pytest.raises(kind) as caught:
            await call(home, home.chat)
        check_clear(caught.value, session_path)


@pytest.mark.parametrize(
    "limits",
    [{"record_bytes_max": 0}, {"session_records_max": -1}, {"close_seconds_max": -0.1}, {"batch_bytes_max": None}],
    ids=str,
)
def test_limits_that_cannot_work_are_refused_where_they_are_written(limits: dict[str, Any]) -> None:
    """Not at the first record."""
    with pytest.raises(ValueError, match=next(iter(limits))) as caught:
        Limits(**limits)
    assert isinstance(caught.value, CoordinatorError)
