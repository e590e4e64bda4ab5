"""Where the lines of a batch stand, given where the pieces of its writes went."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate


@dataclass(frozen=True, slots=True)
class Run:
    """Bytes of a batch that stand together: batch bytes `first` to `last` are in the file from `start` on."""

    start: int
    first: int
    last: int

    @property
    def end(self) -> int:
        """Return the file offset behind the run."""
        return self.start + self.last - self.first

    @property
    def shift(self) -> int:
        """Return what to add to an offset in the batch to get one in the file."""
        return self.start - self.first


def join_pieces(pieces: Sequence[tuple[int, int]]) -> list[Run]:
    """Turn writes (offset in the file, size), in the order in which they were made, into runs."""
    runs: list[Run] = []
    written = 0
    for start, size in pieces:
        if runs and runs[-1].end == start:
            previous = runs.pop()
            runs.append(Run(previous.start, previous.first, written + size))
        else:
            runs.append(Run(start, written, written + size))
        written += size
    return runs


def place_lines(
    sizes: Sequence[int], runs: Sequence[Run], glued: Sequence[bool], ended: Sequence[bool]
) -> list[int | None]:
    """Return the file offset of each line (of these sizes), None for a line that is not whole.

    A line that was torn over two runs is not whole, nor is one that starts a run that is `glued` to foreign bytes
    without a line feed. Of a run that is `ended` by somebody else's line feed the last line may lack its own.
    """
    offsets: list[int | None] = [None] * len(sizes)
    for run, is_glued, is_ended in zip(runs, glued, ended, strict=True):
        for number, (size, end) in enumerate(zip(sizes, accumulate(sizes), strict=True)):
            start = end - size
            if run.first <= start and end <= run.last + is_ended and not (is_glued and start == run.first):
                offsets[number] = start + run.shift
    return offsets


def place_lines_in_order(sizes: Sequence[int], start: int) -> list[int]:
    """Return the file offset of each line when all of them stand together from `start` on."""
    return list(accumulate(sizes[:-1], initial=start))
