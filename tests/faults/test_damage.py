"""Promises 11 and 12: damage before the tail is reported and left; only the tail is healed, and its bytes are kept."""

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import PI, FormatError, Record
from coordinator.testing import open_session

NOTE: Record = {"type": "custom", "customType": "note", "data": {"text": "after"}}
CopyOf = Callable[[str], Path]


def is_record(line: bytes) -> bool:
    """Whether a line is a record to anybody who reads the format's description."""
    try:
        value = json.loads(line)
    except ValueError:
        return False
    named = isinstance(value, dict) and isinstance(value.get("type"), str) and value["type"] != "session"
    return named and isinstance(value.get("id"), str) and value["id"] != ""


def damaged_lines(content: bytes) -> int:
    """Count the lines behind the header that are no records."""
    return sum(not is_record(line) for line in content.split(b"\n")[1:-1])


async def opened_and_used(path: Path) -> int:
    """Open, append, close; return how much damage was reported."""
    async with open_session(path, format=PI) as session:
        await session.writer("chat").append(NOTE)
        return session.statistics().damaged_lines


async def test_a_flipped_bit_is_reported_and_left(copy_of: CopyOf) -> None:
    """One bit anywhere before the tail: every byte stays, the damage is counted, and what follows can be written."""
    path, chance = copy_of("short"), random.Random(12)
    whole = path.read_bytes()
    begin, end = whole.index(b"\n") + 1, whole.rindex(b"\n", 0, -1)
    reported = 0
    for at in [*chance.sample(range(begin, end), 60), *(at for at in range(begin, end) if whole[at] == ord("\n"))]:
        flipped = bytearray(whole)
        flipped[at] ^= 1 << chance.randrange(8)
        path.write_bytes(flipped)
        found = await opened_and_used(path)
        assert found == damaged_lines(bytes(flipped)), f"byte {at}"
        assert path.read_bytes().startswith(flipped), f"byte {at}"
        reported += found
    assert reported > 20


async def test_a_hole_of_nuls_before_the_tail_is_reported_and_left(copy_of: CopyOf) -> None:
    """Blocks that a crash left empty in the middle of a file are damage, however long."""
    path = copy_of("long-2000")
    content = bytearray(path.read_bytes())
    content[8192 : 8192 + 4096] = bytes(4096)
    path.write_bytes(content)
    assert await opened_and_used(path) == damaged_lines(bytes(content)) >= 1
    assert path.read_bytes().startswith(content)


async def test_a_hole_that_reaches_the_end_is_cut_and_kept_once(copy_of: CopyOf) -> None:
    """NULs at the end are a torn tail: cut, kept beside, and opening again changes nothing more."""
    path = copy_of("short")
    whole = path.read_bytes()
    with path.open("ab") as file:
        file.truncate(len(whole) + 70_000)
    assert await opened_and_used(path) == 0
    content = path.read_bytes()
    assert content.startswith(whole)
    assert await opened_and_used(path) == 0
    assert path.read_bytes().startswith(content)
    (kept,) = path.parent.glob("*.torn-*")
    assert kept.read_bytes() == bytes(70_000)


@pytest.mark.parametrize("at", [0, 1, 9, 16], ids=str)
async def test_a_file_with_a_damaged_header_is_refused_untouched(copy_of: CopyOf, at: int) -> None:
    """What cannot be known to be a session is not written to."""
    path = copy_of("short")
    content = bytearray(path.read_bytes())
    content[at] ^= 0x01
    path.write_bytes(content)
    before = path.stat()
    with pytest.raises(FormatError) as refused:
        await opened_and_used(path)
    assert refused.value.path == path
    assert refused.value.hint
    assert path.read_bytes() == content
    assert path.stat().st_mtime_ns == before.st_mtime_ns
