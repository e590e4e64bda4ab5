"""`make proof` and `make proof-long`: run every part of the proof and write one page of results.

A run that was stopped goes on where it was: what was green stays green until the code changes. The page is
`build/proof.html` (and `.md`), the memory `build/proof/*.json`.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from pathlib import Path

from .page import rows_of, verdict_of, write
from .parts import PARTS, Part, present
from .runner import Ledger, run_all
from .table import ROOT, promises


def main(arguments: list[str], parts: list[Part] | None = None, directory: Path = ROOT / "build") -> int:
    """Run what is not green yet; the exit status is 0 if everything is."""
    given = _parser().parse_args(arguments)
    form = "long" if given.long else "short"
    chosen = [part for part in (present() if parts is None else parts) if part.name in (given.only or [part.name])]
    planned = [(part, part.long() if given.long else part.short()) for part in chosen]
    memory = directory / "proof" / f"{form}.json"
    if given.fresh:
        memory.unlink(missing_ok=True)
    ledger = Ledger(memory)
    title = f"Proof, {form} form"

    def write_page() -> None:
        write(directory, rows_of(planned, ledger), promises(), title=title)

    try:
        run_all(planned, ledger, _say, write_page, jobs=given.jobs)
    finally:
        write_page()
    rows = rows_of(planned, ledger)
    for row in rows:
        print("  ".join(row.cells))
    print(f"{title}: {verdict_of(rows)}; the page is {directory / 'proof.html'}")
    return 0 if verdict_of(rows) == "green" else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.proof", description=__doc__)
    parser.add_argument("--long", action="store_true", help="hours instead of minutes")
    parser.add_argument("--fresh", action="store_true", help="forget what was green")
    parser.add_argument("--jobs", type=int, default=2, help="how many steps at a time")
    parser.add_argument("--only", action="append", choices=[part.name for part in PARTS], help="this part, repeatable")
    return parser


def _say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # however it is stopped, it leaves no process behind
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("stopped; the next run goes on from here")
