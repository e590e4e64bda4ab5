"""The proof itself: what is red makes everything red, and what was stopped goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import runner
from .__main__ import main
from .parts import PARTS, Part, Step
from .runner import Found, Ledger, judge
from .table import promises

WRITES = "import sys; print(sys.argv[1]); open('{log}', 'a').write(sys.argv[1] + '\\n'); sys.exit(int(sys.argv[2]))"


class Bench:
    """Makes parts of small programs, and runs the proof with them."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.log = directory / "log"
        package = directory / "package"
        package.mkdir()
        (package / "saying.py").write_text(WRITES.format(log=self.log))
        monkeypatch.setenv("PYTHONPATH", str(package))
        monkeypatch.setattr(runner, "digest", lambda step: "this code")

    def step(self, text: str, status: int = 0) -> Step:
        """Make a step that says something and ends."""
        return Step("saying", (text, str(status)))

    def part(self, name: str, *steps: Step) -> Part:
        """Make a part of steps."""
        return Part(name, "sayings", "sayings", r"(\d+) sayings", lambda: list(steps), lambda: list(steps))

    def run(self, *parts: Part, arguments: tuple[str, ...] = ()) -> int:
        """Run the proof."""
        return main(["--jobs", "1", *arguments], list(parts), self.directory)

    def said(self) -> list[str]:
        """List what was run, in order."""
        return self.log.read_text().splitlines() if self.log.exists() else []

    def page(self, name: str = "proof.md") -> str:
        """Return the page of results."""
        return (self.directory / name).read_text()


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Return a bench in a directory of its own."""
    return Bench(tmp_path, monkeypatch)


def test_green_parts_make_a_green_page(bench: Bench) -> None:
    """The page says what was explored, and the picture is in it."""
    parts = [
        bench.part("one", bench.step("12 sayings, seed 7, 0 violations")),
        bench.part("two", bench.step("3 sayings")),
    ]
    assert bench.run(*parts) == 0
    assert "| one | sayings | 12 sayings | 7 | 0 |" in bench.page()
    assert "No violation was found." in bench.page()
    assert "<svg" in bench.page("proof.html")


@pytest.mark.parametrize(
    ("text", "status"),
    [("5 sayings", 1), ("5 sayings, 2 violations", 0), ("5 sayings; wrong 1", 0), ("nothing to say", 0)],
    ids=["exit status", "violations", "wrong", "nothing explored"],
)
def test_one_red_part_makes_everything_red(bench: Bench, text: str, status: int) -> None:
    """A tool that fails, that finds something, or that explores nothing, is never lost among the green ones."""
    parts = [bench.part("good", bench.step("9 sayings")), bench.part("bad", bench.step(text, status))]
    assert bench.run(*parts) == 1
    assert "Something is WRONG." in bench.page()
    assert text in bench.page("proof.html")


def test_a_stopped_run_goes_on_where_it_was(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hours of exploring are not lost: only what is not there yet is run."""
    steps = [bench.step(f"{number} sayings") for number in (1, 2, 3)]
    healthy = runner.run

    def run(part: Part, step: Step, processes: runner.Processes, say: runner.Say) -> Found:
        if step is not steps[0]:
            raise KeyboardInterrupt
        return healthy(part, step, processes, say)

    monkeypatch.setattr(runner, "run", run)
    with pytest.raises(KeyboardInterrupt):
        bench.run(bench.part("long", *steps))
    assert "1 of 3 steps" in bench.page()
    monkeypatch.setattr(runner, "run", healthy)
    assert bench.run(bench.part("long", *steps)) == 0
    assert bench.said() == ["1 sayings", "2 sayings", "3 sayings"]
    assert "| long | sayings | 6 sayings |" in bench.page()


def test_what_was_red_is_run_again(bench: Bench) -> None:
    """A fault that was mended must be seen to be mended."""
    part = bench.part("red", bench.step("4 sayings", 1), bench.step("5 sayings"))
    assert [bench.run(part), bench.run(part)] == [1, 1]
    assert bench.said() == ["4 sayings", "5 sayings", "4 sayings"]


def test_what_another_code_has_earned_is_forgotten(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Green is a property of code, not of a name."""
    part = bench.part("part", bench.step("4 sayings"))
    bench.run(part)
    monkeypatch.setattr(runner, "digest", lambda step: "another code")
    bench.run(part)
    bench.run(part, arguments=("--fresh",))
    assert len(bench.said()) == 3


def test_a_step_that_never_ends_is_red(bench: Bench) -> None:
    """A deadlock in a tool is no reason to wait for ever."""
    (bench.directory / "package" / "hanging.py").write_text("print('8 sayings', flush=True)\nimport threading\n"
                                                            "threading.Event().wait()\n")  # fmt: skip
    assert bench.run(bench.part("hanging", Step("hanging", seconds_max=3.0))) == 1
    assert "8 sayings" in bench.page()


def test_a_step_speaks_of_the_code_of_the_library_and_of_its_own() -> None:
    """Steps of different tools have different digests, and the same one twice the same."""
    steps = [Step("tests.kills"), Step("tests.faults"), Step("tests.kills", ("--other",))]
    kills, faults, again = map(runner.digest, steps)
    assert kills == again != faults


def test_figures_are_read_from_what_the_tools_say() -> None:
    """The last count, the worst number of violations."""
    part = Part("any", "", "states", r"(\d[\d,]*) states", list, list)
    output = "5 states so far\nrace: wrong 3\nrace: wrong 0\n1,234 states, 0 violations\n"
    found = judge(part, Step("any", environment=(("SEED", "9"),)), output, 0, code="", seconds=1.0)
    assert (found.count, found.violations, found.seed, found.is_green) == (1234, 3, "9", False)


def test_a_count_of_nothing_is_no_proof() -> None:
    """Twenty kills of a process that had not acknowledged anything explore as much as none."""
    part = Part("kills", "", "kills", r"kills (\d+)", list, list, hollow=r"acknowledged (\d+)")
    hollow, sound = (f"acknowledged {records}, kills 20; wrong 0" for records in (0, 7))
    assert not judge(part, Step("any"), hollow, 0, code="", seconds=1.0).is_green
    assert judge(part, Step("any"), sound, 0, code="", seconds=1.0).is_green


def test_a_memory_that_was_torn_away_is_not_half_there(tmp_path: Path) -> None:
    """The state file changes in one step."""
    ledger = Ledger(tmp_path / "state" / "short.json")
    found = Found("part", "step", "code", 0, 1, 0, 1.0)
    ledger.add(found)
    assert Ledger(ledger.path).found == {"step": found}
    assert [path.name for path in ledger.path.parent.iterdir()] == ["short.json"]


def test_every_part_has_both_forms() -> None:
    """Each step of a part is one command with a name of its own."""
    for part in PARTS:
        for steps in (part.short(), part.long()):
            assert steps
            assert len({step.name for step in steps}) == len(steps)


def test_every_promise_is_in_the_picture(bench: Bench) -> None:
    """Twenty-seven rows, none left out."""
    bench.run(bench.part("one", bench.step("1 sayings")))
    drawn = bench.page("proof.svg")
    assert all(f"<!-- {promise.text[:20]}" in drawn for promise in promises())
