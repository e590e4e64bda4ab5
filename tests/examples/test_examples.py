"""Every example runs as it says, without a warning, and leaves the file that it promises."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.chain import check_chain, texts

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
SCREEN_LINES = 45


def start(name: str, directory: Path) -> subprocess.Popen[str]:
    """Start an example in a directory of its own."""
    command = [sys.executable, "-W", "error", str(EXAMPLES / f"{name}.py"), str(directory)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(example: subprocess.Popen[str]) -> str:
    """Wait for an example that has nothing to complain about, and return what it printed."""
    printed, complaints = example.communicate(timeout=30)
    assert (example.returncode, complaints) == (0, "")
    return printed


def run(name: str, directory: Path) -> list[dict[str, Any]]:
    """Run an example to its end, and return what is in the file that it names."""
    printed = end(start(name, directory))
    assert str(directory / "session.jsonl") in printed
    return records(directory)


def records(directory: Path) -> list[dict[str, Any]]:
    """Return the records of the session file, every line of which must be one; nothing else may be left behind."""
    left = {path.name for path in directory.iterdir()} - {".session.jsonl.lock"}
    assert left == {"session.jsonl"}
    content = (directory / "session.jsonl").read_bytes()
    assert content.endswith(b"\n")
    return [json.loads(line) for line in content.splitlines()]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_fits_on_a_screen_and_says_how_to_run_it(name: str) -> None:
    """An example is read at a glance, or not at all."""
    text = (EXAMPLES / f"{name}.py").read_text()
    assert len(text.splitlines()) <= SCREEN_LINES
    assert f"\npython examples/{name}.py [DIRECTORY]\n" in text


def test_every_example_is_run_here() -> None:
    """An example that nobody runs is wrong before long."""
    this = Path(__file__).read_text()
    assert [name for name in NAMES if f'("{name}", tmp_path)' not in this] == []


def test_embedding_leaves_a_conversation(tmp_path: Path) -> None:
    """The first example that people copy: header, chain and order are those of a real session."""
    assert [record["type"] for record in run("embed", tmp_path)] == ["session", "message", "message"]
    chain = texts(check_chain(tmp_path / "session.jsonl"))
    assert chain == ["What is a fence?", "A promise that nobody else has written since."]


def test_a_fenced_model_call_keeps_what_was_written_meanwhile(tmp_path: Path) -> None:
    """A plugin's record inside the turn is the very case that naive gateways take for an intruder."""
    question, memory, reply = run("fence_a_model_call", tmp_path)
    assert question["role"] == "user"
    assert memory == {"memory": f"indexed {question['text']!r}"}
    assert reply["role"] == "assistant"


def test_a_reply_survives_a_takeover_once(tmp_path: Path) -> None:
    """The other program's content stands, and the reply behind it, neither lost nor doubled."""
    found = run("survive_a_takeover", tmp_path)
    assert [record["text"] for record in found] == ["edited by hand", "A reply that was paid for."]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_turn_and_not_the_reply(tmp_path: Path, number: signal.Signals) -> None:
    """A deployment must not cost a reply; what was accepted just before the end is in the file too."""
    example = start("shut_down_on_sigterm", tmp_path)
    assert example.stdout is not None
    assert "in the middle of a turn" in example.stdout.readline()
    example.send_signal(number)
    assert "is whole" in end(example)
    assert records(tmp_path) == [{"note": "asked to stop"}, {"role": "assistant", "text": "The end of the turn."}]


def test_a_thread_writes_in_its_order(tmp_path: Path) -> None:
    """A thread that blocks on each append sees its records in the order of its work, among those of others."""
    found = run("write_from_a_thread", tmp_path)
    assert [record["words"] for record in found if "words" in record] == [1, 2, 3]
    assert [record for record in found if "words" not in record] == [{"text": "The loop is not blocked."}]


def test_what_a_client_heard_is_in_the_file(tmp_path: Path) -> None:
    """A client that goes away has heard something, and the model must know of it in its next turn."""
    whole, cut = run("stream_a_reply", tmp_path)
    assert (whole["text"], whole["whole"]) == ("All is well.", True)
    assert (cut["text"], cut["whole"]) == ("All", False)


def test_a_background_job_writes_in_the_middle_of_a_turn(tmp_path: Path) -> None:
    """A job knows nothing of turns: its records lie before and behind the reply, and the turn holds."""
    found = run("append_in_the_background", tmp_path)
    reply = found.index({"role": "assistant", "text": "Nobody disturbed me."})
    assert found[:reply].count({"heartbeat": "alive"}) >= 2
    assert len(found) - found.count({"heartbeat": "alive"}) == 1
