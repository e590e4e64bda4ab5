"""Two pictures: how near each contender comes to the limit, and how long turns and tickers wait."""

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

from .report import Report, Row, Spread

COLOURS = plt.get_cmap("tab20").colors
Chosen = Callable[[Row], Spread | None]


def draw(report: Report, directory: Path) -> list[Path]:
    """Draw what was measured; returns the files."""
    rows = [row for row in report.rows if row.value is not None]
    speeds = [row for row in rows if row.workload.more_is_better and row.ratio is not None]
    times = [row for row in rows if row.workload.unit.endswith("µs")]
    pictures = (
        ("throughput.svg", speeds, lambda row: row.ratio, "records per second, as a ratio to the limit (log)"),
        ("latency.svg", times, lambda row: row.value, "microseconds (log); W6, W7: 99th percentile, W6c, W6d: median"),
    )
    colours = dict(zip(dict.fromkeys(row.cell.label for row in rows), cycle(COLOURS), strict=False))
    return [_bars(directory / name, each, spread, title, colours) for name, each, spread, title in pictures if each]


def _bars(path: Path, rows: Sequence[Row], spread: Chosen, title: str, colours: Mapping[str, Any]) -> Path:
    workloads = list(dict.fromkeys(row.cell.workload for row in rows))
    figure, axes = plt.subplots(figsize=(11, 0.22 * len(rows) + 0.4 * len(workloads) + 1.2), layout="constrained")
    place, ticks = 0.0, list[float]()
    for workload in workloads:
        chosen = [row for row in rows if row.cell.workload == workload]
        ticks.append(place + (len(chosen) - 1) / 2)
        for row in chosen:
            _bar(axes, place, row, spread(row), colours)
            place += 1
        place += 1
    axes.set(xscale="log", title=title, yticks=ticks, yticklabels=workloads)
    axes.margins(x=0.1, y=0.01)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    figure.savefig(path)
    plt.close(figure)
    return path


def _bar(axes: Any, place: float, row: Row, spread: Spread | None, colours: Mapping[str, Any]) -> None:
    assert spread is not None, "only rows with figures are drawn"
    error = [[spread.median - spread.low], [spread.high - spread.median]]
    axes.barh(place, spread.median, xerr=error, height=0.9, color=colours[row.cell.label], ecolor="0.4")
    axes.annotate(row.cell.label, (spread.high, place), xytext=(4, 0), textcoords="offset points", va="center", size=7)
