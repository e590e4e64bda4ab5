"""The two second processes of the demo: starting them, talking to them, and never leaving one behind."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ._log import ForeignWrite


@asynccontextmanager
async def model_server() -> AsyncGenerator[str]:
    """Run the model server; yields its address."""
    async with _script("_model_server.py") as process:
        yield f"http://127.0.0.1:{await _hear(process)}"


@asynccontextmanager
async def intruder(path: Path) -> AsyncGenerator[Intruder]:
    """Run a process that has the file at `path` open and waits for its cue."""
    async with _script("_intruder.py", str(path)) as process:
        await _hear(process)
        yield Intruder(process)


class Intruder:
    """The process that will write to somebody else's session."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.pid = process.pid

    async def strike(self, text: str) -> ForeignWrite:
        """Have it append a user message; returns when its bytes are in the file."""
        assert self._process.stdin is not None
        self._process.stdin.write(text.encode() + b"\n")
        return ForeignWrite(**await _hear(self._process))


@asynccontextmanager
async def _script(name: str, *arguments: str) -> AsyncGenerator[Process]:
    """Run a script of this folder that ends when its standard input does, even if this process is killed."""
    script = Path(__file__).with_name(name)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-I", script, *arguments, stdin=PIPE, stdout=PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        await process.communicate(b"")  # closes its standard input and waits for the rest


async def _hear(process: Process) -> Any:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())
