"""The ledger of own writes: which bytes were ours, by whom and when; the evidence that a takeover was none of us."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ._values import OwnWrite, Receipt

LEDGER_RECORDS_MAX = 8192


class _Batch(NamedTuple):
    number: int
    time: float
    receipts: Sequence[Receipt]


class Ledger:
    """The last own writes, a bounded number of them, by batch: a row per record would cost more than its write."""

    __slots__ = ("_batches", "_records", "number")

    def __init__(self) -> None:
        self._batches: list[_Batch] = []
        self._records = 0
        self.number = 0
        """Counts batches; remember it to ask later what was written `since` then."""

    def add(self, receipts: Sequence[Receipt], *, time: float) -> None:
        """Remember one written batch."""
        self._batches.append(_Batch(self.number, time, receipts))
        self.number += 1
        self._records += len(receipts)
        if self._records > LEDGER_RECORDS_MAX:
            # Half of them in one cut: a list is light while it is short, and shifting it for every batch is not.
            gone = self._batches[: len(self._batches) // 2]
            del self._batches[: len(gone)]
            self._records -= sum(len(batch.receipts) for batch in gone)

    def forget(self) -> None:
        """Drop everything: no fence is held, and the file is given back."""
        self._batches, self._records = [], 0

    def since(self, number: int) -> list[OwnWrite]:
        """List the own writes from batch `number` on, oldest first, as far as they are remembered."""
        return [
            OwnWrite(receipt.writer, receipt.offset, receipt.size, batch.time)
            for batch in self._batches
            if batch.number >= number
            for receipt in batch.receipts
        ]
