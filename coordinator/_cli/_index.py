"""Ids and parents of any number of records, in bounded memory: a temporary database, which goes to disk as it grows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

BATCH_ROWS = 10_000
CACHE_KIB = 16 * 1024

_SCHEMA = "CREATE TABLE record(line INTEGER PRIMARY KEY, offset INTEGER, id BLOB, parent BLOB)"
_REPEATED = """
    SELECT record.line, record.offset, record.id, first.line FROM record
    JOIN (SELECT id, min(line) AS line FROM record GROUP BY id HAVING count(*) > 1) AS first ON first.id = record.id
    WHERE record.line > first.line ORDER BY record.line"""
_ORPHANS = """
    SELECT line, offset, parent, 0 FROM record
    WHERE parent IS NOT NULL AND parent NOT IN (SELECT id FROM record) ORDER BY line"""
_LATE_PARENTS = """
    SELECT child.line, child.offset, child.parent, parent.line FROM record AS child
    JOIN (SELECT id, min(line) AS line FROM record GROUP BY id) AS parent ON parent.id = child.parent
    WHERE parent.line >= child.line ORDER BY child.line"""
_LEAVES = """
    SELECT max(line), offset, id, 0 FROM record
    WHERE id NOT IN (SELECT parent FROM record WHERE parent IS NOT NULL)
    AND id != (SELECT id FROM record ORDER BY line DESC LIMIT 1)
    GROUP BY id ORDER BY max(line)"""
_ROOTS = """
    SELECT line, offset, id, 0 FROM record
    WHERE parent IS NULL AND line > (SELECT min(line) FROM record) ORDER BY line"""
_BRANCH = """
    WITH RECURSIVE branch(id) AS (
        SELECT id FROM record WHERE line = (SELECT max(line) FROM record)
        UNION SELECT record.parent FROM record JOIN branch ON record.id = branch.id WHERE record.parent IS NOT NULL)
    SELECT count(*) FROM branch WHERE id IN (SELECT id FROM record)"""


class Place(NamedTuple):
    """A record, and another line that it has to do with (0: none)."""

    line: int
    offset: int
    id: str
    other: int


class Index:
    """Answers what only a look at all records can tell; add all, then ask."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, int, bytes, bytes | None]] = []
        self._database = sqlite3.connect("", isolation_level=None)
        for statement in ("PRAGMA journal_mode = OFF", f"PRAGMA cache_size = -{CACHE_KIB}", _SCHEMA):
            self._database.execute(statement)

    def add(self, line: int, offset: int, record_id: str, parent: str | None) -> None:
        """Take one record."""
        self._rows.append((line, offset, _blob(record_id), None if parent is None else _blob(parent)))
        if len(self._rows) >= BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        self._database.execute("BEGIN")
        self._database.executemany("INSERT INTO record VALUES (?, ?, ?, ?)", self._rows)
        self._database.execute("COMMIT")
        self._rows.clear()

    def finish(self) -> None:
        """Say that all records were added."""
        self._flush()
        self._database.execute("CREATE INDEX by_id ON record(id, line)")
        self._database.execute("CREATE INDEX by_parent ON record(parent)")

    def close(self) -> None:
        """Give the temporary file back."""
        self._database.close()

    def repeated(self) -> Iterator[Place]:
        """Give the records whose id an earlier line (`other`) has already."""
        return self._places(_REPEATED)

    def orphans(self) -> Iterator[Place]:
        """Give the records whose parent (`id`) is nowhere."""
        return self._places(_ORPHANS)

    def late_parents(self) -> Iterator[Place]:
        """Give the records whose parent (`id`) stands behind them, or is themselves, at line `other`."""
        return self._places(_LATE_PARENTS)

    def other_leaves(self) -> Iterator[Place]:
        """Give the records that are nobody's parent, but for the last one of the file."""
        return self._places(_LEAVES)

    def later_roots(self) -> Iterator[Place]:
        """Give the records that have no parent, but for the first one of the file."""
        return self._places(_ROOTS)

    def branch_size(self) -> int:
        """Count the records between the root and the last record of the file, both included."""
        (count,) = self._database.execute(_BRANCH).fetchone()
        return int(count)

    def _places(self, query: str) -> Iterator[Place]:
        for line, offset, record_id, other in self._database.execute(query):
            yield Place(line, offset, record_id.decode("utf-8", "surrogatepass"), other)


def _blob(text: str) -> bytes:
    """Keep half characters, which a text column would refuse."""
    return text.encode("utf-8", "surrogatepass")
