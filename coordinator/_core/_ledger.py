"""The ledger of own writes: which bytes were ours, by whom and when; the evidence that a takeover was none of us."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from ._values import OwnWrite, Receipt

LEDGER_RECORDS_MAX = 4096


@dataclass(frozen=True, slots=True)
class _Batch:
    number: int
    time: float
    receipts: Sequence[Receipt]


class Ledger:
    """The last own writes, a bounded number of them, by batch: a row per record would cost more than its write."""

    __slots__ = ("_batches", "_records", "number")

    def __init__(self) -> None:
        # A session that was only opened has no ledger yet: an empty deque weighs as much as the rest of it.
        self._batches: deque[_Batch] | None = None
        self._records = 0
        self.number = 0
        """Counts batches; remember it to ask later what was written `since` then."""

    def add(self, receipts: Sequence[Receipt], *, time: float) -> None:
        """Remember one written batch."""
        batches = self._batches = self._batches or deque()
        batches.append(_Batch(self.number, time, receipts))
        self.number += 1
        self._records += len(receipts)
        while self._records > LEDGER_RECORDS_MAX and len(batches) > 1:
            self._records -= len(batches.popleft().receipts)

    def forget(self) -> None:
        """Drop everything: no fence is held, and the file is given back."""
        self._batches, self._records = None, 0

    def since(self, number: int) -> list[OwnWrite]:
        """List the own writes from batch `number` on, oldest first, as far as they are remembered."""
        return [
            OwnWrite(receipt.writer, receipt.offset, receipt.size, batch.time)
            for batch in self._batches or ()
            if batch.number >= number
            for receipt in batch.receipts
        ]
