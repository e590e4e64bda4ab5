"""Splitting bytes into lines, and judging the end of a file."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator._core._lines import LineSplitter, TailRepair, repair_of

CONTENT = st.lists(st.sampled_from([b"\n", b"\r", b"\0", b"{", b"}", b"a", "\u2028".encode()]), max_size=40).map(
    b"".join
)


def split(content: bytes, cuts: list[int], **options: int) -> tuple[list[tuple[int, int, bytes | None]], int]:
    """Feed a content in pieces, and return its lines and the size of what has no end."""
    splitter, lines, start = LineSplitter(**options), [], 0
    for end in [*sorted(cut % (len(content) + 1) for cut in cuts), len(content)]:
        lines += [(line.offset, line.size, line.content) for line in splitter.feed(content[start:end])]
        start = end
    return lines, splitter.rest_size


@given(CONTENT, st.lists(st.integers(0, 100), max_size=5))
def test_lines_and_rest_are_the_content_however_it_comes(content: bytes, cuts: list[int]) -> None:
    """No byte is lost, doubled or moved by the places where reads happen to end."""
    lines, rest_size = split(content, cuts)
    joined = b"".join(text or b"" for _, _, text in lines)
    assert joined == content[: len(content) - rest_size]
    assert [offset for offset, _, _ in lines] == [joined.find(text or b"", offset) for offset, _, text in lines]
    assert all(text is not None and text.count(b"\n") == 1 and text.endswith(b"\n") for _, _, text in lines)


def test_only_a_line_feed_ends_a_line() -> None:
    """A carriage return, U+2028 and U+0085 are ordinary bytes of a line."""
    content = '{"a":"\u2028\u0085\x0b\x0c"}\r{}\r\n'.encode()
    assert split(content, []) == ([(0, len(content), content)], 0)


def test_offsets_count_from_where_the_stream_begins() -> None:
    """A range in the middle of a file gives offsets of the file."""
    assert split(b"a\nb\n", [1], offset=100)[0] == [(100, 2, b"a\n"), (102, 2, b"b\n")]


def test_a_line_that_is_too_long_is_passed_over_but_counted() -> None:
    """Memory stays bounded, and the lines behind it keep their offsets."""
    lines, _ = split(b"123456789\nok\n", [3, 6], line_bytes_max=8)
    assert lines == [(0, 10, None), (10, 3, b"ok\n")]


@pytest.mark.parametrize(
    ("rest", "repair"),
    [
        (b"", TailRepair(0, 0)),
        (b'{"a":1}', TailRepair(7, 0)),
        (b'{"a":1}\r', TailRepair(8, 0)),
        (b'{"a":1', TailRepair(0, 6)),
        (b"\0\0\0", TailRepair(0, 3)),
        (b'{"a":1}\0\0', TailRepair(7, 2)),
        (b'{"a":\0\0', TailRepair(0, 7)),
        (b"12", TailRepair(0, 2)),
        (b"[1]", TailRepair(0, 3)),
        (b'{"a":"\xff"}', TailRepair(0, 9)),
        (b" \t", TailRepair(0, 2)),
    ],
)
def test_only_a_whole_object_at_the_end_is_kept(rest: bytes, repair: TailRepair) -> None:
    """What cannot prove its own end is torn, and NUL bytes are what a power cut leaves."""
    assert repair_of(rest) == repair


@given(st.dictionaries(st.text(max_size=3), st.integers(0, 999) | st.text(max_size=5), max_size=4), st.data())
def test_every_beginning_of_a_record_is_torn(record: dict[str, object], data: st.DataObject) -> None:
    """No matter at which byte a kill stopped the write, the beginning is never taken for a record."""
    whole = orjson.dumps(record)
    length = data.draw(st.integers(0, len(whole) - 1))
    assert repair_of(whole[:length]) == TailRepair(0, length)
    assert repair_of(whole) == TailRepair(len(whole), 0)
