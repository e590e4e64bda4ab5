"""PLAIN: any JSON object, nothing added."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coordinator import PLAIN, FormatError
from coordinator._core._values import Tail
from tests.support.records import plain_records


@given(plain_records())
def test_stamping_adds_the_line_feed_and_nothing_else(record: dict[str, Any]) -> None:
    """The line is the record."""
    draft = PLAIN.encode(record)
    stamped = PLAIN.stamp(draft, Tail(), now_ms=1)
    assert stamped.line == draft.line
    assert (stamped.id, stamped.tail, draft.lacks) == (None, Tail(), ())


def test_a_plain_file_has_no_header() -> None:
    """Its first line is its first record."""
    assert PLAIN.new_header(None, now_ms=1) is None
    with pytest.raises(ValueError, match="no header"):
        PLAIN.new_header({}, now_ms=1)
    with pytest.raises(FormatError):
        PLAIN.read_header(b"{}\n")


def test_a_plain_file_has_no_leaf_and_no_tree() -> None:
    """An id in a record is the caller's own affair."""
    record = {"id": "a", "parentId": "b", "timestamp": "2026-05-20T08:00:00.000Z"}
    assert PLAIN.tail_of(record) == Tail()
    assert PLAIN.parent_of(record) is None


NO_RECORDS = {
    "nothing": b"",
    "blank": b" \t",
    "a number": b"12",
    "text": b'"text"',
    "a list": b"[]",
    "null": b"null",
    "two objects": b"{}{}",
    "torn": b'{"a":',
    "invalid UTF-8": b'{"a":"\xff"}',
    "a byte order mark": b'\xef\xbb\xbf{"a":1}',
    "UTF-16": '{"a":1}'.encode("utf-16"),
    "NUL bytes": b"\0" * 512,
    "a NUL byte behind": b'{"a":1}\0',
    "a bare NaN": b'{"a":NaN}',
    "a bare infinity": b'{"a":-Infinity}',
    "a control character": b'{"a":"\x01"}',
    "much too deep": b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
}
RECORDS = {
    "an empty object": (b"{}", {}),
    "a line feed": (b'{"a":1}\n', {"a": 1}),
    "a carriage return": (b'{"a":1}\r\n', {"a": 1}),
    "spaces": (b' {"a" : 1} ', {"a": 1}),
    "a key twice": (b'{"a":1,"a":2}', {"a": 2}),
    "half a character": (rb'{"a":"cut \ud83d"}', {"a": "cut \ud83d"}),
    "a number over 64 bits": (b'{"a":100000000000000000000000}', {"a": 1e23}),
    "an enormous integer": (b'{"a":-%b}' % (b"9" * 5000), {"a": float("-inf")}),
    "an enormous exponent": (b'{"a":1e999}', {"a": float("inf")}),
    "a long integer too": (rb'{"a":[1234567890123456789,"\udc00"]}', {"a": [1234567890123456789, "\udc00"]}),
}  # fmt: skip


@pytest.mark.parametrize("line", NO_RECORDS.values(), ids=NO_RECORDS.keys())
def test_what_is_no_object_is_no_record(line: bytes) -> None:
    """It is damage, and is said to be damage."""
    assert PLAIN.read(line) is None
    assert PLAIN.read(line + b"\n") is None


@pytest.mark.parametrize(("line", "record"), RECORDS.values(), ids=RECORDS.keys())
def test_what_any_json_reader_takes_is_a_record(line: bytes, record: dict[str, Any]) -> None:
    """A line that other readers take must not be called damaged: they would go on from it."""
    assert PLAIN.read(line) == record


@given(st.binary(max_size=80))
@example(b"{" * 100_000)
@example(b'{"a":' * 1_000)
@example(b'{"a":"\\')
def test_reading_never_raises(line: bytes) -> None:
    """A damaged file can be read."""
    record = PLAIN.read(line)
    assert record is None or isinstance(record, dict)
