"""One measurement, in a process of its own: `python -m tests.benchmarks.measure JSON` prints its figures as JSON."""

import asyncio
import gc
import json
import resource
import shutil
import sys
from collections.abc import Coroutine
from pathlib import Path
from time import process_time
from typing import Any

from .model import SCALES, Bench, Cell, Contender, Limit, Loop, Outcome, Workload, contender_of, workloads
from .records import lines, records
from .verify import verify


def measure(cell: Cell, scale: str, directory: Path) -> dict[str, float]:
    """Run one cell and look whether its files are right."""
    workload, contender = workloads()[cell.workload], contender_of(cell.contender)
    place = directory / "now"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    bench = Bench(
        place, cell.mode, SCALES[scale], lambda megabytes: large_file(directory, megabytes),
        lambda megabytes: large_tree(directory, megabytes), workload.content_check_bytes_max,
    )  # fmt: skip
    settle_down()
    begun = process_time()
    outcome = _run(workload, contender, bench, cell.loop)
    spent_seconds = process_time() - begun
    for path, fed in outcome.files.items():
        verify(contender.lines(path), fed)
    shutil.rmtree(place)
    return {**outcome.figures, **_cost(outcome, spent_seconds)}


def _cost(outcome: Outcome, spent_seconds: float) -> dict[str, float]:
    """What a record costs, setting up included: it stands still while other processes take the processor away."""
    records = sum(feed.taken for fed in outcome.files.values() for feed in fed)
    return {"cpu µs": spent_seconds / records * 1e6} if records else {}


def settle_down() -> None:
    """Leave nothing for the measurement to do but its work."""
    records(), lines()
    gc.collect()
    gc.freeze()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, 8_192)), hard))


def _run(workload: Workload, contender: Contender | Limit, bench: Bench, loop: Loop) -> Outcome:
    if isinstance(contender, Limit):
        outcome = workload.run_limit(contender, bench)
        assert outcome is not None, f"{workload.name} has no limit"
        return outcome
    return _run_in_loop(workload.run(contender, bench), loop)


def _run_in_loop(work: Coroutine[Any, Any, Outcome], loop: Loop) -> Outcome:
    if loop == "asyncio":
        return asyncio.run(work)
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def large_file(directory: Path, megabytes: int) -> Path:
    """Return a file of whole rounds of all records, made at its first use."""
    path = directory / f"{megabytes}-MB.jsonl"
    if not path.exists():
        everything = b"".join(lines())
        with path.open("wb") as file:
            for _ in range(max(1, megabytes * 1_000_000 // len(everything))):
                file.write(everything)
    return path


def large_tree(directory: Path, megabytes: int) -> Path:
    """Return a pi session of all records again and again, each following the one before it, made at its first use."""
    path = directory / f"{megabytes}-MB-tree.jsonl"
    if not path.exists():
        with path.open("wb") as file:
            file.write(b'{"type":"session","version":3,"id":"tree","timestamp":"2026-05-20T08:00:00.000Z","cwd":"/"}\n')
            number, parent, everything = 0, b"null", [line[1:] for line in lines()]
            while file.tell() < megabytes * 1_000_000:
                number += 1
                record_id = b'"%024x"' % (number * 0x9E3779B97F4A7C15)
                stamp = b'{"id":%b,"parentId":%b,"timestamp":"2026-05-20T08:00:00.000Z",' % (record_id, parent)
                file.write(stamp + everything[number % len(everything)])
                parent = record_id
    return path


if __name__ == "__main__":
    order = json.loads(sys.argv[1])
    print(json.dumps(measure(Cell(**order["cell"]), order["scale"], Path(order["directory"]))))
