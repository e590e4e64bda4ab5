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

    __slots__ = ("_offsets", "_sizes", "_times", "_writers", "number")

    def __init__(self) -> None:
        self.number = 0
        """Counts records; remember it to ask later what was written `since` then."""
        self.forget()

    def add(self, receipts: Sequence[Receipt], *, time: float) -> None:
        """Remember one written batch."""
        self._writers += [receipt.writer for receipt in receipts]
        self._offsets.extend([receipt.offset for receipt in receipts])
        self._sizes.extend([receipt.size for receipt in receipts])
        self._times.extend([time] * len(receipts))
        self.number += len(receipts)
        if len(self._writers) > LEDGER_RECORDS_MAX:
            # Half of them in one cut: shifting all of them for every batch would take longer than writing it.
            for column in (self._writers, self._offsets, self._sizes, self._times):
                del column[: LEDGER_RECORDS_MAX // 2]

    def forget(self) -> None:
        """Drop everything: no fence is held, and the file is given back."""
        self._writers: list[str] = []
        self._offsets, self._sizes, self._times = array("Q"), array("Q"), array("d")

    def since(self, number: int) -> list[OwnWrite]:
        """List the own writes from that number on, oldest first, as far as they are remembered."""
        first = max(0, number - (self.number - len(self._writers)))
        columns = (self._writers, self._offsets, self._sizes, self._times)
        return [OwnWrite(*row) for row in zip(*(column[first:] for column in columns), strict=True)]
