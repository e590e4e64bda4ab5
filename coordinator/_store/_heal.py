"""Making the end of a file whole, at opening and only then: nothing is cut before its bytes are safe beside it.

It may be killed anywhere: until the cut the file is as it was, and the copy of a torn tail that is there already is
used again.
"""

from __future__ import annotations

from pathlib import Path

from .._core._effects import Healed
from .._core._lines import LINE_BYTES_MAX, LINE_FEED, TailRepair, repair_of
from ._scan import BLOCK_BYTES, MovedError, find_line_start, read_exactly, read_range
from ._system import EXISTING, NEW, System


def find_repair(system: System, fd: int, size: int) -> TailRepair:
    """Say what the end of the file needs; a repair that keeps and cuts nothing if it is whole."""
    if size == 0 or read_exactly(system, fd, size - 1, size) == LINE_FEED:
        return TailRepair(0, 0)
    start = find_line_start(system, fd, size)
    end = _end_of_text(system, fd, start, size)
    if end - start > LINE_BYTES_MAX:
        return TailRepair(0, size - start)
    repair = repair_of(read_exactly(system, fd, start, end))
    return TailRepair(repair.keep, size - start - repair.keep)


def _end_of_text(system: System, fd: int, start: int, end: int) -> int:
    """Return where a run of NUL bytes at the end begins; it can be as long as the disk allows."""
    while end > start:
        block = read_exactly(system, fd, max(end - BLOCK_BYTES, start), end)
        text = block.rstrip(b"\0")
        end -= len(block) - len(text)
        if text:
            return end
    return end


def heal(system: System, path: Path, fd: int, size: int, repair: TailRepair) -> Healed:
    """Carry out a repair of a file that has `size` bytes; `MovedError` if somebody else is writing to it."""
    side_file = None
    if repair.cut:
        side_file = _keep_aside(system, path, fd, size - repair.cut, size)
        _expect_size(system, fd, size)
        system.truncate(fd, size - repair.cut)
        system.sync(fd)  # before these blocks are used again: a torn write would mix old and new under the old length
    if repair.needs_line_feed:
        _expect_size(system, fd, size - repair.cut)
        system.write(fd, LINE_FEED)
    return Healed(repair.cut, None if side_file is None else str(side_file), repair.needs_line_feed)


def _expect_size(system: System, fd: int, size: int) -> None:
    if system.fstat(fd).st_size != size:
        raise MovedError


def _keep_aside(system: System, path: Path, fd: int, start: int, end: int) -> Path:
    kept = _find_kept(system, path, fd, start, end)
    if kept is None:
        kept, side_fd = _create_side_file(system, path)
        try:
            for block in read_range(system, fd, start, end):
                _write_all(system, side_fd, block)
            system.sync(side_fd)
        except OSError:
            # An unfinished copy would only mislead; the bytes are still where they were.
            system.unlink(kept)
            raise
        finally:
            system.close(side_fd)
    system.sync_directory(path.parent)
    return kept


def _find_kept(system: System, path: Path, fd: int, start: int, end: int) -> Path | None:
    """Find the copy that an earlier healing made before it was killed."""
    names = sorted(name for name in system.list_directory(path.parent) if name.startswith(f"{path.name}.torn-"))
    for kept in map(path.with_name, names):
        side_fd = system.open(kept, EXISTING)
        try:
            if system.fstat(side_fd).st_size == end - start and _equal(system, fd, start, end, side_fd):
                system.sync(side_fd)
                return kept
        finally:
            system.close(side_fd)
    return None


def _equal(system: System, fd: int, start: int, end: int, side_fd: int) -> bool:
    return all(
        read_exactly(system, side_fd, at - start, min(at + BLOCK_BYTES, end) - start)
        == read_exactly(system, fd, at, min(at + BLOCK_BYTES, end))
        for at in range(start, end, BLOCK_BYTES)
    )


def _create_side_file(system: System, path: Path) -> tuple[Path, int]:
    stamp = system.utc_now().strftime("%Y%m%dT%H%M%SZ")
    number = 0
    while True:
        side_file = path.with_name(f"{path.name}.torn-{stamp}{f'-{number}' if number else ''}")
        try:
            return side_file, system.open(side_file, NEW)
        except FileExistsError:
            number += 1


def _write_all(system: System, fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[system.write(fd, view) :]
