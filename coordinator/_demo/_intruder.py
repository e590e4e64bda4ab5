"""A second process that appends to the session behind the gateway's back, as a second gateway or an editor would.

For each line on its standard input it appends one user message and prints what it did as JSON. It keeps the file open
until its standard input ends, and needs nothing but the standard library: it knows nothing of the coordinator.
"""

from __future__ import annotations

import json
import sys
import uuid
from datetime import UTC, datetime
from typing import Any, BinaryIO


def foreign_message(file: BinaryIO, text: str) -> dict[str, Any]:
    """Return a user message that is chained after the last record of the file, as other programs do it."""
    file.seek(0)
    leaf = json.loads(file.read().split(b"\n")[-2])["id"]  # the last whole line
    now = datetime.now(UTC)
    return {
        "type": "message",
        "id": uuid.uuid4().hex[:8],
        "parentId": leaf,
        "timestamp": now.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "message": {
            "role": "user",
            "content": [{"type": "text", "text": text}],
            "timestamp": int(now.timestamp() * 1000),
        },
    }


def main() -> None:
    """Append one message for each line that comes in."""
    with open(sys.argv[1], "a+b", buffering=0) as file:
        print(json.dumps("ready"), flush=True)
        for text in sys.stdin:
            record = foreign_message(file, text.strip())
            size = file.write(json.dumps(record).encode() + b"\n")
            end = file.tell()
            print(json.dumps({"record": record, "start": end - size, "end": end}), flush=True)


if __name__ == "__main__":
    main()
