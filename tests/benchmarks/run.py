"""Runs the plan: one process per measurement, repetitions interleaved, so that a slow minute hits everybody."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from .model import Cell

TIMEOUT_SECONDS = 120


@dataclass(frozen=True)
class Plan:
    """What to measure; the cells of a row are compared with each other."""

    rows: Sequence[Sequence[Cell]]
    scale: str
    repetitions: int
    directory: Path

    def order(self) -> Iterator[tuple[int, Cell]]:
        """List the measurements; who comes first changes from repetition to repetition."""
        for repetition in range(self.repetitions):
            for row in self.rows:
                first = repetition % len(row)
                yield from ((repetition, cell) for cell in (*row[first:], *row[:first]))


@dataclass(frozen=True)
class Measurement:
    """What one process found; `error` instead of figures if it failed or its file was wrong."""

    cell: Cell
    repetition: int
    figures: dict[str, float]
    error: str = ""


def run(plan: Plan) -> list[Measurement]:
    """Measure everything, with progress."""
    plan.directory.mkdir(parents=True, exist_ok=True)
    order, measurements = list(plan.order()), list[Measurement]()
    columns = (TextColumn("{task.description:<32}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(order))
        for repetition, cell in order:
            progress.update(task, description=f"{cell.workload} {cell.label}")
            measurements.append(_measure(cell, repetition, plan))
            progress.advance(task)
    shutil.rmtree(plan.directory / "files", ignore_errors=True)
    return measurements


def _measure(cell: Cell, repetition: int, plan: Plan) -> Measurement:
    order = json.dumps({"cell": asdict(cell), "scale": plan.scale, "directory": str(plan.directory / "files")})
    command = [sys.executable, "-m", f"{__package__}.measure", order]
    environment = {**os.environ, "PYTHONHASHSEED": "0"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False, env=environment
        )
    except subprocess.TimeoutExpired:
        return Measurement(cell, repetition, {}, f"not done after {TIMEOUT_SECONDS} s")
    if done.returncode:
        return Measurement(cell, repetition, {}, done.stderr.strip().rpartition("\n")[2])
    return Measurement(cell, repetition, json.loads(done.stdout.splitlines()[-1]))
