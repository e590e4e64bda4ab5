"""Growth: `python -m tests.benchmarks.growth` draws what appends, turns and idle sessions cost as things get large.

Every curve should be flat. Processor time is what is drawn: waiting for a shared machine would hide the shape.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import process_time

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot as plt
from rich.console import Console
from rich.progress import track

from coordinator import PLAIN, Coordinator, Durability, Limits, Session

from .measure import large_file, settle_down
from .memory import settled_bytes
from .records import records
from .report import machine

REPETITIONS = 3
APPENDS = 4_000
EACH_MIN = 4
TURNS = 100
WARMING_UP = 50
Measure = Callable[[int, Path], Awaitable[float]]


@dataclass(frozen=True)
class Curve:
    """One quantity that grows, and what is looked at meanwhile."""

    name: str
    grows: str
    unit: str
    sizes: Sequence[int]
    measure: Measure


@dataclass(frozen=True)
class Point:
    """One measurement, repeated."""

    curve: str
    size: int
    low: float
    median: float
    high: float


def _coordinator(**limits: int) -> Coordinator:
    return Coordinator(durability=Durability.NONE, limits=Limits(**limits))


async def _appended(session: Session, writers: int) -> float:
    """Return the processor time of an append, in µs, when that many writers take turns at waiting."""
    appends = [session.writer(f"writer {number}").append for number in range(writers)]
    each, some = max(EACH_MIN, APPENDS // writers), records()

    async def work(number: int) -> None:
        for turn in range(each):
            await appends[number](some[(number + turn) % len(some)])

    # Writers and their tasks are there before the time begins: they are made once, not for every record.
    tasks = [asyncio.ensure_future(work(number)) for number in range(writers)]
    begun = process_time()
    await asyncio.gather(*tasks)
    return (process_time() - begun) / (each * writers) * 1e6


async def append_to_a_file(megabytes: int, directory: Path) -> float:
    """64 writers, on a file of this size."""
    async with _coordinator() as coordinator:
        return await _appended(await coordinator.open(large_file(directory, megabytes), format=PLAIN), 64)


async def turn_on_a_file(megabytes: int, directory: Path) -> float:
    """Fences that only look, as above `content_check_bytes_max`."""
    async with _coordinator(content_check_bytes_max=0) as coordinator:
        session = await coordinator.open(large_file(directory, megabytes), format=PLAIN)
        writer = session.writer("chat")
        async with writer.fence():
            pass  # the first one reads the file once
        begun = process_time()
        for _ in range(TURNS):
            async with writer.fence():
                pass
        return (process_time() - begun) / TURNS * 1e6


async def append_of_writers(writers: int, directory: Path) -> float:
    """This many writers, on a new file."""
    with tempfile.TemporaryDirectory(dir=directory) as place:
        async with _coordinator() as coordinator:
            return await _appended(await coordinator.open(Path(place) / "session.jsonl", format=PLAIN), writers)


async def append_to_sessions(sessions: int, directory: Path) -> float:
    """One writer in each of this many sessions, parked ones among them."""
    some = records()
    with tempfile.TemporaryDirectory(dir=directory) as place:
        async with _coordinator(open_files_max=1_000) as coordinator:
            opened = [await coordinator.open(Path(place) / f"{n}.jsonl", format=PLAIN) for n in range(sessions)]
            busy = opened[-min(sessions, 100) :]
            for session in busy:
                await session.writer("chat").append(some[0])
            begun, each = process_time(), APPENDS // len(busy)
            for turn in range(each):
                for session in busy:
                    await session.writer("chat").append(some[turn])
            return (process_time() - begun) / (each * len(busy)) * 1e6


async def memory_of_open_sessions(sessions: int, directory: Path) -> float:
    """What an idle session weighs, in KB, file and lock open."""
    return await _memory_of_sessions(sessions, directory, open_files_max=10_000)


async def memory_of_parked_sessions(sessions: int, directory: Path) -> float:
    """What an idle session weighs, in KB, when most are parked."""
    return await _memory_of_sessions(sessions, directory, open_files_max=256)


async def _memory_of_sessions(sessions: int, directory: Path, *, open_files_max: int) -> float:
    with tempfile.TemporaryDirectory(dir=directory) as place:
        async with _coordinator(open_files_max=open_files_max) as coordinator:
            before = 0
            for number in range(WARMING_UP + sessions):
                session = await coordinator.open(Path(place) / f"{number}.jsonl", format=PLAIN)
                await session.writer("chat").append({"number": number})
                if number == WARMING_UP:
                    before = settled_bytes()
            return (settled_bytes() - before) / sessions / 1e3


CURVES = [
    Curve("append, file", "size of the file (MB)", "µs", (1, 10, 100, 1_000), append_to_a_file),
    Curve("turn that looks, file", "size of the file (MB)", "µs", (1, 10, 100, 1_000), turn_on_a_file),
    Curve("append, writers", "writers that wait", "µs", (1, 10, 100, 1_000, 10_000), append_of_writers),
    Curve("append, sessions", "open sessions", "µs", (1, 10, 100, 1_000, 10_000), append_to_sessions),
    Curve("idle session, open", "sessions", "KB", (300, 1_000, 3_000), memory_of_open_sessions),
    Curve("idle session, parked", "sessions", "KB", (1_000, 3_000, 10_000), memory_of_parked_sessions),
]


def measure(curve: Curve, size: int, directory: Path) -> Point:
    """Measure one point, several times, each in a process of its own: memory that is used again would look free."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as process:
        values = sorted(process.submit(_measured, curve, size, directory).result() for _ in range(REPETITIONS))
    return Point(curve.name, size, values[0], median(values), values[-1])


def _measured(curve: Curve, size: int, directory: Path) -> float:
    settle_down()
    return asyncio.run(curve.measure(size, directory))  # type: ignore[arg-type]


def draw(points: Sequence[Point], path: Path) -> None:
    """Draw all curves beside each other."""
    curves = [curve for curve in CURVES if any(point.curve == curve.name for point in points)]
    figure, axes = plt.subplots(1, len(curves), figsize=(3.4 * len(curves), 3.2), layout="constrained", squeeze=False)
    for axis, curve in zip(axes[0], curves, strict=True):
        mine = [point for point in points if point.curve == curve.name]
        error = [[point.median - point.low for point in mine], [point.high - point.median for point in mine]]
        axis.errorbar([point.size for point in mine], [point.median for point in mine], yerr=error, marker="o")
        axis.set(xscale="log", title=curve.name, xlabel=curve.grows, ylabel=curve.unit)
        axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
    figure.savefig(path)
    plt.close(figure)


def main() -> None:
    """Measure, say, draw."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.growth", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("benchmark-output"))
    parser.add_argument("--only", nargs="*", default=[], metavar="CURVE", help="curves whose name begins so")
    options = parser.parse_args()
    directory: Path = options.output
    chosen = [curve for curve in CURVES if not options.only or curve.name.startswith(tuple(options.only))]
    (directory / "files").mkdir(parents=True, exist_ok=True)
    plan = [(curve, size) for curve in chosen for size in curve.sizes]
    console = Console(stderr=True)
    points: list[Point] = []
    for curve, size in track(plan, "growth", console=console):
        point = measure(curve, size, directory / "files")
        figures = f"{point.median:8.1f} {curve.unit} ({point.low:.1f} - {point.high:.1f})"
        print(f"{curve.name:24} {size:>7,} {figures}", flush=True)
        points.append(point)
    document = {"machine": machine(), "points": [asdict(point) for point in points]}
    (directory / "growth.json").write_text(json.dumps(document, indent=1))
    draw(points, directory / "growth.svg")
    print(f"· {directory / 'growth.svg'}")


if __name__ == "__main__":
    main()
