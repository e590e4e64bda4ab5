"""What takes part in a run: the file, the writers and what they do, what others do, and what goes wrong."""

from __future__ import annotations

import errno
from dataclasses import dataclass
from typing import Any

from coordinator import Durability

from .deeds import ALL
from .tape import Kind, Tape

ACTIONS = (
    "append", "pair", "submit", "fence", "fence", "fence quiet", "fence shared", "fence accept", "fence check",
    "drain", "sync", "pause", "rewrite", "reopen", "fence hurried", "fence long",
    "park",
)  # fmt: skip
FAULTS = (
    ("write", errno.EIO), ("sync", errno.EIO), ("lstat", errno.EIO), ("pread", errno.EIO), ("open", errno.EMFILE),
    ("truncate", errno.EIO), ("fstat", errno.EIO), ("sync_directory", errno.EIO),
)  # fmt: skip


@dataclass(frozen=True)
class World:
    """Everything that is fixed before the first step."""

    scripts: tuple[tuple[str, ...], ...] = (("append", "append"), ("fence",))
    holds: tuple[bool, ...] = (False, False)
    deeds: tuple[str, ...] = ("append",)
    is_pi: bool = False
    durability: Durability = Durability.FENCE
    before: str = "two"
    """What stands in the file at the beginning: `nothing`, `empty`, `two` records, or those and a `torn` one."""
    reads_all: bool = True
    """Whether every comparison reads the whole file; otherwise only a suspicious one does."""
    multigrain: bool = True
    reuses_inodes: bool = True
    quick: bool = True
    is_strict: bool = False
    """Whether callbacks run in their order, and jobs at once."""
    is_slow: bool = False
    crash: str = ""
    """`kill`: the process dies; `power`: the machine does."""
    reorders: bool = False
    """Whether the blocks of a file reach the disk in any order, so that a power cut leaves any of them."""
    faults: tuple[tuple[str, int], ...] = ()
    fills_up: bool = False
    """Whether the disk is full for a while."""
    short_writes: int = 0
    ticks: int = 0
    cancels: int = 0
    is_small: bool = False
    """Whether the queue has room for two records only."""


def draw(tape: Tape) -> World:
    """Draw a world; whatever is drawn as 0 makes it simpler."""

    def one_of(*values: object) -> object:
        return values[tape.choose(len(values), Kind.WORLD)]

    def some(values: tuple[object, ...], most: int) -> tuple[object, ...]:
        return tuple(one_of(*values) for _ in range(tape.choose(most + 1, Kind.WORLD)))

    scripts = tuple((one_of(*ACTIONS), *some(ACTIONS, 3)) for _ in range(1 + tape.choose(3, Kind.WORLD)))
    reads_all = one_of(True, True, False)
    return World(
        scripts=scripts,
        holds=tuple(one_of(False, False, True) for _ in scripts),
        deeds=some(ALL, 3),
        is_pi=one_of(False, True),
        durability=one_of(Durability.FENCE, Durability.ALWAYS, Durability.NONE),
        before=one_of("two", "nothing", "empty", "torn"),
        reads_all=reads_all,
        multigrain=one_of(True, False) if reads_all else True,
        reuses_inodes=one_of(True, False),
        quick=one_of(True, False),
        is_strict=one_of(False, False, True),
        is_slow=one_of(False, False, True),
        crash=one_of("", "", "kill", "power"),
        reorders=one_of(False, True),
        faults=some(FAULTS, 1),
        fills_up=one_of(False, False, False, True),
        short_writes=one_of(0, 0, 1, 2),
        ticks=one_of(0, 2),
        cancels=one_of(0, 0, 1, 2),
        is_small=one_of(False, False, True),
    )


def _two(scripts: tuple[tuple[str, ...], ...] = (("append", "append"), ("append", "fence")), **more: Any) -> World:
    return World(scripts=scripts, is_strict=True, **more)


WORLDS = {
    **{deed: _two(deeds=(deed,)) for deed in ALL},
    **{f"{deed}, threads": _two(deeds=(deed,), quick=False) for deed in ("append", "edit")},
    "shared": _two(scripts=(("append", "fence shared"), ("append", "fence shared"))),
    "accept": _two(scripts=(("append", "append"), ("append", "fence accept")), deeds=("append friend",)),
    "hold": _two(scripts=(("append", "append"), ("append", "fence")), holds=(True, False)),
    "quiet": _two(scripts=(("append", "append"), ("append", "fence quiet"))),
    "cancel": _two(deeds=(), cancels=1),
    "cancel, append": _two(cancels=1),
    "kill": _two(deeds=(), crash="kill"),
    "new tree, kill": _two(before="nothing", is_pi=True, crash="kill"),
    "power": _two(deeds=(), crash="power"),
    "power, reordered": _two(deeds=(), crash="power", reorders=True),
    "power, always": _two(deeds=(), crash="power", durability=Durability.ALWAYS),
    "parked": _two((("append", "park"), ("append", "fence"))),
    "parked, taken": _two((("append", "park"), ("append", "append")), deeds=("take lock",)),
    "large, edit": _two(deeds=("edit",), reads_all=False),
    "sync fails, power": _two(deeds=(), crash="power", faults=(("sync", errno.EIO),)),
    "submit": _two((("append", "submit"), ("submit", "submit", "fence")), deeds=(), quick=False),
    "submit, half": _two((("submit", "submit"), ("submit", "submit", "fence")), deeds=("append half",), quick=False),
    "half": _two(deeds=("append half",), is_pi=True),
    "new": _two(before="nothing"),
    "tree": _two(is_pi=True),
    "rewrite": _two((("append", "rewrite"), ("append", "fence"))),
    "rewrite, late": _two((("append", "rewrite"), ("append", "fence")), deeds=("append late",)),
    "rewrite, truncate": _two((("append", "rewrite"), ("append", "fence")), deeds=("truncate",)),
    "rewrite, kill": _two((("append", "rewrite"), ("append", "fence")), deeds=(), crash="kill"),
    **{f"{call} fails": _two(deeds=(), faults=((call, number),)) for call, number in FAULTS},
}
"""Worlds that are explored systematically, by name: two writers with two steps each, and one thing that happens."""
COMPLETE = ("append", "append, threads", "edit", "edit, threads")
"""The worlds of which every schedule is run; of the others those with at most so many preemptions."""
PREEMPTIONS_MAX = 2


def world_of(profile: str, tape: Tape) -> World:
    """Return the world of a profile; `any` is drawn."""
    return WORLDS[profile] if profile in WORLDS else draw(tape)
