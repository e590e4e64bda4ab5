"""What a life leaves behind, judged by reading the file as any other program would."""

import asyncio
import json
import os
import re
import select
import signal
from pathlib import Path
from typing import Any

from coordinator import PI, Coordinator

from . import victim
from .life import FOREIGN, LIFE_SECONDS_MAX, OTHER, SESSION, SHORT, STORIES, Case, Life, edited, fork

OWN_NAMES = re.compile(r"(session|other)\.jsonl(\.torn-.*|\.unwritten-.*)?|\.(session|other)\.jsonl\.lock")


def judge(case: Case, life: Life, directory: Path) -> list[str]:
    """Open the session again, then say which promises were broken."""
    path, other, cut = directory / SESSION, directory / OTHER, STORIES[case.story].cut
    wrong = [opened_again(path, tears=case.tears), opened_again(other, tears=case.tears) if other.exists() else ""]
    wrong += [*_ending(case, life), *_errors(life), *_strays(directory)]
    content = path.read_bytes() if path.exists() else b""
    wrong += _records(case, life, content, _texts_aside(directory))
    wrong += _others(case, life, content)
    if cut and all(side.read_bytes() != cut for side in directory.glob("*.torn-*")):
        wrong.append("the torn tail is gone")
    return [f"{case}: {what}" for what in wrong if what]


def opened_again(path: Path, *, tears: bool = False) -> str:
    """Open the session in a child, append to it, close it; return what was wrong with that."""
    reading, writing = os.pipe()
    child = fork(lambda: asyncio.run(_open(path, writing, tears=tears)))
    os.close(writing)
    ready = select.select([reading], [], [], LIFE_SECONDS_MAX)[0]
    wrong = os.read(reading, 65536).decode() if ready else "hangs"
    os.close(reading)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return "" if wrong == "well" else f"opening again: {wrong or 'died'}"


async def _open(path: Path, pipe: int, *, tears: bool) -> None:
    try:
        async with Coordinator() as coordinator:
            session = await coordinator.open(path, format=PI)
            found = session.statistics().damaged_lines
            await session.writer("judge").append(victim.note("judge"))
        wrong = "well" if not found or tears else f"{found} damaged lines"
    except BaseException as error:  # noqa: BLE001 - it is what the test wants to know
        wrong = repr(error)
    os.write(pipe, wrong.encode())


def _ending(case: Case, life: Life) -> list[str]:
    wrong = ["hangs"] if life.hung else []
    wrong += [f"a strange error: {said['strange']} {said['where']}" for said in life.told if "strange" in said]
    if life.signal and not (life.signal == signal.SIGKILL and (case.kills or life.hung)):
        wrong.append(f"died by signal {life.signal}")
    return wrong


def _errors(life: Life) -> list[str]:
    return [f"an error without path or hint: {said}" for said in life.errors if not (said["path"] and said["hint"])]


def _strays(directory: Path) -> list[str]:
    return [f"stray file {name}" for name in os.listdir(directory) if not OWN_NAMES.fullmatch(name)]


# The records of the victim


def _records(case: Case, life: Life, content: bytes, aside: set[str]) -> list[str]:
    *lines, rest = content.split(b"\n")
    wrong = [f"torn: {line[:80]!r}" for line in lines if _parsed(line) is None and not case.tears]
    wrong += [f"the last line has no end: {rest[:80]!r}"] if rest else []
    texts = [_text(line) for line in lines]
    acknowledged = life.texts("acknowledged")
    if "replace" in life.acts:  # what was written before is theirs to lose
        acknowledged = [text for text in acknowledged if text in texts]
        aside |= {"lost"}
    wrong += [f"lost: {text}" for text in acknowledged if text not in texts]
    wrong += [f"twice: {text}" for text in {*texts} if text and texts.count(text) > 1]
    places = [texts.index(text) for text in acknowledged if text in texts]
    wrong += ["out of order"] if places != sorted(places) else []
    refused = {*life.texts("not_written")} - {*life.texts("acknowledged")}
    wrong += [f"written although refused: {text}" for text in refused if text in texts]
    return wrong if life.signal else wrong + _kept(life, {*texts, *aside})


def _kept(life: Life, found: set[str]) -> list[str]:
    """What was accepted is in the file or beside it, or closing has said that it is not."""
    closing_failed = any(said["doing"] == "close" for said in life.errors)
    missing = [text for text in (*life.texts("kept"), *life.texts("accepted")) if text not in found]
    return [] if closing_failed else [f"kept and nowhere: {text}" for text in missing]


def _texts_aside(directory: Path) -> set[str]:
    rows = [json.loads(row) for side in directory.glob("*.unwritten-*") for row in side.read_bytes().splitlines()]
    return {victim.text_of(row["record"]) for row in rows}


# What was there before, and what others did


def _others(case: Case, life: Life, content: bytes) -> list[str]:
    """Everything that is not of the victim stands there byte for byte: as it was, or compacted as a whole."""
    lines = [line for line in content.splitlines(keepends=True) if _text(line) in ("", "foreign")]
    if case.tears:
        lines = [line for line in lines if _parsed(line) is not None]
    story = STORIES[case.story]
    if "append" in life.acts:
        if FOREIGN not in content:
            return ["the foreign line is gone"]
        lines = [line for line in lines if line != FOREIGN]
    base = SHORT + FOREIGN if "replace" in life.acts else story.kept
    allowed = [base, _compacted(base)] if story.program is victim.rewrite else [base]
    if not base:  # made by the victim: nothing but a header
        return [] if len(lines) <= 1 and ("edit" not in life.acts or b"?" in lines[0]) else [f"strange lines: {lines}"]
    if "edit" in life.acts:
        allowed = [edited(base) for base in allowed]
    left = b"".join(lines)
    return [] if left in allowed else [f"what was there is changed: {left[-300:]!r}"]


def _compacted(content: bytes) -> bytes:
    header, _first, *rest = content.splitlines(keepends=True)
    return b"".join([header, *rest])


def _text(line: bytes) -> str:
    record = _parsed(line)
    return "" if record is None else victim.text_of(record)


def _parsed(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
