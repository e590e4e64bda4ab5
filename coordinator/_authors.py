"""Which writer wrote the record at an offset: twelve bytes a record, remembered for one opening only."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable

from ._core._values import Receipt


class Names:
    """Numbers for the names of writers, shared by all sessions: most have the same few."""

    def __init__(self) -> None:
        self._names: list[str] = []
        self._number_of: dict[str, int] = {}

    def number(self, name: str) -> int:
        """Return the number of a name; a new name gets the next one."""
        number = self._number_of.setdefault(name, len(self._names))
        if number == len(self._names):
            self._names.append(name)
        return number

    def __getitem__(self, number: int) -> str:
        return self._names[number]


class Authors:
    """Maps offsets to writer names; call it with an offset."""

    __slots__ = ("_names", "_numbers", "_offsets")

    def __init__(self, names: Names) -> None:
        self._names = names
        self._offsets = array("Q")
        self._numbers = array("I")

    def add(self, receipts: Iterable[Receipt]) -> None:
        """Remember where these records stand."""
        offsets, numbers, number_of = self._offsets, self._numbers, self._names.number
        last = offsets[-1] if offsets else -1
        for receipt in receipts:
            offset, number = receipt.offset, number_of(receipt.writer)
            if offset > last:
                offsets.append(offset)
                numbers.append(number)
                last = offset
            else:
                self._insert(offset, number)

    def _insert(self, offset: int, number: int) -> None:
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
