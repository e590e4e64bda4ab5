"""What happens by the clock: cron jobs and the heartbeat, on sessions that may be in the middle of a turn."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler  # type: ignore[import-untyped]
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped]
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped]

from coordinator import CoordinatorError, Receipt

from .agents import RESEARCHER
from .context import text_of
from .gateway import Gateway
from .settings import Settings

DIGEST_SESSION = RESEARCHER.session_name("digest")
DIGEST_RECORDS = 40
DIGEST_REPLIES = 3

log = structlog.get_logger("gateway")


class Jobs:
    """The jobs by name, each to be run now or by the clock; each returns the sessions that it wrote to."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.by_name: Mapping[str, Callable[[], Awaitable[list[str]]]] = {"note": self.note, "digest": self.digest}

    async def note(self) -> list[str]:
        """Append a note to every open session."""
        now = datetime.now(UTC).isoformat(timespec="seconds")
        return [name for name in self._names() if await self._append(name, "cron", "note", time=now)]

    async def digest(self) -> list[str]:
        """Have what was answered lately summed up, and append the summary to every session that it is about."""
        replies = {name: await self._last_replies(name) for name in self._names()}
        told = {name: texts for name, texts in replies.items() if texts}
        if not told:
            return []
        asked = "\n".join(f"- {name}: {text}" for name, texts in told.items() for text in texts)
        summary = await self._gateway.ask(DIGEST_SESSION, f"Sum this up in one paragraph:\n{asked}")
        return [name for name in told if await self._append(name, "digest", "digest", summary=summary)]

    async def heartbeat(self) -> list[str]:
        """Append a sign of life to every open session."""
        return [name for name in self._names() if await self._append(name, "heartbeat", "heartbeat")]

    async def beat(self, name: str) -> Receipt:
        """Append a sign of life to one session."""
        return await self._gateway.note(name, "heartbeat", "heartbeat")

    def scheduler(self, settings: Settings) -> AsyncIOScheduler:
        """Return what runs them by the clock."""
        scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1})
        scheduler.add_job(self.note, CronTrigger.from_crontab(settings.note_cron, timezone=UTC))
        scheduler.add_job(self.digest, CronTrigger.from_crontab(settings.digest_cron, timezone=UTC))
        scheduler.add_job(self.heartbeat, IntervalTrigger(seconds=round(settings.heartbeat_seconds) or 1, timezone=UTC))
        return scheduler

    def _names(self) -> list[str]:
        return [name for name in self._gateway.conversations if name != DIGEST_SESSION]

    async def _last_replies(self, name: str) -> list[str]:
        conversation = await self._gateway.conversation(name)
        messages = [entry.record.get("message", {}) for entry in await conversation.session.tail(DIGEST_RECORDS)]
        replies = [text_of(message) for message in messages if message.get("role") == "assistant"]
        return [reply for reply in replies if reply][-DIGEST_REPLIES:]

    async def _append(self, name: str, writer: str, kind: str, **data: object) -> bool:
        """Append to one session; one that is in trouble keeps the record or refuses it, and the others go on."""
        try:
            await self._gateway.note(name, writer, kind, **data)
        except CoordinatorError as error:
            log.warning("a job could not append", session=name, error=str(error))
            return False
        return True
