"""What is in a `PI` session file, read with the standard library alone: a second opinion, not a second use of ours."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Record = dict[str, Any]


@dataclass(frozen=True)
class SessionFile:
    """A session file as it stands; `damaged` are whole lines that are no records, `torn` is what has no end."""

    header: Record | None
    records: list[Record]
    damaged: list[bytes]
    torn: bytes

    @property
    def ids(self) -> list[str]:
        """Return the id of every record, in the order of the file."""
        return [record["id"] for record in self.records]

    @property
    def repeated(self) -> list[str]:
        """Return the ids that stand in the file more than once."""
        return [record_id for record_id, count in Counter(self.ids).items() if count > 1]

    def chain(self) -> list[Record]:
        """Return the conversation, oldest first: from the root to the last record of the file.

        Fails if a parent is missing or the way goes in a ring.
        """
        known = {record["id"]: record for record in self.records}
        way: list[Record] = []
        next_id = self.records[-1]["id"] if self.records else None
        while next_id is not None:
            assert next_id in known, f"the parent {next_id} is missing: everything before it is cut off"
            way.append(known.pop(next_id))
            next_id = way[-1]["parentId"]
        return way[::-1]

    def off_chain(self) -> list[Record]:
        """Return the records that the conversation leaves out, in the order of the file."""
        on_chain = {record["id"] for record in self.chain()}
        return [record for record in self.records if record["id"] not in on_chain]


def read_session(path: Path) -> SessionFile:
    """Read a session file and fail on nothing: what is no record is listed as damage."""
    *lines, torn = path.read_bytes().split(b"\n")
    header = _object(lines[0]) if lines else None
    if header is None or header.get("type") != "session":
        header = None
    found = [(line, _object(line)) for line in lines[header is not None :]]
    records = [record for _, record in found if _is_record(record)]
    return SessionFile(header, records, [line for line, record in found if not _is_record(record)], torn)


def check_chain(path: Path, *, damaged: int = 0) -> list[Record]:
    """Check that a session file is one unbranched conversation, every record in it once, and return the records.

    One chain leads from the last record to the root and leaves nothing out. `damaged` lines are expected, not more
    and not less. The records come in the order of the conversation.
    """
    session = read_session(path)
    assert session.header is not None, f"{path} has no header"
    assert session.torn == b"", f"{path} ends in half a line: {session.torn[:80]!r}"
    assert len(session.damaged) == damaged, f"{path} has other damage: {[line[:80] for line in session.damaged]}"
    assert session.repeated == [], f"{path} has records twice"
    left_out = [record["id"] for record in session.off_chain()]
    assert left_out == [], f"{path} is branched: the conversation leaves out {left_out}"
    return session.chain()


def texts(records: list[Record]) -> list[str]:
    """Return the text of every message, to compare whole conversations at a glance."""
    messages = [record["message"]["content"] for record in records if record["type"] == "message"]
    return [
        content if isinstance(content, str) else "".join(part.get("text", "") for part in content)
        for content in messages
    ]


def _object(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _is_record(value: Record | None) -> bool:
    return value is not None and isinstance(value.get("type"), str) and isinstance(value.get("id"), str)
