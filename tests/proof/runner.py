"""Runs the steps, a few at a time, remembers what each has found, and goes on after it was stopped."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from threading import Lock, Timer

from .parts import Part, Step, root_of
from .table import ROOT

PROGRESS_SECONDS = 5.0
SEED = re.compile(r"(?:\bseed|--from) (\d+)")
VIOLATIONS = (re.compile(r"(\d[\d,]*) violations"), re.compile(r"violations (\d+)"), re.compile(r"wrong (\d+)"),
              re.compile(r"(\d+) (?:failed|errors?)\b"))  # fmt: skip
TAIL_CHARACTERS = 4000
Say = Callable[[str], None]


@dataclass(frozen=True)
class Found:
    """What one step has explored; green if it explored anything and nothing was wrong."""

    part: str
    step: str
    code: str
    status: int
    count: int
    violations: int
    seconds: float
    seed: str = ""
    tail: str = ""
    """The end of the output, kept of a red step only."""

    @property
    def is_green(self) -> bool:
        """Whether this step holds up."""
        return self.status == 0 and self.violations == 0 and self.count > 0


class Ledger:
    """What was found so far, in a file that survives being stopped; it forgets what another code has earned."""

    def __init__(self, path: Path) -> None:
        self.path = path
        rows = json.loads(path.read_text()) if path.exists() else []
        self.found = {row["step"]: Found(**row) for row in rows}

    def green(self, step: Step) -> bool:
        """Whether this very step, of this very code, was run and was green."""
        found = self.found.get(step.name)
        return found is not None and found.is_green and found.code == digest(step)

    def add(self, found: Found) -> None:
        """Remember, at once: the next moment may be the last."""
        self.found[found.step] = found
        self.path.parent.mkdir(parents=True, exist_ok=True)
        new = self.path.with_suffix(".new")
        new.write_text(json.dumps([asdict(each) for each in self.found.values()], indent=1))
        new.replace(self.path)

    def of(self, steps: Iterable[Step]) -> list[Found]:
        """List what is known of these steps."""
        return [self.found[step.name] for step in steps if step.name in self.found]


def digest(step: Step) -> str:
    """Name the code that a step speaks of: the library's, and its own."""
    own = root_of(step)
    files = [*(ROOT / "coordinator").rglob("*.py"), *own.rglob("*.py"), *own.rglob("*.c"), *own.rglob("*.pml")]
    content = hashlib.sha256()
    for file in sorted(files):
        content.update(file.read_bytes())
    return content.hexdigest()[:16]


def run_all(
    parts: list[tuple[Part, list[Step]]], ledger: Ledger, say: Say, done: Callable[[], None], *, jobs: int
) -> None:
    """Run what is not green yet, so many steps at a time; `done` is called after each."""
    processes = Processes()
    with ThreadPoolExecutor(jobs) as pool:
        running = {
            pool.submit(run, part, step, processes, tell := partial(_say_of, say, part, steps, step)): (part, tell)
            for part, steps in parts
            for step in _left(part, steps, ledger, say)
        }
        try:
            for job in as_completed(running):
                found, (part, tell) = job.result(), running[job]
                ledger.add(found)
                verdict = "green" if found.is_green else f"RED (exit status {found.status})"
                tell(f"{verdict}, {found.count:,} {part.unit}, {found.seconds:.0f} s")
                done()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            processes.end()
            raise


def _left(part: Part, steps: list[Step], ledger: Ledger, say: Say) -> list[Step]:
    left = [step for step in steps if not ledger.green(step)]
    if len(left) < len(steps):
        say(f"{part.name}: {len(steps) - len(left)} of {len(steps)} steps are green already")
    return left


def _say_of(say: Say, part: Part, steps: list[Step], step: Step, line: str) -> None:
    number = "" if len(steps) == 1 else f" {steps.index(step) + 1}/{len(steps)}"
    say(f"{part.name}{number}: {line}")


class Processes:
    """The process groups that run now, so that whoever stops the proof leaves none behind."""

    def __init__(self) -> None:
        self._running: set[int] = set()
        self._lock = Lock()

    def begin(self, step: Step) -> subprocess.Popen[str]:
        """Start a step."""
        with self._lock:
            process = subprocess.Popen(
                [sys.executable, "-m", step.module, *step.arguments], cwd=ROOT,
                env=os.environ | dict(step.environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT, text=True, errors="replace", start_new_session=True,
            )  # fmt: skip
            self._running.add(process.pid)
        return process

    def kill(self, process: int) -> None:
        """Kill a step with everything that it has started, unless it is over."""
        with self._lock, suppress(ProcessLookupError):
            if process in self._running:
                os.killpg(process, signal.SIGKILL)

    def over(self, process: subprocess.Popen[str]) -> int:
        """Wait for the end of a step; from here on its number may be that of somebody else."""
        status = process.wait()
        with self._lock:
            self._running.discard(process.pid)
        return status

    def end(self) -> None:
        """Kill them all."""
        for process in list(self._running):
            self.kill(process)


def run(part: Part, step: Step, processes: Processes, say: Say) -> Found:
    """Run one step, telling what it says now and then."""
    say(step.name[:160])
    code = digest(step)
    started = told = time.monotonic()
    process = processes.begin(step)
    timer = Timer(step.seconds_max, processes.kill, (process.pid,))
    timer.start()
    lines = list[str]()
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            lines.append(line)
            if time.monotonic() - told > PROGRESS_SECONDS and line.strip():
                told = time.monotonic()
                say(line.strip()[:120])
    status = processes.over(process)
    timer.cancel()
    return judge(part, step, "".join(lines), status, code=code, seconds=time.monotonic() - started)


def _figure(rule: str, output: str) -> int:
    figures = re.findall(rule, output)
    return int(figures[-1].replace(",", "")) if figures else 0


def judge(part: Part, step: Step, output: str, status: int, *, code: str, seconds: float) -> Found:
    """Read from the output of a step what it has explored; what says nothing has explored nothing."""
    count = _figure(part.counted, output)
    if part.hollow and not _figure(part.hollow, output):
        count = 0
    wrong = [int(figure.replace(",", "")) for rule in VIOLATIONS for figure in rule.findall(output)]
    seed = dict(step.environment).get("SEED") or next(iter(SEED.findall(" ".join(step.arguments) + output)), "")
    found = Found(part.name, step.name, code, status, count, max(wrong, default=0), round(seconds, 1), seed)
    return found if found.is_green else Found(**{**asdict(found), "tail": output[-TAIL_CHARACTERS:]})
