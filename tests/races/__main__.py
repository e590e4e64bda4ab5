"""`make race`: the long form. COUNT foreign changes (2,000), five times as many quiet fences; SEED replays a run.

`--rewrites N` runs the race of rewrites only, for N foreign changes.
"""

import argparse
import asyncio
import os
import random
import sys
import tempfile
from pathlib import Path

from .fences import quiet_fences
from .race import race
from .rewrites import race_of_rewrites


async def main(rewrites: int | None) -> int:
    """Run the loops and say what they found; the exit status counts what is wrong."""
    changes = int(os.environ.get("COUNT", "2000"))
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    directory = Path(tempfile.mkdtemp(prefix="race-"))
    print(f"seed {seed}, files of what goes wrong stay in {directory}", flush=True)
    rewritten = await race_of_rewrites(directory, changes=changes if rewrites is None else rewrites, seed=seed)
    print(f"rewrites against a second process: {rewritten}", flush=True)
    if rewrites is not None:
        return min(len(rewritten.wrong), 100)
    raced = await race(directory, changes=changes, seed=seed)
    print(f"race against a second process: {raced}", flush=True)
    quiet = await quiet_fences(directory, fences=changes * 5, seed=seed)
    print(f"fences without a foreign writer: {quiet}")
    return min(len(rewritten.wrong) + len(raced.wrong) + len(quiet.wrong), 100)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.races")
    parser.add_argument("--rewrites", type=int, metavar="N", help="only the race of rewrites, for N foreign changes")
    sys.exit(asyncio.run(main(parser.parse_args().rewrites)))
