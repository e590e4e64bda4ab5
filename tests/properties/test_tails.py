"""Reading from the end, and from any line on, whatever the lines are and wherever the blocks of a reader end."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from coordinator import Session

from .disk import entries, in_session, session_file
from .effort import effort

BLOCKS = (4096, 65_536, 262_144)
NEAR_BLOCKS = st.builds(lambda block, more: block + more, st.sampled_from(BLOCKS), st.integers(-12, 2))
DAMAGE = st.sampled_from([b"", b"\r", b"\0\0", b"{", b"[]", b"\xff\xfe", "\u2028".encode(), b"}" * 5000])


def long_record(size: int) -> bytes:
    """Return a record that takes this many bytes, its line feed not counted."""
    return b'{"a":"%b"}' % (b"x" * (size - 8))


LINES = st.lists(st.just(b'{"a":1}') | DAMAGE | NEAR_BLOCKS.map(long_record), max_size=8)


def by_hand(lines: list[bytes]) -> list[tuple[int, int, dict[str, object]]]:
    """Return offset, size and content of each record, found in the simplest way."""
    found, offset = [], 0
    for line in lines:
        if line.startswith(b'{"a"'):
            found.append((offset, len(line) + 1, json.loads(line)))
        offset += len(line) + 1
    return found


@effort(50)
@given(lines=LINES, count=st.integers(0, 9), which=st.integers(0, 7))
def test_the_last_records_and_those_from_a_line_on_are_found(lines: list[bytes], count: int, which: int) -> None:
    """A scanner that loses or doubles a record where two blocks meet is right in every small test."""
    expected = by_hand(lines)
    offsets = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines) + 1)]
    start = offsets[which % len(offsets)]

    async def read(session: Session) -> tuple[list, list, list]:
        last = await session.tail(count)
        from_line = [entry async for entry in session.records(start)]
        return await entries(session), last, from_line

    with session_file(b"".join(line + b"\n" for line in lines)) as path:
        found, last, from_line = in_session(path, read)
    assert [(entry.offset, entry.size, entry.record) for entry in found] == expected
    assert last == found[max(0, len(found) - count) :]
    assert from_line == [entry for entry in found if entry.offset >= start]
