"""The states of one session and every way from one to another: the table, and nothing that is not in it.

A session in trouble (`STOPPED`, `FAILED`) keeps everything it accepted and writes nothing; only `reopen()` leads out.
A full disk is the exception: a `STALLED` session goes on by itself. `CLOSING` keeps its own way through all of these,
because a session that closes must end, whatever happens to its file.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from ._values import SessionState as S


class Trigger(Enum):
    """What moves a session from one state to another."""

    OPENED = "opened"
    NO_ROOM = "no room"
    ROOM = "room again"
    TAKEN_OVER = "taken over"
    DISK_FAILED = "disk failed"
    REOPENED = "reopened"
    PARKED = "parked"
    CLOSE = "close"
    CLOSED = "closed"


TRANSITIONS: Mapping[tuple[S, Trigger], S] = {
    (S.OPENING, Trigger.OPENED): S.OPEN,
    (S.OPEN, Trigger.NO_ROOM): S.STALLED,
    (S.STALLED, Trigger.NO_ROOM): S.STALLED,
    (S.STALLED, Trigger.ROOM): S.OPEN,
    (S.OPEN, Trigger.TAKEN_OVER): S.STOPPED,
    (S.STALLED, Trigger.TAKEN_OVER): S.STOPPED,
    (S.OPEN, Trigger.DISK_FAILED): S.FAILED,
    (S.STALLED, Trigger.DISK_FAILED): S.FAILED,
    (S.STOPPED, Trigger.REOPENED): S.OPEN,
    (S.FAILED, Trigger.REOPENED): S.OPEN,
    (S.OPEN, Trigger.PARKED): S.PARKED,
    (S.PARKED, Trigger.OPENED): S.OPEN,
    (S.OPEN, Trigger.CLOSE): S.CLOSING,
    (S.STALLED, Trigger.CLOSE): S.CLOSING,
    (S.STOPPED, Trigger.CLOSE): S.CLOSING,
    (S.FAILED, Trigger.CLOSE): S.CLOSING,
    (S.PARKED, Trigger.CLOSE): S.CLOSING,
    (S.CLOSING, Trigger.NO_ROOM): S.CLOSING,
    (S.CLOSING, Trigger.ROOM): S.CLOSING,
    (S.CLOSING, Trigger.TAKEN_OVER): S.CLOSING,
    (S.CLOSING, Trigger.DISK_FAILED): S.CLOSING,
    (S.CLOSING, Trigger.REOPENED): S.CLOSING,
    (S.CLOSING, Trigger.CLOSED): S.CLOSED,
}
