"""Shut down on SIGTERM (or Ctrl-C): the running turn ends, and everything that was accepted is in the file.

python examples/shut_down_on_sigterm.py [DIRECTORY]
"""

import asyncio
import os
import signal
import sys
import tempfile
from pathlib import Path

from coordinator import Coordinator, Limits, Writer


async def turn(chat: Writer, stopping: asyncio.Event) -> None:
    """Answer with a model that is still thinking when the signal comes."""
    async with chat.fence() as fence:
        print(f"in the middle of a turn; end it with: kill {os.getpid()}", flush=True)
        await stopping.wait()
        await asyncio.sleep(0.1)
        await fence.append({"role": "assistant", "text": "The end of the turn."})


async def main(path: Path) -> None:
    """Work until a signal says stop."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with Coordinator(limits=Limits(close_seconds_max=10)) as coordinator:
        session = await coordinator.open(path)
        chat, notes = session.writer("chat"), session.writer("notes")
        running = asyncio.create_task(turn(chat, stopping))
        await stopping.wait()
        notes.append_nowait({"note": "asked to stop"})
    # Closing refused new turns and new records, and gave the turn that was running ten seconds to end.
    await running
    print(f"{path} is whole")


if __name__ == "__main__":
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
    asyncio.run(main(Path(directory, "session.jsonl")))
