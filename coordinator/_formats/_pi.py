"""PI: the tree format of pi and OpenClaw session files, version 3.

A file is a header and records with `id`, `parentId` and `timestamp`. The last record is the leaf, and the way from it
to the root is the conversation; so what a record lacks of the three is stamped at the moment when it is written.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TypeGuard, final

from coordinator._core._errors import FormatError, RecordError
from coordinator._core._format import Draft, RecordFormat, Stamped
from coordinator._core._values import Record, Tail

from . import _encoding

VERSION = 3
_HEADER_TYPE = "session"
_STAMPED_KEYS = ("id", "parentId", "timestamp")
_ID_BYTES = 12
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_TIME_MS_MAX = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MILLISECOND


@final
class PiFormat(RecordFormat):
    """A header line, then a tree of records."""

    name = "pi"
    has_header = True
    stamp_bytes_max = 128  # with a parent whose id is as long as `repair-<uuid>`, the longest that was seen

    def new_header(self, given: Mapping[str, object] | None, *, now_ms: int) -> Record | None:
        """Merge `given` over the default header; ValueError if no reader would take the result for a header."""
        given = {} if given is None else given
        if not isinstance(given, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"a header is a mapping, not {type(given).__qualname__}")  # noqa: TRY004 - as documented
        default = {"type": _HEADER_TYPE, "version": VERSION, "id": str(uuid.uuid4()), "timestamp": _time_text(now_ms)}
        place = {} if "cwd" in given else {"cwd": _working_directory()}
        return _checked_header({**default, **place, **given})

    def read_header(self, line: bytes) -> Record:
        """Return the header; old versions and anything else are refused, never mended."""
        header = _encoding.parse(line)
        if header is None or header.get("type") != _HEADER_TYPE:
            hint = "look at the first line: is it a session of this format, or damaged? Restore it from a copy"
            raise FormatError("the first line is no session header", hint=hint)
        version = header.get("version", 1)
        if version in (1, 2):
            hint = "load it once in pi, which converts old files (keep a copy), then open it again"
            raise FormatError(f"the session file has the old version {version}, not {VERSION}", hint=hint)
        if version != VERSION:
            hint = "use a newer release of this library, or the program that wrote the file"
            raise FormatError(f"the session file has the unknown version {version!r}, not {VERSION}", hint=hint)
        if not _is_id(header.get("id")):
            hint = "look at the first line and restore it from a copy"
            raise FormatError("the session header has no id", hint=hint)
        return header

    def write_header(self, header: Record) -> bytes:
        """Return a header as a line; one that was read may hold half characters."""
        return _encoding.encode_again(header)

    def encode(self, record: Mapping[str, object]) -> Draft:
        """Turn a record into bytes, and note which of `id`, `parentId` and `timestamp` are left to us."""
        return self._draft(record, _encoding.encode(record))

    def encode_again(self, record: Mapping[str, object]) -> Draft:
        """Turn a record that was read into bytes; it may hold half characters."""
        return self._draft(record, _encoding.encode_again(record))

    @staticmethod
    def _draft(record: Mapping[str, object], line: bytes) -> Draft:
        _check_keys(record)
        record_id = record.get("id")
        lacks = tuple([key for key in _STAMPED_KEYS if key not in record])
        return Draft(line, record_id if _is_id(record_id) else None, lacks)

    def stamp(self, draft: Draft, tail: Tail, *, now_ms: int) -> Stamped:
        """Add what the record lacks: a new id, the leaf as its parent, a time that never runs backwards."""
        record_id, timestamp_ms = draft.id, tail.timestamp_ms
        parts = [b"{"]
        if record_id is None:
            record_id = os.urandom(_ID_BYTES).hex()
            parts.append(b'"id":"%b",' % record_id.encode())
        if "parentId" in draft.lacks:
            parts.append(b'"parentId":%b,' % _encoding.encode_text(tail.leaf))
        if "timestamp" in draft.lacks:
            timestamp_ms = max(now_ms, timestamp_ms)
            parts.append(b'"timestamp":"%b",' % _time_text(timestamp_ms).encode())
        parts.append(draft.line[1:])
        return Stamped(b"".join(parts), record_id, Tail(record_id, timestamp_ms))

    def read(self, line: bytes) -> Record | None:
        """Parse a line; a record has a type and an id, and is no header."""
        record = _encoding.parse(line)
        if record is None or not _is_id(record.get("id")):
            return None
        kind = record.get("type")
        return record if isinstance(kind, str) and kind != _HEADER_TYPE else None

    def tail_of(self, record: Mapping[str, object]) -> Tail:
        """Return the record's id as the leaf, and its time (0 if it cannot be read)."""
        record_id = record.get("id")
        return Tail(record_id if _is_id(record_id) else None, _time_of(record.get("timestamp")))

    def parent_of(self, record: Mapping[str, object]) -> str | None:
        """Return the id of the record before this one in the conversation."""
        parent_id = record.get("parentId")
        return parent_id if _is_id(parent_id) else None


def _is_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and value != ""


def _check_keys(record: Mapping[str, object]) -> None:
    kind = record.get("type")
    if not isinstance(kind, str):
        raise RecordError("the record has no `type`", hint="give it one, such as 'message' or 'custom'")
    if kind == _HEADER_TYPE:
        hint = "a header is made with the file: use `open(..., header=...)`, or another type"
        raise RecordError(f"a record cannot be of type {_HEADER_TYPE!r}", hint=hint)
    if "id" in record and not _is_id(record["id"]):
        raise RecordError("the record's `id` is no string, or an empty one", hint="leave `id` out, and it gets one")
    parent_id = record.get("parentId")
    if parent_id is not None and not isinstance(parent_id, str):
        hint = "leave `parentId` out to follow the last record, give an id to branch off there, None for a new root"
        raise RecordError("the record's `parentId` is no string", hint=hint)


def _checked_header(header: Record) -> Record:
    """Return a copy that is exactly what will be read back."""
    try:
        line = _encoding.encode(header)
        texts = [key for key in ("timestamp", "cwd") if not isinstance(header[key], str)]
        if texts:
            raise ValueError(f"the header's {texts[0]!r} is no string")
        return PiFormat().read_header(line)
    except (RecordError, FormatError) as error:
        raise ValueError(f"this header would make the file unreadable: {error.message}") from error


def _working_directory() -> str:
    try:
        return os.getcwd()
    except OSError as error:
        raise ValueError("the working directory is gone: give header={'cwd': ...}") from error


@lru_cache(maxsize=16)
def _time_text(time_ms: int) -> str:
    """Write a time as ISO 8601 in UTC; cached, because all records of a batch have the same."""
    return (_EPOCH + time_ms * _MILLISECOND).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _time_of(text: object) -> int:
    """Read a time, rounded up so that what is stamped behind it is never earlier; 0 for what is no time."""
    if not isinstance(text, str):
        return 0
    try:
        time = datetime.fromisoformat(text)
        since_epoch = (time if time.tzinfo else time.replace(tzinfo=UTC)) - _EPOCH
    except (ValueError, OverflowError):
        return 0
    return min(max(0, -(-since_epoch // _MILLISECOND)), _TIME_MS_MAX)
