"""`python -m tests.benchmarks [--quick] [--only W1 W2:64 …] [--contenders ours …] [--output DIRECTORY]`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .charts import draw
from .model import SCALES, Cell, Scale, Workload, cells, contenders, missing, workloads
from .report import Report, show
from .run import Plan, run


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="about two minutes: shorter runs, fewer repetitions")
    parser.add_argument("--only", nargs="*", default=[], metavar="WORKLOAD", help="W2 takes W2:64 and W2:512")
    parser.add_argument("--contenders", nargs="*", default=[], metavar="NAME", help="beside limit and plain")
    parser.add_argument("--repetitions", type=int, default=None)
    parser.add_argument("--output", type=Path, default=Path("benchmark-output"))
    return parser.parse_args()


def chosen(wanted: Sequence[str], scale: Scale) -> list[Workload]:
    """Select workloads by name or family; without a wish, all that the scale has."""
    found = [workload for workload in workloads().values() if workload.is_of(scale)]
    return [workload for workload in found if not wanted or {workload.name, workload.family} & set(wanted)]


def planned(chosen_workloads: Sequence[Workload], names: Sequence[str], scale: Scale) -> list[list[Cell]]:
    """List the cells of each workload; contenders that are not installed are named and left out."""
    there: list[str] = []
    for stem, contender in contenders().items():
        if names and stem not in (*names, "limit", "plain"):
            continue
        if lacking := missing(contender):
            print(f"· without {contender.name}: install {', '.join(lacking)} to see it", file=sys.stderr)
        else:
            there.append(stem)
    rows = [[cell for stem in there for cell in cells(workload, stem, scale)] for workload in chosen_workloads]
    return [row for row in rows if row]


def main() -> None:
    """Measure, show, draw."""
    options = arguments()
    name = "quick" if options.quick else "full"
    scale = SCALES[name]
    rows = planned(chosen(options.only, scale), options.contenders, scale)
    plan = Plan(rows, name, options.repetitions or scale.repetitions, options.output)
    report = Report(run(plan), name)
    report.save(options.output / "benchmark.json")
    show(report)
    for path in (options.output / "benchmark.json", *draw(report, options.output)):
        print(f"· {path}")


if __name__ == "__main__":
    main()
