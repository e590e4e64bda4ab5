"""What must be true in the end, told from the bytes alone."""

from __future__ import annotations

import json
from collections import Counter

from coordinator._core._endings import Unwritten

from .truth import Truth
from .world import World

GROWING = ("append", "append friend", "append two", "replace more")
"""Deeds that leave what stood there, and chain what they add."""
GONE = "not written"


def judge(world: World, truth: Truth, unwritten: list[Unwritten]) -> None:
    """Judge a life that ended well."""
    content = _content(truth)
    names = Counter(truth.foreigner.lines.own_names(content))
    aside = Counter(str(json.loads(row.record)["n"]) for row in _to_recover(unwritten, content))
    for name, fate in truth.fates.items():
        # What stands in a file that nobody can open was put aside too.
        there = max(names[name], aside[name]) if truth.is_hopeless else names[name] + aside[name]
        assert there <= 1 + (name in truth.foreigner.copied_early), f"{name} stands there {there} times"
        if fate.told in ("written", "kept", "accepted") and name not in truth.foreigner.destroyed:
            assert there >= 1, f"{name} was {fate.told}, and is not there"
        if fate.told in (GONE, "unwritten"):
            assert there == 0, f"{name} was {fate.told}, and is there"
    if truth.is_hopeless:
        return
    _judge_order(truth, content)
    _judge_receipts(truth, content)
    if world.is_pi:
        _judge_chain(truth, content)


def judge_crash(truth: Truth) -> None:
    """Judge what is left after a crash, and a second life."""
    content = _content(truth)
    names = Counter(truth.foreigner.lines.own_names(content))
    for name, fate in truth.fates.items():
        assert names[name] <= 1, f"{name} stands there {names[name]} times"
        if (name in truth.must_survive or fate.told == "written") and name not in truth.foreigner.destroyed:
            assert names[name] == 1, f"{name} was acknowledged, and did not survive"
    _judge_order(truth, content)


def _content(truth: Truth) -> bytes:
    if truth.file is None and truth.is_hopeless:
        return b""
    assert truth.file is not None, "no file in the end"
    content = bytes(truth.file.data)
    assert truth.is_hopeless or content.endswith(b"\n"), "the file does not end with a line feed"
    return content


def _to_recover(unwritten: list[Unwritten], content: bytes) -> list[Unwritten]:
    """Return what recovering would append: what was put aside, but for lines that stand where they were tried."""
    missing, taken = list[Unwritten](), Counter[bytes]()
    for row in unwritten:
        standing = (
            0 if row.tried is None else [line + b"\n" for line in content[row.offset :].split(b"\n")].count(row.tried)
        )
        if row.tried is not None and taken[row.tried] < standing:
            taken[row.tried] += 1
        else:
            missing.append(row)
    return missing


def _judge_order(truth: Truth, content: bytes) -> None:
    """The records of each writer stand in the order in which they were accepted, but for those that were harmed.

    A line that was glued to somebody else's is written again behind its batch, and that is said: as a fork, or by
    the disk that has failed before it could be.
    """
    was_said = truth.forks or truth.world.crash or truth.seen["disk_failed"]
    harmed = truth.glued if was_said else set[str]()
    lasts: dict[str, int] = {}
    for name in truth.foreigner.lines.own_names(content):
        if name in truth.foreigner.destroyed:
            continue
        writer, _, number = name.partition("-")
        last = lasts.get(writer, 0)
        assert last < int(number) or name in harmed, f"{name} stands behind a later record of its writer"
        lasts[writer] = max(last, int(number))


def _judge_receipts(truth: Truth, content: bytes) -> None:
    """Where nobody has moved anything, each receipt names the bytes of its record."""
    moved = any(deed.changes and "append" not in deed.name for deed in truth.foreigner.done)
    if moved or truth.seen["session_rewritten"]:
        return
    for name, fate in truth.fates.items():
        receipt = fate.receipt
        if receipt is not None:
            line = content[receipt.offset : receipt.offset + receipt.size]
            assert f'"n":"{name}"'.encode() in line, f"the receipt of {name} names {line!r}"
            assert line.endswith(b"\n"), f"the receipt of {name} names {line!r}"


def _judge_chain(truth: Truth, content: bytes) -> None:
    """No id stands there twice, and the conversation has no branch, unless that was said."""
    ids: list[str] = []
    branches = 0
    for record in truth.foreigner.lines.records(content):
        assert record["id"] not in ids, f"the id {record['id']} stands there twice"
        branches += record["parentId"] != (ids[-1] if ids else None)
        ids.append(record["id"])
    # What a failing disk has left in doubt is accepted as it stands when the session is opened again.
    foreign = [deed for deed in truth.foreigner.done if deed.changes]
    is_simple = not truth.world.faults and all(deed.name in GROWING for deed in foreign)
    # A foreign line for the file that a rewrite has displaced is brought over with the parent that it has.
    is_simple = is_simple and not (truth.foreigner.done and truth.seen["session_rewritten"])
    assert not branches or truth.forks or not is_simple, "the conversation has a branch, and nobody was told"
