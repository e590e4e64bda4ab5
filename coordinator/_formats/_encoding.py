"""From records to JSON and back, so that what is read equals what was given.

orjson alone would write NaN as null, a date or a UUID as text, an enum as its value, and a fragment's raw bytes unseen.
So its output counts only if a walk over the record finds nothing but JSON's own types. What the walk does not know is
looked at again, slowly: it is either a harmless relative (a mapping that is no dict, a subclass of str) or refused by
name and place. The walk costs about as much as orjson does.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, Never, cast

import orjson

from coordinator._core._errors import RecordError
from coordinator._core._lines import LINE_FEED
from coordinator._core._values import Record

_LEAVES = frozenset({str, int, bool, type(None)})
_INTEGER_MIN, _INTEGER_MAX = -(2**63), 2**64 - 1
_INTEGER_DIGITS_MAX = len(str(_INTEGER_MIN))


def encode(record: object) -> bytes:
    """Return a mapping as one line of JSON with its line feed; RecordError (without path) for anything else."""
    try:
        line = orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:
        return _encode_carefully(record)
    if not _is_plain(record):
        return _encode_carefully(record)
    # What orjson returns keeps its whole buffer alive: a copy of the right size is a third of a full queue's memory.
    return bytes(memoryview(line))


def encode_again(record: object) -> bytes:
    """Return a record that was read from a file as a line; RecordError for what no file can hold.

    It may hold what orjson parses, or leaves to `parse`, but does not write: half characters, and deep nesting.
    """
    try:
        return encode(record)
    except RecordError:
        line = _encode_halves(record)
        if line is None or parse(line) != record:
            raise
        return line


def _encode_halves(record: object) -> bytes | None:
    try:
        text = json.dumps(record, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None
    # The only characters that UTF-8 refuses are half ones, and Python's escape of them is that of JSON.
    return text.encode(errors="backslashreplace") + LINE_FEED


def encode_text(text: str | None) -> bytes:
    """Return a string that was read from a file as JSON: it may hold half characters, which orjson refuses."""
    try:
        return orjson.dumps(text)
    except TypeError:
        return json.dumps(text).encode()


def parse(line: bytes) -> Record | None:
    """Return the JSON object of a line, None if it holds none; never raises."""
    try:
        value: object = orjson.loads(line)
    except ValueError:
        value = _parse_carefully(line)
    return cast("Record", value) if isinstance(value, dict) else None


def _is_plain(record: object) -> bool:
    if type(record) is not dict:
        return False
    containers: list[Any] = [record]
    for container in containers:  # which grows meanwhile
        is_dict = bool(type(container) is dict)  # said as a truth value: the type checker would narrow to unknowns
        for item in container.values() if is_dict else container:
            kind = type(item)  # pyright: ignore[reportUnknownVariableType] - a cast is a call per value
            if kind in _LEAVES:
                continue
            if kind is dict or kind is list or kind is tuple:
                containers.append(item)
            elif kind is not float or not isfinite(item):
                return False
    return True


def _encode_carefully(record: object) -> bytes:
    if not isinstance(record, Mapping):
        raise RecordError(f"a record is a JSON object, not {_kind(record)}", hint="append a mapping, such as a dict")
    mapping = cast("Mapping[object, object]", record)
    try:
        return orjson.dumps(_simplify(mapping, "record"), option=orjson.OPT_APPEND_NEWLINE)
    except (TypeError, RecursionError) as error:  # types, numbers and text were looked at; what remains is the depth
        hint = "flatten it, and see that nothing in it contains itself"
        raise RecordError("the record is nested too deeply", hint=hint) from error


def _simplify(value: object, place: str) -> object:
    """Return a copy made of JSON's own types; the first thing that is not JSON is refused with its place."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        return {_checked_key(key, place): _simplify(item, f"{place}[{key!r}]") for key, item in mapping.items()}
    if isinstance(value, list | tuple):
        values = cast("Sequence[object]", value)
        return [_simplify(item, f"{place}[{index}]") for index, item in enumerate(values)]
    return _checked_leaf(value, place)


def _checked_leaf(value: object, place: str) -> object:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _checked_text(value, place)
    if isinstance(value, float):
        if isfinite(value):
            return float(value)
        raise _refusal(place, f"the number {float(value)}", "JSON has no such number: leave it out, or write None")
    if isinstance(value, int):
        if _INTEGER_MIN <= value <= _INTEGER_MAX:
            return int(value)
        raise _refusal(place, "an integer of more than 64 bits", "write it as text")
    raise _refusal(place, _kind(value), "turn it into text, a number, a list or a dict first")


def _checked_text(text: str, place: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        hint = "half of a character, as cutting UTF-16 leaves it: text.encode(errors='replace').decode() replaces it"
        raise _refusal(place, "a lone surrogate", hint) from None
    return str.__str__(text)


def _checked_key(key: object, place: str) -> str:
    if not isinstance(key, str):
        raise _refusal(place, f"the key {key!r}", "make every key a string")
    return _checked_text(key, f"a key of {place}")


def _refusal(place: str, what: str, hint: str) -> RecordError:
    return RecordError(f"{place} is not JSON: it holds {what}", hint=hint)


def _kind(value: object) -> str:
    return f"a value of type {type(value).__qualname__}"


def _parse_carefully(line: bytes) -> object:
    r"""Parse what is JSON to other readers but not to orjson: half characters (`\ud83d`) and enormous numbers.

    A session manager in JavaScript writes half characters whenever it cuts text, and reads them. Taking its record for
    damage would drop it from the conversation.
    """
    try:
        return json.loads(line.decode(), parse_int=_integer, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        return None


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _INTEGER_DIGITS_MAX else float(digits)


def _refuse_constant(name: str) -> Never:
    raise ValueError(f"{name} is not JSON")
