"""The preloaded shim (`shim.c`) from Python: built once, preloaded into a new process, armed in a child of it."""

import ctypes
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("shim.c")
FOR_EVER = 2**31
ANY = ""
"""A rule for calls of every name."""


class Act(IntEnum):
    """What a rule does to a call, numbered as in `shim.c`; `Rule.value` is what is in brackets."""

    FAIL = 0
    """Fail (errno)."""
    SHORTEN = 1
    """Write less (bytes)."""
    DELAY = 2
    """Wait before it (milliseconds)."""
    KILL_BEFORE = 3
    KILL_AFTER = 4
    KILL_WITHIN = 5
    """Die in the middle of a write (bytes written)."""
    ASK_BEFORE = 6
    """Let another process act (a character that says what)."""
    ASK_AFTER = 7

    @property
    def kills(self) -> bool:
        """Whether the process does not survive this."""
        return self in (Act.KILL_BEFORE, Act.KILL_AFTER, Act.KILL_WITHIN)


@dataclass(frozen=True)
class Rule:
    """Calls number `first` to `last` (counted from 1) of one name, or of all, misbehave."""

    act: Act
    value: int = 0
    first: int = 1
    last: int = FOR_EVER
    name: str = ANY
    times: int = FOR_EVER

    def __str__(self) -> str:
        ever = "" if self.last == self.first or self.times == 1 else " for ever"
        return f"{self.act.name.lower()}({self.value}) {self.name or 'call'} {self.first}{ever}"


class Call(NamedTuple):
    """One line of the trace."""

    number: int
    name: str
    file: str
    result: int
    errno: int


class Pipes(NamedTuple):
    """The child's ends: where its trace goes, where it asks for foreign acts, where the answers come from."""

    trace: int
    ask: int
    answer: int


def compiler() -> str | None:
    """Return a C compiler, if there is one."""
    return shutil.which("cc") or shutil.which("gcc")


def build(directory: Path) -> Path:
    """Compile the shim into a directory and return the library to preload."""
    library, command = directory / "shim.so", compiler()
    assert command is not None, "there is no C compiler"
    subprocess.run([command, "-shared", "-fPIC", "-O1", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def preloading(library: Path) -> Mapping[str, str]:
    """Return the environment of a process that is to have the shim."""
    return {**os.environ, "LD_PRELOAD": str(library)}


def is_preloaded() -> bool:
    """Whether this process has the shim."""
    return hasattr(ctypes.CDLL(None), "shim_watch") if sys.platform == "linux" else False


def arm(directory: Path, rules: tuple[Rule, ...], pipes: Pipes) -> None:
    """Count the calls below a directory from here on, under these rules."""
    ctypes.CDLL(None).shim_watch(os.fsencode(directory), *pipes)
    for rule in rules:
        add(rule)


def add(rule: Rule) -> None:
    """Apply one rule more from now on."""
    first, last, times, value = map(ctypes.c_long, (rule.first, rule.last, rule.times, rule.value))
    ctypes.CDLL(None).shim_rule(first, last, times, rule.name.encode(), int(rule.act), value)


def ask(what: str) -> None:
    """Let the other process act now, and wait until it has."""
    ctypes.CDLL(None).shim_ask(ctypes.c_char(what.encode()))


def read_trace(text: bytes) -> list[Call]:
    """Read what a child has traced; threads may finish their calls in another order than they began them."""
    rows = [line.split() for line in text.decode().splitlines()]
    calls = [Call(int(number), name, file, int(result), int(error)) for number, name, file, result, error in rows]
    return sorted(calls)
