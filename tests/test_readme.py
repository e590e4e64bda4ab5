"""The README's gateway example is run as it stands, while a model thinks and somebody else may change the file."""

import json
import os
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from coordinator import PI, Change, Coordinator, TakeoverError

README = (Path(__file__).parents[1] / "README.md").read_text()
QUESTION = {"type": "message", "message": {"role": "user", "content": "What is the queue for?", "timestamp": 1}}
ANSWER = {"type": "message", "message": {"role": "assistant", "content": "It owns every append.", "timestamp": 2}}
FOREIGN = {"type": "custom", "id": "foreign1", "parentId": None, "timestamp": "2026-05-20T08:00:00.000Z"}


class Gateway:
    """What the example expects around it: a path, messages, a model, a log."""

    def __init__(self, path: Path, *, while_thinking: Callable[[], None]) -> None:
        self.path = path
        self.warnings: list[dict[str, Any]] = []
        self._while_thinking = while_thinking

    async def complete(self, _prompt: str) -> dict[str, Any]:
        """Think: something happens to the file meanwhile."""
        self._while_thinking()
        return ANSWER

    def warning(self, _message: str, **values: Any) -> None:
        """Log."""
        self.warnings.append(values)

    async def run_example(self) -> None:
        """Run the README's block in a function of its own, once."""
        names: dict[str, Any] = {
            "Coordinator": Coordinator, "PI": PI, "TakeoverError": TakeoverError, "path": self.path,
            "user_message": QUESTION, "prompt": "…", "model": self, "log": SimpleNamespace(warning=self.warning),
        }  # fmt: skip
        exec(compile("async def example():\n" + textwrap.indent(example(), "    "), "README.md", "exec"), names)
        await names["example"]()


def example() -> str:
    """Find the block that the README marks as being run here."""
    blocks = re.findall(r"<!-- tests/test_readme\.py runs this block -->\n```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 1
    return blocks[0]


def bodies(path: Path) -> list[Any]:
    """Read the file as anybody would, without the library; return what each record says, but for plugins' marks."""
    _, *records = [json.loads(line) for line in path.read_bytes().split(b"\n") if line]
    return [
        record.get("message", {}).get("content", record["type"]) for record in records if "customType" not in record
    ]


def append_foreign_line(path: Path) -> None:
    """Write to the file as another program would."""
    with path.open("ab") as file:
        file.write(json.dumps(FOREIGN).encode() + b"\n")


def replace_by_foreign_file(path: Path) -> None:
    """Put another file of the same conversation in place, as an editor does when it saves."""
    lines = path.read_bytes().split(b"\n")
    other = path.with_suffix(".saved")
    other.write_bytes(b"\n".join([lines[0], json.dumps(FOREIGN).encode(), *lines[1:]]))
    os.replace(other, path)


async def test_the_reply_is_there_once_when_nobody_interferes(session_path: Path) -> None:
    """The everyday case: question, answer, nothing to warn about."""
    gateway = Gateway(session_path, while_thinking=lambda: None)
    await gateway.run_example()
    assert bodies(session_path) == ["What is the queue for?", "It owns every append."]
    assert gateway.warnings == []


@pytest.mark.parametrize(
    ("interfere", "change", "expected"),
    [
        (append_foreign_line, Change.APPENDED, ["What is the queue for?", "custom", "It owns every append."]),
        (replace_by_foreign_file, Change.REPLACED, ["custom", "What is the queue for?", "It owns every append."]),
    ],
)
async def test_the_reply_is_there_once_when_somebody_else_writes(
    session_path: Path, interfere: Callable[[Path], None], change: Change, expected: list[str]
) -> None:
    """The handler of the example is right whether or not the session has to be reopened."""
    gateway = Gateway(session_path, while_thinking=lambda: interfere(session_path))
    await gateway.run_example()
    assert bodies(session_path) == expected
    assert [warning["change"] for warning in gateway.warnings] == [change]


def test_every_make_target_that_the_readme_names_exists() -> None:
    """A command that is not there is the first thing a newcomer would meet."""
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    named = set(re.findall(r"\bmake ([a-z]+)\b", "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))))
    assert named
    assert [target for target in named if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []
