"""The command line. One module for each command: write `NAME.py` with a function, and name it here."""

from __future__ import annotations

import typer

from .check import check
from .demo import demo
from .heal import heal
from .ls import ls
from .recover import recover
from .show import show
from .stats import stats
from .who import who

app = typer.Typer(no_args_is_help=True, pretty_exceptions_show_locals=False, rich_markup_mode="markdown")


@app.callback()
def about() -> None:
    """One queue owns every append to an agent's session file.

    check, show, stats, who and ls only read, and change nothing that a running gateway could notice. heal and recover
    write, and leave alone what a live process owns. The status of every command is 0 if all is fine, 1 if there is
    damage or something left to do, 2 for wrong usage, what cannot be read, or what a live process owns.
    """


for command in (check, show, stats, who, ls, heal, recover, demo):
    app.command()(command)
