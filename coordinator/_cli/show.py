"""`coordinator show`: a session file as a conversation, newest last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from ._files import Reader, reading
from ._findings import why_unreadable
from ._following import Mark, Replaced, follow, mark_end
from ._inside import LINE_BYTES_MAX, Line
from ._options import FileArgument, FormatName, FormatOption, JsonOption
from ._output import Output, output
from ._render import Renderer
from ._text import visible


@dataclass(frozen=True, slots=True)
class Place:
    """Where a line is, and whether it is part of the conversation; lines themselves could be too many to keep."""

    offset: int
    size: int
    aside: bool


def show(
    file: FileArgument,
    *,
    count: Annotated[int, typer.Option("-n", help="How many of the last ones; 0 shows all.", min=0)] = 20,
    follow_on: Annotated[bool, typer.Option("--follow", "-f", help="Go on with what is appended.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", "-a", help="Every line: other branches and damaged ones too.")
    ] = False,
    full: Annotated[bool, typer.Option("--full", help="Do not shorten long texts.")] = False,
    format_name: FormatOption = FormatName.AUTO,
    as_json: JsonOption = False,
) -> None:
    """Show the conversation of a session, newest last; also while a gateway is writing to the file.

    Of a pi session that is the way from the root to the last record. Following shows whatever is appended.

    Exit status: 0 shown (or following was ended with Ctrl-C), 2 wrong usage or not readable.
    """
    with output(file, as_json=as_json) as out:
        screen = _Screen(out, Renderer(full=full))
        with reading(file, format_name) as reader:
            mark = mark_end(reader)
            places, more = _last(reader, count, everything=everything, whole=follow_on)
            if more:
                screen.rule(more)
            for place in reversed(places):
                screen.show(reader, _line_at(reader, place), aside=place.aside)
        if follow_on:
            _follow(screen, file, format_name, mark)


class _Screen:
    """Shows lines, one after the other."""

    def __init__(self, out: Output, renderer: Renderer) -> None:
        self._out = out
        self._renderer = renderer
        self._leaf: str | None = None

    def rule(self, text: str) -> None:
        """Say something between the records, to people only."""
        if not self._out.as_json:
            self._out.show(Text(f"── {visible(text)} ──", style="dim"))

    def show(self, reader: Reader, line: Line, *, aside: bool = False) -> None:
        """Show one line; the header is none that is shown."""
        if reader.is_header(line):
            return
        record = reader.record(line)
        if self._out.as_json:
            self._out.data({"offset": line.offset, "size": line.size, "aside": aside, "record": record})
        elif record is None:
            self._out.show(Text(f"damaged line at offset {line.offset:,}: {why_unreadable(line)}", style="red"))
        else:
            tail = reader.format.tail_of(record)
            self._out.show(*self._renderer.render(record, tail.timestamp_ms, aside=aside))
            self._leaf = self._leaf if aside else tail.leaf

    def show_new(self, reader: Reader, line: Line) -> None:
        """Show a line that was appended; say so if it does not follow what was shown last."""
        record = None if reader.is_header(line) else reader.record(line)
        if record is not None and self._leaf is not None:
            parent = reader.format.parent_of(record)
            if parent != self._leaf:
                self.rule("from the beginning" if parent is None else f"going back to {parent}")
        self.show(reader, line)


def _last(reader: Reader, count: int, *, everything: bool, whole: bool) -> tuple[list[Place], str]:
    """Find the last records (all for 0), newest first; the text says what comes before them."""
    climb = _Climb(reader, everything=everything, whole=whole)
    places = list(islice(climb.places, count or None))
    if count and next(climb.places, None) is not None:
        return places, f"the last {count}; -n 0 shows all"
    if climb.begins_late:
        return places, "the conversation starts anew here; --all shows what stands before"
    if climb.wanted is not None:
        return places, f"the parent {climb.wanted} is missing: what was before is cut off"
    return places, ""


class _Climb:
    """The way from the last record to the first, by parents where the format has a tree."""

    def __init__(self, reader: Reader, *, everything: bool, whole: bool) -> None:
        self.wanted: str | None = None
        self.begins_late = False
        self._reader = reader
        self._everything = everything
        lines = reader.lines_backwards()
        self.places = self._walk(line for line in lines if not whole or line.offset < reader.lines_end)

    def _walk(self, lines: Iterator[Line]) -> Iterator[Place]:
        """Give what is to be shown, newest first."""
        begun = False
        for line in lines:
            if self._reader.is_header(line):
                return
            record = self._reader.record(line)
            leaf = None if record is None else self._reader.format.tail_of(record).leaf
            aside = begun and leaf is not None and leaf != self.wanted
            if record is not None and not aside:
                begun, self.wanted = True, self._reader.format.parent_of(record)
            if self._everything or (record is not None and not aside):
                yield Place(line.offset, line.size, aside)
            if begun and leaf is not None and self.wanted is None and not self._everything:
                before = next(lines, None)
                self.begins_late = before is not None and not self._reader.is_header(before)
                return


def _line_at(reader: Reader, place: Place) -> Line:
    kept = place.size <= LINE_BYTES_MAX
    return Line(place.offset, place.size, reader.read(place.offset, place.size) if kept else None)


def _follow(screen: _Screen, path: Path, format_name: FormatName, mark: Mark) -> None:
    try:
        for reader, found in follow(path, format_name, mark):
            if isinstance(found, Replaced):
                behind = "going on behind the same line" if found.found else "from its beginning"
                screen.rule(f"the file was replaced: {behind}")
            else:
                screen.show_new(reader, found)
    except KeyboardInterrupt:
        return
