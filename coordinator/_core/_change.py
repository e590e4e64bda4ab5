"""What a look at the file means: the first verdict that applies, the most serious first."""

from __future__ import annotations

from dataclasses import dataclass

from ._values import Change, Fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything one comparison found out, set against the `length` that we believe in.

    `found` is None if there is no regular file at the path. `prefix_equal`: the first `length` bytes are those we
    believe. `ends_whole`: the last byte is a line feed. `moved`: times that differ from those we saw last, or any
    other reason to suspect a change that the content does not show.
    """

    lock_held: bool
    found: Fingerprint | None
    same_file: bool
    length: int
    prefix_equal: bool
    ends_whole: bool
    moved: bool


def classify(evidence: Evidence) -> Change | None:
    """Name the foreign change that explains the evidence, None if nothing has changed."""
    if not evidence.lock_held:
        return Change.LOCK_LOST
    if evidence.found is None:
        return Change.VANISHED
    if not evidence.same_file:
        equal = evidence.found.size == evidence.length and evidence.prefix_equal
        return Change.TOUCHED if equal else Change.REPLACED
    return _classify_content(evidence, evidence.found.size)


def _classify_content(evidence: Evidence, size: int) -> Change | None:
    if size < evidence.length:
        return Change.TRUNCATED
    if not evidence.prefix_equal:
        return Change.REWRITTEN
    if size > evidence.length:
        return Change.APPENDED if evidence.ends_whole else Change.TORN
    return Change.TOUCHED if evidence.moved else None
