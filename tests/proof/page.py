"""One page of results: what was explored, how much of it, what was wrong, and which promise that speaks for."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass
from pathlib import Path

from .chart import draw
from .parts import Part, Step
from .runner import Found, Ledger
from .table import Promise

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse } td, th { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left }
td.figure { text-align: right; font-variant-numeric: tabular-nums } .green { color: #1a7f37 } .red { color: #c62828 }
.missing { color: #777 } pre { background: #f6f6f6; padding: 1rem; overflow-x: auto }
svg { max-width: 100%; height: auto }
"""


@dataclass(frozen=True)
class Row:
    """One part on the page."""

    part: Part
    steps: int
    found: list[Found]

    @property
    def verdict(self) -> str:
        """Say how it stands: red counts most, then what is missing."""
        if any(not each.is_green for each in self.found):
            return "red"
        return "green" if len(self.found) == self.steps else "missing"

    @property
    def cells(self) -> list[str]:
        """Return what the table shows."""
        count = sum(each.count for each in self.found)
        seeds = [each.seed for each in self.found if each.seed]
        span = seeds[0] if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]}" if seeds else ""
        return [
            self.part.name, self.part.explores, f"{count:,} {self.part.unit}", span,
            f"{sum(each.violations for each in self.found):,}", f"{sum(each.seconds for each in self.found):,.0f}",
            self.verdict if self.verdict != "missing" else f"{len(self.found)} of {self.steps} steps",
        ]  # fmt: skip


HEAD = ["part", "what it explores", "explored", "seed", "violations", "seconds", "verdict"]


def rows_of(parts: list[tuple[Part, list[Step]]], ledger: Ledger) -> list[Row]:
    """Look up what is known of each part."""
    return [Row(part, len(steps), ledger.of(steps)) for part, steps in parts]


def verdict_of(rows: list[Row]) -> str:
    """Say how the whole stands."""
    verdicts = {row.verdict for row in rows}
    return next(word for word in ("red", "missing", "green") if word in verdicts or not verdicts)


def write(directory: Path, rows: list[Row], promises: list[Promise], *, title: str) -> None:
    """Write `proof.md`, `proof.html` and the picture."""
    directory.mkdir(parents=True, exist_ok=True)
    picture = draw(directory / "proof.svg", promises, {row.part.name: row.verdict for row in rows})
    sentence = _sentence(rows, promises)
    (directory / "proof.md").write_text(_markdown(title, sentence, rows))
    (directory / "proof.html").write_text(_html(title, sentence, rows, picture.read_text()))


def _sentence(rows: list[Row], promises: list[Promise]) -> str:
    words = {"red": "Something is WRONG.", "missing": "Not everything was run yet.", "green": "No violation was found."}
    tests = {test for promise in promises for test in promise.tests}
    mutants = {mutant for promise in promises for mutant in promise.mutants}
    return (
        f"{words[verdict_of(rows)]} {len(promises)} promises, held by {len(tests)} tests, {len(mutants)} wrong changes "
        f"that must be noticed, and {len(rows)} ways to look for more."
    )


def _markdown(title: str, sentence: str, rows: list[Row]) -> str:
    lines = [f"# {title}", "", sentence, "", _line(HEAD), _line(["---"] * len(HEAD))]
    lines += [_line(row.cells) for row in rows]
    lines += ["", "![coverage by promise](proof.svg)", ""]
    lines += [f"## {each.step}\n\n```text\n{each.tail}\n```\n" for row in rows for each in row.found if each.tail]
    return "\n".join(lines)


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _html(title: str, sentence: str, rows: list[Row], picture: str) -> str:
    head = "".join(f"<th>{cell}</th>" for cell in HEAD)
    body = "\n".join(_html_row(row) for row in rows)
    tails = "\n".join(
        f"<h2 class='red'>{html.escape(each.step)}</h2><pre>{html.escape(each.tail)}</pre>"
        for row in rows
        for each in row.found
        if each.tail
    )
    svg = re.sub(r"^.*?(?=<svg)", "", picture, flags=re.DOTALL)
    return (
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{STYLE}</style>\n"
        f"<h1>{title}</h1><p class='{verdict_of(rows)}'>{sentence}</p>\n"
        f"<table><tr>{head}</tr>\n{body}</table>\n<h2>Coverage by promise</h2>\n{svg}\n{tails}</html>\n"
    )


def _html_row(row: Row) -> str:
    *cells, verdict = row.cells
    figures = (2, 4, 5)
    inner = "".join(
        f"<td class='figure'>{html.escape(cell)}</td>" if number in figures else f"<td>{html.escape(cell)}</td>"
        for number, cell in enumerate(cells)
    )
    return f"<tr>{inner}<td class='{row.verdict}'>{verdict}</td></tr>"
