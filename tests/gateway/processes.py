"""The gateway and the stand-in model as real processes, started the way a person starts them."""

from __future__ import annotations

import os
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).parents[2]
LISTENING = re.compile(rb"^listening on (http://\S+)$", re.MULTILINE)
LOOK_SECONDS = 0.005
END_SECONDS_MAX = 20
QUICK = {"COORDINATOR_TRAJECTORY_SYNC_LINGER_SECONDS": "0", "COORDINATOR_TRAJECTORY_SYNC_RETRY_SECONDS_FIRST": "0.05"}


class Program:
    """One process; what it says goes to files, so that it never waits for a reader and a failure can show it."""

    def __init__(
        self,
        *arguments: str,
        log: Path,
        python: Path | str = sys.executable,
        directory: Path = ROOT / "examples",
        environ: Mapping[str, str] | None = None,
    ) -> None:
        self._output, self._errors = log.with_suffix(".out"), log.with_suffix(".err")
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            command, environ = [str(python), "-m", *arguments], environ or environment()
            self._process = subprocess.Popen(command, cwd=directory, env=environ, stdout=output, stderr=errors)
        self.url = ""

    def __enter__(self) -> Self:
        self.url = self._listens()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self.kill()
        if kind is not None:
            print(f"--- {self._errors.name}\n{self.errors}", file=sys.stderr)

    @property
    def errors(self) -> str:
        """Return what it said on its standard error."""
        return self._errors.read_text(errors="replace")

    def _listens(self) -> str:
        while (found := LISTENING.search(self._output.read_bytes())) is None:
            assert self._process.poll() is None, f"it ended at once:\n{self.errors}"
            time.sleep(LOOK_SECONDS)
        return found[1].decode()

    def kill(self) -> None:
        """End it as a crash does."""
        self._process.kill()
        self._process.wait()

    def limit_files(self, length: int | None) -> None:
        """Let no file of it grow beyond this length, as a full disk would; None gives it room again."""
        soft = resource.RLIM_INFINITY if length is None else length
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))

    def ask_to_end(self) -> None:
        """Send SIGTERM."""
        self._process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """Send SIGTERM, wait, and return the exit status."""
        self.ask_to_end()
        return self.ended()

    def ended(self) -> int:
        """Wait for the end and return the exit status."""
        return self._process.wait(END_SECONDS_MAX)


def environment(*paths: Path, **more: str) -> dict[str, str]:
    """Return variables with which the code of this checkout is found, and plugins that do not linger."""
    inherited = os.environ.get("PYTHONPATH")
    found = [*map(str, paths), str(ROOT), str(ROOT / "examples"), *([inherited] if inherited else [])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(found), **QUICK, **more}
