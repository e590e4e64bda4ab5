"""Judges a round of the race of rewrites: offsets mean nothing after the next rewrite, so texts and marks decide."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from typing import TYPE_CHECKING

from coordinator import Change

from .intruder import STOPPING
from .judge import Tally, lines_of
from .log import Act

if TYPE_CHECKING:
    from .rewrites import RewriteLog


def judge(log: RewriteLog, content: bytes, displaced: list[bytes]) -> Tally:
    """Look for every broken promise: something lost or doubled, on either side, or a foreign change not reported."""
    tally = Tally()
    tally.counts.update(log.counts)
    tally.counts["changes"] = len(log.acts)
    tally.counts["looks"] = len(log.looks)
    tally.counts.update(f"reported: {found.change.value}" for found in log.findings)
    _judge_own(tally, log, content, displaced)
    _judge_foreign(tally, log, content, displaced)
    _judge_detection(tally, log)
    return tally


def texts_of(content: bytes) -> Counter[str]:
    """Count the texts of the records that can be read."""
    records = [line.record for line in lines_of(content) if line.record is not None]
    return Counter(record["data"]["text"] for record in records if "data" in record)


def _judge_own(tally: Tally, log: RewriteLog, content: bytes, displaced: list[bytes]) -> None:
    there, elsewhere = texts_of(content), set[str]().union(*map(texts_of, displaced))
    tally.wrong += [f"{text} stands {count} times in the file" for text, count in there.items() if count > 1]
    for text in log.receipts.keys() | log.kept:
        said = "acknowledged" if text in log.receipts else "kept"
        if there[text]:
            tally.counts[f"{said} and there"] += 1
        elif text in elsewhere:
            # The other process copied the file before this record came, and put its copy in its place afterwards.
            tally.counts[f"{said} and displaced by the other process"] += 1
        else:
            tally.wrong.append(f"{text} was {said} and is in no file")


def _judge_foreign(tally: Tally, log: RewriteLog, content: bytes, displaced: list[bytes]) -> None:
    files = [content, *displaced]
    for act in log.acts:
        if not all(any(mark in file for file in files) for mark in act.marks):
            tally.wrong.append(f"the other process wrote {act}, and it is in no file")


def _judge_detection(tally: Tally, log: RewriteLog) -> None:
    looks = sorted(log.looks, key=lambda look: look.begin_ns)
    begins = [look.begin_ns for look in looks]
    for act in log.acts:
        tally.counts[f"changes: {act.kind}"] += 1
        later = looks[bisect_left(begins, act.end_ns) :]
        if not later or not _is_found(act, log, deadline_ns=min(look.end_ns for look in later)):
            tally.wrong.append(f"change {act} was not found by the look that began after it")


def _is_found(act: Act, log: RewriteLog, *, deadline_ns: int) -> bool:
    in_time = [shown for shown in log.shown if shown.found.time_ns <= deadline_ns]
    if act.kind not in STOPPING and all(any(mark in shown.content for shown in in_time) for mark in act.marks):
        return True
    since = [shown for shown in in_time if shown.found.time_ns >= act.start_ns]
    # Half a line is no record, and if a rewrite found it, its place is that in a file which is gone.
    if act.kind == "halves" and any(shown.damaged for shown in since):
        return True
    # What stops the session voids all that was known: what was there before it is part of that finding.
    wanted = {"edit": {Change.REWRITTEN}, "swap": {Change.REPLACED}, "swap twice": {Change.REPLACED}}.get(act.kind)
    return any(shown.found.change.stops and (wanted is None or shown.found.change in wanted) for shown in since)
