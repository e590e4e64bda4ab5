"""One case: a life under some rules, in a forked child; then the judgement of what it leaves behind."""

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from coordinator import Durability

from . import shim, victim
from .shim import ANY, Act, Call, Pipes, Rule

DATA = Path(__file__).parents[1] / "data"
LIFE_SECONDS_MAX = 20.0
SESSION = "session.jsonl"
OTHER = "other.jsonl"
FOREIGN = (
    b'{"type":"custom","customType":"note","id":"foreign1","parentId":null,"timestamp":"2026-11-22T12:00:00.000Z",'
    b'"data":{"text":"foreign"}}\n'
)

SHORT = (DATA / "short.jsonl").read_bytes()
TORN = (DATA / "torn-tail.jsonl").read_bytes()
UNENDED = (DATA / "no-final-newline.jsonl").read_bytes()
NULS = b"\0" * 5000


@dataclass(frozen=True)
class Story:
    """A program of the victim, what it starts from, and what of that may stand in the file at the end."""

    program: victim.Program
    start: bytes = b""
    durability: Durability = Durability.FENCE
    cut: bytes = b""
    """The torn tail: cut at opening, kept beside the file."""

    @property
    def kept(self) -> bytes:
        """Return the part of the start that has to stay."""
        whole = self.start.removesuffix(self.cut)
        return whole if whole.endswith(b"\n") or not whole else whole + b"\n"


STORIES: Mapping[str, Story] = {
    "append": Story(victim.append),
    "append-always": Story(victim.append, durability=Durability.ALWAYS),
    "append-none": Story(victim.append, durability=Durability.NONE),
    "heal-torn": Story(victim.heal, TORN, cut=TORN[TORN.rindex(b"\n") + 1 :]),
    "heal-unended": Story(victim.heal, UNENDED),
    "heal-nuls": Story(victim.heal, SHORT + NULS, cut=NULS),
    "rewrite": Story(victim.rewrite, SHORT),
    "reopen": Story(victim.reopen, SHORT),
    "rescue": Story(victim.rescue, SHORT),
    "park": Story(victim.park),
}


@dataclass(frozen=True)
class Case:
    """One story under some rules; its text names it, and replays it (`CASE="..."`)."""

    story: str
    rules: tuple[Rule, ...] = ()
    foreign: str = ""

    def __str__(self) -> str:
        return " + ".join([self.story, *map(str, self.rules), *filter(None, [self.foreign])])

    @property
    def kills(self) -> bool:
        """Whether the life is to end by SIGKILL."""
        return any(rule.act.kills for rule in self.rules)

    @property
    def tears(self) -> bool:
        """Whether half a line of ours has to stay: it can never be cut, or foreign bytes follow it."""
        acts = {rule.act for rule in self.rules}
        uncut = any(rule.act is Act.FAIL and rule.name in (ANY, "ftruncate") for rule in self.rules)
        return Act.SHORTEN in acts and (uncut or Act.ASK_AFTER in acts)


@dataclass
class Life:
    """What a life told, and how it ended."""

    told: list[dict[str, Any]] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    acts: list[str] = field(default_factory=list)
    signal: int = 0
    hung: bool = False

    def texts(self, what: str) -> list[str]:
        """Return the texts that were said to be this, in the order of saying."""
        return [text for said in self.told for text in said.get(what, ())]

    @property
    def errors(self) -> list[dict[str, Any]]:
        """Return the errors of ours."""
        return [said for said in self.told if "error" in said]


# Living


def fork(run: Callable[[], object]) -> int:
    """Run something in a child that never returns from here."""
    child = os.fork()
    if child:
        return child
    try:
        run()
        os._exit(0)
    except BaseException:  # noqa: BLE001 - a child must not go on as a second parent, whatever happens
        traceback.print_exc()
        os._exit(1)


def live(case: Case, directory: Path) -> Life:
    """Live a case to its end; the foreign acts it asks for are done by this process."""
    story, path = STORIES[case.story], directory / SESSION
    if story.start:
        path.write_bytes(story.start)
    report, trace, ask, answer = os.pipe(), os.pipe(), os.pipe(), os.pipe()

    def run() -> None:
        for end in (report[0], trace[0], ask[0], answer[1]):
            os.close(end)
        shim.arm(directory, case.rules, Pipes(trace[1], ask[1], answer[0]))
        victim.live(story.program, path, report[1], story.durability)

    child = fork(run)
    for end in (report[1], trace[1], ask[1], answer[0]):
        os.close(end)
    life = Life()
    heard = {report[0]: b"", trace[0]: b""}
    _attend(life, child, heard, ask[0], lambda asked: _answer(life, case, path, asked, answer[1]))
    for end in (report[0], trace[0], ask[0], answer[1]):
        os.close(end)
    life.signal = os.WTERMSIG(status) if os.WIFSIGNALED(status := os.waitpid(child, 0)[1]) else 0
    life.told = [json.loads(line) for line in heard[report[0]].splitlines(keepends=True) if line.endswith(b"\n")]
    life.calls = shim.read_trace(heard[trace[0]])
    return life


def _attend(life: Life, child: int, heard: dict[int, bytes], ask: int, answer: Callable[[str], None]) -> None:
    """Listen until the child has closed its ends, or has taken too long."""
    listening, deadline = {*heard, ask}, time.monotonic() + LIFE_SECONDS_MAX
    while listening:
        ready = select.select(listening, [], [], max(0.0, deadline - time.monotonic()))[0]
        if not ready and not life.hung:
            life.hung, deadline = True, time.monotonic() + LIFE_SECONDS_MAX
            os.kill(child, signal.SIGKILL)
        for end in ready:
            part = os.read(end, 65536)
            if not part:
                listening.discard(end)
            elif end == ask:
                answer(part.decode())
            else:
                heard[end] += part


# What others do


def edited(content: bytes) -> bytes:
    """Change the last letter of the last string in the first line."""
    at = content.rindex(b'"', 0, content.index(b"\n")) - 1
    return content[:at] + b"?" + content[at + 1 :]


def _act(what: str, path: Path) -> None:
    if what == "append":
        with path.open("ab") as file:
            file.write(FOREIGN)
    elif what == "edit":
        content = edited(path.read_bytes())
        with path.open("r+b") as file:
            file.write(content[: content.index(b"\n")])
    else:
        aside = path.parent.with_name(f"{path.parent.name}-aside")
        aside.write_bytes(SHORT + FOREIGN)
        os.replace(aside, path)


def _answer(life: Life, case: Case, path: Path, asked: str, answer: int) -> None:
    what = "replace" if asked == "r" else case.foreign
    if path.exists() and path.stat().st_size:
        _act(what, path)
        life.acts.append(what)
    os.write(answer, b".")
