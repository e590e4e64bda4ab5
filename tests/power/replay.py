"""Back to the moment of the cut: build the disk, mount it (which replays the journal), judge."""

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from . import kernel
from .judge import judge
from .life import OPERATIONS
from .log import Cut, State, state_of
from .recording import Recording


class Replay:
    """Builds the states of one recording, best in the order of their flushes."""

    def __init__(self, recording: Recording, home: Path, seed: int) -> None:
        self._recording, self._seed = recording, seed
        self._place, self._image = home / "place", home / "replayed"
        self._flushed, self._safe = 0, bytearray(recording.base)

    def token(self, cut: Cut) -> str:
        """Name a state so that it can be built again."""
        return f"{self._recording}:{self._seed}:{cut.prefix}:{cut.draw}"

    def wrong(self, cut: Cut) -> list[str]:
        """Build one state and judge it."""
        self._build(state_of(self._recording.entries, cut, self._seed))
        operation, told = OPERATIONS[self._recording.operation], self._recording.told
        try:
            with kernel.mounted(self._image, self._place, self._recording.way.options):
                wrong = judge(self._place, operation, told, cut.prefix)
        except OSError as error:
            wrong = [f"mounting: {error}"]
        return [f"{self.token(cut)}: {what}" for what in wrong]

    def _build(self, state: State) -> None:
        if state.flushed < self._flushed:
            self._flushed, self._safe = 0, bytearray(self._recording.base)
        for _, offset, data in self._recording.entries[self._flushed : state.flushed]:
            self._safe[offset : offset + len(data)] = data
        self._flushed = state.flushed
        fd = os.open(self._image, os.O_RDWR | os.O_CREAT)
        try:
            os.pwrite(fd, self._safe, 0)
            for number, start, end in state.pieces:
                _, offset, data = self._recording.entries[number]
                os.pwrite(fd, data[start:end], offset + start)
        finally:
            os.close(fd)


def replayed(replay: Replay, cuts: Sequence[Cut], tell: Callable[[int, int], None]) -> Iterator[str]:
    """Judge one state after the other."""
    count = 0
    for done, cut in enumerate(cuts, start=1):
        wrong = replay.wrong(cut)
        count += len(wrong)
        yield from wrong
        tell(done, count)
