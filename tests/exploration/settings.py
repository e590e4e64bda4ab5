"""Every setting that is explored: kinds of fences, times what else happens once.

The full form has two writers with two records each; the short one leaves out as much as still finds every wrong change
that `test_exploration.py` tries.
"""

from __future__ import annotations

from typing import Any

from coordinator._core._values import Durability

from .world import Setting

TURN = ("enter", "reply a2", "leave")
OTHER_TURN = ("enter", "reply b2", "leave")
RECORDS = ("submit b1", "submit b2")

KINDS: dict[str, dict[str, Any]] = {
    "exclusive": {"chat": ("append a1", *TURN), "memory": ("submit b1", *OTHER_TURN)},
    "shared": {"chat": ("append a1", *TURN), "memory": ("submit b1", *OTHER_TURN), "shared": True},
    "hold": {"chat": ("append a1", *TURN), "memory": RECORDS, "hold": True},
    "accept": {"chat": ("append a1", "enter", "check", *TURN[1:]), "memory": RECORDS, "accept": True},
}
SHORT_KINDS: dict[str, dict[str, Any]] = {
    "exclusive": {"chat": ("enter", "leave"), "memory": OTHER_TURN},
    "shared": {"chat": ("enter", "leave"), "memory": OTHER_TURN, "shared": True},
    "hold": {"chat": TURN, "memory": ("submit b1",), "hold": True},
    "accept": {"chat": ("append a1", "enter", "check", *TURN[1:]), "memory": (), "accept": True},
}
CHANGES = ("append", "edit", "replace")
FAULTS = ("no room", "write fails", "half a write", "sync fails")


CLOSING = ("append", "no room", "sync fails")


def full() -> list[Setting]:
    """List the complete form: with a cancellation; and, a record shorter, with closing at any moment instead."""
    events = (*CHANGES, *FAULTS)
    cancelling = [Setting(f"{kind}, {event}, cancel", event=event, **KINDS[kind]) for event in events for kind in KINDS]
    given = {"cancels": 0, "closes": True}
    closing = [
        Setting(f"{kind}, {event}, close", event=event, **given, **_shorter(KINDS[kind]))
        for event in CLOSING
        for kind in KINDS
    ]
    return cancelling + closing + always(KINDS)


def always(kinds: dict[str, dict[str, Any]]) -> list[Setting]:
    """List the settings in which no receipt comes before a sync."""
    return [
        Setting(f"{kind}, {event}, always", event=event, durability=Durability.ALWAYS, **kinds[kind])
        for event in ("append", "sync fails")
        for kind in ("hold", "accept")
    ]


def _shorter(given: dict[str, Any]) -> dict[str, Any]:
    """Spare the first record of each writer: closing multiplies the states as much as they do."""
    return {**given, "chat": given["chat"][1:], "memory": given["memory"][1:]}


SHORT = (
    ("exclusive", "append"), ("exclusive", "half a write"), ("shared", "sync fails"),
    ("hold", "replace"), ("hold", "no room"), ("hold", "sync fails"), ("accept", "append"), ("accept", "edit"),
    ("accept", "replace"), ("accept", "write fails"),
)  # fmt: skip


def short() -> list[Setting]:
    """List the form for every day."""
    cancelling = [Setting(f"{kind}, {event}, cancel", event=event, **SHORT_KINDS[kind]) for kind, event in SHORT]
    given = {"cancels": 0, "closes": True, **SHORT_KINDS["accept"]}
    closing = [Setting(f"accept, {event}, close", event=event, **given) for event in ("append", "no room")]
    return cancelling + closing + always(SHORT_KINDS)[2:]
