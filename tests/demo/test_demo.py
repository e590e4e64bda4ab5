"""The demo in its short form: its three verdicts are tests of the library on real input, seen from outside."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from typer.testing import CliRunner, Result

from coordinator import Change
from coordinator._cli import app
from coordinator._demo._gateway import JOBS, SNAPSHOT
from coordinator._demo._judge import Judgement, found_the_intruder, kept_everything, lost_every_reply, read_outcome
from coordinator._demo._rounds import Round, play_rounds, three_rounds
from coordinator._demo._sample import example_gateway, sample_session
from coordinator._demo._stages import Plan, Run

RUNS, SECONDS = 2, 0.3
PARTS = {job.part for job in JOBS}


@pytest.fixture(scope="module", params=[None, example_gateway()], ids=["in-process", "over-http"])
def rounds(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> dict[str, Round]:
    """Play the whole demo once, without a screen: on its own, and with the example gateway."""
    rounds = three_rounds(request.param)
    plan = Plan(sample_session(), tmp_path_factory.mktemp("demo"), RUNS, SECONDS)
    asyncio.run(play_rounds(rounds, plan, heard=lambda _: None))
    return {each.name: each for each in rounds}


def replies_in(run: Run) -> list[str]:
    """Read the replies that stand behind the original content, as anybody would."""
    content = run.path.read_bytes().removeprefix(sample_session().read_bytes())
    messages = [json.loads(line).get("message", {}) for line in content.split(b"\n") if line]
    return [message["content"][0]["text"] for message in messages if message.get("role") == "assistant"]


def paid_replies(run: Run) -> list[str]:
    """Return what the model said in this run, in the order in which it said it."""
    return [reply["message"]["content"][0]["text"] for reply in run.log.replies.values()]


def test_every_naive_run_takes_its_own_writes_for_a_takeover(rounds: dict[str, Round]) -> None:
    """The failure of the report: all replies are dropped, and only the gateway itself has written."""
    naive = rounds["naive"]
    assert naive.result == f"{RUNS}/{RUNS} failed"
    assert [run.problems for run in naive.runs] == [[]] * RUNS
    for run in naive.runs:
        assert run.log.dropped.keys() == run.log.replies.keys() == PARTS
        assert replies_in(run) == []


def test_a_naive_fingerprint_differs_by_exactly_the_own_writes(rounds: dict[str, Round]) -> None:
    """The bytes that it blames on another process are those of its own parts, counted one by one."""
    for run in rounds["naive"].runs:
        chat = next(window for window in run.log.windows if window.part == "chat")
        sizes = [len(line) for line in run.path.read_bytes().splitlines(keepends=True)]
        written = zip(run.log.writes, sizes[-len(run.log.writes) :], strict=True)
        blamed = sum(size for write, size in written if chat.opened < write.time < chat.closed)
        assert blamed > 0
        assert f"size +{blamed}," in str(run.log.dropped["chat"])


def test_no_coordinated_run_fails(rounds: dict[str, Round]) -> None:
    """The same parts through the coordinator: no takeover, every reply once, one conversation."""
    coordinated = rounds["coordinated"]
    assert coordinated.result == f"0/{RUNS} failed"
    assert [run.problems for run in coordinated.runs] == [[]] * RUNS
    for run in coordinated.runs:
        assert run.log.takeovers == {}
        assert replies_in(run) == paid_replies(run)


def test_every_intruder_is_found_and_every_reply_kept_once(rounds: dict[str, Round]) -> None:
    """A real second process in the window: the error says what it wrote, and the handler saves the reply."""
    foreign = rounds["foreign"]
    assert foreign.result == f"{RUNS}/{RUNS} found"
    assert [run.problems for run in foreign.runs] == [[]] * RUNS
    for run in foreign.runs:
        assert run.log.foreign is not None
        error = run.log.takeovers["chat"]
        assert error.change is Change.APPENDED
        assert error.foreign_range == (run.log.foreign.start, run.log.foreign.end)
        assert error.foreign_records == [run.log.foreign.record]
        assert run.intruder is not None
        assert {suspect.pid for suspect in error.suspects} <= {run.intruder.pid}
        assert sorted(replies_in(run)) == sorted(paid_replies(run))


def test_the_parts_write_while_the_model_thinks(rounds: dict[str, Round]) -> None:
    """A demo whose background writers do nothing would show nothing."""
    for each in rounds.values():
        for run in each.runs:
            writers = {write.part for write in run.log.writes}
            assert {SNAPSHOT, "memory index", "heartbeat"} <= writers
            assert any(
                window.opened < write.time < window.closed for window in run.log.windows for write in run.log.writes
            )
            assert len([write for write in run.log.writes if write.part == SNAPSHOT]) == len(JOBS)


def spoil(run: Run, old: bytes, new: bytes) -> list[str]:
    """Change the last occurrence of some bytes in a file of round (b), and judge it again."""
    original = sample_session().read_bytes()
    content = run.path.read_bytes()
    before, found, after = content.rpartition(old)
    assert found
    run.path.write_bytes(before + new + after)
    try:
        return list(kept_everything(read_outcome(run.path, original, run.log)))
    finally:
        run.path.write_bytes(content)


def last_line(run: Run) -> bytes:
    """Return the last line of a file."""
    return run.path.read_bytes().splitlines(keepends=True)[-1]


def test_the_judge_sees_a_missing_record(rounds: dict[str, Round]) -> None:
    """A lost record must not pass as a success."""
    run = rounds["coordinated"].runs[0]
    assert [problem.partition(":")[0] for problem in spoil(run, last_line(run), b"")] == ["missing"]


def test_the_judge_sees_a_record_that_is_there_twice(rounds: dict[str, Round]) -> None:
    """Once is neither none nor two."""
    run = rounds["coordinated"].runs[0]
    assert "too much, or twice" in {
        problem.partition(":")[0] for problem in spoil(run, last_line(run), last_line(run) * 2)
    }


def test_the_judge_sees_a_branch(rounds: dict[str, Round]) -> None:
    """A record with another parent drops what was before it out of the conversation."""
    run = rounds["coordinated"].runs[0]
    parent = json.loads(last_line(run))["parentId"].encode()
    problems = spoil(run, b'"parentId":"' + parent, b'"parentId":"elsewhere')
    assert [problem.partition(" is ")[2].partition(",")[0] for problem in problems] == ["a child of elsewhere"]


def test_the_judge_sees_a_torn_line_and_a_changed_past(rounds: dict[str, Round]) -> None:
    """What was in the file before, and the end of every line, belong to the promise."""
    run = rounds["coordinated"].runs[0]
    with pytest.raises(ValueError, match="no end"):
        spoil(run, last_line(run), last_line(run)[:-1])
    with pytest.raises(ValueError, match="has changed"):
        spoil(run, sample_session().read_bytes(), b"{}\n")


@pytest.mark.parametrize(
    ("name", "judgement"),
    [
        ("naive", kept_everything),
        ("naive", found_the_intruder),
        ("coordinated", lost_every_reply),
        ("coordinated", found_the_intruder),
        ("foreign", lost_every_reply),
        ("foreign", kept_everything),
    ],
)
def test_no_round_passes_for_another(rounds: dict[str, Round], name: str, judgement: Judgement) -> None:
    """Each judgement is one that the other rounds fail."""
    for run in rounds[name].runs:
        assert run.outcome is not None
        assert list(judgement(run.outcome)) != []


@pytest.fixture(scope="module")
def invocation(tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Path]:
    """Run the command as a person would, on one run of each round."""
    folder = tmp_path_factory.mktemp("command") / "new" / "folder"
    arguments = ["demo", "--runs", "1", "--seconds", str(SECONDS), "--output", str(folder)]
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "80"}), folder


def test_the_command_ends_well_and_says_so(invocation: tuple[Result, Path]) -> None:
    """Exit status 0 means that all three rounds came out as stated, and the last line says how."""
    result, folder = invocation
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == "naive 1/1 failed, coordinated 0/1 failed, foreign 1/1 found"
    assert str(folder / "timeline.svg") in result.output
    assert {path.parent.name for path in folder.glob("*/run-1.jsonl")} == {"naive", "coordinated", "foreign"}


def test_the_command_prints_the_evidence(invocation: tuple[Result, Path]) -> None:
    """What changed, which bytes, by whom, and what was our own."""
    output = invocation[0].output
    for evidence in ("appended", "Hello from another process.", "suspects", "memory index", "size +", "over HTTP"):
        assert evidence in output


def test_the_picture_shows_all_three_endings(invocation: tuple[Result, Path]) -> None:
    """It is an SVG file that holds everything it needs, with a panel for each round."""
    picture = (invocation[1] / "timeline.svg").read_text(encoding="utf-8")
    assert ET.fromstring(picture).tag.endswith("svg")
    for text in ("naive: 1/1 failed", "coordinated: 0/1 failed", "foreign: 1/1 found"):
        assert f"<!-- {text} -->" in picture
    for ending in ("reply dropped", "reply kept", "takeover found", "appends a user message"):
        assert ending in picture


def test_a_round_that_comes_out_otherwise_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command must be able to fail: here the naive gateway is held to the standard of the coordinated one."""
    naive = replace(three_rounds()[0], judgement=kept_everything)
    monkeypatch.setattr("coordinator._demo._show.three_rounds", lambda _: [naive])
    result = CliRunner().invoke(app, ["demo", "--runs", "1", "--seconds", "0.2", "--output", str(tmp_path)])
    assert result.exit_code == 1
    assert "missing: " in result.output


def test_an_output_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    """A clear sentence and exit status 2, before anything is played."""
    (tmp_path / "file").touch()
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        result = CliRunner().invoke(app, ["demo", "--output", str(output)])
        assert result.exit_code == 2
        assert "--output" in result.output


@pytest.mark.parametrize(("library", "extra"), [("typer", "cli"), ("httpx", "demo"), ("matplotlib", "demo")])
def test_a_missing_library_is_named_with_the_extra_that_brings_it(library: str, extra: str, tmp_path: Path) -> None:
    """Who installed the bare library is told what to install, not shown a traceback."""
    code = f"import sys; sys.modules[{library!r}] = None; from coordinator.__main__ import main; main()"
    command = [sys.executable, "-c", code, "demo", "--output", str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode != 0
    assert f"needs {library}: pip install 'session-write-coordinator[{extra}]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_sample_is_a_long_real_session() -> None:
    """A header and 2,003 records, as the README says."""
    assert sample_session().read_bytes().count(b"\n") == 1 + 2003
