"""`python -m tests.gateway --kills 50`: the long form of the test that kills the gateway; `--seed` begins elsewhere."""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from .kills import kill_often

KILLS_PER_FOLDER = 10


def main() -> int:
    """Kill and judge, folder after folder; what is wrong ends it with a traceback."""
    parser = argparse.ArgumentParser(prog="python -m tests.gateway", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    options = parser.parse_args()
    done = 0
    while done < options.kills:
        work = Path(tempfile.mkdtemp(prefix="gateway-kills-"))
        seed, kills = options.seed + done, min(KILLS_PER_FOLDER, options.kills - done)
        print(f"{done} of {options.kills} kills done; next: seed {seed}, files in {work}", flush=True)
        print(asyncio.run(kill_often(work, kills=kills, seed=seed)), flush=True)
        done += kills
    print(f"{done} kills: nothing that was acknowledged is lost, every index and every copy is right")
    return 0


if __name__ == "__main__":
    sys.exit(main())
