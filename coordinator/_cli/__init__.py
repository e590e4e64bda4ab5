"""The command line. One module for each command: write `NAME.py` with a function, and name it here."""

from __future__ import annotations

import typer

from .demo import demo

app = typer.Typer(no_args_is_help=True, pretty_exceptions_show_locals=False)


@app.callback()
def about() -> None:
    """One queue owns every append to an agent's session file."""


app.command()(demo)
