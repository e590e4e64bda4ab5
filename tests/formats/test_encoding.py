"""What becomes a line, and what is refused: what is read equals what was given, or nothing is written."""

import json
from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from types import MappingProxyType
from typing import Any, Self
from uuid import UUID

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator import PI, PLAIN, RecordError
from tests.support.records import LEAVES, TEXT, json_values, plain_records


class Colour(Enum):
    """No relative of a JSON type."""

    RED = "red"


class Role(StrEnum):
    """Text, by inheritance."""

    USER = "user"


class Level(IntEnum):
    """A number, by inheritance."""

    HIGH = 3


@dataclass
class Point:
    """What orjson would turn into an object by itself."""

    x: int = 1


Pair = namedtuple("Pair", ["first", "second"])  # noqa: PYI024 - a plain tuple with names is what is tested

NOT_JSON = {
    "nan": float("nan"),
    "infinity": float("-inf"),
    "datetime": datetime(2026, 5, 20, tzinfo=UTC),
    "date": date(2026, 5, 20),
    "uuid": UUID(int=7),
    "enum": Colour.RED,
    "dataclass": Point(),
    "bytes": b"text",
    "set": {"a"},
    "decimal": Decimal("1.5"),
    "complex": 1j,
    "object": object(),
    "too large": 2**64,
    "too small": -(2**63) - 1,
    "half a character": "\ud83d",
    "half a character in a key": {"\udc4d": 1},
    "number as key": {1: "one"},
    "none as key": {None: "nothing"},
    "raw fragment": orjson.Fragment(b'{"torn'),
    "fragment that is whole": orjson.Fragment(b"{}"),
}
RELATIVES = {
    "tuple": ((1, 2), [1, 2]),
    "named tuple": (Pair(1, "b"), [1, "b"]),
    "ordered dict": (OrderedDict(a=1), {"a": 1}),
    "mapping that is no dict": (MappingProxyType({"a": MappingProxyType({"b": None})}), {"a": {"b": None}}),
    "text enum": (Role.USER, "user"),
    "text enum as key": ({Role.USER: 1}, {"user": 1}),
    "number enum": (Level.HIGH, 3),
    "subclass of float": (type("Seconds", (float,), {})(1.5), 1.5),
}


def each(cases: dict[str, Any]) -> pytest.MarkDecorator:
    """Run a test once per case, under the name of the case."""
    return pytest.mark.parametrize("case", cases.values(), ids=cases.keys())


def nested(depth: int) -> dict[str, Any]:
    """Return a record with so many objects inside each other."""
    record: dict[str, Any] = {}
    for _ in range(depth):
        record = {"inner": record}
    return record


@given(plain_records())
def test_what_is_read_equals_what_was_given(record: dict[str, Any]) -> None:
    """Nothing is lost, changed or added on the way through a file."""
    assert PLAIN.read(PLAIN.encode(record).line) == record


@given(plain_records())
def test_a_record_is_one_line(record: dict[str, Any]) -> None:
    """No byte of a record can end its line early."""
    assert PLAIN.encode(record).line.index(b"\n") == len(PLAIN.encode(record).line) - 1


@each(NOT_JSON)
def test_what_is_not_json_is_refused_with_its_place(case: object) -> None:
    """The person at the console learns where to look and what to do."""
    with pytest.raises(RecordError) as caught:
        PLAIN.encode({"type": "message", "content": [None, {"part": case}]})
    assert "record['content'][1]['part'] is not JSON" in str(caught.value)
    assert caught.value.hint
    assert caught.value.path is None


@each(NOT_JSON)
def test_what_is_not_json_is_refused_at_the_top_too(case: object) -> None:
    """The first level is no exception."""
    with pytest.raises(RecordError):
        PLAIN.encode({"value": case})


@each(RELATIVES)
def test_a_relative_of_a_json_type_is_written_as_what_it_is(case: tuple[object, object]) -> None:
    """What equals a JSON value is one: a mapping, a tuple, an enum that is text."""
    given_value, read_value = case
    assert PLAIN.read(PLAIN.encode({"value": given_value}).line) == {"value": read_value}


def test_a_text_enum_is_written_with_its_text() -> None:
    """Its private value may be something else, and is nobody's business."""

    class Odd(str, Enum):  # noqa: UP042 - a StrEnum could not differ from its value
        TEXT = "text"

        def __new__(cls, text: str) -> Self:
            """Remember another value than the text."""
            member = str.__new__(cls, text)
            member._value_ = 7
            return member

    assert PLAIN.encode({"value": Odd.TEXT}).line == b'{"value":"text"}\n'


@pytest.mark.parametrize("record", [None, "text", 1, [("a", 1)], [], b"{}", orjson.Fragment(b"{}"), object()])
def test_what_is_no_mapping_is_no_record(record: Any) -> None:
    """A session file is a file of objects."""
    for record_format in (PLAIN, PI):
        with pytest.raises(RecordError, match="a record is a JSON object") as caught:
            record_format.encode(record)
        assert caught.value.hint


def test_a_mapping_that_is_no_dict_is_a_record() -> None:
    """Frozen and lazy mappings are welcome."""
    assert PLAIN.encode(MappingProxyType({"a": 1})).record == {"a": 1}


def test_what_is_nested_too_deeply_is_refused() -> None:
    """A reader with a small stack shall be able to read it."""
    for depth in (1_000, 100_000):
        with pytest.raises(RecordError, match="nested too deeply"):
            PLAIN.encode(nested(depth))


def test_what_contains_itself_is_refused() -> None:
    """A ring has no end, so it has no line."""
    record: dict[str, Any] = {"type": "message"}
    record["self"] = [record]
    with pytest.raises(RecordError, match="nested too deeply"):
        PLAIN.encode(record)


def test_a_depth_that_is_usual_is_written() -> None:
    """Two hundred levels are more than any tool sends."""
    record = nested(200)
    assert PLAIN.encode(record).record == record


def test_a_later_change_of_the_record_does_no_harm() -> None:
    """The bytes are made at the call."""
    record = {"type": "message", "parts": ["one"]}
    draft = PLAIN.encode(record)
    record["parts"].append("two")
    assert draft.record == {"type": "message", "parts": ["one"]}


def test_null_and_the_word_null_are_written() -> None:
    """Only a number that JSON does not have would silently become null."""
    record = {"parent": None, "text": "null", "null": [None, 0.0, -0.0, 1e308]}
    assert PLAIN.encode(record).record == record


def test_text_is_written_raw() -> None:
    """U+2028 and emoji are not escaped: other readers expect them as they are."""
    assert PLAIN.encode({"text": "a\u2028b\u2029ü🙂"}).line == '{"text":"a\u2028b\u2029ü🙂"}\n'.encode()


STRANGE = st.sampled_from([*NOT_JSON.values(), *(given_value for given_value, _ in RELATIVES.values())])


def is_json(value: Any) -> bool:
    """Say what must be accepted, by the standard library and the two bounds it does not have."""
    if isinstance(value, dict | MappingProxyType):
        return all(isinstance(key, str) and is_json(key) and is_json(item) for key, item in value.items())
    if isinstance(value, list | tuple):
        return all(map(is_json, value))
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False)
        text.encode()
    except (TypeError, ValueError):
        return False
    return not isinstance(value, int) or -(2**63) <= value < 2**64


@given(st.dictionaries(TEXT | st.integers(0, 3), json_values(LEAVES | STRANGE, TEXT | st.integers(0, 3)), max_size=3))
def test_exactly_what_is_json_is_accepted(record: dict[str, Any]) -> None:
    """Nothing good is refused, nothing else gets through."""
    try:
        PLAIN.encode(record)
    except RecordError:
        accepted = False
    else:
        accepted = True
    assert accepted == is_json(record)
