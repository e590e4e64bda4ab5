"""Plugins of third parties, installed beside the gateway's own through a folder on its path: good and bad ones."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

from coordinator import CoordinatorError, FenceTimeoutError, QueueFullError, Session, hookimpl

METADATA = "Metadata-Version: 2.1\nName: guests\nVersion: 1.0\n"
FLOOD_RECORDS = 50_000
PATIENCE_SECONDS = 0.05


def install(folder: Path, *guests: str) -> Path:
    """Make a folder that, put on the path, has these plugins installed."""
    information = folder / "guests-1.0.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(METADATA)
    points = [f"{guest.lower()} = {__name__}:{guest}" for guest in guests]
    (information / "entry_points.txt").write_text("\n".join(["[coordinator.plugins]", *points, ""]))
    return folder


def mark(kind: str, **data: object) -> dict:
    """Return a record of a plugin."""
    return {"type": "custom", "customType": kind, "data": data}


def is_sidecar(session: Session) -> bool:
    """Return whether this is no conversation."""
    return session.path.suffix != ".jsonl"


class Mirror:
    """Repeats everything the assistant says into the transcript, from a task of its own, the moment it is written."""

    name = "mirror"

    @hookimpl
    def session_opened(self, session, spawn):
        """Read along."""
        if not is_sidecar(session):
            spawn(self._repeat(session))

    async def _repeat(self, session):
        async for entry in session.records(follow=True):
            message = entry.record.get("message", {})
            if message.get("role") == "assistant":
                await session.writer("mirror").append(mark("mirror", of=entry.record["id"]))


class Subagents:
    """Five of them announce their results at once, as soon as a turn has begun."""

    name = "subagents"

    @hookimpl
    def coordinator_started(self, spawn):
        """Keep what starts tasks."""
        self._spawn = spawn

    @hookimpl
    def fence_entering(self, session):
        """Let all five run."""
        for number in range(5):
            self._spawn(self._announce(session, number))

    async def _announce(self, session, number):
        text = {"type": "text", "text": f"result of subagent {number}"}
        message = {"role": "user", "content": [text]}
        await session.writer(f"subagent {number}").append({"type": "message", "message": message})


class Following:
    """Does something whenever the gateway's cron job has written its note."""

    @hookimpl
    def session_opened(self, session, spawn):
        """Read along."""
        if not is_sidecar(session):
            spawn(self._follow(session))

    async def _follow(self, session):
        async for entry in session.records(follow=True):
            if entry.record.get("customType") == "note":
                await self.act(session)


class Commands(Following):
    """Runs the commands that a user can give while a reply streams."""

    name = "commands"

    async def act(self, session):
        """Change the model, the level of thinking, a label, the name, and something of its own."""
        writer = session.writer("commands")
        await writer.append({"type": "model_change", "provider": "local", "modelId": "other"})
        await writer.append({"type": "thinking_level_change", "thinkingLevel": "high"})
        await writer.append({"type": "label", "targetId": "x", "label": "here"})
        await writer.append({"type": "session_info", "name": "renamed"})
        await writer.append(mark("command"))


class Review(Following):
    """Takes a turn of its own in the session, however long it has to wait for it."""

    name = "review"

    async def act(self, session):
        """Wait in line, then write."""
        async with session.writer("review").fence() as fence:
            await fence.append(mark("review"))


class Impatient(Following):
    """Waits a moment for a turn, and notes who has it and for how long."""

    name = "impatient"

    async def act(self, session):
        """Give up visibly."""
        try:
            async with session.writer("impatient").fence(timeout=PATIENCE_SECONDS):
                pass
        except FenceTimeoutError as error:
            await session.writer("impatient").append(
                mark("gave-up", holder=error.holder, holder_seconds=error.holder_seconds)
            )


class Throwing:
    """Raises in every hook, and in a task."""

    name = "throwing"

    @hookimpl
    def coordinator_started(self, spawn):
        """Fail here and later."""
        spawn(self._fail())
        raise ZeroDivisionError

    async def _fail(self):
        raise ZeroDivisionError

    @hookimpl
    def session_opened(self):
        """Fail."""
        raise ZeroDivisionError

    @hookimpl
    async def fence_entering(self):
        """Fail."""
        raise ZeroDivisionError

    @hookimpl
    def records_written(self):
        """Fail."""
        raise ZeroDivisionError

    @hookimpl
    def session_closing(self):
        """Fail."""
        raise ZeroDivisionError


class Hanging:
    """Never comes back from any hook."""

    name = "hanging"

    @hookimpl
    async def session_opened(self):
        """Hang."""
        await asyncio.Event().wait()

    @hookimpl
    async def fence_entering(self):
        """Hang."""
        await asyncio.Event().wait()

    @hookimpl
    async def session_closing(self):
        """Hang."""
        await asyncio.Event().wait()


class Flooding:
    """Appends far more than there is room for, without ever waiting, as soon as a turn begins."""

    name = "flooding"

    @hookimpl
    def fence_entering(self, session):
        """Flood, and note what came of it through a writer that has room."""
        writer, refused, queued_max = session.writer("flood"), 0, 0
        for number in range(FLOOD_RECORDS):
            try:
                writer.append_nowait(mark("flood", number=number))
            except QueueFullError:
                refused += 1
            if number % 1000 == 0:
                queued_max = max(queued_max, session.statistics().writers["flood"].queued_records)
        report = mark("flooded", refused=refused, queued_max=queued_max)
        session.writer("flood-report").append_nowait(report)


class Late:
    """Appends to sessions that are closed."""

    name = "late"

    @hookimpl
    def coordinator_started(self, spawn):
        """Keep what starts tasks."""
        self._spawn = spawn

    @hookimpl
    def session_closing(self, session):
        """Go on after the end."""
        self._spawn(self._append_after_close(session))

    async def _append_after_close(self, session):
        with contextlib.suppress(CoordinatorError):
            await session.aclose()
        await session.writer("late").append(mark("late"))
