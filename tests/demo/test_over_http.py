"""The demo as a client of the example gateway: what it was told counts, and the file is held against it."""

import json
import shutil
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from coordinator._cli import app
from coordinator._demo import _sample
from coordinator._demo._gateway import CHAT
from coordinator._demo._judge import kept_everything, read_outcome
from coordinator._demo._log import ReplyDroppedError, RunLog
from coordinator._demo._model import Model
from coordinator._demo._over_http import HttpConversation
from coordinator._demo._processes import gateway_process
from coordinator._demo._records import user_message
from coordinator._demo._sample import example_gateway, sample_session

QUESTION = user_message("chat: are you there?")


def told(*events: tuple[str, dict[str, object]]) -> httpx.MockTransport:
    """Return a gateway that answers every request with these events, and writes nothing."""
    body = "".join(f"event: {event}\ndata: {json.dumps(data)}\n\n" for event, data in events)
    return httpx.MockTransport(lambda _: httpx.Response(200, text=body))


async def problems_of(transport: httpx.MockTransport, folder: Path, added: bytes = b"") -> list[str]:
    """Have one turn with a gateway that leaves `added` behind, and judge what came of it."""
    original = sample_session().read_bytes()
    path, log = Path(shutil.copyfile(sample_session(), folder / "run-1.jsonl")), RunLog()

    async def hear(_pieces: int) -> None:
        pass

    async with httpx.AsyncClient(base_url="http://127.0.0.1", transport=transport) as client:
        conversation = HttpConversation(client, client, path, log)
        await conversation.turn(CHAT.part, QUESTION, Model(client, 0.0, hear))
        path.write_bytes(original + added)
        conversation.complete_log()
    others = "never got a reply"
    return [problem for problem in kept_everything(read_outcome(path, original, log)) if others not in problem]


async def test_a_reply_that_was_told_and_is_not_in_the_file_is_missed(tmp_path: Path) -> None:
    """The whole promise is that `done` means recorded; the demo must be able to see it broken."""
    problems = await problems_of(told(("done", {"id": "a1", "text": "yes"})), tmp_path)
    assert [problem.partition(":")[0] for problem in problems] == ["missing"]
    assert "yes" in problems[0]


async def test_a_message_that_was_acknowledged_and_is_not_in_the_file_is_missed(tmp_path: Path) -> None:
    """What was acknowledged is the user's; the reply alone is half of the conversation."""
    leaf = json.loads(sample_session().read_bytes().splitlines()[-1])["id"]
    message = {"role": "assistant", "content": [{"type": "text", "text": "yes"}]}
    reply = {
        "type": "message",
        "id": "a1",
        "parentId": leaf,
        "timestamp": "2026-05-20T08:00:00.000Z",
        "message": message,
    }
    events = ("accepted", {"id": "u1"}), ("done", {"id": "a1", "text": "yes"})
    problems = await problems_of(told(*events), tmp_path, json.dumps(reply).encode() + b"\n")
    assert [problem.partition(":")[0] for problem in problems] == ["missing"]
    assert "u1" in problems[0]


async def test_a_turn_without_a_reply_has_failed(tmp_path: Path) -> None:
    """A gateway that gives up is one that dropped a reply."""
    with pytest.raises(ReplyDroppedError, match="did not answer the chat"):
        await problems_of(told(("error", {"kind": "ModelError", "message": "no", "hint": ""})), tmp_path)


async def test_a_gateway_that_does_not_start_says_where_it_said_why(tmp_path: Path) -> None:
    """Nobody likes a demo that only says that it failed."""
    with pytest.raises(RuntimeError, match=r"gateway\.model did not start; .*gateway\.log says why"):
        async with gateway_process(tmp_path / "nowhere", tmp_path, 0.0):
            pass
    assert "No module named" in (tmp_path / "gateway.log").read_text()


def test_the_gateway_is_played_where_it_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkout with everything installed has it; one without its libraries plays on its own."""
    assert example_gateway() == Path(__file__).parents[2] / "examples"
    monkeypatch.setattr(_sample, "_GATEWAY_NEEDS", ("a_library_that_is_not_there",))
    assert example_gateway() is None


def test_the_demo_works_without_the_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever installed a wheel has no examples, and sees the same three verdicts."""
    monkeypatch.setattr(_sample, "_GATEWAY_NEEDS", ("a_library_that_is_not_there",))
    arguments = ["demo", "--runs", "1", "--seconds", "0.3", "--output", str(tmp_path)]
    result = CliRunner().invoke(app, arguments, env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "All of it runs in this process" in result.output
    assert result.output.splitlines()[-1] == "naive 1/1 failed, coordinated 0/1 failed, foreign 1/1 found"
