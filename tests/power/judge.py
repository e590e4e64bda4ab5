"""What the power cut has left, judged by opening it with the library."""

import asyncio
import json
import re
from pathlib import Path

from coordinator import PI, Coordinator

from .life import CUT, SESSION, Operation, Told

OWN_NAMES = re.compile(r"lost\+found|session\.jsonl(\.torn-.*)?|\.session\.jsonl\.lock")


def judge(directory: Path, operation: Operation, told: Told, moment: int) -> list[str]:
    """Open the session twice, read it, and say what of the promises is broken."""
    path = directory / SESSION
    try:
        found, damaged = asyncio.run(_opened(path))
        once = _contents(directory)
        asyncio.run(_opened(path))
    except Exception as error:  # noqa: BLE001 - any error is an answer
        return [f"opening: {error!r}"]
    if told.bad[0] <= moment < told.bad[1]:
        wrong = _around_the_damage(found, told, moment)
    else:
        wrong = [f"{damaged} damaged lines"] if damaged else []
        wrong += _records(found, told, moment) + _file(once.get(SESSION, b""))
    wrong += [f"stray file {name}" for name in once if not OWN_NAMES.fullmatch(name)]
    wrong += ["opening a second time changes something"] if _contents(directory) != once else []
    if operation.cut and all(content != CUT for name, content in once.items() if ".torn-" in name):
        wrong.append("what was cut is gone")
    return wrong


async def _opened(path: Path) -> tuple[list[str], int]:
    async with Coordinator() as coordinator:
        session = await coordinator.open(path, format=PI)
        texts = [entry.record["data"]["text"] async for entry in session.records()]
        return texts, session.statistics().damaged_lines


def _contents(directory: Path) -> dict[str, bytes]:
    return {
        path.name: b"" if path.name.endswith(".lock") else path.read_bytes()
        for path in sorted(directory.iterdir())
        if path.is_file()
    }


def _file(content: bytes) -> list[str]:
    """Read the file as any other program would."""
    try:
        lines = [json.loads(line) for line in content.decode().split("\n") if line]
    except ValueError as error:
        return [f"a line that is none: {error}"]
    identities = [line.get("id") for line in lines[1:]]
    wrong = ["an id twice"] if len(set(identities)) < len(identities) else []
    wrong += ["the last line has no end"] if content and not content.endswith(b"\n") else []
    chain = [line.get("parentId") for line in lines[2:]]
    return wrong + (["a gap in the chain"] if chain != identities[: len(chain)] else [])


def _around_the_damage(found: list[str], told: Told, moment: int) -> list[str]:
    """Blocks that the disk has refused are missing; what was durable before is not, and nothing is there twice."""
    count, line = told.owed(moment)
    given = iter(told.lines[line])
    is_in_order = all(text in given for text in found)
    if is_in_order and found[:count] == told.lines[line][:count]:
        return []
    return [f"of {told.lines[line][:count]} is left {found}"]


def _records(found: list[str], told: Told, moment: int) -> list[str]:
    """Every line is there from its beginning, in order, once; as far as it is owed, and a rewritten one as a whole."""
    count, line = told.owed(moment)
    for number in range(line, len(told.lines)):
        least = count if number == line else max(count, told.whole[number])
        if found == told.lines[number][: len(found)] and len(found) >= least:
            return []
    return [f"of {told.lines[line][:count]} is left {found}"]
