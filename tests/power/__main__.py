"""`python -m tests.power`: cut the power, again and again, below every operation of a session.

Exit status: 0 if nothing was lost, 1 if something was, 2 if this machine does not permit it (the text says what).
"""

import argparse
import json
import pickle
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

from . import kernel
from .broken import FAULTS
from .life import OPERATIONS
from .log import Cut, cuts
from .recording import WAYS, Recording, Way, record
from .replay import Replay, replayed
from .shutdown import shutdowns

LOGS = Path(__file__).parents[2] / "build" / "power"
SHOWN_MAX = 10
SHUTDOWNS = 100
"""About so many there can be in one life; a sample of fewer states takes every n-th."""


def main(arguments: Sequence[str]) -> int:
    """Do what the arguments ask for."""
    given = _parser().parse_args(arguments)
    begun = time.monotonic()
    try:
        with _a_place_of_our_own() as home:
            if given.replay:
                explored, wrong = 1, _again(given.replay, given.logs, home)
            else:
                explored, wrong = _explore(given, home)
    except kernel.MissingError as error:
        print(f"needs {error}")
        return 2
    print(*wrong[:SHOWN_MAX], sep="\n", end="\n" if wrong else "")
    print(f"{explored:,} states, {len(wrong)} violations")
    report = {
        "part": "power", "explored": explored, "violations": len(wrong), "seconds": time.monotonic() - begun,
    }  # fmt: skip
    if given.report:
        given.report.write_text(json.dumps(report) + "\n")
    return 1 if wrong else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.power", description=__doc__)
    parser.add_argument(
        "--states", type=int, default=9, help="block states per operation, in equal parts for each way to mount"
    )
    parser.add_argument("--operation", action="append", choices=OPERATIONS, help="only this one, repeatable")
    parser.add_argument("--mechanism", action="append", choices=("log", "shutdown"), help="only this one")
    parser.add_argument("--seed", type=int, default=1, help="which subsets and tearings are drawn")
    parser.add_argument("--break", dest="fault", choices=FAULTS, default="", help="be wrong on purpose")
    parser.add_argument("--replay", metavar="TOKEN", help="build and judge one state again, from the log that was kept")
    parser.add_argument("--logs", type=Path, default=LOGS, help="where the log of what went wrong is kept")
    parser.add_argument("--report", type=Path, help="write the figures here, as JSON")
    return parser


@contextmanager
def _a_place_of_our_own() -> Iterator[Path]:
    """Memory that is mounted for this process alone, so that whatever happens nothing stays behind."""
    kernel.leave_the_others()
    with tempfile.TemporaryDirectory(prefix="power-") as name:
        home = kernel.memory(Path(name) / "memory")
        try:
            yield home
        finally:
            kernel.unmount(home)


def _enough(wrong: Iterator[str], given: argparse.Namespace) -> list[str]:
    """Find everything that is wrong; but who is wrong on purpose has proven it with the first."""
    return list(islice(wrong, 1 if given.fault else None))


def _explore(given: argparse.Namespace, home: Path) -> tuple[int, list[str]]:
    explored, wrong = 0, list[str]()
    for name in given.operation or OPERATIONS:
        if "log" in (given.mechanism or ["log"]):
            for way in WAYS:
                count, found = _logged(name, way, given, home)
                explored, wrong = explored + count, wrong + found
        if "shutdown" in (given.mechanism or ["shutdown"]):
            count, found = _shut_down(name, given, home)
            explored, wrong = explored + count, wrong + found
    return explored, wrong


def _logged(name: str, way: Way, given: argparse.Namespace, home: Path) -> tuple[int, list[str]]:
    recording = record(name, way, home, given.fault)
    chosen = cuts(recording.entries, -(-given.states // len(WAYS)), given.seed)
    wrong = [f"{recording}: {recording.told.strange}"] if recording.told.strange else []
    begun = time.monotonic()
    replay = Replay(recording, home, given.seed)
    wrong += _enough(replayed(replay, chosen, partial(_tell, str(recording))), given)
    if wrong:
        _keep(recording, given.logs)
    _say(f"{recording}: {len(chosen)} states of {len(recording.entries)} writes and flushes", wrong, begun)
    return len(chosen), wrong


def _shut_down(name: str, given: argparse.Namespace, home: Path) -> tuple[int, list[str]]:
    begun, counts = time.monotonic(), [0]

    def tell(done: int, wrong: int) -> None:
        counts[0] = done
        _tell(f"{name}, shut down", done, wrong)

    step = -(-SHUTDOWNS // given.states)
    wrong = _enough(shutdowns(name, home, tell, given.fault, step=step), given)
    _say(f"{name}, shut down: {counts[0]} moments", wrong, begun)
    return counts[0], wrong


def _say(what: str, wrong: list[str], begun: float) -> None:
    print(f"{what}, {len(wrong)} violations, {time.monotonic() - begun:.0f} s", flush=True)


def _tell(what: str, done: int, wrong: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{what}: {done} states, {wrong} violations ", end="", file=sys.stderr)


def _keep(recording: Recording, logs: Path) -> None:
    """Keep the log: the next life would write other blocks."""
    logs.mkdir(parents=True, exist_ok=True)
    (logs / f"{recording}.pickle").write_bytes(pickle.dumps(recording))


def _again(token: str, logs: Path, home: Path) -> list[str]:
    name, seed, prefix, draw = token.split(":")
    recording = pickle.loads((logs / f"{name}.pickle").read_bytes())
    (home / "place").mkdir()
    return Replay(recording, home, int(seed)).wrong(Cut(int(prefix), int(draw)))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # however it is stopped, it unmounts
    sys.exit(main(sys.argv[1:]))
