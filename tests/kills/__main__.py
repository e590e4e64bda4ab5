"""`make kills`: the long form. COUNT kills (500); SEED replays their order, not their moments."""

import os
import random
import sys
import tempfile
from pathlib import Path

from .kills import kills


def main() -> int:
    """Kill and judge; the exit status counts what is wrong."""
    count = int(os.environ.get("COUNT", "500"))
    seed = int(os.environ.get("SEED", random.randrange(10**6)))
    directory = Path(tempfile.mkdtemp(prefix="kills-"))
    print(f"seed {seed}, files in {directory}", flush=True)
    tally = kills(directory, count=count, seed=seed)
    print(tally)
    return min(len(tally.wrong), 100)


if __name__ == "__main__":
    sys.exit(main())
