"""Bringing the records of a side file into the session they were meant for, once, wherever we are killed.

Before anything is appended a journal beside the side file says where the session file ended, durably. Whoever comes
after a crash looks behind that place for the records, and appends only those that are not there. The side file is
renamed when all is on stable storage, and never deleted.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from coordinator import (
    PLAIN,
    DrainTimeoutError,
    PathError,
    Position,
    PositionLostError,
    Record,
    RecordError,
    RecordFormat,
    Session,
)

from ._inside import Draft, System, find_lines, path_error
from ._sidefiles import RECOVERED, RECOVERING

ROOM_SECONDS_MAX = 30.0
DEFAULT_WRITER = "recover"

Key = tuple[tuple[str, ...], str]
"""What a record says, but for the keys (named first) that are added when it is written."""


@dataclass(frozen=True, slots=True)
class Row:
    """One record of a side file, and on which line it stands."""

    line: int
    writer: str
    record: Record
    key: Key
    id: str | None
    tried: bytes | None
    """The line whose write was tried, if it was; it may stand in the session between `offset` and `end`."""
    offset: int
    end: int
    problem: str | None
    """Why it cannot be appended, if it cannot: it may stand there all the same."""


@dataclass(slots=True)
class Recovery:
    """What became of one side file."""

    side_file: Path
    appended: int = 0
    present: int = 0
    left: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])
    renamed_to: Path | None = None


async def recover_records(session: Session, record_format: RecordFormat, side_file: Path) -> Recovery:
    """Append what is not in the session yet, then rename the side file."""
    recovery = Recovery(side_file)
    content = _read(side_file)
    rows = list(_parse(content, record_format, recovery))
    journal = side_file.with_name(f"{side_file.name}{RECOVERING}")
    start = _read_journal(journal, content)
    rows = await asyncio.to_thread(_without_standing, session, rows, start, recovery)
    recovery.left += [(row.line, row.problem) for row in rows if row.problem is not None]
    rows = [row for row in rows if row.problem is None]
    if start is None:
        _write_journal(journal, content, await _end_of(session))
    else:
        rows = await _without_present(session, rows, start, journal, recovery)
    rows = await _without_known_ids(session, record_format, rows, recovery)
    await _append(session, rows)
    recovery.appended = len(rows)
    recovery.left.sort()
    if recovery.appended or recovery.present or not recovery.left:
        recovery.renamed_to = _rename(side_file)
    journal.unlink(missing_ok=True)
    _sync_directory(side_file.parent)
    return recovery


def _read(side_file: Path) -> bytes:
    try:
        return side_file.read_bytes()
    except OSError as error:
        raise path_error(side_file, error, "reading the side file") from error


def _parse(content: bytes, record_format: RecordFormat, recovery: Recovery) -> Iterable[Row]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line:
            continue
        row = PLAIN.read(line) or {}
        if not isinstance(row.get("record"), dict):
            recovery.left.append((number, "it holds no record"))
            continue
        record: Record = row["record"]
        try:
            draft, problem = _encoded(record, record_format)
        except RecordError as error:
            recovery.left.append((number, error.message))
            continue
        writer = row.get("writer")
        name = writer if isinstance(writer, str) and writer else DEFAULT_WRITER
        tried = row.get("tried")
        yield Row(
            number, name, record, _key(record, draft.lacks), draft.id,
            tried.encode(errors="replace") if isinstance(tried, str) else None,
            _offset(row.get("offset")), _offset(row.get("end")), problem,
        )  # fmt: skip


def _encoded(record: Record, record_format: RecordFormat) -> tuple[Draft, str | None]:
    try:
        return record_format.encode(record), None
    except RecordError as error:
        return record_format.encode_again(record), error.message  # a foreign one, that may stand there


def _offset(value: object) -> int:
    return value if isinstance(value, int) and value > 0 else 0


def _key(record: Record, lacks: tuple[str, ...]) -> Key:
    told = {name: value for name, value in record.items() if name not in lacks}
    return lacks, json.dumps(told, sort_keys=True)


# The journal


def _digest(content: bytes) -> str:
    return hashlib.sha256(content, usedforsecurity=False).hexdigest()


def _read_journal(journal: Path, content: bytes) -> Position | int | None:
    """Return where an earlier recovery of the same records began; None if there was none, or it had not begun."""
    try:
        values = PLAIN.read(journal.read_bytes()) or {}
        start = values.get("start")
        if values.get("side_file") != _digest(content) or start is None:
            return None
        return Position.parse(start) if start else 0
    except FileNotFoundError:
        return None
    except OSError as error:
        raise path_error(journal, error, "reading the journal") from error


def _write_journal(journal: Path, content: bytes, end: str) -> None:
    """Note where the session ends now; a journal that is not whole means that nothing was appended yet."""
    try:
        with journal.open("wb") as file:
            file.write(json.dumps({"side_file": _digest(content), "start": end}).encode())
            file.flush()
            os.fsync(file.fileno())
        _sync_directory(journal.parent)
    except OSError as error:
        raise path_error(journal, error, "writing the journal") from error


async def _end_of(session: Session) -> str:
    last = await session.tail(1)
    return str(last[0].position) if last else ""


# What is there already


def _without_standing(session: Session, rows: list[Row], start: Position | int | None, recovery: Recovery) -> list[Row]:
    """Leave out the records whose write was tried, and succeeded all the same; what we have appended counts later."""
    tried = [row for row in rows if row.tried is not None]
    if not tried or not session.revision.length:
        return rows
    end = min(session.revision.length, max(row.end for row in tried))  # equal lines that came later are others
    if start is not None:
        end = min(end, start if isinstance(start, int) else start.offset)
    fd = os.open(session.path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        lines = [row.tried or b"" for row in tried]
        places = find_lines(System(), fd, lines, min(row.offset for row in tried), end)
    finally:
        os.close(fd)
    standing = {row.line for row, place in zip(tried, places, strict=True) if place is not None}
    recovery.present += len(standing)
    return [row for row in rows if row.line not in standing]


async def _without_present(
    session: Session, rows: list[Row], start: Position | int, journal: Path, recovery: Recovery
) -> list[Row]:
    """Leave out the records that an earlier recovery has appended; each one found stands for one row."""
    shapes, there = {row.key[0] for row in rows}, Counter[Key]()
    try:
        async for entry in session.records(start):
            there.update(_key(entry.record, lacks) for lacks in shapes)
    except PositionLostError as error:
        hint = f"look which records of it are there; remove {journal} to have all of them appended"
        message = "the file was rewritten after a recovery was interrupted"
        raise PositionLostError(message, path=recovery.side_file, hint=hint) from error
    missing: list[Row] = []
    for row in rows:
        if there[row.key]:
            there[row.key] -= 1
            recovery.present += 1
        else:
            missing.append(row)
    return missing


async def _without_known_ids(
    session: Session, record_format: RecordFormat, rows: list[Row], recovery: Recovery
) -> list[Row]:
    """Leave out the records whose own id is in the file: repeating an id would rewind the conversation."""
    wanted = {row.id: row for row in rows if row.id is not None}
    known: set[int] = set()
    if wanted:
        async for entry in session.records():
            row = wanted.get(record_format.tail_of(entry.record).leaf or "")
            if row is not None and row.line not in known:
                known.add(row.line)
                _note_known(row, entry.record, recovery)
    return [row for row in rows if row.line not in known]


def _note_known(row: Row, record: Record, recovery: Recovery) -> None:
    if _key(record, row.key[0]) == row.key:
        recovery.present += 1
    else:
        recovery.left.append((row.line, f"another record has its id {row.id} already"))


# The end


async def _append(session: Session, rows: list[Row]) -> None:
    try:
        waiting = [
            await asyncio.wait_for(session.writer(row.writer).submit(row.record), ROOM_SECONDS_MAX) for row in rows
        ]
    except DrainTimeoutError:
        raise
    except TimeoutError as error:
        raise DrainTimeoutError("the disk does not take the records", path=session.path) from error
    await session.sync(ROOM_SECONDS_MAX)
    for receipt in waiting:
        await receipt


def _rename(side_file: Path) -> Path:
    target, number = side_file.with_name(f"{side_file.name}{RECOVERED}"), 0
    while target.exists():
        number += 1
        target = side_file.with_name(f"{side_file.name}{RECOVERED}-{number}")
    try:
        side_file.rename(target)
    except OSError as error:
        raise PathError(f"renaming failed: {error.strerror}", path=side_file, hint="run it again") from error
    return target


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
