"""From measurements to medians, spreads and ratios: pair by pair, only within one repetition."""

import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from .model import Cell, Workload, workloads
from .run import Measurement


@dataclass(frozen=True)
class Spread:
    """A median with what lies around it."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        """Summarise values, None if there are none."""
        return cls(min(values), median(values), max(values)) if values else None


@dataclass(frozen=True)
class Row:
    """What is known of one cell."""

    cell: Cell
    figures: dict[str, Spread]
    ratio: Spread | None
    """To the baseline of the workload."""
    errors: Sequence[str]

    @property
    def workload(self) -> Workload:
        """Return what was done."""
        return workloads()[self.cell.workload]

    @property
    def value(self) -> Spread | None:
        """Return the first figure."""
        return self.figures.get(self.workload.unit)


class Report:
    """All rows of one run."""

    def __init__(self, measurements: Sequence[Measurement], scale: str) -> None:
        self._measurements = measurements
        self._scale = scale
        self._values = {
            (measured.cell.workload, measured.cell.contender, measured.repetition): value
            for measured in measurements
            if measured.cell.loop == "asyncio"
            and (value := measured.figures.get(workloads()[measured.cell.workload].unit))
        }

    @cached_property
    def rows(self) -> list[Row]:
        """Return a row for every cell that was measured, workload by workload."""
        found = list(dict.fromkeys(measured.cell for measured in self._measurements))
        order = list(workloads())
        return [self._row(cell) for cell in sorted(found, key=lambda cell: order.index(cell.workload))]

    def of(self, workload: str) -> list[Row]:
        """Return the rows of a workload."""
        return [row for row in self.rows if row.cell.workload == workload]

    def names(self) -> list[str]:
        """Return the workloads that were measured."""
        return list(dict.fromkeys(row.cell.workload for row in self.rows))

    def _row(self, cell: Cell) -> Row:
        mine = [measured for measured in self._measurements if measured.cell == cell]
        names = dict.fromkeys(name for measured in mine for name in measured.figures)
        spreads = {name: Spread.of([m.figures[name] for m in mine if name in m.figures]) for name in names}
        figures = {name: spread for name, spread in spreads.items() if spread is not None}
        errors = list(dict.fromkeys(measured.error for measured in mine if measured.error))
        return Row(cell, figures, Spread.of(list(self._ratios(mine))), errors)

    def _ratios(self, mine: Sequence[Measurement]) -> Iterator[float]:
        for measured in mine:
            workload = workloads()[measured.cell.workload]
            value = measured.figures.get(workload.unit)
            base = self._values.get((workload.name, workload.baseline, measured.repetition))
            if value is not None and base:
                yield value / base

    def save(self, path: Path) -> None:
        """Write everything as JSON."""
        rows = [
            {
                **asdict(row.cell), "label": row.cell.label, "unit": row.workload.unit, "target": row.workload.target,
                "baseline": row.workload.baseline, "ratio": row.ratio and asdict(row.ratio), "errors": row.errors,
                "figures": {name: asdict(spread) for name, spread in row.figures.items()},
            }
            for row in self.rows
        ]  # fmt: skip
        measurements = [asdict(measured) for measured in self._measurements]
        document = {"machine": machine(), "scale": self._scale, "rows": rows, "measurements": measurements}
        path.write_text(json.dumps(document, indent=1))


def machine() -> dict[str, object]:
    """Say what this was measured on."""
    return {
        "system": platform.platform(), "cpus": os.cpu_count(), "python": sys.version.split()[0],
        "load": os.getloadavg()[0],
    }  # fmt: skip


def show(report: Report) -> None:
    """Print one table."""
    table = Table(title="medians, with the lowest and the highest; ratios pair by pair within a repetition")
    table.add_column("workload")
    table.add_column("who", no_wrap=True)
    for column in ("figure", "ratio", "spread"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("target", no_wrap=True)
    table.add_column("also")
    for name in report.names():
        for number, row in enumerate(report.of(name)):
            table.add_row(name if number == 0 else "", row.cell.label, *_columns(row))
        table.add_section()
    Console(width=132).print(table)


def _columns(row: Row) -> list[str]:
    if row.value is None:
        return ["failed", "", "", "", "; ".join(row.errors)]
    ratio, spread = row.ratio, ""
    if ratio is not None:
        spread = f"{number(ratio.low)} - {number(ratio.high)}"
    base = f" x {row.workload.baseline}"
    also = [f"{name} {number(value.median)}" for name, value in row.figures.items() if name != row.workload.unit]
    also += [f"failed once or more: {row.errors[0]}"] if row.errors else []
    return [
        f"{number(row.value.median)} {row.workload.unit}",
        "" if ratio is None else f"{number(ratio.median)}{base}",
        spread,
        row.workload.target if row.cell.contender == "ours" else "",
        ", ".join(also),
    ]


def number(value: float) -> str:
    """Write a number with about three figures."""
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
