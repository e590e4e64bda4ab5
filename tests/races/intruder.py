"""The second process of the race: changes a session file in several ways, and says exactly when it did.

Orders come as JSON lines on standard input (`path`, `count`, `seed`, `kinds`), one acknowledgement for each change goes
to standard output, with the monotonic times before its first and after its last system call. After a change that stops
the session it waits for the word to go on. It needs nothing but the standard library.
"""

import ctypes
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


def append_late(path: str, number: int, chance: random.Random) -> None:
    """Append one line through a descriptor that was opened a while ago, as a program that keeps its log open does."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND)
    pause(chance)
    pause(chance)
    os.write(descriptor, line_for(path, number))
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
    """Put another file there; keep the displaced one for the judge."""
    prepare_other(path, number)
    os.link(path, f"{path}.displaced-{number}")
    os.replace(path + ".new", path)


def swap(path: str, number: int, _chance: random.Random) -> None:
    """Put another file there in one step, so that exactly what it has displaced is kept for the judge."""
    prepare_other(path, number)
    if RENAMEAT2(AT_FDCWD, os.fsencode(path + ".new"), AT_FDCWD, os.fsencode(path), RENAME_EXCHANGE):
        raise OSError(ctypes.get_errno(), "the files could not change places")
    os.rename(path + ".new", f"{path}.displaced-{number}")


def swap_twice(path: str, number: int, chance: random.Random) -> None:
    """Put another file there, and soon a third one: the second may be caught half way through an exchange of ours."""
    swap(path, number, chance)
    pause(chance)
    os.rename(f"{path}.displaced-{number}", f"{path}.displaced-first-{number}")
    swap(path, number, chance)


def prepare_other(path: str, number: int) -> None:
    """Write what is to replace the file: what could be read of it, and a line."""
    with open(path, "rb") as file:
        content = file.read()
    copy = content[: content.rindex(b"\n") + 1]
    time_text = "2026-11-22T12:00:00.000Z"
    ends = {"id": f"<{number}>", "parentId": last_id(copy), "timestamp": time_text, "end": f"[{number}]"}
    with open(path + ".new", "wb") as file:
        file.write(copy + json.dumps({"type": "custom", **ends}).encode() + b"\n")


RENAMEAT2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
AT_FDCWD, RENAME_EXCHANGE = -100, 2
KINDS: dict[str, Callable[[str, int, random.Random], None]] = {
    "whole": append_whole,
    "halves": append_halves,
    "edit": edit,
    "late": append_late,
    "rename": rename_over,
    "swap": swap,
    "swap twice": swap_twice,
}
STOPPING = ("edit", "rename", "swap", "swap twice")


def say(message: dict[str, Any]) -> None:
    """Tell the other process."""
    print(json.dumps(message), flush=True)


def change(path: str, number: int, kind: str, chance: random.Random) -> None:
    """Change the file once and acknowledge it; wait for the word if that stops the session."""
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
            change(order["path"], number, chance.choice(order["kinds"]), chance)
        say({"done": True})


if __name__ == "__main__":
    main()
