"""What a contender and a workload are; a new one is one small file in `contenders` or `workloads`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from .records import Feed, Record

Mode = Literal["NONE", "FENCE", "ALWAYS"]
Loop = Literal["asyncio", "uvloop"]
Figures = Mapping[str, float]
Append = Callable[[Record], Awaitable[object]]
Tail = Callable[[Path, int], Awaitable[Sequence[Record]]]


@dataclass(frozen=True)
class Scale:
    """How much is done in one measurement."""

    loops: Sequence[Loop]
    repetitions: int
    seconds: float
    submitted_records: int
    sessions: int
    fences: int
    file_megabytes: tuple[int, ...]


SCALES = {
    "quick": Scale(("asyncio",), 3, 0.15, 20_000, 100, 100, (20,)),
    "full": Scale(("asyncio", "uvloop"), 7, 1.0, 100_000, 1_000, 1_500, (100, 1_000)),
}


class Journal(ABC):
    """A file that a contender has opened."""

    @abstractmethod
    def append(self, writer: int) -> Append:
        """Return what appends for this writer; done means written (and durable, in `ALWAYS`)."""

    def submit(self, writer: int) -> Append:
        """Return what hands a record over, waiting for room only."""
        return self.append(writer)

    async def drain(self) -> None:  # noqa: B027 - most contenders have nothing to wait for
        """Wait until everything that was handed over is written."""

    @abstractmethod
    def fence(self) -> AbstractAsyncContextManager[object]:
        """Guard a turn: find out at its end whether somebody else has written."""

    @abstractmethod
    async def close(self) -> None:
        """Give the file back."""


class Contender(ABC):
    """One way to append records to files."""

    name: str
    needs: Sequence[str] = ()
    """Import names without which it is skipped."""
    skips: Sequence[str] = ()
    """Families of workloads that it has no answer to."""
    has_modes = False
    """Whether `NONE` and `FENCE` differ; if not, one of them is measured."""
    loops: Sequence[Loop] = ("asyncio",)

    @abstractmethod
    def opened(self, bench: Bench) -> AbstractAsyncContextManager[Callable[[Path], Awaitable[Journal]]]:
        """Set up what all files share; the value opens a file."""

    def tails(self) -> AbstractAsyncContextManager[Tail]:
        """Set up what is there before a file is opened; the value opens one and returns its last records."""
        raise LookupError(f"{self.name} has no tails")

    def index(self, path: Path) -> int:
        """Look at every record of a pi session, learn all ids, and return how many there are."""
        raise LookupError(f"{self.name} has no index of {path.name}")

    def lines(self, path: Path) -> Iterator[bytes]:
        """Read the records of a file back, as lines."""
        return lines_of(path)


class Limit:
    """No contender but the floor below all of them: one thread, no asyncio, one write per batch."""

    name = "limit"
    needs: Sequence[str] = ()
    has_modes = False
    loops: Sequence[Loop] = ("asyncio",)

    def lines(self, path: Path) -> Iterator[bytes]:
        """Read the records of a file back, as lines."""
        return lines_of(path)


def lines_of(path: Path) -> Iterator[bytes]:
    """Read a file line by line."""
    with path.open("rb") as file:
        yield from file


@dataclass(frozen=True)
class Bench:
    """What one measurement is made with."""

    directory: Path
    mode: Mode
    scale: Scale
    file: Callable[[int], Path]
    """Returns a session file of so many megabytes, for all measurements to read."""
    tree: Callable[[int], Path]
    """The same, as a pi session."""
    content_check_bytes_max: int | None

    @property
    def path(self) -> Path:
        """Return the file that a workload with one file writes."""
        return self.directory / "session.jsonl"


@dataclass(frozen=True)
class Outcome:
    """The figures of a workload, and what must be in the files now."""

    figures: Figures
    files: Mapping[Path, Sequence[Feed]]


class Workload(ABC):
    """Something to do that takes time."""

    name: str
    """As in the table; the part before the colon is its family."""
    title: str
    unit: str
    """The first figure, which ratios are of."""
    more_is_better = True
    modes: Sequence[Mode] = ("NONE", "FENCE")
    baseline = "limit"
    content_check_bytes_max: int | None = 16 << 20
    """The limit of that name; 0 compares metadata only."""
    has_limit = True
    target: str = ""
    """What our ratio to the baseline (or another figure) is to be."""

    @abstractmethod
    async def run(self, contender: Contender, bench: Bench) -> Outcome:
        """Do it with a contender."""

    def run_limit(self, limit: Any, bench: Bench) -> Outcome | None:
        """Do it as fast as one thread can; None if that would mean nothing."""
        del limit, bench
        return None

    @property
    def family(self) -> str:
        """Return the name without its size."""
        return self.name.partition(":")[0]

    def is_of(self, scale: Scale) -> bool:
        """Whether it is part of the run at this scale."""
        del scale
        return True

    def is_for(self, contender: Contender | Limit) -> bool:
        """Whether the contender takes part."""
        if isinstance(contender, Limit):
            return self.has_limit
        return self.family not in contender.skips


@dataclass(frozen=True)
class Cell:
    """One cell of the table: a workload with a contender in a mode on an event loop."""

    workload: str
    contender: str
    """The name of its file."""
    mode: Mode
    loop: Loop

    @property
    def label(self) -> str:
        """Return the name of the row."""
        contender = contender_of(self.contender)
        mode = f" {self.mode}" if contender.has_modes else ""
        return contender.name + mode + (" uvloop" if self.loop == "uvloop" else "")


def _stems(package: str) -> list[str]:
    return sorted(path.stem for path in (Path(__file__).parent / package).glob("[a-z]*.py"))


def contender_of(stem: str) -> Contender | Limit:
    """Return the contender of a file; the others are not even imported."""
    found: Contender | Limit = import_module(f"{__package__}.contenders.{stem}").CONTENDER
    return found


def contenders() -> dict[str, Contender | Limit]:
    """Find every contender by the name of its file: the limit first, ours last."""
    stems = sorted(_stems("contenders"), key=lambda stem: (stem != "limit", stem == "ours", stem))
    return {stem: contender_of(stem) for stem in stems}


@cache
def workloads() -> dict[str, Workload]:
    """Find every workload: one file per family, with `WORKLOADS`."""
    modules = [import_module(f"{__package__}.workloads.{stem}") for stem in _stems("workloads")]
    found = [workload for module in modules for workload in module.WORKLOADS]
    return {workload.name: workload for workload in sorted(found, key=lambda workload: workload.family)}


def missing(contender: Contender | Limit) -> list[str]:
    """Name what has to be installed for this contender."""
    return [name for name in contender.needs if find_spec(name) is None]


def cells(workload: Workload, stem: str, scale: Scale) -> Iterator[Cell]:
    """List what is measured of a contender in a workload."""
    contender = contender_of(stem)
    modes = workload.modes if contender.has_modes else workload.modes[:1]
    for mode in modes if workload.is_for(contender) else ():
        for loop in contender.loops:
            if loop in scale.loops and find_spec(loop):
                yield Cell(workload.name, stem, mode, loop)
