"""One run: a world, a tape, the real library, and a verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from coordinator import PI, PLAIN, Coordinator, CoordinatorError, FormatError, Limits, Session
from coordinator._store._paths import open_files

from .actors import Actor, finish
from .deeds import Foreigner
from .disk import BLOCK_BYTES, THEIRS, Disk, Inode, image_after, image_of, unsynced_steps, without_block
from .loop import SimulatedLoop
from .records import Lines
from .store import UNWRITTEN, WatchedStore
from .system import SimulatedSystem
from .tape import Kind, Tape
from .truth import Truth
from .verdict import judge, judge_crash
from .world import World, world_of

FULL_SECONDS_MAX = 20.0
PATH = Path("/simulated/session.jsonl")


class CrashedError(Exception):
    """The process is dead; what it has told nobody, it tells nobody."""


@dataclass(slots=True)
class Life:
    """What takes part in one run."""

    world: World
    tape: Tape
    loop: SimulatedLoop
    system: SimulatedSystem
    truth: Truth


def run(profile: str, tape: Tape) -> Life:
    """Run once; raises `AssertionError` (or whatever went wrong) if anything is not as it must be."""
    life = _prepare(world_of(profile, tape), tape)
    open_files.forget()
    UNWRITTEN.clear()
    try:
        _live(life, lambda: _session_life(life))
    except CrashedError:
        _revive(life)
        return life
    except CoordinatorError:
        if not life.truth.is_hopeless:
            raise
    judge(life.world, life.truth, UNWRITTEN)
    return life


def _prepare(world: World, tape: Tape) -> Life:
    disk = Disk(multigrain=world.multigrain, reuses_inodes=world.reuses_inodes)
    system = SimulatedSystem(tape, disk, quick=world.quick)
    foreigner = Foreigner(disk, PATH.name, Lines(is_pi=world.is_pi))
    _put_file(world, disk, foreigner.lines)
    foreigner.remember_file()
    truth = Truth(world, system, foreigner, PATH.name)
    return Life(world, tape, SimulatedLoop(tape), system, truth)


def _put_file(world: World, disk: Disk, lines: Lines) -> None:
    if world.before == "nothing":
        return
    inode = disk.make(PATH.name)
    content = b""
    if world.before != "empty":
        content = lines.header()
        content += lines.foreign(100, content)
        content += lines.foreign(101, content)
    if world.before == "torn":
        content += b'{"n":"t'
    disk.write(inode, 0, content, THEIRS)
    disk.sync(inode)
    disk.sync_names()


def _live(life: Life, work: Callable[[], Any]) -> None:
    loop, truth = life.loop, life.truth

    def after_step() -> None:
        if life.system.crashed:
            raise CrashedError
        if truth.violation is not None:
            raise truth.violation
        truth.check()

    loop.after_step = after_step
    try:
        loop.run_until_complete(loop.create_task(work()))
    finally:
        _abandon(loop)


def _abandon(loop: SimulatedLoop) -> None:
    """Let every task go without a word; nothing of it may act in a later run."""
    loop.is_free = False
    for task in loop.tasks:
        if task.done():
            continue
        task._log_destroy_pending = False
        try:
            task.get_coro().close()
        except BaseException:  # noqa: BLE001 - code that would have waited while it is thrown away
            continue
    loop._ready.clear()
    loop._scheduled.clear()
    loop.close()


def _limits(world: World) -> Limits:
    limits = Limits(content_check_bytes_max=None if world.reads_all else 0)
    return (
        replace(limits, session_records_max=2, writer_records_max=2, unsynced_bytes_max=200)
        if world.is_small
        else limits
    )


def _coordinator(life: Life) -> Coordinator:
    coordinator = Coordinator(
        durability=life.world.durability, limits=_limits(life.world), observers=[life.truth.notice]
    )
    coordinator._system = life.system
    coordinator._new_store = lambda path, **options: WatchedStore(life.truth, path, **options)
    return coordinator


async def _open(life: Life, coordinator: Coordinator) -> Session:
    # A token means the same in every directory.
    header = {"cwd": "/"} if life.world.is_pi else None
    session = await coordinator.open(PATH, format=PI if life.world.is_pi else PLAIN, header=header)
    life.truth.machine = session._engine.machine
    return session


async def _session_life(life: Life) -> None:
    world, truth = life.world, life.truth
    async with _coordinator(life) as coordinator:
        session = await _open(life, coordinator)
        _unleash(life)
        actors = [
            Actor(number, script, session, truth, holds=holds)
            for number, (script, holds) in enumerate(zip(world.scripts, world.holds, strict=False))
        ]
        tasks = [asyncio.get_running_loop().create_task(actor.run()) for actor in actors]
        _plan_cancellations(life, tasks)
        await asyncio.wait(tasks)
        for task in tasks:
            if not task.cancelled():
                task.result()
        _calm(life)
        await finish(session, truth)
        truth.machine = None


def _unleash(life: Life) -> None:
    """From now on others may act, and things may fail."""
    world, system, foreigner = life.world, life.system, life.truth.foreigner
    system.acts = [lambda name=name: foreigner.act(name, system.calls) for name in world.deeds]
    system.faults, system.short_writes, system.ticks = [*world.faults], world.short_writes, world.ticks
    life.loop.is_slow, life.loop.is_strict, life.loop.is_free = world.is_slow, world.is_strict, True
    if world.fills_up:
        system.acts.insert(life.tape.choose(len(system.acts) + 1, Kind.WORLD), lambda: _fill(life))
    if world.crash:
        system.crash = lambda: _crash(life)


def _fill(life: Life) -> None:
    """Let the disk be full until somebody makes room, at an instant of the tape's choice or after a while."""

    def make_room() -> None:
        life.system.disk.room = None

    life.system.disk.room = life.tape.choose(40, Kind.WORLD)
    life.system.acts.insert(0, make_room)
    life.loop.call_later(FULL_SECONDS_MAX, make_room)


def _calm(life: Life) -> None:
    system = life.system
    system.acts, system.faults, system.crash = [], [], None
    system.short_writes = system.ticks = 0
    system.disk.room = None
    life.truth.foreigner.act("give lock", system.calls)
    life.loop.is_slow = life.loop.is_free = False
    life.loop.interventions.clear()


def _plan_cancellations(life: Life, tasks: list[asyncio.Task[None]]) -> None:
    def cancel() -> None:
        alive = [task for task in tasks if not task.done()]
        if alive:
            alive[life.tape.choose(len(alive), Kind.WORLD)].cancel()

    life.loop.interventions = [cancel] * life.world.cancels


# Crashes


def _crash(life: Life) -> None:
    disk, tape = life.system.disk, life.tape
    if life.world.crash == "kill":
        disk.kill()
        return
    names = disk.history[len(disk.history) - 1 - tape.choose(len(disk.history), Kind.WORLD)]
    disk.cut_power(dict(names), {inode: _left_of(inode, life) for inode in dict.fromkeys(names.values())})


def _left_of(inode: Inode, life: Life) -> bytes:
    """Return what a power cut leaves of a file."""
    steps, tape = unsynced_steps(inode), life.tape
    if not life.world.reorders:
        return image_after(inode, min(tape.choose(min(steps, 250) + 1, Kind.WORLD), steps))
    # The length is written by whole writes; of what is in it, any blocks are there.
    image = image_of(inode, tape.choose(len(inode.dirty) + 1, Kind.WORLD))
    for start in range(0, len(image), BLOCK_BYTES):
        old = without_block(inode, image, start)
        if old != image and tape.choose(2, Kind.WORLD):
            image = old
    return image


def _revive(life: Life) -> None:
    """Open what the crash has left, and go on."""
    open_files.forget()
    system = life.system
    system.crashed, system.crash = False, None
    life.truth.crash()
    life.truth.machine = life.truth.job = life.truth.content = None
    life.loop = SimulatedLoop(life.tape)
    _calm(life)
    _live(life, lambda: _second_life(life))
    judge_crash(life.truth)


async def _second_life(life: Life) -> None:
    async with _coordinator(life) as coordinator:
        try:
            session = await _open(life, coordinator)
        except FormatError:
            # A foreign line can cut our very first header apart, a power cut can leave a hole there: then the crash
            # leaves no session, and nothing that had to survive.
            is_possible = life.truth.foreigner.done or life.world.reorders
            assert is_possible, "nobody but us has written, and it is no session"
            # What was destroyed has not survived; what a takeover says to stand in this file does stand in it.
            excused = life.truth.foreigner.destroyed | life.truth.standing
            assert not life.truth.must_survive - excused, "acknowledged, and no session"
            life.truth.is_hopeless = True  # the file was left as it is, whatever it ends with
            return
        await finish(session, life.truth)
        life.truth.machine = None
