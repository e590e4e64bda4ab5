"""`coordinator check`: is every line of a session file what it should be?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from ._files import Reader, reading
from ._findings import Finding, Findings, Severity
from ._findings import check as check_lines
from ._options import FilesArgument, FormatName, FormatOption, JsonOption, Status
from ._output import Output, indented, output, path_text
from ._text import count_text, size_text

SHOWN_MAX = 10
COLORS = {Severity.DAMAGE: "red", Severity.NOTICE: "yellow"}


def check(
    files: FilesArgument,
    strict: Annotated[bool, typer.Option("--strict", help="Count notices as damage.")] = False,
    format_name: FormatOption = FormatName.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Check whole files, in bounded memory; also while a gateway is writing to them.

    Damage: lines that are no record, a torn end, a bad header, a repeated id (rewinds the conversation), a missing
    parent (cuts it off). Notices, which can be meant: branches beside the conversation, later roots, parents behind
    their children, times that run backwards.

    Exit status: 0 fine, 1 damage found, 2 wrong usage or not readable.
    """
    with output(as_json=as_json) as out:
        for path in files:
            with out.reporting(path), reading(path, format_name) as reader:
                findings = check_lines(reader, guessed=format_name is FormatName.AUTO)
                _tell(out, path, reader, findings)
                if findings.damaged or (strict and findings.kept):
                    out.note(Status.FOUND)


def _tell(out: Output, path: Path, reader: Reader, findings: Findings) -> None:
    if out.as_json:
        out.data({
            "path": path, "format": reader.format.name, "bytes": reader.end, "records": findings.records,
            "damaged": findings.damaged, "counts": findings.counts, "findings": [asdict(one) for one in findings.kept],
        })  # fmt: skip
        return
    out.show(_verdict(path, findings))
    about = (reader.format.name, count_text(findings.records, "record"), size_text(reader.end))
    out.show(indented(Text(" · ".join(about), style="dim")))
    if findings.kept:
        out.show(indented(_list(findings)))


def _verdict(path: Path, findings: Findings) -> Text:
    mark = Text("✗ ", "red") if findings.damaged else Text("✓ ", "green")
    return mark.append_text(path_text(path))


def _list(findings: Findings) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    shown: dict[str, int] = {}
    for finding in findings.kept:
        shown[finding.kind] = shown.get(finding.kind, 0) + 1
        if shown[finding.kind] <= SHOWN_MAX:
            grid.add_row(f"line {finding.line:,}" if finding.line else "", _text(finding))
    for kind, count in findings.counts.items():
        if count > SHOWN_MAX:
            grid.add_row("", Text(f"and {count - SHOWN_MAX:,} more of the kind `{kind}`", style="dim"))
    return grid


def _text(finding: Finding) -> Text:
    return Text.assemble((f"{finding.severity.value}: ", COLORS[finding.severity]), finding.text)
