"""`coordinator demo`: the problem and the answer, on a real session file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def demo(
    output: Annotated[Path, typer.Option(help="Where the resulting files go.", file_okay=False)] = Path("demo-output"),
    runs: Annotated[int, typer.Option(help="Runs of each round.", min=1, max=64)] = 7,
    seconds: Annotated[float, typer.Option(help="How long the model takes for a chat's reply.", min=0.2, max=60)] = 2.0,
) -> None:
    """Run one gateway without and with the coordinator, then with a real intruder; takes half a minute at most."""
    try:
        from coordinator._demo import show  # noqa: PLC0415 - only this command needs the extra
    except ModuleNotFoundError as error:
        if error.name not in {"httpx", "matplotlib"}:
            raise
        typer.echo(f"The demo needs {error.name}: pip install 'session-write-coordinator[demo]'", err=True)
        raise typer.Exit(2) from error
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(str(error), param_hint="--output") from error
    raise typer.Exit(0 if show(output, runs, seconds) else 1)
