"""The runs of the models: what is switched on, what has to come out, and spin to find out."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MODELS = tuple(sorted(HERE.glob("*.pml")))
SAFETY = ("-DSAFETY", "-DNOCLAIM", "-DCOLLAPSE")
"""Assertions and bad ends only: the search is twice as fast without the claim, and needs half of the memory so."""


@dataclass(frozen=True)
class Run:
    """One search through all states; a broken variant says what is left out, and the assertion that has to catch it."""

    name: str
    switches: tuple[str, ...] = ()
    claim: str = ""
    model: str = "session.pml"
    breaks: str = ""
    caught_by: str = ""
    has_escapes: bool = False
    """Whether one process may cut off another one anywhere; then no interleaving may be left out as equal."""


@dataclass(frozen=True)
class Result:
    """What spin said: `fault` is the assertion, or the claim, that did not hold."""

    run: Run
    states: int
    transitions: int
    seconds: float
    fault: str

    @property
    def is_as_expected(self) -> bool:
        """The healthy model has no fault; a broken one fails by the assertion that is about it."""
        return self.fault == "" if not self.run.breaks else self.run.caught_by in self.fault


HEALTHY = (
    Run("a sync at every fence, power cuts", ("POWER",)),
    Run("a sync with every batch, power cuts", ("POWER", "ALWAYS")),
    Run("everybody is answered", ("RECORDS_EACH=1",), claim="answered"),
    Run("three deaths, byte by byte", model="recovery.pml", has_escapes=True),
    Run("the file is whole in the end", model="recovery.pml", claim="whole", has_escapes=True),
)
LONG = (
    Run("everybody is answered, two records each", claim="answered"),
    Run("everybody is answered, a sync with every batch", ("ALWAYS",), claim="answered"),
    Run("two foreign changes", ("POWER", "FOREIGN_MAX=2", "NO_COMPACTION")),
    Run("two foreign changes, a sync with every batch", ("POWER", "ALWAYS", "FOREIGN_MAX=2", "NO_COMPACTION")),
    Run("three records each", ("POWER", "RECORDS_EACH=3")),
    Run("three records each, a sync with every batch", ("POWER", "ALWAYS", "RECORDS_EACH=3")),
    Run(
        "five deaths, six records, byte by byte", ("DEATHS_MAX=5", "RECORDS=6"), model="recovery.pml", has_escapes=True
    ),
)
BROKEN = (
    Run(
        "NO_DRAIN", ("NO_DRAIN",), breaks="the fence does not wait for what was accepted before it",
        caught_by="before_token",
    ),
    Run(
        "ADOPT_FSTAT", ("ADOPT_FSTAT",), breaks="the length of a stat after an own write is taken for ours",
        caught_by="parent",
    ),
    Run(
        "NO_CONTENT", ("NO_CONTENT",), breaks="the right length is taken for the right content",
        caught_by="unreported",
    ),
    Run(
        "ACK_BEFORE_SYNC", ("ACK_BEFORE_SYNC", "ALWAYS", "POWER"), breaks="the receipt comes before the sync",
        caught_by="promised",
    ),
    Run(
        "RETRY_SYNC", ("RETRY_SYNC", "ALWAYS", "POWER"), breaks="a failed sync is asked again, and believed",
        caught_by="promised",
    ),
    Run(
        "NO_TAIL_CUT", ("NO_TAIL_CUT",), model="recovery.pml", breaks="half a line is left at the end",
        caught_by="length%3", has_escapes=True,
    ),
    Run(
        "PARENT_AT_SUBMISSION", ("PARENT_AT_SUBMISSION",), breaks="a record is stamped when it is submitted",
        caught_by="parent",
    ),
    Run(
        "NO_SECOND_LOOK", ("NO_SECOND_LOOK",), breaks="nobody looks after the write",
        caught_by="at_path",
    ),
    Run(
        "NO_DISPLACED_LOOK", ("NO_DISPLACED_LOOK",), breaks="a rewrite does not look at what it has displaced",
        caught_by="foreign_line",
    ),
    Run(
        "CUT_BEFORE_COPY", ("CUT_BEFORE_COPY",), model="recovery.pml", breaks="half a line is cut before it is safe",
        caught_by="side_durable", has_escapes=True,
    ),
)  # fmt: skip


def is_available() -> bool:
    """Whether spin and a C compiler are installed."""
    return shutil.which("spin") is not None and shutil.which("gcc") is not None


def search(run: Run, *, seconds_max: float = 3600) -> Result:
    """Search all states of a run, or until the first fault."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="model-") as directory:
        _build(run, directory)
        claim = ["-a", "-N", run.claim] if run.claim else []
        told = _call(["./pan", "-m20000", "-w24", *claim], directory, seconds_max)
    seconds = time.monotonic() - started
    return Result(run, _count(told, "states, stored"), _count(told, "transitions"), seconds, _fault(told))


def _build(run: Run, directory: str) -> None:
    for model in MODELS:
        shutil.copy(model, directory)
    _call(["spin", *(f"-D{switch}" for switch in run.switches), "-a", run.model], directory, 60)
    options = ["-O0" if run.breaks else "-O1", "-w", *(() if run.claim else SAFETY)]
    options += ["-DNOREDUCE"] if run.has_escapes else []
    _call(["gcc", *options, "-o", "pan", "pan.c"], directory, 60)


def _call(command: list[str], directory: str, seconds_max: float) -> str:
    done = subprocess.run(
        command, cwd=directory, capture_output=True, text=True, timeout=seconds_max, check=True,
        stdin=subprocess.DEVNULL,
    )  # fmt: skip
    return done.stdout


def _count(told: str, what: str) -> int:
    found = re.search(rf"(\d+) {what}", told)
    if found is None:
        raise ValueError(f"spin does not say how many {what}:\n{told}")
    return int(found[1])


def _fault(told: str) -> str:
    """Return spin's words for what was wrong; a search that was cut short is wrong as well."""
    wrong = re.search(r"pan:1: (.*) \(at depth \d+\)", told)
    if wrong is not None:
        return re.sub(r"\s+", " ", wrong[1])
    is_complete = re.search(r"errors: 0\b", told) and "Search not completed" not in told and "max search" not in told
    return "" if is_complete else told[-300:]
