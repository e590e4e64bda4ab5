r"""A second process that uses the library, one order after another, so that it can be traced, stopped, starved, killed.

    with Scribe(path, durability="always") as scribe:
        scribe.do("open")
        scribe.do("append", "a")["acknowledged"]

Every order is answered before the next one is given, so a test never waits for time to pass.
"""

import asyncio
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from coordinator import PI, Coordinator, CoordinatorError, Durability, Limits, Session, _threads

from .victim import compacted, note

ROOT = Path(__file__).parents[2]
PATIENCE_SECONDS = 0.5
END_SECONDS_MAX = 15.0
LIMITS = Limits(close_seconds_max=0.5, sync_idle_seconds=3600.0)


class Scribe:
    """The process, as the test sees it; `prefix` is a command that runs it, such as `strace`."""

    def __init__(self, path: Path, *, durability: str = "fence", prefix: Sequence[object] = ()) -> None:
        command = [*map(str, prefix), sys.executable, "-m", "tests.faults.scribe", str(path), durability]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.pid: int = self._answer()["pid"]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    def begin(self, order: str, *arguments: object) -> None:
        """Give an order, and do not wait."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([order, *arguments]).encode() + b"\n")
        self._process.stdin.flush()

    def do(self, order: str, *arguments: object) -> Mapping[str, Any]:
        """Give an order and return what came of it; what is left of a process that died is empty."""
        try:
            self.begin(order, *arguments)
        except BrokenPipeError:
            return {}
        return self._answer()

    def answer(self) -> Mapping[str, Any]:
        """Return the answer to an order that was begun."""
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        return json.loads(line) if line.endswith(b"\n") else {}

    def send(self, number: signal.Signals) -> None:
        """Send a signal, and wait until it has worked."""
        os.kill(self.pid, number)
        if number == signal.SIGSTOP:
            os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)
        if number == signal.SIGKILL:
            self._process.wait()

    def end(self) -> None:
        """Let the process end; one that hangs is killed, and an error."""
        if self._process.stdin is not None:
            with suppress(BrokenPipeError):
                self._process.stdin.close()
        if self._process.stdout is not None:
            self._process.stdout.close()
        try:
            self._process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


class Desk:
    """The process, as it sees itself: one session, one method for each order."""

    def __init__(self, path: Path, durability: Durability) -> None:
        self.path = path
        self.coordinator = Coordinator(durability=durability, limits=LIMITS)
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """Return the open session."""
        assert self._session is not None
        return self._session

    async def open(self) -> dict[str, Any]:
        """Open the session."""
        self._session = await self.coordinator.open(self.path, format=PI)
        return {"state": self._session.state.name}

    async def append(self, *texts: str) -> dict[str, Any]:
        """Append notes in one group."""
        receipts = await self.session.writer("scribe").append_all([note(text) for text in texts])
        return {"acknowledged": texts, "durable": all(receipt.durable for receipt in receipts)}

    async def append_large(self, text: str, size: int) -> dict[str, Any]:
        """Append a note of about so many bytes, and wait for it no longer than a person would."""
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self.session.writer("scribe").append(note(text) | {"filling": "y" * size})
        except TimeoutError:
            return {"waiting": text}
        return {"acknowledged": [text]}

    async def sync(self) -> dict[str, Any]:
        """Make everything durable."""
        await self.session.sync()
        return {}

    async def rewrite(self) -> dict[str, Any]:
        """Compact."""
        await self.session.rewrite(compacted)
        return {}

    async def reopen(self) -> dict[str, Any]:
        """Accept the file as it is."""
        reopened = await self.session.reopen()
        return {"written": len(reopened.written), "skipped": len(reopened.skipped)}

    async def close(self) -> dict[str, Any]:
        """Close the session."""
        await self.session.aclose()
        return {}

    async def fork(self) -> dict[str, Any]:
        """Fork a child that lives on after us, and has begun to."""
        ready, begun = os.pipe()
        child = os.fork()
        if not child:
            os.close(0)
            os.close(1)
            os.close(begun)
            signal.pause()
            os._exit(0)
        os.close(begun)
        os.read(ready, 1)
        os.close(ready)
        return {"child": child}

    async def read_own_files(self) -> dict[str, Any]:
        """Open and close the session file and its lock, as any other code in a process may."""
        self.path.read_bytes()
        self.path.with_name(f".{self.path.name}.lock").read_bytes()
        return {}

    async def starve(self, room_bytes: int) -> dict[str, Any]:
        """Take no more memory than we have, and this."""
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGESIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + room_bytes, resource.RLIM_INFINITY))
        return {}

    async def obey(self, order: str, *arguments: Any) -> dict[str, Any]:
        """Do what an order says; errors of ours are answers, others end the process."""
        try:
            return await getattr(self, order)(*arguments)
        except CoordinatorError as error:
            outcome = None if error.outcome is None else error.outcome.name
            about = {"path": str(error.path), "hint": error.hint, "cause": repr(error.__cause__)}
            return {"error": type(error).__name__, "text": str(error), "outcome": outcome, **about}


async def obey(path: Path, durability: Durability) -> None:
    """Answer orders until there are no more."""
    desk, loop = Desk(path, durability), asyncio.get_running_loop()
    await desk.coordinator.start()
    _say({"pid": os.getpid()})
    while line := await loop.run_in_executor(None, sys.stdin.buffer.readline):
        _say(await desk.obey(*json.loads(line)))
    await desk.coordinator.aclose()


def _say(answer: Mapping[str, Any]) -> None:
    os.write(1, json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    # What injects faults counts calls by thread: with one thread its counts are those of the process.
    _threads.THREADS_MAX = 1
    asyncio.run(obey(Path(sys.argv[1]), Durability(sys.argv[2])))
