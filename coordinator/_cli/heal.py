"""`coordinator heal`: make the end of a session file whole, by opening it once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from coordinator import Coordinator, Event, RecordFormat

from ._files import Reader, reading
from ._inside import SessionOpened
from ._options import FileArgument, FormatName, FormatOption, JsonOption, Status
from ._output import Output, indented, output, path_text
from ._processes import refuse_owned
from ._sidefiles import find_beside
from ._text import count_text, size_text


def heal(
    file: FileArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; otherwise only say what would be done.")] = False,
    format_name: FormatOption = FormatName.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Say what an opening would mend at the end of a file, and with --yes do it; what is cut is kept beside it.

    A file that a live process owns is left alone. Damage before the end is never touched: `check` shows it.

    Exit status: 0 nothing to do, or done; 1 something to do; 2 wrong usage, not readable, or owned by a live process.
    """
    with output(file, as_json=as_json) as out:
        refuse_owned(file)
        with reading(file, format_name) as reader:
            plan, values = _plan(reader)
        if plan and yes:
            opened = asyncio.run(_open_once(file, reader.format))
            _tell(out, file, _done(opened), {**values, "healed": True, "side_file": opened.healed.side_file})
        else:
            out.note(Status.FOUND if plan else Status.FINE)
            advice = ["nothing was changed: repeat it with --yes"] if plan else ["nothing to do: its end is whole"]
            _tell(out, file, [*plan, *advice], {**values, "healed": False, "side_file": None})


def _plan(reader: Reader) -> tuple[list[str], dict[str, object]]:
    """Say what an opening would do; a `FormatError` if it would refuse the file."""
    if reader.format.has_header and reader.end > reader.repair.cut:
        reader.format.read_header(reader.first_line)
    cut, needs_line_feed = reader.repair.cut, reader.repair.needs_line_feed
    strays = find_beside(reader.path).strays
    plan: list[str] = []
    if cut:
        plan.append(
            f"would cut the last {size_text(cut)}, at offset {reader.end - cut:,}, and keep them in a side file"
        )
    if needs_line_feed:
        plan.append("would add the line feed that the last record lacks")
    if strays:
        plan.append(f"would remove {count_text(len(strays), 'unfinished file')} of a rewrite that was killed")
    return plan, {"cut_bytes": cut, "adds_line_feed": needs_line_feed, "strays": strays}


async def _open_once(path: Path, record_format: RecordFormat) -> SessionOpened:
    """Let the library heal as it does at every opening."""
    opened: list[SessionOpened] = []

    def observe(event: Event) -> None:
        if isinstance(event, SessionOpened):
            opened.append(event)

    async with Coordinator(observers=[observe]) as coordinator:
        await coordinator.open(path, format=record_format, create=False)
    return opened[0]


def _done(opened: SessionOpened) -> list[str | Path]:
    healed = opened.healed
    done: list[str | Path] = []
    if healed.side_file is not None:
        done += [f"cut the last {size_text(healed.cut_bytes)}; they are kept in", Path(healed.side_file)]
    if healed.newline_added:
        done.append("added the line feed that the last record lacked")
    if opened.damaged:
        done.append(f"left {count_text(opened.damaged, 'damaged line')} before the end as they are: see `check`")
    return [*done, "the end of the file is whole"]


def _tell(out: Output, path: Path, lines: Sequence[str | Path], values: dict[str, object]) -> None:
    if out.as_json:
        out.data({"path": path, **values})
        return
    out.show(path_text(path))
    for line in lines:
        out.show(indented(Text(line)) if isinstance(line, str) else path_text(line))
