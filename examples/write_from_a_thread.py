"""Write from a thread: blocking code appends too, in the order in which it works.

python examples/write_from_a_thread.py [DIRECTORY]
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from coordinator import Coordinator, Receipt, Writer


def index(documents: list[str], writer: Writer) -> list[Receipt]:
    """Do what blocks, outside of the event loop; each append blocks this thread until the record is written."""
    return [
        writer.append_from_thread({"document": document, "words": len(document.split())}, timeout=30)
        for document in documents
    ]


async def main(path: Path) -> None:
    """Let a thread work while the event loop goes on writing."""
    async with Coordinator() as coordinator:
        session = await coordinator.open(path)
        documents = ["one", "one two", "one two three"]
        indexing = asyncio.create_task(asyncio.to_thread(index, documents, session.writer("index")))
        await session.writer("chat").append({"text": "The loop is not blocked."})
        for receipt in await indexing:
            print(f"record {receipt.sequence} at byte {receipt.offset} of {path}")


if __name__ == "__main__":
    directory = sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()
    asyncio.run(main(Path(directory, "session.jsonl")))
