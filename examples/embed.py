"""Embed the coordinator in a plain asyncio program: open a session, append to it, read it back.

python examples/embed.py [DIRECTORY]
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from coordinator import PI, Coordinator, Record


def message(role: str, text: str) -> Record:
    """Return a message as pi and OpenClaw write it; id, parent and time are stamped when it is written."""
    return {"type": "message", "message": {"role": role, "content": [{"type": "text", "text": text}]}}


async def main(path: Path) -> None:
    """Write a short conversation and print what is in the file."""
    async with Coordinator() as coordinator:  # leaving it writes and syncs everything, and gives the files back
        session = await coordinator.open(path, format=PI)
        chat = session.writer("chat")
        await chat.append(message("user", "What is a fence?"))
        receipt = await chat.append(message("assistant", "A promise that nobody else has written since."))
        print(f"record {receipt.sequence} is at byte {receipt.offset} of {path}")
        async for entry in session.records():
            print(f"{entry.record['id']} {entry.record['message']['content'][0]['text']}")


if __name__ == "__main__":
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
    asyncio.run(main(Path(directory, "session.jsonl")))
