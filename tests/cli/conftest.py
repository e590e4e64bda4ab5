"""The command line as a person uses it, and a gateway in another process beside it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from coordinator._cli import app

OWN = """
import asyncio, sys, threading
from coordinator import PI, Coordinator

async def own(path, writes):
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    async with Coordinator() as coordinator:
        session = await coordinator.open(path, format=PI)
        writer = session.writer("gateway")
        print("owned", flush=True)
        while not ended.is_set():
            if writes:
                await writer.append_all([{"type": "custom", "data": "x" * 20000} for _ in range(20)])
            await asyncio.sleep(0.001)

asyncio.run(own(sys.argv[1], sys.argv[2] == "writes"))
"""

Run = Callable[..., Result]
Gateway = subprocess.Popen[str]
StartGateway = Callable[..., Gateway]
HEADER = {"type": "session", "version": 3, "id": "one", "timestamp": "2026-05-20T08:00:00.000Z", "cwd": "/"}


@pytest.fixture
def run() -> Run:
    """Return a function that runs one command; its result has `exit_code`, `stdout`, `stderr`."""

    def invoke(*arguments: object, columns: int = 120) -> Result:
        result = CliRunner(env={"COLUMNS": str(columns), "TERM": "dumb"}).invoke(app, [str(each) for each in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return invoke


@pytest.fixture
def start_gateway() -> Iterator[StartGateway]:
    """Return a function that lets another process own a session, and write to it if asked."""
    gateways: list[Gateway] = []

    def start(path: Path, *, writes: bool = False) -> Gateway:
        command = [sys.executable, "-c", OWN, str(path), "writes" if writes else "idle"]
        gateway = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        gateways.append(gateway)
        assert gateway.stdout is not None
        assert gateway.stdout.readline() == "owned\n"
        return gateway

    yield start
    for gateway in gateways:
        gateway.communicate(timeout=20)


def objects(result: Result) -> list[dict[str, Any]]:
    """Read what a command printed for scripts."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def pi_record(record_id: str, parent: str | None, **more: object) -> dict[str, object]:
    """Return a record of a pi session as it stands in a file."""
    return {"type": "custom", "id": record_id, "parentId": parent, "timestamp": "2026-05-20T08:00:00.000Z", **more}


def write_lines(path: Path, *records: Mapping[str, object] | bytes) -> Path:
    """Make a file of these records; bytes are written as they are, with a line feed."""
    lines = [record if isinstance(record, bytes) else json.dumps(record).encode() for record in records]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    return path


def records_in(path: Path) -> list[dict[str, Any]]:
    """Read a file as anybody would."""
    return [json.loads(line) for line in path.read_bytes().split(b"\n") if line]


def everything_in(directory: Path) -> dict[str, tuple[object, ...]]:
    """Return all that a command that only reads must leave as it is."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(directory.iterdir()):
        about = path.stat()
        found[path.name] = (path.read_bytes(), about.st_ino, about.st_mode, about.st_mtime_ns, about.st_ctime_ns)
    return found
