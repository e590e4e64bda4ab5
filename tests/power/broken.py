"""Wrong ways to be durable: the replay has to find each of them."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from coordinator._store._system import System


def _nothing(*_: Any) -> None:
    """Acknowledge without it."""


def _never_sync() -> None:
    System.sync = _nothing  # type: ignore[method-assign]


def _never_sync_names() -> None:
    System.sync_directory = _nothing  # type: ignore[method-assign]


def _never_sync_what_gets_a_name() -> None:
    """Sync the session file, but no file beside it that is about to take its name."""
    really = System.sync

    def sync(system: System, fd: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{fd}")).name == "session.jsonl":
            really(system, fd)

    System.sync = sync  # type: ignore[method-assign]


FAULTS: Mapping[str, Callable[[], None]] = {
    "": lambda: None,
    "no sync": _never_sync,
    "no sync of the directory": _never_sync_names,
    "no sync before the new name": _never_sync_what_gets_a_name,
}


def break_it(fault: str, *, commits_early: bool = False) -> None:
    """Be wrong from now on, in this process; and let the journal be written when it hurts."""
    write_journal = System.sync_directory
    FAULTS[fault]()
    for name in ("rename", "exchange") if commits_early else ():
        setattr(System, name, _followed(getattr(System, name), write_journal))


def _followed(rename: Callable[..., Any], write_journal: Callable[..., Any]) -> Callable[..., Any]:
    def both(system: System, old: Path, new: Path) -> None:
        rename(system, old, new)
        write_journal(system, new.parent)

    return both
