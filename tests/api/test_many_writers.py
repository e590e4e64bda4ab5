"""64 writers, 200 records each, in every way to write: each once, in order, on one chain, where its receipt says."""

from __future__ import annotations

import asyncio
import json
from itertools import pairwise
from pathlib import Path

from coordinator import PendingReceipt, Receipt, Writer
from tests.support.chain import check_chain

from .desk import desk, note

WRITERS, RECORDS = 64, 200


async def write(writer: Writer) -> list[Receipt]:
    """Write all records of one writer, in bursts of four kinds."""
    receipts: list[PendingReceipt | Receipt] = []
    for number in range(0, RECORDS, 5):
        records = [note(f"{writer.name} {number + step}") for step in range(5)]
        receipts.append(await writer.submit(records[0]))
        receipts.append(writer.append_nowait(records[1]))
        receipts += await writer.append_all(records[2:4])
        receipts.append(await writer.append(records[4]))
    return [receipt if isinstance(receipt, Receipt) else await receipt for receipt in receipts]


async def test_every_record_is_there_once_in_order_on_one_chain_where_its_receipt_says(session_path: Path) -> None:
    """The promise of the whole library, in one test."""
    async with desk(session_path) as home:
        writers = [home.session.writer(f"w{number}") for number in range(WRITERS)]
        by_writer = await asyncio.gather(*map(write, writers))
    receipts = sorted((receipt for receipts in by_writer for receipt in receipts), key=lambda r: r.sequence)
    assert [receipt.sequence for receipt in receipts] == list(range(1, WRITERS * RECORDS + 1))

    content = session_path.read_bytes()
    chain = check_chain(session_path)
    assert [record["id"] for record in chain] == [receipt.id for receipt in receipts]
    for receipt in receipts:
        line = content[receipt.offset : receipt.offset + receipt.size]
        assert line.endswith(b"\n")
        assert json.loads(line)["data"]["text"].split()[0] == receipt.writer
    assert all(before.offset + before.size == after.offset for before, after in pairwise(receipts))
    assert receipts[-1].offset + receipts[-1].size == len(content)

    said: dict[str, list[str]] = {writer.name: [] for writer in writers}
    for record in chain:
        name, number = record["data"]["text"].split()
        said[name].append(number)
    assert all(numbers == [str(number) for number in range(RECORDS)] for numbers in said.values())


async def test_a_group_stays_together_among_many_writers(session_path: Path) -> None:
    """The lines of one `append_all` are adjacent, whoever else writes."""
    async with desk(session_path) as home:
        writers = [home.session.writer(f"w{number}") for number in range(16)]

        async def groups(writer: Writer) -> None:
            for number in range(20):
                await writer.append_all([note(f"{writer.name}.{number}")] * 7)

        await asyncio.gather(*map(groups, writers))
        texts = home.texts()
    assert all(len(set(texts[start : start + 7])) == 1 for start in range(0, len(texts), 7))
    assert len(set(texts)) == 16 * 20
