"""Another process acts once, between any two system calls of a rewrite: nothing is lost, nothing goes unreported."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from coordinator import Change, Event, Record, Session, SessionState, TakeoverError, WriteFailedError
from coordinator.testing import Interposer, open_session

OWN = ["one", "two", "three"]
FOREIGN = b'{"text":"foreign"}\n'
CALLS_MAX = 200
Act = Callable[[], object]


class Stranger:
    """Another process: everything it does goes through a descriptor it got before, or through the path."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND)
        self._edits = os.open(path, os.O_RDWR)

    @property
    def displaced(self) -> Path:
        """Return where it keeps what it has replaced."""
        return self._path.with_name("displaced")

    def append(self) -> None:
        """Append through the path."""
        with self._path.open("ab") as file:
            file.write(FOREIGN)

    def append_through_descriptor(self) -> None:
        """Append to the file that had the path before."""
        os.write(self._fd, FOREIGN)

    def edit(self) -> None:
        """Change a letter through the path."""
        with self._path.open("r+b") as file:
            file.seek(len(b'{"text":"'))
            file.write(b"O")

    def edit_through_descriptor(self) -> None:
        """Change a letter of the file that had the path before."""
        os.pwrite(self._edits, b"O", len(b'{"text":"'))

    def replace(self) -> None:
        """Put a copy with one line more there, and keep what it displaces."""
        copy = self._path.with_name("copy")
        copy.write_bytes(self._path.read_bytes() + FOREIGN)
        self._path.rename(self.displaced)
        copy.rename(self._path)

    def truncate(self) -> None:
        """Cut the last record off."""
        os.truncate(self._path, self._path.read_bytes().index(b'{"text":"three"'))

    def remove(self) -> None:
        """Move the file away."""
        self._path.rename(self.displaced)

    def close(self) -> None:
        """End."""
        os.close(self._fd)
        os.close(self._edits)


EXPECTED: dict[Callable[[Stranger], None], set[Change]] = {
    Stranger.append: {Change.APPENDED},
    Stranger.append_through_descriptor: {Change.APPENDED},
    Stranger.edit: {Change.REWRITTEN},
    Stranger.edit_through_descriptor: {Change.REWRITTEN},
    Stranger.replace: {Change.REPLACED},
    # Once cut, its length alone may tell, or the digest of what was read.
    Stranger.truncate: {Change.TRUNCATED, Change.REWRITTEN},
    Stranger.remove: {Change.VANISHED, Change.REPLACED},
}


def count(records: Iterator[Record]) -> Iterable[Record]:
    """Make a content that is another one each time."""
    return ({**record, "rewritten": record.get("rewritten", 0) + 1} for record in records)


def texts(*files: Path) -> list[str]:
    """Return the text of every record in these files, in lower case: an edit is no loss."""
    lines = [line for file in files if file.exists() for line in file.read_bytes().splitlines()]
    return [json.loads(line)["text"].lower() for line in lines]


async def rewrite(session: Session) -> None:
    """Rewrite; a refusal is no loss."""
    with suppress(WriteFailedError, TakeoverError):
        await session.rewrite(count)


async def look(session: Session) -> None:
    """Look as the next turn does, and accept what was found."""
    with suppress(TakeoverError):
        async with session.writer("chat").fence():
            pass
    if session.state is SessionState.STOPPED:
        await session.reopen()


@pytest.mark.parametrize("act", EXPECTED, ids=lambda act: act.__name__)
async def test_a_rewrite_beside_another_process(tmp_path: Path, act: Callable[[Stranger], None]) -> None:
    """Wherever it acts, it is told of by the next turn, and every record is in the file or in what it displaced."""
    for number in range(CALLS_MAX):
        directory = tmp_path / str(number)
        directory.mkdir()
        if not await disturbed(directory / "session.jsonl", act, number):
            break
    assert 20 < number < CALLS_MAX


async def disturbed(path: Path, act: Callable[[Stranger], None], number: int) -> bool:
    """Act before the call of this number; False if a rewrite makes no so many."""
    interposer, found = Interposer(), set[Change]()
    path.write_text("".join(f'{{"text":"{text}"}}\n' for text in OWN))
    with closing(Stranger(path)) as stranger:
        async with open_session(path, interposer=interposer, observers=[noting(found)]) as session:
            interposer.at(number, lambda: act(stranger))
            await rewrite(session)
            if interposer.waiting:
                return False
            await look(session)
            judge(act, number, interposer.calls, found, texts(path, stranger.displaced))
    return True


def noting(found: set[Change]) -> Callable[[Event], None]:
    """Return an observer that notes which changes of the content were found."""

    def observe(event: Event) -> None:
        if event.name == "foreign_change" and event.foreign.change is not Change.TOUCHED:
            found.add(event.foreign.change)

    return observe


def judge(act: Callable[[Stranger], None], number: int, calls: list[str], found: set[Change], there: list[str]) -> None:
    """Ask for what was promised; the calls say where it happened."""
    where = f"{act.__name__} before call {number}, {calls}"
    assert found, where
    assert found <= EXPECTED[act], where
    kept = OWN[:2] if act is Stranger.truncate else OWN
    assert set(kept) <= set(there), where
    if act in (Stranger.append, Stranger.append_through_descriptor):
        assert sorted(there) == sorted([*OWN, "foreign"]), where
    if act is Stranger.replace:
        assert "foreign" in there, where


async def test_a_file_that_displaces_ours_is_not_displaced_by_an_older_one(session_path: Path) -> None:
    """Another process replaces the file just before the exchange, and again just behind it: its last word stays."""
    interposer, found = Interposer(), set[Change]()
    async with open_session(session_path, interposer=interposer, observers=[noting(found)]) as session:
        await session.writer("setup").append({"text": "one"})
        interposer.before("exchange", lambda: put(session_path, "first"))
        interposer.after("exchange", lambda: put(session_path, "second"))
        await rewrite(session)
        assert found == {Change.REPLACED}
        assert texts(session_path) == ["second"]


def put(path: Path, text: str) -> None:
    """Put another file there."""
    other = path.with_name("other")
    other.write_text(json.dumps({"text": text}) + "\n")
    other.rename(path)
