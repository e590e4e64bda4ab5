"""The second process of the race: changes a session file in four ways, and says exactly when it did.

Orders come as JSON lines on standard input (`path`, `count`, `seed`), one acknowledgement for each change goes to
standard output, with the monotonic times before its first and after its last system call. After a change that stops
the session it waits for the word to go on. It needs nothing but the standard library.
"""

import json
import os
import random
import sys
import time
from collections.abc import Callable
from typing import Any

PAD = b"padpadpadpad"
"""Stands in the first record; its letters are what a same-length edit changes."""

PAUSE_SECONDS_MAX = 0.004


def pause(chance: random.Random) -> None:
    """Wait a little, or not at all: both a lone change and a burst must be found."""
    if chance.random() < 0.5:
        time.sleep(chance.random() * PAUSE_SECONDS_MAX)


def last_id(content: bytes) -> str | None:
    """Return the id of the last record, after which another session manager would chain its own."""
    for line in reversed(content.split(b"\n")[:-1]):
        try:
            return json.loads(line)["id"]
        except (ValueError, KeyError, TypeError):
            continue
    return None


def line_for(path: str, number: int) -> bytes:
    """Return a record with a mark at either end, chained after what is the last one now."""
    with open(path, "rb") as file:
        file.seek(max(0, os.fstat(file.fileno()).st_size - 4096))
        parent = last_id(file.read())
    time_text = "2026-11-22T12:00:00.000Z"
    record = {"type": "custom", "id": f"<{number}>", "parentId": parent, "timestamp": time_text, "end": f"[{number}]"}
    return json.dumps(record).encode() + b"\n"


def append_whole(path: str, number: int, _chance: random.Random) -> None:
    """Append one line in one write."""
    append(path, line_for(path, number))


def append_halves(path: str, number: int, chance: random.Random) -> None:
    """Append one line in two writes, as a buffer that runs over does."""
    line = line_for(path, number)
    cut = chance.randrange(line.index(b">") + 1, line.index(b"["))
    append(path, line[:cut])
    pause(chance)
    append(path, line[cut:])


def append(path: str, content: bytes) -> None:
    """Append in one system call."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, content)
    os.close(descriptor)


def edit(path: str, _number: int, chance: random.Random) -> None:
    """Change one letter of the first record to another one."""
    descriptor = os.open(path, os.O_RDWR)
    head = os.pread(descriptor, 1024, 0)
    place = head.index(b'"pad":"') + len(b'"pad":"') + chance.randrange(len(PAD))
    letter = bytes([chance.choice([code for code in b"abcdefghijk" if code != head[place]])])
    os.pwrite(descriptor, letter, place)
    os.close(descriptor)


def rename_over(path: str, number: int, _chance: random.Random) -> None:
    """Put another file there: what could be read of this one, and a line; keep the displaced one for the judge."""
    with open(path, "rb") as file:
        content = file.read()
    copy = content[: content.rindex(b"\n") + 1]
    time_text = "2026-11-22T12:00:00.000Z"
    ends = {"id": f"<{number}>", "parentId": last_id(copy), "timestamp": time_text, "end": f"[{number}]"}
    with open(path + ".new", "wb") as file:
        file.write(copy + json.dumps({"type": "custom", **ends}).encode() + b"\n")
    os.link(path, f"{path}.displaced-{number}")
    os.replace(path + ".new", path)


KINDS: dict[str, Callable[[str, int, random.Random], None]] = {
    "whole": append_whole,
    "halves": append_halves,
    "edit": edit,
    "rename": rename_over,
}
STOPPING = ("edit", "rename")


def say(message: dict[str, Any]) -> None:
    """Tell the other process."""
    print(json.dumps(message), flush=True)


def change(path: str, number: int, chance: random.Random) -> None:
    """Change the file once and acknowledge it; wait for the word if that stops the session."""
    kind = chance.choice(sorted(KINDS))
    start_ns = time.monotonic_ns()
    KINDS[kind](path, number, chance)
    end_ns = time.monotonic_ns()
    say({"number": number, "kind": kind, "start_ns": start_ns, "end_ns": end_ns})
    if kind in STOPPING:
        sys.stdin.readline()


def main() -> None:
    """Obey orders until there are no more."""
    for line in iter(sys.stdin.readline, ""):
        order = json.loads(line)
        chance = random.Random(order["seed"])
        for number in range(order["count"]):
            pause(chance)
            change(order["path"], number, chance)
        say({"done": True})


if __name__ == "__main__":
    main()
