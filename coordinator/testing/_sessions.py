"""A session for a test, with everything it needs."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast

from .. import PLAIN, Coordinator, RecordFormat, Session
from .._store._system import System
from ._interposer import Interposer
from ._memory import Memory

StrPath = str | os.PathLike[str]


@asynccontextmanager
async def open_session(
    path: StrPath,
    *,
    format: RecordFormat = PLAIN,  # noqa: A002 - as in `Coordinator.open`
    header: Mapping[str, object] | None = None,
    interposer: Interposer | None = None,
    memory: Memory | None = None,
    **options: Any,
) -> AsyncGenerator[Session]:
    """Open one session with a coordinator of its own (`options` are the coordinator's) and close both at the end.

    With `memory` its content is kept there instead of on the disk; an `interposer` then has no calls to act between.
    """
    coordinator = Coordinator(**options)
    if interposer is not None:
        coordinator._system = cast("System", interposer)  # pyright: ignore[reportPrivateUsage]
    if memory is not None:
        memory.serve(coordinator)
    async with coordinator:
        yield await coordinator.open(path, format=format, header=header)
