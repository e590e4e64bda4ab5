"""Which writer wrote the record at an offset: twelve bytes per change of the writer, for one opening only."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable

from ._core._values import Receipt

CHANGES_MAX = 1 << 18
"""So many changes of the writer are remembered: a session that is open for months must not grow without bound."""


NAMES_MAX = 1 << 16
"""So many names are numbered: a gateway that names one writer for each request must not grow without bound."""


class Names(dict[str, int]):
    """Numbers for the names of writers, shared by all sessions: most have the same few. A new name gets the next."""

    NOBODY = 0

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str | None] = [None]

    def __missing__(self, name: str) -> int:
        if len(self._names) > NAMES_MAX:
            return self.NOBODY
        number = self[name] = len(self._names)
        self._names.append(name)
        return number

    def name(self, number: int) -> str | None:
        """Return the name that has this number, None for that of nobody."""
        return self._names[number]


class Authors:
    """Maps offsets to writer names; call it with an offset.

    Lines of ours that touch each other and have the same writer are one stretch: what a number says holds from its
    start to the next one.
    """

    __slots__ = ("_end", "_names", "_numbers", "_starts")

    def __init__(self, names: Names) -> None:
        self._names = names
        self._starts = array("Q")
        self._numbers = array("I")
        self._end = 0

    def add(self, receipts: Iterable[Receipt]) -> None:
        """Remember where these records stand."""
        number_of, numbers, end = self._names, self._numbers, self._end
        last = numbers[-1] if numbers else Names.NOBODY
        for receipt in receipts:
            number, offset = number_of[receipt.writer], receipt.offset
            if offset < end:
                self._insert(offset, receipt.size, number)
                continue
            if offset > end and last != Names.NOBODY:
                self._begin(end, Names.NOBODY)
                last = Names.NOBODY
            if number != last:
                self._begin(offset, number)
                last = number
            end = offset + receipt.size
        self._end = end
        self._forget_oldest()

    def _begin(self, start: int, number: int) -> None:
        self._starts.append(start)
        self._numbers.append(number)

    def _insert(self, offset: int, size: int, number: int) -> None:
        # A record that had been glued to a foreign half line was written again, behind its batch: out of order.
        index = bisect_right(self._starts, offset)
        before = self._numbers[index - 1] if index else Names.NOBODY
        for start, who in ((offset + size, before), (offset, number)):
            self._starts.insert(index, start)
            self._numbers.insert(index, who)

    def _forget_oldest(self) -> None:
        if len(self._starts) > CHANGES_MAX:
            # Half of them at once, or every batch would move the others.
            del self._starts[: CHANGES_MAX // 2]
            del self._numbers[: CHANGES_MAX // 2]

    def __call__(self, offset: int) -> str | None:
        index = bisect_right(self._starts, offset)
        return self._names.name(self._numbers[index - 1]) if index and offset < self._end else None

    def clear(self) -> None:
        """Forget everything: the content was replaced."""
        del self._starts[:]
        del self._numbers[:]
        self._end = 0
