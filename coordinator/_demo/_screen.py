"""What the demo puts on the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from coordinator import TakeoverError

from ._gateway import CHAT, JOBS
from ._records import text_of
from ._rounds import Round
from ._stages import Plan, Run


def introduction(plan: Plan, examples: Path | None) -> RenderableType:
    """Say what will be seen."""
    records = plan.sample.read_bytes().count(b"\n") - 1
    size = plan.sample.stat().st_size / 1e6
    coordinated = (
        "In the last two rounds this is examples/gateway, in a process of its own, spoken to over HTTP."
        if examples is not None
        else "All of it runs in this process: a checkout that `make gateway` works in has a real gateway for it."
    )
    return (
        f"\n[bold]One agent gateway, three rounds of {plan.runs} runs.[/bold] Each run has a copy of a real session "
        f"({records:,} records, {size:.1f} MB). A chat, a cron job and a heartbeat ask a model in another process, "
        f"which streams the chat's reply for {plan.seconds:g} s. Meanwhile the gateway's own model snapshot, memory "
        f"index and trajectory marker go on writing to the same file. {coordinated} The runs of a round play at once.\n"
    )


@contextmanager
def progress(console: Console, plan: Plan) -> Generator[Callable[[Round], None]]:
    """Show a bar for each round from its first piece on; yields the function that moves it."""
    name, about = TextColumn("{task.description:<12}"), TextColumn("{task.fields[about]}")
    with Progress(name, BarColumn(), about, TimeElapsedColumn(), console=console) as bars:
        tasks: dict[str, TaskID] = {}

        def heard(each: Round) -> None:
            if each.name not in tasks:
                tasks[each.name] = bars.add_task(each.name, total=plan.pieces, about=each.about)
            bars.advance(tasks[each.name])

        yield heard


def conclusion(rounds: Sequence[Round], plan: Plan, picture: Path) -> Iterator[RenderableType]:
    """Show the evidence, the results, and where everything is."""
    runs = [run for each in rounds for run in each.runs]
    yield from _accusation([run for run in runs if run.log.dropped])
    yield from _evidence([run for run in runs if run.log.takeovers])
    yield _results(rounds)
    yield "\n[bold]Look for yourself[/bold]"
    for each in rounds:
        yield _path(plan.folder / each.name / "run-*.jsonl", each.result)
    yield _path(picture, "one run of each round on a time line\n")
    yield from _verdict(rounds)


def _accusation(runs: Sequence[Run]) -> Iterator[RenderableType]:
    """Show one of the errors with which replies were dropped, and who had really written."""
    for run in runs[:1]:
        window = next(window for window in run.log.windows if window.part == CHAT.part)
        own = Counter(write.part for write in run.log.writes if window.opened < write.time < window.closed)
        yield f"\n[bold]Why a reply was dropped[/bold] ({run.path.parent.name}, {run.path.stem}, {CHAT.part})"
        yield _facts({"it says": str(run.log.dropped[CHAT.part]), "but it was": f"its own {_counted(own)}"})


def _evidence(runs: Sequence[Run]) -> Iterator[RenderableType]:
    """Show one takeover as the coordinator tells it, and a line for each of the others."""
    for run in runs[:1]:
        for part, error in run.log.takeovers.items():
            yield f"\n[bold]What the coordinator found[/bold] ({run.path.parent.name}, {run.path.stem}, {part})"
            yield _facts(
                {
                    "it says": error.message,
                    "foreign": "; ".join(f"a message: {text_of(record)}" for record in error.foreign_records),
                    "suspects": _suspects(error),
                    "our own": _counted(Counter(own.writer for own in error.ledger)),
                }
            )
    table = _table("\nEvery takeover", "Run", "Change", "Foreign bytes", "Suspects", "Our own", "Replies")
    for run in runs:
        for error in run.log.takeovers.values():
            spread = "?" if error.foreign_range is None else "{} to {}".format(*error.foreign_range)
            kept = "?" if run.outcome is None else f"{run.outcome.replies_kept} of {len(JOBS)}"
            own = f"{len(error.ledger)} writes"
            table.add_row(run.path.stem, error.change.value, spread, _suspects(error), own, kept)
    if runs:
        yield table


def _results(rounds: Sequence[Round]) -> RenderableType:
    table = _table("\nResults", "Round", "Result", "Replies kept", "Own records", "Foreign", "As stated")
    for each in rounds:
        outcomes = [run.outcome for run in each.runs if run.outcome]
        table.add_row(
            each.name,
            f"[bold]{each.result}[/bold]",
            f"{sum(outcome.replies_kept for outcome in outcomes)} of {len(each.runs) * len(JOBS)}",
            str(sum(len(outcome.own) for outcome in outcomes)),
            str(sum(len(outcome.foreign) for outcome in outcomes)),
            "[green]✓ yes[/green]" if each.came_out else "[red]✗ no[/red]",
        )
    return table


def _verdict(rounds: Sequence[Round]) -> Iterator[RenderableType]:
    for each in rounds:
        for run in each.runs:
            for problem in run.problems:
                yield f"[red]{each.name} {run.path.stem}: {escape(problem)}[/red]"
    color = "green" if all(each.came_out for each in rounds) else "red"
    yield f"[bold {color}]" + ", ".join(f"{each.name} {each.result}" for each in rounds) + "[/]"


def _facts(facts: Mapping[str, str]) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    for name, fact in facts.items():
        grid.add_row(f"  {name}", escape(fact))
    return grid


def _path(path: Path, what: str) -> RenderableType:
    return Text(f"  {path}  {what}", no_wrap=True, overflow="ignore")  # a broken path cannot be copied


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD)
    for column in columns:
        table.add_column(column)
    return table


def _suspects(error: TakeoverError) -> str:
    return ", ".join(f"{suspect.name} ({suspect.pid})" for suspect in error.suspects) or "unknown"


def _counted(parts: Counter[str]) -> str:
    return ", ".join(f"{part} {count}" for part, count in parts.most_common())
