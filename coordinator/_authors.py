"""Which writer wrote the record at an offset: ten bytes a record, remembered for one opening only."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable

from ._core._values import Receipt


class Authors:
    """Maps offsets to writer names; call it with an offset."""

    def __init__(self) -> None:
        self._offsets = array("Q")
        self._numbers = array("H")
        self._names: list[str] = []
        self._number_of: dict[str, int] = {}

    def add(self, receipts: Iterable[Receipt]) -> None:
        """Remember where these records stand."""
        for receipt in receipts:
            number = self._number_of.setdefault(receipt.writer, len(self._names))
            if number == len(self._names):
                self._names.append(receipt.writer)
            self._insert(receipt.offset, number)

    def _insert(self, offset: int, number: int) -> None:
        if not self._offsets or offset > self._offsets[-1]:
            self._offsets.append(offset)
            self._numbers.append(number)
            return
        # A record that had been glued to a foreign half line was written again, behind its batch: out of order.
        index = bisect_left(self._offsets, offset)
        self._offsets.insert(index, offset)
        self._numbers.insert(index, number)

    def __call__(self, offset: int) -> str | None:
        index = bisect_left(self._offsets, offset)
        if index < len(self._offsets) and self._offsets[index] == offset:
            return self._names[self._numbers[index]]
        return None

    def clear(self) -> None:
        """Forget everything: the content was replaced."""
        del self._offsets[:]
        del self._numbers[:]
