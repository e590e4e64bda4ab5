"""Which writer wrote the record at an offset: twelve bytes a record, remembered for one opening only."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Sequence

from ._core._values import Receipt


class Names(dict[str, int]):
    """Numbers for the names of writers, shared by all sessions: most have the same few. A new name gets the next."""

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []

    def __missing__(self, name: str) -> int:
        number = self[name] = len(self._names)
        self._names.append(name)
        return number

    def name(self, number: int) -> str:
        """Return the name that has this number."""
        return self._names[number]


class Authors:
    """Maps offsets to writer names; call it with an offset."""

    __slots__ = ("_names", "_numbers", "_offsets")

    def __init__(self, names: Names) -> None:
        self._names = names
        self._offsets = array("Q")
        self._numbers = array("I")

    def add(self, receipts: Sequence[Receipt]) -> None:
        """Remember where these records stand."""
        number_of = self._names
        offsets = [receipt.offset for receipt in receipts]
        numbers = [number_of[receipt.writer] for receipt in receipts]
        if offsets == sorted(offsets) and (not self._offsets or self._offsets[-1] < offsets[0]):
            self._offsets.extend(offsets)
            self._numbers.extend(numbers)
        else:
            for offset, number in zip(offsets, numbers, strict=True):
                self._insert(offset, number)

    def _insert(self, offset: int, number: int) -> None:
        # A record that had been glued to a foreign half line was written again, behind its batch: out of order.
        index = bisect_left(self._offsets, offset)
        self._offsets.insert(index, offset)
        self._numbers.insert(index, number)

    def __call__(self, offset: int) -> str | None:
        index = bisect_left(self._offsets, offset)
        if index < len(self._offsets) and self._offsets[index] == offset:
            return self._names.name(self._numbers[index])
        return None

    def clear(self) -> None:
        """Forget everything: the content was replaced."""
        del self._offsets[:]
        del self._numbers[:]
