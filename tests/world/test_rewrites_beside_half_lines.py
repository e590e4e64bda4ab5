"""A rewrite that meets a foreign line in the middle: it waits as an append does, then goes on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from coordinator import Change, Event, Limits, Record, WriteFailedError
from coordinator.testing import Interposer, open_session

OWN = b'{"text":"own"}\n'
HALVES = b'{"text":', b'"foreign"}\n'
LIMITS = Limits(torn_wait_seconds=0.001)


class Transform:
    """A compaction that counts how often it was asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, records: Iterator[Record]) -> Iterable[Record]:
        """Mark every record."""
        self.calls += 1
        return ({**record, "rewritten": True} for record in records)


def appending(path: Path, content: bytes) -> Callable[[], None]:
    """Return an act of another process."""

    def act() -> None:
        with path.open("ab") as file:
            file.write(content)

    return act


def noting(found: list[Change]) -> Callable[[Event], None]:
    """Return an observer that notes which changes were found."""

    def observe(event: Event) -> None:
        if event.name == "foreign_change":
            found.append(event.foreign.change)

    return observe


async def test_a_line_that_stays_unfinished_is_ended_and_kept(session_path: Path) -> None:
    """It is damage, and is carried over as such; the compaction is done, and its transform ran once."""
    session_path.write_bytes(OWN)
    found, transform = list[Change](), Transform()
    async with open_session(session_path, limits=LIMITS, observers=[noting(found)]) as session:
        appending(session_path, HALVES[0])()
        await session.rewrite(transform)
        assert (found, transform.calls, session.generation) == ([Change.TORN], 1, 2)
        assert session_path.read_bytes() == b'{"text":"own","rewritten":true}\n' + HALVES[0] + b"\n"


async def test_a_line_that_is_finished_meanwhile_is_rewritten_too(session_path: Path) -> None:
    """Its other half comes while we wait: a record like any other."""
    session_path.write_bytes(OWN)
    found, interposer = list[Change](), Interposer()
    options = {"limits": LIMITS, "observers": [noting(found)]}
    async with open_session(session_path, interposer=interposer, **options) as session:
        appending(session_path, HALVES[0])()
        # The last call of the first look: it reads the last byte, and sees no end of a line.
        interposer.before("pread", lambda: interposer.after("pread", appending(session_path, HALVES[1])))
        await session.rewrite(Transform())
    texts = [json.loads(line)["text"] for line in session_path.read_bytes().splitlines()]
    assert (found, texts) == ([Change.APPENDED], ["own", "foreign"])


async def test_a_rewrite_gives_up_beside_a_writer_that_never_ends_its_lines(session_path: Path) -> None:
    """Another half line after each that we end: the rewrite is refused after a while, the session goes on."""
    session_path.write_bytes(OWN)
    interposer, transform = Interposer(), Transform()
    async with open_session(session_path, interposer=interposer, limits=LIMITS) as session:
        appending(session_path, HALVES[0])()
        for _ in range(100):
            interposer.after("write", appending(session_path, HALVES[0]))
        with pytest.raises(WriteFailedError):
            await session.rewrite(transform)
        assert (transform.calls, session.generation) == (0, 1)
        assert interposer.waiting > 50
