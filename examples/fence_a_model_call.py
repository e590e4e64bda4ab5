"""Fence a model call: other parts of the program write meanwhile, and nothing of it looks foreign.

python examples/fence_a_model_call.py [DIRECTORY]
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from coordinator import Coordinator, Record, Writer


async def complete(prompt: str, memory: Writer) -> Record:
    """Stand in for a model, and for a plugin that writes while the model thinks."""
    await memory.append({"memory": f"indexed {prompt!r}"})
    return {"role": "assistant", "text": "Five."}


async def main(path: Path) -> None:
    """Take one turn."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(path)
        chat, memory = session.writer("chat"), session.writer("memory")
        prompt = "How many lines has a limerick?"
        await chat.append({"role": "user", "text": prompt})

        async with chat.fence(annotations={"modelId": "local"}) as fence:  # everything accepted is in the file now
            before = fence.revision
            reply = await complete(prompt, memory)
            receipt = await fence.append(reply)  # nobody else has written since, or this raises a TakeoverError

        print(f"the file grew from {before.length} bytes; the reply is at byte {receipt.offset} of {path}")


if __name__ == "__main__":
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
    asyncio.run(main(Path(directory, "session.jsonl")))
