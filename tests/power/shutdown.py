"""The second way to cut the power: ext4 itself stops, just before a chosen system call of the store.

It shares nothing with the log but the judge: what was acknowledged must be there when the disk is mounted again.
"""

import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from coordinator._store._system import System

from . import broken, kernel
from .judge import judge
from .life import OPERATIONS
from .recording import live_until, make_image

CALLS = ("open", "write", "truncate", "sync", "sync_directory", "rename", "exchange", "link", "unlink")


def shutdowns(
    name: str, home: Path, tell: Callable[[int, int], None], fault: str = "", *, step: int = 1
) -> Iterator[str]:
    """Stop before the first call, before the one `step` behind it, ... until a life is over before it is stopped."""
    operation, image, place, before = OPERATIONS[name], home / "stopped", home / "place", home / "before"
    place.mkdir(exist_ok=True)
    before.write_bytes(make_image(image, place, operation))
    count, wrong_count, is_over = 0, 0, {True: False, False: False}
    while not all(is_over.values()):
        flush_log, number = count % 2 == 0, count // 2 * step + 1
        image.write_bytes(before.read_bytes())
        stopped = home / "was-stopped"
        stopped.unlink(missing_ok=True)
        with kernel.mounted(image, place):
            told = live_until(operation, place, partial(_arrange, fault, number, place, stopped, flush_log=flush_log))
        is_over[flush_log] = not stopped.exists()
        with kernel.mounted(image, place):
            wrong = judge(place, operation, told, 0)
        count, wrong_count = count + 1, wrong_count + len(wrong)
        yield from (f"{name}: shut down before call {number}, {flush_log=}: {what}" for what in wrong)
        tell(count, wrong_count)


def _arrange(fault: str, number: int, place: Path, stopped: Path, *, flush_log: bool) -> None:
    """Count the calls of the store from now on, and stop the file system at one of them."""
    broken.break_it(fault)
    left = number

    def before_each(really: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            os.close(os.open(stopped, os.O_CREAT))
            kernel.shut_down(place, flush_log=flush_log)
        return really(*arguments)

    for name in CALLS:
        setattr(System, name, _counted(getattr(System, name), before_each))


def _counted(really: Callable[..., Any], before_each: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: before_each(really, *arguments)
