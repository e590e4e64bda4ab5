"""`make race`: the long form. COUNT foreign changes (2,000), five times as many quiet fences; SEED replays a run."""

import asyncio
import os
import random
import sys
import tempfile
from pathlib import Path

from .fences import quiet_fences
from .race import race


async def main() -> int:
    """Run both loops and say what they found; the exit status counts what is wrong."""
    changes = int(os.environ.get("COUNT", "2000"))
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    directory = Path(tempfile.mkdtemp(prefix="race-"))
    print(f"seed {seed}, files of what goes wrong stay in {directory}", flush=True)
    raced = await race(directory, changes=changes, seed=seed)
    print(f"race against a second process: {raced}", flush=True)
    quiet = await quiet_fences(directory, fences=changes * 5, seed=seed)
    print(f"fences without a foreign writer: {quiet}")
    return min(len(raced.wrong) + len(quiet.wrong), 100)


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
