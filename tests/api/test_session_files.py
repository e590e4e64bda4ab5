"""Every kind of session file, opened and appended to, byte for byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from coordinator import PI, PLAIN, Coordinator, FormatError, Session, SessionState
from tests.conftest import DATA
from tests.support.chain import read_session

from .desk import check_clear, note, snapshot, texts_of


@dataclass(frozen=True)
class Expected:
    """What opening a file must do: `cut` bytes go beside it, `added` come to its end, `damaged` lines stay."""

    leaf: str | None
    cut: int = 0
    added: bytes = b""
    damaged: int = 0


def last_id(name: str, back: int = 1) -> str:
    """Return the id of the last whole line of a file in `tests/data`."""
    line = (DATA / f"{name}.jsonl").read_bytes().splitlines()[-back]
    return str(json.loads(line)["id"])


def torn_bytes(name: str) -> int:
    """Return how many bytes stand behind the last line feed."""
    return len((DATA / f"{name}.jsonl").read_bytes().rpartition(b"\n")[2])


WHOLE = ("all-types", "short", "long-2000", "compaction", "branches", "crlf")
TABLE = {
    **{name: Expected(last_id(name)) for name in WHOLE},
    "torn-tail": Expected(last_id("torn-tail", 2), cut=torn_bytes("torn-tail")),
    "no-final-newline": Expected(last_id("no-final-newline"), added=b"\n"),
    "damaged-middle": Expected(last_id("damaged-middle"), damaged=2),
    "header-only": Expected(None),
}


def healed(name: str) -> bytes:
    """Return what the file must be after opening."""
    content, expected = (DATA / f"{name}.jsonl").read_bytes(), TABLE[name]
    return content[: len(content) - expected.cut] + expected.added


async def opened(coordinator: Coordinator, path: Path) -> Session:
    """Open it as what it is."""
    return await coordinator.open(path, format=PI)


@pytest.mark.parametrize("name", TABLE)
async def test_a_real_file_is_opened_as_the_table_says(copy_of: Callable[[str], Path], name: str) -> None:
    """Whole files keep every byte and their times; a torn end is cut and kept; damage before it is left."""
    path, expected = copy_of(name), TABLE[name]
    original, times = path.read_bytes(), path.stat()
    async with Coordinator() as coordinator:
        session = await opened(coordinator, path)
        assert path.read_bytes() == healed(name)
        assert (session.leaf, session.state) == (expected.leaf, SessionState.OPEN)
        assert session.header == json.loads(original.split(b"\n")[0])
        assert session.statistics().damaged_lines == expected.damaged
    if not expected.cut and not expected.added:
        assert (path.stat().st_mtime_ns, path.stat().st_mode) == (times.st_mtime_ns, times.st_mode)
    kept = [side_file.read_bytes() for side_file in path.parent.glob(f"{path.name}.torn-*")]
    assert kept == ([original[-expected.cut :]] if expected.cut else [])


@pytest.mark.parametrize("name", TABLE)
async def test_the_next_record_follows_the_last_one(copy_of: Callable[[str], Path], name: str) -> None:
    """Two records are appended behind what is there, each chained after the one before, and nothing else changes."""
    path = copy_of(name)
    async with Coordinator() as coordinator:
        session = await opened(coordinator, path)
        receipts = [await session.writer("w").append(note(text)) for text in "ab"]
    content = path.read_bytes()
    lines = content[len(healed(name)) :].splitlines(keepends=True)
    assert content.startswith(healed(name))
    assert [receipt.offset for receipt in receipts] == [len(healed(name)), len(healed(name)) + len(lines[0])]
    assert [receipt.size for receipt in receipts] == [len(line) for line in lines]
    assert all(line.endswith(b"}\n") for line in lines)
    parents = [json.loads(line)["parentId"] for line in lines]
    assert parents == [TABLE[name].leaf, receipts[0].id]


@pytest.mark.parametrize("name", TABLE)
async def test_opening_again_changes_nothing(copy_of: Callable[[str], Path], name: str) -> None:
    """Healing is idempotent."""
    path = copy_of(name)
    async with Coordinator() as coordinator:
        await opened(coordinator, path)
    before = snapshot(path.parent)
    async with Coordinator() as coordinator:
        await opened(coordinator, path)
    assert snapshot(path.parent) == before


@pytest.mark.parametrize("name", TABLE)
async def test_everything_readable_is_read(copy_of: Callable[[str], Path], name: str) -> None:
    """Records, tail and branch agree with another reader; damage is passed over."""
    path = copy_of(name)
    async with Coordinator() as coordinator:
        session = await opened(coordinator, path)
        entries = [entry async for entry in session.records()]
        others = read_session(path)
        assert [entry.record for entry in entries] == others.records
        assert [entry.record for entry in await session.tail(3)] == others.records[-3:]
        branch = [entry.record["id"] for entry in await session.branch()]
        assert branch == [record["id"] for record in others.chain()]
        content = path.read_bytes()
        assert all(json.loads(content[e.offset : e.offset + e.size]) == e.record for e in entries)


@pytest.mark.parametrize("name", ["headerless", "legacy-v1"])
async def test_a_file_of_another_kind_is_refused_untouched(copy_of: Callable[[str], Path], name: str) -> None:
    """No repair by starting afresh: bytes, mode and times stay, and nothing stands beside it."""
    path = copy_of(name)
    before = snapshot(path.parent)
    async with Coordinator() as coordinator:
        with pytest.raises(FormatError) as caught:
            await opened(coordinator, path)
        check_clear(caught.value, path)
        assert not coordinator.sessions
    assert snapshot(path.parent) == before


async def test_an_empty_file_counts_as_new(copy_of: Callable[[str], Path]) -> None:
    """It gets its header with the first record, and stays empty until then."""
    path = copy_of("empty")
    async with Coordinator() as coordinator:
        session = await opened(coordinator, path)
        assert (path.read_bytes(), session.leaf) == (b"", None)
        await session.writer("w").append(note("first"))
        assert session.header == json.loads(path.read_bytes().split(b"\n")[0])
    assert texts_of(path) == ["first"]
    assert read_session(path).header is not None


TORN_BEGINNINGS = [b'{"type":"sess', b"\0" * 100, b'{"type":"session","id":"x"', b"{"]


@pytest.mark.parametrize("torn", TORN_BEGINNINGS, ids=repr)
async def test_a_kill_during_creation_leaves_a_new_file(session_path: Path, torn: bytes) -> None:
    """A first line without its end is a torn tail: kept beside, and the file counts as new."""
    session_path.write_bytes(torn)
    async with Coordinator() as coordinator:
        session = await opened(coordinator, session_path)
        await session.writer("w").append(note("first"))
    assert texts_of(session_path) == ["first"]
    (side_file,) = session_path.parent.glob(f"{session_path.name}.torn-*")
    assert side_file.read_bytes() == torn
    assert side_file.stat().st_mode & 0o777 == 0o600


TAILS: dict[str, tuple[bytes, bytes, int]] = {
    "half a record": (b'{"text":"half', b"", 13),
    "NULs of blocks that were never written": (b"\0" * 50, b"", 50),
    "a whole record and NULs": (b'{"text":"whole"}' + b"\0" * 9, b'{"text":"whole"}\n', 9),
    "a number that may be half of one": (b"12", b"", 2),
    "a whole record": (b'{"text":"whole"}', b'{"text":"whole"}\n', 0),
    "a list": (b"[1]", b"", 3),
}


@pytest.mark.parametrize(("tail", "kept", "cut"), TAILS.values(), ids=TAILS)
async def test_only_what_is_no_record_is_cut_from_the_end(
    session_path: Path, tail: bytes, kept: bytes, cut: int
) -> None:
    """A record that lacks nothing but its line feed gets it; anything else goes beside, every byte of it."""
    session_path.write_bytes(b'{"text":"first"}\n' + tail)
    async with Coordinator() as coordinator:
        session = await coordinator.open(session_path, format=PLAIN)
        assert session_path.read_bytes() == b'{"text":"first"}\n' + kept
        await session.writer("w").append({"text": "next"})
    assert session_path.read_bytes() == b'{"text":"first"}\n' + kept + b'{"text":"next"}\n'
    side = b"".join(side_file.read_bytes() for side_file in session_path.parent.glob("*.torn-*"))
    assert side == tail[len(tail) - cut :]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"not JSON\n",
        b'{"type":"message"}\n',
        b'{"type":"session","version":4,"id":"x"}\n',
        b'{"type":"session"}\n',
    ],
    ids=repr,
)
async def test_a_first_line_that_is_no_header_is_never_mended(session_path: Path, line: bytes) -> None:
    """The rest of the history stands behind it."""
    session_path.write_bytes(line + b'{"type":"custom","id":"a","parentId":null}\n')
    before = snapshot(session_path.parent)
    async with Coordinator() as coordinator:
        with pytest.raises(FormatError) as caught:
            await opened(coordinator, session_path)
        check_clear(caught.value, session_path)
    assert snapshot(session_path.parent) == before


async def test_separators_that_are_no_line_feed_are_text(session_path: Path) -> None:
    """U+2028 and its relatives stand raw in a line; a reader that splits at them would find damage."""
    text = "one\u2028two\u2029three\x85four\x0bfive"
    async with Coordinator() as coordinator:
        session = await opened(coordinator, session_path)
        await session.writer("w").append(note(text))
        assert [entry.record["data"]["text"] for entry in await session.branch()] == [text]
    assert "\u2028".encode() in session_path.read_bytes()


async def test_a_header_is_merged_into_a_new_file_only(session_path: Path) -> None:
    """An existing one keeps its own."""
    given: dict[str, Any] = {"cwd": "/elsewhere", "parentSession": "p", "id": "chosen"}
    for header in (given, {"id": "other"}):
        async with Coordinator() as coordinator:
            session = await coordinator.open(session_path, format=PI, header=header)
            await session.writer("w").append(note("x"))
            assert session.header is not None
            assert {key: session.header[key] for key in given} == given
    assert json.loads(session_path.read_bytes().split(b"\n")[0])["id"] == "chosen"


async def test_a_session_that_wrote_nothing_leaves_no_file(session_path: Path) -> None:
    """Also when a fence was held and reading was tried."""
    async with Coordinator() as coordinator:
        session = await opened(coordinator, session_path)
        async with session.writer("w").fence() as fence:
            await fence.check()
        assert await session.tail(5) == await session.branch() == []
    assert not session_path.exists()
