"""A life on a logged disk: the file system before it, every write and flush, and what was told when."""

import asyncio
import os
import pickle
import subprocess
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from . import broken, kernel
from .disk import LoggedDisk
from .life import MARK, OPERATIONS, SESSION, Life, Operation, Told, prepare, run
from .log import Entry
from .tools import need

IMAGE_BYTES = 16 << 20


class Way(NamedTuple):
    """How the file system is used."""

    options: str = ""
    commits_early: bool = False
    """The journal is written just after each change of names, as its timer may decide to; data need not be."""

    def __str__(self) -> str:
        return "+".join(filter(None, (self.options, "early" * self.commits_early)))


WAYS = (Way(), Way("noauto_da_alloc"), Way("noauto_da_alloc", commits_early=True))


@dataclass
class Recording:
    """Everything that is needed to go back to any moment."""

    operation: str
    way: Way
    base: bytes
    entries: list[Entry]
    told: Told

    def __str__(self) -> str:
        return "+".join(filter(None, (self.operation, str(self.way))))


def record(name: str, way: Way, home: Path, fault: str = "") -> Recording:
    """Live it on a new file system, below which everything is logged."""
    operation = OPERATIONS[name]
    image, place = home / "recorded", home / "place"
    place.mkdir(exist_ok=True)
    base = make_image(image, place, operation)
    disk = LoggedDisk(home, image, MARK)
    try:
        kernel.mount(disk.device, place, "ext4", way.options)
        try:
            fails = partial(setattr, disk.board, "fails")
            told = in_a_child(
                lambda: _live(
                    operation,
                    place,
                    lambda: disk.board.written,
                    fails,
                    lambda: broken.break_it(fault, commits_early=way.commits_early),
                )
            )
        finally:
            kernel.unmount(place)
    finally:
        disk.close()
    return Recording(name, way, base, disk.entries(), told)


def make_image(image: Path, place: Path, operation: Operation) -> bytes:
    """Make a file system with what the operation starts from."""
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    command = [need("mkfs.ext4"), "-q", "-F", "-b", "4096", "-N", "64", "-J", "size=4"]
    subprocess.run([*command, "-E", "lazy_itable_init=0,lazy_journal_init=0", image], check=True)
    with kernel.mounted(image, place):
        asyncio.run(prepare(place / SESSION, operation))
    return image.read_bytes()


def _live(
    operation: Operation,
    place: Path,
    now: Callable[[], int],
    fails: Callable[[bool], None],
    before: Callable[[], object],
) -> Told:
    before()
    told = Told([[*operation.start]])
    return run(Life(place / SESSION, told, now, partial(kernel.write_back, place), fails), operation)


def live_until(operation: Operation, place: Path, before: Callable[[], object]) -> Told:
    """Live it on a disk without a log; `before` arranges how it ends."""
    return in_a_child(lambda: _live(operation, place, lambda: 0, lambda _: None, before))


def in_a_child(work: Callable[[], Told]) -> Told:
    """Do something in a process of its own."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with os.fdopen(writing, "wb") as pipe:
                pickle.dump(work(), pipe)
            os._exit(0)
        except BaseException:  # noqa: BLE001 - a child must not go on as a second parent, whatever happens
            traceback.print_exc()
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    told = pickle.loads(content)
    assert isinstance(told, Told)
    return told
