"""Opening bytes that nobody made for us: no strange exception, no byte lost, and nothing left to mend."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator import PI, PLAIN, FormatError, RecordFormat
from tests.conftest import DATA

from .disk import entries, in_session, session_file, side_files
from .effort import effort

SMALL_BYTES_MAX = 40_000
CORPUS = [path.read_bytes() for path in sorted(DATA.glob("*.jsonl")) if path.stat().st_size <= SMALL_BYTES_MAX]
HEADER = b'{"type":"session","version":3,"id":"h","timestamp":"2026-01-01T00:00:00.000Z","cwd":"/"}\n'
PIECES = st.sampled_from([
    b"\n", b"\r\n", b"\0", b"\0" * 4096, b"{", b"}", b'"', b"\\", b"{}", b"{}\n", b'{"a":1}', b"null\n", b"\xff", b"12",
    b"\xef\xbb\xbf", "\u2028".encode(), b"NaN", b'{"a":"\\ud83d"}\n', b'{"a":NaN}\n', b'{"a":1e999}\n', b"[" * 1000,
    b'{"a":' * 1000, b"9" * 400, b'{"type":"message","id":"x"}\n', b'{"type":"custom","id":"y","parentId":"x"}', HEADER,
])  # fmt: skip
FORMATS = st.sampled_from([PLAIN, PI])


@st.composite
def mutants(draw: st.DrawFn) -> bytes:
    """Return a file of the corpus after a few accidents."""
    content = draw(st.sampled_from(CORPUS))
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(content)))
        end = draw(st.integers(start, min(len(content), start + 200)) | st.just(len(content)))
        middle = draw(st.just(b"") | PIECES | st.binary(max_size=20) | st.just(content[start:end] * 2))
        content = content[:start] + middle + content[end:]
    return content


ANYTHING = mutants() | st.binary(max_size=200) | st.lists(PIECES, max_size=12).map(b"".join)


def open_and_close(path: Path, record_format: RecordFormat) -> list[dict[str, object]] | None:
    """Return the records of a file, None if it is refused; `PLAIN` takes anything, `PI` asks for its header."""

    async def read(session):
        found = await entries(session)
        assert [entry.record for entry in await session.tail(3)] == [entry.record for entry in found[-3:]]
        return [entry.record for entry in found]

    try:
        return in_session(path, read, record_format=record_format)
    except FormatError as error:
        refusal = error
    assert record_format is PI
    assert refusal.path == path
    assert refusal.hint
    return None


@effort(100)
@given(content=ANYTHING, record_format=FORMATS)
def test_opening_loses_no_byte_and_raises_only_what_is_ours(content: bytes, record_format: RecordFormat) -> None:
    """A power cut leaves anything; what the library cannot read a person may still read."""
    with session_file(content) as path:
        found = open_and_close(path, record_format)
        after, aside = path.read_bytes(), [kept.read_bytes() for kept in side_files(path)]
        if found is None:
            assert (after, aside) == (content, [])
        elif aside:
            assert len(aside) == 1
            assert content in {after + aside[0], after.removesuffix(b"\n") + aside[0]}
        else:
            assert after in {content, content + b"\n"}


@effort(60)
@given(content=ANYTHING, record_format=FORMATS)
def test_a_second_opening_finds_nothing_to_mend(content: bytes, record_format: RecordFormat) -> None:
    """Healing that goes on healing would eat a file bit by bit."""
    with session_file(content) as path:
        first = open_and_close(path, record_format)
        before = path.stat(), path.read_bytes(), side_files(path)
        second = open_and_close(path, record_format)
        after = path.stat(), path.read_bytes(), side_files(path)
        assert second == first
        assert after[1:] == before[1:]
        assert (after[0].st_mtime_ns, after[0].st_ino) == (before[0].st_mtime_ns, before[0].st_ino)


@effort(60)
@given(content=ANYTHING, record_format=FORMATS)
def test_what_is_appended_behind_anything_is_read_back(content: bytes, record_format: RecordFormat) -> None:
    """The next record must stand on a line of its own, whatever the file ended in, and touch nothing before it."""

    async def append(session):
        before = session.path.read_bytes(), await entries(session), session.leaf
        receipt = await session.writer("chat").append({"type": "custom", "customType": "mine"})
        return before, receipt, await entries(session)

    with session_file(content) as path:
        try:
            (old, known, leaf), receipt, found = in_session(path, append, record_format=record_format)
        except FormatError:
            assert record_format is PI
            assert path.read_bytes() == content
            return
        new = path.read_bytes()
        assert new.startswith(old)
        assert found[:-1] == known
        assert found[-1].record.get("customType") == "mine"
        assert (found[-1].offset, found[-1].size) == (receipt.offset, receipt.size)
        assert new.endswith(b"\n")
        assert record_format is PLAIN or found[-1].record["parentId"] == leaf


@pytest.mark.parametrize("name", ["headerless", "legacy-v1"])
def test_a_file_that_is_no_session_is_refused_untouched(name: str) -> None:
    """The corpus holds files that must be refused: otherwise the properties above could hold by opening everything."""
    content = (DATA / f"{name}.jsonl").read_bytes()
    with session_file(content) as path:
        assert open_and_close(path, PI) is None
        assert path.read_bytes() == content
