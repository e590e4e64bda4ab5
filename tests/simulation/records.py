"""The lines of a simulated session, ours and those of others, made and read without the library."""

from __future__ import annotations

import json
from typing import Any

Record = dict[str, Any]
OWN = "w"
"""How the names of our own records begin."""


class Lines:
    """Makes and reads lines in one of the two formats."""

    def __init__(self, *, is_pi: bool) -> None:
        self.is_pi = is_pi

    def record(self, name: str) -> Record:
        """Return a record of ours, to be appended; its name stands at both ends."""
        record = {"n": name, "end": name}
        return {"type": "message", **record} if self.is_pi else record

    def header(self) -> bytes:
        """Return what a file begins with."""
        if not self.is_pi:
            return b""
        header = {"type": "session", "version": 3, "id": "s", "timestamp": "2026-01-01T00:00:00.000Z", "cwd": "/"}
        return json.dumps(header).encode() + b"\n"

    def foreign(self, number: int, content: bytes, **more: Any) -> bytes:
        """Return a line of somebody else, chained after what the content ends with."""
        record: Record = {"n": f"f{number}", **more}
        if self.is_pi:
            before = [old["id"] for old in self.records(content)]
            stamps = {"id": f"f{number}-{len(before)}", "parentId": before[-1] if before else None}
            record = {"type": "message", **stamps, "timestamp": "2026-01-01T00:00:00.000Z", **record}
        return json.dumps(record, separators=(",", ":")).encode() + b"\n"

    def records(self, content: bytes) -> list[Record]:
        """Return the records of a file, in order; what is no record is left out."""
        found = [parsed for line in content.split(b"\n")[:-1] if (parsed := _parse(line)) is not None]
        return [record for record in found if not self.is_pi or (record.get("type") == "message" and record.get("id"))]

    def names(self, content: bytes) -> list[str]:
        """Return the names of all records of a file."""
        return [str(record.get("n")) for record in self.records(content)]

    def own_names(self, content: bytes) -> list[str]:
        """Return the names of our records, without those of lines that only look like records.

        Half a line of ours with half of another behind it, by blocks of two ages or by somebody's half write, may be
        valid JSON again: it is no record of ours unless both ends are of the same one.
        """
        whole = [record for record in self.records(content) if record.get("end") == record.get("n")]
        return [name for record in whole if (name := str(record.get("n"))).startswith(OWN)]


def _parse(line: bytes) -> Record | None:
    try:
        value = json.loads(line)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
