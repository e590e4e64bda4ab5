"""Append without a fence from a background job: also while somebody else has the turn, and it disturbs nobody.

python examples/append_in_the_background.py [DIRECTORY]
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from coordinator import ClosedError, Coordinator, Writer


async def job(heartbeat: Writer, beat: asyncio.Event) -> None:
    """Append whenever the clock says so, until the session is closed; it knows nothing of turns."""
    try:
        while True:
            await heartbeat.append({"heartbeat": "alive"})
            beat.set()
            await asyncio.sleep(0.01)
    except ClosedError:
        print("the job ends with the session")


async def main(path: Path) -> None:
    """Take a turn that is as long as it takes the job to write twice."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(path)
        chat, beat = session.writer("chat"), asyncio.Event()
        running = asyncio.create_task(job(session.writer("heartbeat"), beat))
        async with chat.fence() as fence:
            for _ in range(2):
                beat.clear()
                await beat.wait()
            await fence.append({"role": "assistant", "text": "Nobody disturbed me."})
        print(f"{session.statistics().records_written} records are in {path}")
    await running


if __name__ == "__main__":
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
    asyncio.run(main(Path(directory, "session.jsonl")))
