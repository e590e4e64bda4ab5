"""What several commands take, and what their exit statuses mean."""

from __future__ import annotations

from enum import IntEnum, StrEnum
from pathlib import Path
from typing import Annotated

import typer

from coordinator import PI, PLAIN, RecordFormat


class Status(IntEnum):
    """What a script learns from a command's end; of several files the worst one counts."""

    FINE = 0
    FOUND = 1
    """Damage, or something to do."""
    FAILED = 2
    """Wrong usage, not readable, or owned by a live process."""


class FormatName(StrEnum):
    """How the lines of a file are to be read; `AUTO` looks at the first one."""

    AUTO = "auto"
    PI = "pi"
    PLAIN = "plain"

    @property
    def given(self) -> RecordFormat | None:
        """Return the format that was named, None if it has to be found out."""
        return {FormatName.PI: PI, FormatName.PLAIN: PLAIN}.get(self)


FileArgument = Annotated[Path, typer.Argument(help="A session file.", show_default=False)]
FilesArgument = Annotated[list[Path], typer.Argument(help="Session files.", show_default=False)]
JsonOption = Annotated[bool, typer.Option("--json", help="For scripts: one JSON object a line.")]
FormatOption = Annotated[
    FormatName, typer.Option("--format", help="How to read the lines; auto: pi if the first line is a pi header.")
]
