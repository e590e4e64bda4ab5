"""The picture of the proof: promises down, ways to look across, and what each has found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import shorten

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt

from .table import Promise

COLOURS = {"green": "#4caf50", "red": "#e53935", "missing": "#cfd8dc"}
MEANINGS = {"green": "explored, nothing wrong", "red": "something is wrong", "missing": "not run (yet)"}
TEXT_CHARACTERS = 62
MARGIN_INCHES, COLUMN_INCHES, ROW_INCHES, HEAD_INCHES = 5.0, 0.6, 0.27, 1.5


def draw(path: Path, promises: list[Promise], verdicts: Mapping[str, str]) -> Path:
    """Draw which part looks at which promise, in the colour of what it has found."""
    ways = sorted({way for promise in promises for way in promise.mechanisms} | set(verdicts) - {"promises", "mutants"})
    columns = ["tests", "mutants", *ways]
    width, height = MARGIN_INCHES + COLUMN_INCHES * len(columns) + 0.3, HEAD_INCHES + ROW_INCHES * len(promises)
    figure = plt.figure(figsize=(width, height))
    axes = figure.add_axes((
        MARGIN_INCHES / width, 0.5 / height, COLUMN_INCHES * len(columns) / width, 1 - HEAD_INCHES / height
    ))  # fmt: skip
    cells = {(column, row): _verdict(promise, column, verdicts)
             for row, promise in enumerate(promises) for column in columns}  # fmt: skip
    for verdict, colour in COLOURS.items():
        places = [(columns.index(column), row) for (column, row), found in cells.items() if found == verdict]
        axes.scatter(
            [x for x, _ in places], [y for _, y in places], s=150, c=colour, marker="s", label=MEANINGS[verdict]
        )
    for row, promise in enumerate(promises):
        for place, names in enumerate((promise.tests, promise.mutants)):
            axes.text(place, row, str(len(names)), ha="center", va="center", size=8, color="white")
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(promises) - 0.5, -0.5))
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="left", size=9)
    texts = [f"{shorten(promise.text, TEXT_CHARACTERS, placeholder=' …')}  {promise.number}" for promise in promises]
    axes.set_yticks(range(len(promises)), texts, size=8)
    axes.tick_params(length=0, top=False, labeltop=True, bottom=False, labelbottom=False)
    axes.spines[:].set_visible(False)
    figure.legend(loc="lower center", ncols=3, frameon=False, fontsize=8)
    figure.savefig(path)
    plt.close(figure)
    return path


def _verdict(promise: Promise, column: str, verdicts: Mapping[str, str]) -> str:
    """Say what a column means for a promise; empty if it does not look at it."""
    looks = {"tests": bool(promise.tests), "mutants": bool(promise.mutants)}.get(column, column in promise.mechanisms)
    return verdicts.get("promises" if column == "tests" else column, "missing") if looks else ""
