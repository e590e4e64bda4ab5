"""Visit every state once: freeze it, try each of its actions on a copy, go on with the states that are new."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from .copying import freeze, thaw
from .fingerprint import fingerprint
from .world import Setting, World

Action = tuple[str, ...]
WITH_ARGUMENT = ("run", "cancel", "crash")
Path = tuple["Path", Action] | None


@dataclass
class Verdict:
    """What was explored, and what was wrong."""

    setting: Setting
    states: int = 0
    transitions: int = 0
    ends: int = 0
    deepest: int = 0
    seconds: float = 0.0
    violations: list[str] = field(default_factory=list)


def unrolled(path: Path) -> list[Action]:
    """List the actions that lead to a state."""
    actions = []
    while path is not None:
        path, action = path
        actions.append(action)
    return actions[::-1]


def explore(setting: Setting, tell: Callable[[Verdict], None] = lambda _: None, *, violations_max: int = 1) -> Verdict:
    """Visit every state of a setting."""
    started = time.monotonic()
    verdict = Verdict(setting)
    first = World(setting)
    seen = {fingerprint(first)}
    frontier = deque[tuple[bytes, bytes, Path, int]]([(freeze(first), fingerprint(first), None, 0)])
    while frontier and len(verdict.violations) < violations_max:
        frozen, here, path, depth = frontier.popleft()
        verdict.states += 1
        verdict.deepest = max(verdict.deepest, depth)
        if verdict.states % 1000 == 0:
            verdict.seconds = time.monotonic() - started
            tell(verdict)
        for action, mark, world in _successors(frozen, here, path, verdict):
            if mark not in seen:
                seen.add(mark)
                frontier.append((freeze(world), mark, (path, action), depth + 1))
    verdict.seconds = time.monotonic() - started
    return verdict


def _successors(frozen: bytes, here: bytes, path: Path, verdict: Verdict):
    world = thaw(frozen)
    actions = list(world.actions())
    moved = False
    works = set(world.work())
    for number, action in enumerate(actions):
        world = thaw(frozen) if number else world
        try:
            world.act(action)
        except Exception as error:  # noqa: BLE001 - whatever the core raises where it must not is a violation
            verdict.violations.append(_told(error, [*unrolled(path), action], verdict.setting))
            continue
        verdict.transitions += 1
        mark = fingerprint(world)
        moved = moved or (action in works and mark != here)
        yield action, mark, world
    if not moved and not verdict.violations:
        _judge_end(thaw(frozen), path, verdict)


def _judge_end(world: World, path: Path, verdict: Verdict) -> None:
    verdict.ends += 1
    try:
        assert not world.unfinished, f"nothing can happen any more, and these wait: {world.unfinished}"
        world.truth.end(world)
    except AssertionError as error:
        verdict.violations.append(_told(error, unrolled(path), verdict.setting))


def replay(setting: Setting, told: str) -> str:
    """Do what a violation says was done before it; returns what is wrong then, nothing if all is well."""
    world, done = World(setting), list[Action]()
    for text in filter(None, told.split(", ")):
        word, _, rest = text.partition(" ")
        done.append((word, rest) if word in WITH_ARGUMENT else (text,))
        try:
            world.act(done[-1])
        except Exception as error:  # noqa: BLE001 - as above
            return _told(error, done, setting)
    return ""


def _told(error: Exception, actions: list[Action], setting: Setting) -> str:
    steps = ", ".join(" ".join(action) for action in actions)
    return f"{setting.name}: {type(error).__name__}: {error}\n  after: {steps}"
