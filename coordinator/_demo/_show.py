"""The demo from beginning to end: play, judge, show."""

from __future__ import annotations

import asyncio
from pathlib import Path

from rich.console import Console

from . import _screen as screen
from ._picture import draw
from ._rounds import play_rounds, three_rounds
from ._sample import example_gateway, sample_session
from ._stages import Plan


def show(folder: Path, runs: int, seconds: float, console: Console | None = None) -> bool:
    """Play the three rounds into `folder` and show what came of them; returns whether all came out as stated."""
    console = console or Console()
    plan = Plan(sample_session(), folder, runs, seconds)
    examples = example_gateway()
    rounds = three_rounds(examples)
    console.print(screen.introduction(plan, examples))
    with screen.progress(console, plan) as heard:
        asyncio.run(play_rounds(rounds, plan, heard))
    picture = draw(rounds, folder / "timeline.svg")
    for part in screen.conclusion(rounds, plan, picture):
        console.print(part)
    return all(each.came_out for each in rounds)
