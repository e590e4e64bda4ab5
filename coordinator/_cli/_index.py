"""Ids and parents of any number of records, as numbers: twenty megabytes for those of a session of one gigabyte.

Nearly every record follows the one before it. So a file is a few *chains*, of which only the first record and its
parent are remembered; of every other record there is nothing to know but whether its id is the only one of its kind.

An id is known by its hash, of 64 bits and with a seed of its own in every process: that two ids of a million share one
happens once in 40 million checks.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence

PART_RECORDS = 1 << 18
"""The hashes are sorted out in parts of about so many, because a dictionary of all would take a hundred megabytes."""
NOWHERE = -1

Pair = tuple[int, int]
"""A record and another one that it has to do with (or `NOWHERE`)."""


class Index:
    """Answers what only a look at all records can tell; add all, `finish`, then ask. Records count from 0."""

    def __init__(self) -> None:
        self._hashes = array("q")
        self._last: str | None = None
        self._roots = array("q", [0])
        """The records that have no parent; the first record of all begins a chain whatever it says."""
        self._starts = array("q")
        """The records that follow another one than that before them, and (below) whom."""
        self._parents = array("q")
        self._places = array("q")
        self._repeated: list[Pair] = []
        self._other_leaves: list[Pair] = []

    def __len__(self) -> int:
        return len(self._hashes)

    def add(self, ids: Sequence[str], parents: Sequence[str | None]) -> None:
        """Take the next records."""
        before = [self._last, *ids[:-1]]
        if parents != before:
            for number, (parent, last) in enumerate(zip(parents, before, strict=True), start=len(self)):
                if parent != last:
                    self._begin_chain(number, parent)
        self._hashes.extend(map(hash, ids))
        self._last = ids[-1]

    def _begin_chain(self, number: int, parent: str | None) -> None:
        if parent is not None:
            self._starts.append(number)
            self._parents.append(hash(parent))
        elif number:
            self._roots.append(number)

    def finish(self) -> None:
        """Say that all records were added."""
        self._places.extend([NOWHERE] * len(self._starts))
        parts = 1 + len(self) // PART_RECORDS
        for part in range(parts):
            self._sort_out(part, parts)
        self._repeated.sort()
        self._other_leaves.sort()

    def _sort_out(self, part: int, parts: int) -> None:
        """Look at those ids, and those parents, whose hashes belong into this part."""
        first = dict[int, int]()
        inner = set[int]()
        for number, hashed in enumerate(self._hashes):
            if hashed % parts == part and first.setdefault(hashed, number) != number:
                self._repeated.append((number, first[hashed]))
                inner.update(hashed for each in (number, first[hashed]) if not self._ends_chain(each))
        for place, parent in enumerate(self._parents):
            if parent % parts == part:
                self._places[place] = first.get(parent, NOWHERE)
                inner.add(parent)
        ends = {self._hashes[end]: end for end in self._ends() if self._hashes[end] % parts == part}
        self._other_leaves += [(end, NOWHERE) for hashed, end in ends.items() if hashed not in inner]

    def _ends(self) -> Iterator[int]:
        """Give the last record of every chain but the last one, whose end is the leaf of the file."""
        leaf = self._hashes[-1] if self._hashes else None
        for start in sorted({*self._roots, *self._starts}):
            if start and self._hashes[start - 1] != leaf:
                yield start - 1

    def _ends_chain(self, number: int) -> bool:
        return number + 1 == len(self) or self._chain_of(number + 1)[0] == number + 1

    def repeated(self) -> list[Pair]:
        """Return the records whose id an earlier one (the second number) has already."""
        return self._repeated

    def orphans(self) -> list[Pair]:
        """Return the records whose parent is nowhere."""
        return [pair for pair in zip(self._starts, self._places, strict=True) if pair[1] == NOWHERE]

    def late_parents(self) -> list[Pair]:
        """Return the records whose parent (the second number) stands behind them, or is themselves."""
        return [pair for pair in zip(self._starts, self._places, strict=True) if pair[1] >= pair[0]]

    def other_leaves(self) -> list[Pair]:
        """Return the records that are nobody's parent, but for the last one of the file."""
        return self._other_leaves

    def later_roots(self) -> list[Pair]:
        """Return the records that have no parent, but for the first one of the file."""
        return [(root, NOWHERE) for root in self._roots[1:]]

    def branch_size(self) -> int:
        """Count the records between the root and the last record of the file, both included.

        An estimate where ids repeat: of several records with the id of a parent the first is taken for it.
        """
        size, number, seen = 0, len(self) - 1, set[int]()
        while number != NOWHERE:
            start, parent = self._chain_of(number)
            if start in seen:  # ids that follow each other in a ring
                break
            seen.add(start)
            size, number = size + number - start + 1, parent
        return size

    def _chain_of(self, number: int) -> Pair:
        """Return the first record of a chain, and the record that it follows."""
        root = self._roots[bisect_right(self._roots, number) - 1]
        index = bisect_right(self._starts, number) - 1
        if index < 0 or self._starts[index] < root:
            return root, NOWHERE
        return self._starts[index], self._places[index]
