"""The plugin: compares what a turn is annotated with to the last snapshot, before the line is drawn."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from coordinator import Record, Session, hookimpl

from ._branch import CUSTOM_TYPE, Known, Model, last_snapshot
from ._options import Options

WRITER = "model-snapshot"
KEYS = ("provider", "modelApi", "modelId")


class ModelSnapshot:
    """Appends a snapshot whenever another model takes over the conversation."""

    name = "model_snapshot"

    def __init__(self, **options: Any) -> None:
        self.options = Options(**options)
        self._known: dict[Path, Known] = {}
        self._turns: defaultdict[Path, asyncio.Lock] = defaultdict(asyncio.Lock)
        """Shared fences may be entered together; the second one must see the first one's snapshot."""

    @hookimpl
    async def fence_entering(self, session: Session, annotations: Mapping[str, object]) -> None:
        """Append a snapshot if this turn's model is another one than the last."""
        model = {key: value for key in KEYS if isinstance(value := annotations.get(key), str)}
        if not model:
            return
        async with self._turns[session.path]:
            await session.drain()  # what was accepted earlier may lead to another branch
            if model != await self._last(session):
                await self._append(session, model)

    @hookimpl
    def session_closing(self, session: Session) -> None:
        """Forget what is known: the file may be another one when it is opened again."""
        self._known.pop(session.path, None)
        self._turns.pop(session.path, None)

    async def _last(self, session: Session) -> Model | None:
        before = self._known.get(session.path)
        known = await last_snapshot(session, before, records_max=self.options.look_back_records_max)
        self._known[session.path] = known
        return known.model

    async def _append(self, session: Session, model: Model) -> None:
        now_ms = time.time_ns() // 1_000_000
        snapshot: Record = {"type": "custom", "customType": CUSTOM_TYPE, "data": {"timestamp": now_ms, **model}}
        records = [snapshot]
        if self.options.model_change and {"provider", "modelId"} <= model.keys():
            change = {"type": "model_change", "provider": model["provider"], "modelId": model["modelId"]}
            records.insert(0, change)
        await session.writer(WRITER).append_all(records)
