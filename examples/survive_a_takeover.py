"""Survive a takeover: another program writes during the model call, and the reply is in the file once all the same.

python examples/survive_a_takeover.py [DIRECTORY]
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from coordinator import Coordinator, Record, TakeoverError


async def complete(path: Path) -> Record:
    """Stand in for a model, and for a program that knows nothing of us and edits the file while the model thinks."""
    path.write_text('{"role":"user","text":"edited by hand"}\n')
    return {"role": "assistant", "text": "A reply that was paid for."}


async def main(path: Path) -> None:
    """Take one turn that is disturbed."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(path)
        chat = session.writer("chat")
        await chat.append({"role": "user", "text": "Please answer."})
        try:
            async with chat.fence() as fence:
                reply = await complete(path)
                await fence.append(reply)
        except TakeoverError as error:
            print(f"{error.change.name}: {len(error.unwritten)} record unwritten, usable: {error.usable}")
            if not error.usable:
                await session.reopen()  # accept the file as it is now
            await chat.append_all(error.unwritten)  # what the fence was given and is not in the file

        print(f"{path} has", [entry.record["text"] async for entry in session.records()])


if __name__ == "__main__":
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
    asyncio.run(main(Path(directory, "session.jsonl")))
