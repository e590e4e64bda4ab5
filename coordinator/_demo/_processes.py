"""The other processes of the demo: starting them, talking to them, and never leaving one behind."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager
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
async def gateway_process(examples: Path, root: Path, delay_seconds: float) -> AsyncGenerator[tuple[str, str]]:
    """Run the example gateway on the sessions below `root`, and a stand-in for its model; yields both addresses.

    It has ended when this ends, so that everything it had to write is in the files.
    """
    plugin = "COORDINATOR_TRAJECTORY_SYNC"
    copies = {f"{plugin}_DESTINATION": str(root / "copies"), f"{plugin}_LINGER_SECONDS": "0.1"}
    log = root / "gateway.log"
    async with (
        _module(examples, "gateway.model", "--delay-seconds", f"{delay_seconds}", log=log) as model,
        _module(examples, "gateway", *_options(root, model), log=log, **copies) as url,
    ):
        yield url, model


def _options(root: Path, model: str) -> tuple[str, ...]:
    return "--root", str(root), "--port", "0", "--model-url", f"{model}/v1"


@asynccontextmanager
async def _module(examples: Path, name: str, *arguments: str, log: Path, **environment: str) -> AsyncGenerator[str]:
    async with _script("_module.py", str(examples), name, *arguments, log=log, environment=environment) as process:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode()
        if not line.startswith("listening on "):
            raise RuntimeError(f"{name} did not start; {log} says why")
        yield line.split()[-1]


@asynccontextmanager
async def _script(
    name: str, *arguments: str, log: Path | None = None, environment: Mapping[str, str] | None = None
) -> AsyncGenerator[Process]:
    """Run a script of this folder that ends when its standard input does, even if this process is killed."""
    script = Path(__file__).with_name(name)
    with ExitStack() as files:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-I", script, *arguments, stdin=PIPE, stdout=PIPE,
            stderr=None if log is None else files.enter_context(log.open("ab")),
            start_new_session=True, env={**os.environ, **(environment or {})},
        )  # fmt: skip
    try:
        yield process
    finally:
        await process.communicate(b"")  # closes its standard input and waits for the rest


async def _hear(process: Process) -> Any:
    assert process.stdout is not None
    return json.loads(await process.stdout.readline())
