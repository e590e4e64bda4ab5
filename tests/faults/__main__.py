"""`make sweep`: every fault at every call, every kill at every byte.

STORY and KIND keep the cases of stories whose name begins so and of one kind, COUNT samples so many of them (SEED says
which), CASE replays one by its text.
"""

import gc
import os
import sys
import tempfile
from pathlib import Path

from . import shim
from .life import Case
from .sweep import Tally, enumerated, lived, sampled, sweep


def main() -> int:
    """Sweep; the exit status says whether anything was wrong."""
    gc.freeze()  # what is shared with the children stays shared
    every = list(enumerated(os.environ.get("STORY", ""), os.environ.get("KIND", "")))
    if "CASE" in os.environ:
        return max(_replay(case) for case in every if str(case) == os.environ["CASE"])
    if "COUNT" in os.environ:
        every = sampled(every, int(os.environ["COUNT"]), int(os.environ.get("SEED", "0")))
    print(f"{len(every)} cases", flush=True)
    tally = sweep(every, _tell if sys.stderr.isatty() else _tell_nobody)
    print(tally)
    return min(len(tally.wrong), 1)


def _replay(case: Case) -> int:
    life, wrong = lived(case)
    print(case, *life.calls, *life.told, f"acts {life.acts}, signal {life.signal}", *wrong, sep="\n")
    return min(len(wrong), 1)


def _tell(done: int, tally: Tally) -> None:
    print(f"\r{done} lives, {tally.counts['kills']} kills, {len(tally.wrong)} violations ", end="", file=sys.stderr)


def _tell_nobody(done: int, tally: Tally) -> None:
    """Nobody looks at a log while it grows."""


def _with_shim() -> None:
    """Start again with the shim in front of the C library."""
    if shim.compiler() is None:
        sys.exit("the sweep needs a C compiler (cc)")
    library = shim.build(Path(tempfile.mkdtemp(prefix="shim-")))
    os.execve(sys.executable, [sys.executable, "-m", "tests.faults"], dict(shim.preloading(library)))


if __name__ == "__main__":
    if not shim.is_preloaded():
        _with_shim()
    sys.exit(main())
