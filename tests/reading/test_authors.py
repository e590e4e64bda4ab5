"""Who wrote what is known of own records only, and in bounded memory."""

from itertools import accumulate
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from coordinator import Coordinator, Limits, Receipt, SessionState
from coordinator._authors import CHANGES_MAX, Authors, Names
from tests.api.desk import until

Row = tuple[str | None, int]
ROWS = st.lists(st.tuples(st.sampled_from([None, "chat", "cron", "memory"]), st.integers(1, 9)), max_size=30)


def receipts_of(rows: list[Row]) -> list[Receipt]:
    """Lay rows out one after the other; those of nobody are foreign lines."""
    offsets = accumulate((size for _, size in rows), initial=0)
    return [
        Receipt(writer, number, offset, size, None, False)
        for number, ((writer, size), offset) in enumerate(zip(rows, offsets, strict=False))
        if writer is not None
    ]


def batches(receipts: list[Receipt]) -> list[list[Receipt]]:
    """Cut receipts into batches of three."""
    return [receipts[at : at + 3] for at in range(0, len(receipts), 3)]


@given(ROWS)
def test_each_own_record_has_its_writer_and_foreign_ones_have_none(rows: list[Row]) -> None:
    """Whatever the order of writers and foreign lines."""
    authors = Authors(Names())
    for batch in batches(receipts_of(rows)):
        authors.add(batch)
    offsets = accumulate((size for _, size in rows), initial=0)
    assert [authors(offset) for offset in offsets] == [*(writer for writer, _ in rows), None]


@given(ROWS)
def test_a_first_record_that_was_written_again_behind_its_batch_has_its_writer_too(rows: list[Row]) -> None:
    """Receipts come in the order of the records, which is not that of the file then."""
    authors = Authors(Names())
    receipts = receipts_of(rows)
    for batch in batches(receipts):
        authors.add([batch[-1], *batch[:-1]])
    assert [authors(receipt.offset) for receipt in receipts] == [receipt.writer for receipt in receipts]


def test_who_wrote_the_oldest_records_is_forgotten_in_the_end() -> None:
    """A session that is open for months does not grow without bound."""
    authors, count = Authors(Names()), CHANGES_MAX + 1
    authors.add(Receipt(("chat", "cron")[offset % 2], offset, offset, 1, None, False) for offset in range(count))
    assert [authors(0), authors(count - 2), authors(count - 1)] == [None, "cron", "chat"]
    assert len(authors._starts) <= CHANGES_MAX


def test_stretches_of_one_writer_take_no_memory() -> None:
    """Only a change of the writer is remembered."""
    authors = Authors(Names())
    authors.add(Receipt("chat", offset, offset * 10, 10, None, False) for offset in range(1_000))
    assert len(authors._starts) == 1
    assert authors(990 * 10) == "chat"


async def test_what_another_owner_wrote_meanwhile_is_nobodys(tmp_path: Path) -> None:
    """A session that was parked takes the file as it is; where its own records stood, others may stand now."""
    async with Coordinator(limits=Limits(open_files_max=2)) as coordinator:
        session, other = [await coordinator.open(tmp_path / name) for name in ("a.jsonl", "b.jsonl")]
        await session.writer("chat").append_all([{"n": number} for number in range(3)])
        await session.sync()
        await other.writer("chat").append({"n": 1})
        await until(lambda: session.state is SessionState.PARKED)
        session.path.write_bytes(b'{"x":1}\n' * 5)
        await session.writer("chat").append({"n": 3})
        assert [entry.writer async for entry in session.records()] == [None] * 5 + ["chat"]
