"""The long form: new examples for as long as it is told, `python -m tests.properties --minutes 10`.

It stops at the first property that does not hold, and prints the smallest example of that.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from .effort import FACTOR


def main() -> int:
    """Go round after round, each with other examples."""
    parser = argparse.ArgumentParser(prog="python -m tests.properties", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long to go on with new rounds (default: 10)")
    parser.add_argument("--factor", type=int, default=10, help="how many times as many examples as in CI, each round")
    options = parser.parse_args()
    command = [sys.executable, "-m", "pytest", str(Path(__file__).parent), "--quiet", "--exitfirst", "--timeout=0"]
    environment = {**os.environ, FACTOR: str(options.factor)}
    end, rounds = time.monotonic() + options.minutes * 60, 0
    while rounds == 0 or time.monotonic() < end:
        rounds += 1
        print(f"round {rounds}", flush=True)
        status = subprocess.run(command, env=environment, check=False).returncode
        if status:
            return status
    print(f"{rounds} rounds, every property held")
    return 0


if __name__ == "__main__":
    sys.exit(main())
