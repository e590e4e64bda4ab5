"""The parts of the proof: what each explores, and how it is run in the short and in the long form.

A step is one subprocess; what the long form explores is cut into many of them, so that it can be stopped and resumed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .table import ROOT, named_tests

FIGURE = r"(\d[\d,]*)"
FUZZ = "tests/properties/test_opening_anything.py"


@dataclass(frozen=True)
class Step:
    """One subprocess: a module with its arguments, and what the environment tells it."""

    module: str
    arguments: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    seconds_max: float = 7200.0

    @property
    def name(self) -> str:
        """Return the step as a person would type it."""
        variables = (f"{key}={value}" for key, value in self.environment)
        return " ".join((*variables, "python -m", self.module, *self.arguments))


@dataclass(frozen=True)
class Part:
    """One way to look for violations; `counted` finds in the output how many `unit`s were explored."""

    name: str
    explores: str
    unit: str
    counted: str
    short: Callable[[], list[Step]]
    long: Callable[[], list[Step]]
    needs: str = ""
    """The package that has to be there; empty if it always is."""
    hollow: str = ""
    """Finds a figure without which the count says nothing: kills of a process that had done nothing yet."""

    @property
    def is_there(self) -> bool:
        """Whether this checkout has the part."""
        return not self.needs or (ROOT / self.needs).exists()


def module(name: str, *arguments: str, **environment: str) -> Callable[[], list[Step]]:
    """Make the one step that runs a package of the tests."""
    return lambda: [Step(f"tests.{name}", arguments, tuple(environment.items()))]


def pytest(*arguments: str, **environment: str) -> Callable[[], list[Step]]:
    """Make the one step that runs tests."""
    return lambda: [_pytest(*arguments, **environment)]


def _pytest(*arguments: str, **environment: str) -> Step:
    options = ("--quiet", "--no-header", "-p", "no:cacheprovider")
    return Step("pytest", (*options, *arguments), tuple(environment.items()))


def chunks(name: str, count: int, size: int) -> Callable[[], list[Step]]:
    """Cut COUNT lives into steps with seeds of their own."""
    seeds = range(count // size)
    return lambda: [Step(f"tests.{name}", (), (("COUNT", str(size)), ("SEED", str(seed)))) for seed in seeds]


def explorations() -> list[Step]:
    """Make a step of every setting of the complete exploration."""
    from tests.exploration.settings import full

    return [Step("tests.exploration", ("--full", "--jobs", "1", "--only", setting.name)) for setting in full()]


def simulations() -> list[Step]:
    """Cut a million schedules into steps."""
    size = 25_000
    firsts = range(0, 1_000_000, size)
    return [
        Step("tests.simulation", ("--from", str(first), "--seeds", str(size), "--workers", "1")) for first in firsts
    ]


def promised(*options: str) -> Callable[[], list[Step]]:
    """Make the one step of the tests that the table of promises names, but for those that are a part themselves."""
    return lambda: [_pytest(*options, *(name for name in named_tests() if "tests/exploration/" not in name))]


PARTS = (
    Part(
        "promises", "the tests that the table of promises names", "tests", rf"{FIGURE} passed",
        promised("-m", "not slow"), promised("--timeout=600"),
    ),
    Part(
        "exploration", "the core, every interleaving: each state once", "states", rf"{FIGURE} states, ",
        module("exploration", "--jobs", "1"), explorations, needs="tests/exploration/__main__.py",
    ),
    Part(
        "model", "the protocol in Promela, with spin; broken variants must fail", "states", rf"{FIGURE} states, ",
        module("model"), module("model", "--long"), needs="tests/model/__main__.py",
    ),
    Part(
        "simulation", "the real library on a simulated disk: random schedules", "schedules",
        rf"{FIGURE} schedules, \d+ choices",
        module("simulation", "--from", "0", "--seeds", "2000", "--workers", "1"), simulations,
        needs="tests/simulation/__main__.py",
    ),
    Part(
        "properties", "arbitrary calls and records, against a list", "properties", rf"{FIGURE} passed",
        pytest("tests/properties", f"--ignore={FUZZ}"), module("properties", "--minutes", "60"),
        needs="tests/properties",
    ),
    Part(
        "fuzz", "opening arbitrary and mutated files", "properties", rf"{FIGURE} passed",
        pytest(FUZZ), pytest(FUZZ, "--timeout=7200", PROPERTIES_FACTOR="100"), needs=FUZZ,
    ),
    Part(
        "sweep", "failing, short and foreign-disturbed system calls, kills at every byte", "cases", rf"{FIGURE} cases",
        module("faults", COUNT="200", SEED="1"), module("faults"), needs="tests/faults/__main__.py",
    ),
    Part(
        "kills", "SIGKILL at random moments of full load", "kills", rf"kills {FIGURE}",
        module("kills", COUNT="20", SEED="1"), chunks("kills", 10_000, 500), needs="tests/kills/__main__.py",
        hollow=rf"acknowledged {FIGURE}",
    ),
    Part(
        "races", "a second process against full speed", "foreign changes", rf"changes {FIGURE}",
        module("races", COUNT="20", SEED="1"), chunks("races", 10_000, 1_000), needs="tests/races/__main__.py",
    ),
    Part(
        "power", "the power goes at any write of a block", "states", rf"{FIGURE} states",
        module("power"), module("power", "--states", "1000"), needs="tests/power/__main__.py",
    ),
    Part(
        "mutants", "wrong changes that a test must notice", "mutants", rf"{FIGURE} of \d+ mutants killed",
        module("proof.mutants"), module("mutants"),
    ),
)  # fmt: skip


def present() -> list[Part]:
    """List the parts that this checkout has."""
    return [part for part in PARTS if part.is_there]


def root_of(step: Step) -> Path:
    """Return the directory whose code a step runs, beside the library's: that of its part, or all tests."""
    parts = step.module.split(".")
    return ROOT.joinpath(*parts) if len(parts) == 2 and parts[1] != "mutants" else ROOT / "tests"
