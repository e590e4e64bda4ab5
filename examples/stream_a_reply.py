"""Stream a reply from an async generator: what the client has seen is in the file, also when it goes away.

python examples/stream_a_reply.py [DIRECTORY]
"""

import asyncio
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from coordinator import Coordinator, Writer


async def stream(chat: Writer, words: list[str]) -> AsyncGenerator[str, None]:
    """Yield a reply word by word, in a turn that ends with the generator, whoever ends it."""
    said: list[str] = []
    async with chat.fence() as fence:
        try:
            for word in words:  # a real model sends them one by one
                said.append(word)
                yield word
        finally:
            await fence.append({"role": "assistant", "text": " ".join(said), "whole": said == words})


async def main(path: Path) -> None:
    """Serve a client that listens to the end, and one that goes away."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(path)
        chat = session.writer("chat")
        words = ["All", "is", "well."]
        async with aclosing(stream(chat, words)) as reply:  # or it would end when it is collected as garbage
            print("one client heard", [word async for word in reply])
        async with aclosing(stream(chat, words)) as reply:
            print("another went away after", await anext(reply))
        print(f"{path} has", [entry.record["text"] async for entry in session.records()])


if __name__ == "__main__":
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
    asyncio.run(main(Path(directory, "session.jsonl")))
