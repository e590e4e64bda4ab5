"""The ledger of own writes: which bytes were ours, by whom and when; the evidence that a takeover was none of us."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from ._values import OwnWrite, Receipt

LEDGER_RECORDS_MAX = 8192


class Ledger:
    """The last own writes, a bounded number of them, in columns.

    A row for each record would be one more object that lives on; so many of them keep Python's collector busy, which
    took a tenth of an append.
    """

    __slots__ = ("_columns", "number")

    def __init__(self) -> None:
        self._columns: tuple[list[str], array[int], array[int], array[float]] | None = None
        self.number = 0
        """Counts records; remember it to ask later what was written `since` then."""

    def add(self, receipts: Sequence[Receipt], *, time: float) -> None:
        """Remember one written batch."""
        if self._columns is None:
            self._columns = [], array("Q"), array("Q"), array("d")
        writers, offsets, sizes, times = self._columns
        writers += [receipt.writer for receipt in receipts]
        offsets.extend([receipt.offset for receipt in receipts])
        sizes.extend([receipt.size for receipt in receipts])
        times.extend([time] * len(receipts))
        self.number += len(receipts)
        if len(writers) > LEDGER_RECORDS_MAX:
            # Down to the half in one cut: shifting all of them for every batch would take longer than writing it.
            for column in self._columns:
                del column[: -(LEDGER_RECORDS_MAX // 2)]

    def forget(self) -> None:
        """Drop everything: no fence is held, and the file is given back."""
        self._columns = None

    def since(self, number: int) -> list[OwnWrite]:
        """List the own writes from that number on, oldest first, as far as they are remembered."""
        if self._columns is None:
            return []
        first = max(0, number - (self.number - len(self._columns[0])))
        return [OwnWrite(*row) for row in zip(*(column[first:] for column in self._columns), strict=True)]
