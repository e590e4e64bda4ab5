"""`coordinator recover`: append what could not be written when a session was closed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from coordinator import Coordinator, CoordinatorError, Event, Limits, RecordFormat

from ._files import reading
from ._inside import SessionClosed
from ._options import FileArgument, FormatName, FormatOption, JsonOption, Status
from ._output import Output, indented, output, path_text
from ._processes import refuse_owned
from ._recovery import Recovery, recover_records
from ._sidefiles import find_beside, session_of
from ._text import count_text

CLOSE_SECONDS_MAX = 2.0


def recover(
    file: FileArgument,
    side_files: Annotated[
        list[Path] | None,
        typer.Argument(help="Its .unwritten- files; without them, all that stand beside it.", show_default=False),
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Make the file anew if it is gone (with --format).")] = False,
    format_name: FormatOption = FormatName.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Append the records of side files to their session, each record once, however often it is run.

    A record whose write was tried, and that stands in the session, is not appended again; look before the session is
    rewritten, because a plain one cannot be told afterwards. A side file is renamed to
    ….recovered when its records are in the session, but for lines that need a person, and never deleted. A file that a
    live process owns is left alone.

    Exit status: 0 all records are in the session; 1 some need a person; 2 wrong usage, not readable, or owned.
    """
    _check_names(file, side_files or [])
    with output(file, as_json=as_json) as out:
        refuse_owned(file)
        found = side_files or find_beside(file).unwritten
        record_format = _format_of(file, format_name, create=create)
        recoveries = asyncio.run(_recover(file, found, record_format, create=create)) if found else []
        for recovery in recoveries:
            _tell(out, file, recovery)
        if not recoveries and not as_json:
            out.show(path_text(file), indented(Text("nothing to do: it has no files of unwritten records")))


def _check_names(file: Path, side_files: Sequence[Path]) -> None:
    for side_file in side_files:
        if session_of(side_file) != file.name:
            raise typer.BadParameter(f"{side_file} is no file of unwritten records of {file.name}")


def _format_of(file: Path, format_name: FormatName, *, create: bool) -> RecordFormat:
    given = format_name.given
    if create and not file.exists():
        if given is None:
            raise typer.BadParameter("a new file needs --format")
        return given
    with reading(file, format_name) as reader:
        return reader.format


async def _recover(
    file: Path, side_files: Sequence[Path], record_format: RecordFormat, *, create: bool
) -> list[Recovery]:
    put_aside: list[Path] = []

    def observe(event: Event) -> None:
        if isinstance(event, SessionClosed) and event.side_file is not None:
            put_aside.append(event.side_file)

    try:
        async with Coordinator(limits=Limits(close_seconds_max=CLOSE_SECONDS_MAX), observers=[observe]) as coordinator:
            session = await coordinator.open(file, format=record_format, create=create)
            return [await recover_records(session, record_format, side_file) for side_file in side_files]
    except CoordinatorError as error:
        if put_aside:
            error.hint = "see to the cause, then run it again: every record is still in its side file"
        raise
    finally:
        for copy in put_aside:  # what our own closing could not write is in the side files already
            copy.unlink(missing_ok=True)


def _tell(out: Output, file: Path, recovery: Recovery) -> None:
    if recovery.left:
        out.note(Status.FOUND)
    if out.as_json:
        left = [{"line": line, "why": why} for line, why in recovery.left]
        out.data({
            "path": file, "side_file": recovery.side_file, "appended": recovery.appended,
            "already_there": recovery.present, "left": left, "renamed_to": recovery.renamed_to,
        })  # fmt: skip
        return
    out.show(path_text(recovery.side_file))
    there = f", {recovery.present:,} were there already" if recovery.present else ""
    out.show(indented(Text(f"{count_text(recovery.appended, 'record')} appended{there}")))
    for line, why in recovery.left:
        out.show(indented(Text(f"line {line:,} is left for a person: {why}", style="yellow")))
    if recovery.renamed_to is not None:
        out.show(indented(Text(f"now {recovery.renamed_to.name}", style="dim")))
