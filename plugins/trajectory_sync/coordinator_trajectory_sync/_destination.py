"""A copy in parts, at a place that fsspec knows.

Each part is named after the offset of its first byte. What stands there says how far the copy is, so nothing about it
is remembered here; only the last part is ever written anew, with more of the same, so doing that twice is harmless.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ._filesystems import open_filesystem

OFFSET_DIGITS = 20


class Destination:
    """The copy of one file; every method blocks, so it is called in threads only."""

    def __init__(self, url: str, storage_options: dict[str, Any], name: str) -> None:
        self._files, root = open_filesystem(url, storage_options)
        self._folder = f"{root.rstrip('/')}/{name}"

    def resume(self, source: Path, end: int) -> tuple[int, int]:
        """Return where the part begins that is to be sent next, and how much of the source has arrived."""
        parts = self._parts()
        whole = list(_gapless(parts, end))
        while whole and not self._is_same(source, *whole[-1]):
            # Cut short by a kill, or of another file that was replaced since.
            whole.pop()
        for offset, _ in parts[len(whole) :]:
            self._files.rm_file(self._path(offset))
        if not whole:
            return 0, 0
        offset, size = whole[-1]
        return offset, offset + size

    def send(self, source: Path, start: int, end: int, *, bytes_max: int) -> int:
        """Write the part that begins at `start`, as a whole, and return where it ends: with a line, at the latest."""
        content = _whole_lines(source, start, end, bytes_max)
        try:
            self._files.pipe_file(self._path(start), content)
        except FileNotFoundError:  # a place that has real folders
            self._files.makedirs(self._folder, exist_ok=True)
            self._files.pipe_file(self._path(start), content)
        return start + len(content)

    def _is_same(self, source: Path, offset: int, size: int) -> bool:
        return bool(self._files.cat_file(self._path(offset)) == _read(source, offset, offset + size))

    def _parts(self) -> list[tuple[int, int]]:
        self._files.invalidate_cache(self._folder)
        try:
            found = self._files.ls(self._folder, detail=True)
        except FileNotFoundError:
            return []
        names = ((os.path.basename(entry["name"]).removesuffix(".jsonl"), entry["size"]) for entry in found)
        return sorted((int(name), size) for name, size in names if name.isdigit())

    def _path(self, offset: int) -> str:
        return f"{self._folder}/{offset:0{OFFSET_DIGITS}}.jsonl"


def _gapless(parts: list[tuple[int, int]], end: int) -> Iterator[tuple[int, int]]:
    expected = 0
    for offset, size in parts:
        if offset != expected or offset + size > end:
            return
        yield offset, size
        expected = offset + size


def _whole_lines(source: Path, start: int, end: int, bytes_max: int) -> bytes:
    content = _read(source, start, min(end, start + bytes_max))
    whole = content.rfind(b"\n") + 1
    if whole:
        return content[:whole]
    return content if start + bytes_max >= end else _whole_lines(source, start, end, bytes_max * 2)


def _read(source: Path, start: int, end: int) -> bytes:
    with source.open("rb") as file:
        file.seek(start)
        content = file.read(end - start)
    if len(content) < end - start:
        raise OSError(f"{source} is shorter than it was")
    return content
