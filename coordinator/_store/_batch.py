"""A batch on its way into the file: which lines stand where, what was found meanwhile, which writes were made."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from .._core._effects import Append, Fault, Foreign
from ._placing import Run, join_pieces

ROOM_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


@dataclass(slots=True)
class Batch:
    """What an `Append` has come to so far; `offsets` has None for lines that do not stand in the file yet."""

    effect: Append
    foreign: list[Foreign]
    offsets: list[int | None]
    lowest: int | None = None
    rounds: int = 0
    pieces: Sequence[tuple[int, int]] = ()
    """Where the last write went, as far as it got."""

    @property
    def missing(self) -> list[int]:
        """Return the numbers of the lines that are still to be written."""
        return [number for number, offset in enumerate(self.offsets) if offset is None]

    @property
    def is_stopped(self) -> bool:
        """Whether what we knew of the file no longer holds."""
        return any(foreign.change.stops for foreign in self.foreign)

    def mark_slipped(self, *, since: int) -> None:
        """Say of what was found since that number that it stands before lines which do not know of it."""
        self.foreign[since:] = [replace(foreign, slipped=True) for foreign in self.foreign[since:]]

    @property
    def is_begun(self) -> bool:
        """Whether a line stands in the file already."""
        return any(offset is not None for offset in self.offsets)

    def place(self, current: Round, offsets: Sequence[int | None]) -> None:
        """Remember where the lines of a round stand; the first offset is that of what came before them."""
        if len(current.numbers) == len(self.offsets):
            self.offsets = [*offsets[1:]]
            return
        for number, offset in zip(current.numbers, offsets[1:], strict=True):
            self.offsets[number] = offset

    def may_stand_at(self, offset: int) -> None:
        """Remember that bytes of ours may stand at this offset."""
        self.lowest = offset if self.lowest is None else min(offset, self.lowest)


@dataclass(slots=True)
class Round:
    """One write of what is missing, and where its pieces went.

    `sizes` begins with the part before the lines: a header, a line feed that ends what is torn, or nothing.
    """

    has_header: bool
    numbers: Sequence[int]
    data: bytes
    sizes: list[int]
    pieces: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    written: int = 0
    """How many bytes were taken."""
    error: OSError | None = None
    """Why the rest was refused."""

    def took(self, start: int, count: int) -> None:
        """Note where the next bytes of it went."""
        self.pieces.append((start, count))
        self.written += count

    @property
    def is_complete(self) -> bool:
        """Whether all of it was taken."""
        return self.written == len(self.data)

    @property
    def lowest(self) -> int:
        """Return the lowest offset that has bytes of it: somebody may have cut the file between two pieces."""
        return min(start for start, _ in self.pieces)

    @property
    def runs(self) -> list[Run]:
        """Return where the bytes went."""
        return join_pieces(self.pieces)


def room_or_write(error: OSError) -> Fault:
    """Say which promise a failed write broke."""
    return Fault.ROOM if error.errno in ROOM_ERRORS else Fault.WRITE
