"""`coordinator ls`: the sessions below a directory, and what is the matter with them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from coordinator import CoordinatorError, FormatError, PathError

from ._files import Reader, reading
from ._findings import lacks_header
from ._inside import path_error
from ._options import JsonOption, Status
from ._output import Output, output, table
from ._processes import Owner, find_live_owner
from ._sidefiles import Beside, sort_names
from ._text import age_text, count_text, size_text, visible

SESSION = ".jsonl"
MB = 1_000_000


@dataclass(slots=True)
class Row:
    """One session, as `ls` shows it; `bytes` is None if the file is gone and only its side files are left."""

    path: Path
    bytes: int | None = None
    changed: float | None = None
    owner: Owner | None = None
    beside: Beside = field(default_factory=Beside)
    damage: list[str] = field(default_factory=list[str])
    read_whole: bool = False
    error: str | None = None

    @property
    def is_fine(self) -> bool:
        """Whether nobody has to do anything about it; what a live owner has under way is its own business."""
        left_over = self.beside.unwritten or (self.beside.strays and self.owner is None)
        return not (self.damage or self.error or left_over)


def ls(
    root: Annotated[Path, typer.Argument(help="Where to look.", show_default=False)],
    read_max: Annotated[
        int, typer.Option("--read-max", help="Read files up to so many MB whole, of larger ones the ends.", min=0)
    ] = 16,
    as_json: JsonOption = False,
) -> None:
    """List the sessions below a directory: size, age, owner, what is left over beside them, damage.

    Exit status: 0 fine, 1 damage, unwritten records or left-over files, 2 wrong usage or not readable.
    """
    with output(root, as_json=as_json) as out:
        rows: list[Row] = []
        for row in _rows(root, read_max * MB):
            if not row.is_fine:
                out.note(Status.FAILED if row.error else Status.FOUND)
            if as_json:
                out.data(_values(row))
            else:
                rows.append(row)
        if not as_json:
            _tell(out, root, rows)


def _rows(root: Path, read_max: int) -> Iterator[Row]:
    for directory, names, files in os.walk(root, onerror=_refuse):
        names.sort()
        beside = sort_names(Path(directory), files)
        sessions = {name for name in files if name.endswith(SESSION) and not os.path.islink(Path(directory, name))}
        for name in sorted(sessions | beside.keys()):
            row = Row(Path(directory, name), beside=beside.get(name, Beside()))
            try:
                _look(row, read_max)
            except CoordinatorError as error:
                row.error = error.message
            if row.bytes is not None or row.error or name in beside:
                yield row


def _refuse(error: OSError) -> None:
    if isinstance(error, FileNotFoundError):
        raise PathError("there is no such directory", path=error.filename, hint="look for where it went") from error
    raise path_error(error.filename, error, "listing") from error


def _look(row: Row, read_max: int) -> None:
    if not os.path.lexists(row.path):
        row.damage.append("the file is gone")
        return
    row.owner = find_live_owner(row.path)
    with reading(row.path) as reader:
        row.bytes, row.changed = reader.end, reader.found.st_mtime
        row.read_whole = reader.end <= read_max
        row.damage += _damage(reader, whole=row.read_whole)


def _damage(reader: Reader, *, whole: bool) -> Iterator[str]:
    try:
        if reader.format.has_header and reader.end:
            reader.format.read_header(reader.first_line)
    except FormatError as error:
        yield error.message
        return
    first = None if reader.format.has_header else reader.format.read(reader.first_line)
    if first is not None and lacks_header(first):
        yield "no header"
    lines = (line for line in reader.lines() if not reader.is_header(line)) if whole else iter(())
    damaged = sum(reader.record(line) is None for line in lines)
    if damaged:
        yield count_text(damaged, "damaged line")
    if reader.repair.cut:
        yield "torn end"
    if reader.repair.needs_line_feed:
        yield "no line feed at the end"


def _values(row: Row) -> dict[str, object]:
    return {
        "path": row.path, "bytes": row.bytes, "changed": row.changed,
        "owner": None if row.owner is None else asdict(row.owner), "unwritten": list(map(str, row.beside.unwritten)),
        "torn": list(map(str, row.beside.torn)), "strays": list(map(str, row.beside.strays)),
        "damage": row.damage, "read_whole": row.read_whole, "error": row.error,
    }  # fmt: skip


def _tell(out: Output, root: Path, rows: list[Row]) -> None:
    lines = table("Session", "#Size", "#Changed", "Owner", "Condition")
    lines.columns[0].overflow = lines.columns[4].overflow = "fold"
    now = time.time()
    for row in rows:
        lines.add_row(
            visible(str(row.path.relative_to(root))),
            "" if row.bytes is None else size_text(row.bytes),
            "" if row.changed is None else age_text(now - row.changed),
            "" if row.owner is None else visible(f"{row.owner.name} {row.owner.pid}"),
            _condition(row),
        )
    if rows:
        out.show(lines)
    bad, size = sum(not row.is_fine for row in rows), sum(row.bytes or 0 for row in rows)
    out.show(f"{count_text(len(rows), 'session')}, {size_text(size)}, {bad or 'none'} with something to look at")


def _condition(row: Row) -> Text:
    parts = [Text(row.error, "red")] if row.error else []
    parts += [Text(what, "red") for what in row.damage]
    parts += [Text(count_text(len(row.beside.unwritten), "file") + " of unwritten records", "yellow")] * bool(
        row.beside.unwritten
    )
    parts += [Text(count_text(len(row.beside.strays), "stray file"), "yellow")] * bool(row.beside.strays)
    parts += [Text(count_text(len(row.beside.torn), "torn end") + " kept", "dim")] * bool(row.beside.torn)
    if not parts:
        parts = [Text("fine", "green") if row.read_whole else Text("fine at its ends", "green")]
    return Text("\n").join(parts)
