"""How a command speaks: to people in text and tables, to scripts in JSON, and of failures in one way."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from coordinator import CoordinatorError

from ._inside import path_error
from ._options import Status
from ._text import json_text, visible

INDENT = 2


class Output:
    """Where the results of one command go; remembers the worst status."""

    def __init__(self, *, as_json: bool) -> None:
        self.status = Status.FINE
        self.as_json = as_json
        self._console = Console(highlight=False)
        self._errors = Console(stderr=True, highlight=False)

    def show(self, *parts: RenderableType) -> None:
        """Tell people."""
        for part in parts:
            self._console.print(part, soft_wrap=isinstance(part, Text) and bool(part.no_wrap))

    def data(self, values: Mapping[str, object]) -> None:
        """Tell a script: one object, one line."""
        typer.echo(f"{{{', '.join(f'{json_text(name)}: {json_text(value)}' for name, value in values.items())}}}")

    def note(self, status: Status) -> None:
        """Remember the worst that was found."""
        self.status = max(self.status, status)

    def failure(self, error: CoordinatorError, path: Path | None = None) -> None:
        """Say what could not be done, and what to do about it."""
        self.note(Status.FAILED)
        path = error.path or path
        if self.as_json:
            self.data({"path": path, "error": error.message, "hint": error.hint})
            return
        where = "" if path is None else f"{visible(str(path))}: "
        self._errors.print(Text.assemble(("✗ ", "red"), where, (visible(error.message), "bold")), soft_wrap=True)
        if error.hint:
            self._errors.print(Text(f"  {visible(error.hint)}"), soft_wrap=True)

    @contextmanager
    def reporting(self, path: Path | None = None) -> Generator[None]:
        """Turn what went wrong into a message and a status; whatever comes after it is still done."""
        try:
            yield
        except BrokenPipeError:
            raise  # whoever read our output has gone, so there is nobody to tell
        except CoordinatorError as error:
            self.failure(error, path)
        except OSError as error:
            self.failure(path_error(error.filename or path or "", error, "reading"))


@contextmanager
def output(path: Path | None = None, *, as_json: bool) -> Generator[Output]:
    """Open the output of a command (about one path); leaving it ends the command with its status."""
    out = Output(as_json=as_json)
    with out.reporting(path):
        yield out
    raise typer.Exit(int(out.status))


def path_text(path: Path, style: str = "bold") -> Text:
    """Show a path whole: a broken one cannot be copied."""
    return Text(visible(str(path)), style=style, no_wrap=True)


def indented(part: RenderableType, columns: int = INDENT) -> RenderableType:
    """Set something in from the left."""
    return Padding(part, (0, 0, 0, columns), expand=False)


def facts(rows: Iterable[tuple[str, str | Text]]) -> RenderableType:
    """Show names and values, one a line."""
    grid = Table.grid(padding=(0, INDENT))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in rows:
        grid.add_row(name, Text(visible(value)) if isinstance(value, str) else value)
    return indented(grid)


def table(*columns: str) -> Table:
    """Begin a table without lines around it; numbers stand to the right where the name begins with `#`."""
    lines = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim")
    for column in columns:
        lines.add_column(column.removeprefix("#"), justify="right" if column.startswith("#") else "left")
    return lines
