"""The ledger remembers the last own writes, and no more than a bounded number of them."""

from coordinator import Receipt
from coordinator._core._ledger import LEDGER_RECORDS_MAX, Ledger


def receipts(first: int, count: int) -> list[Receipt]:
    """Return the receipts of a batch."""
    return [Receipt("chat", number, number * 10, 10, None, durable=False) for number in range(first, first + count)]


def test_what_was_written_since_a_number_is_listed() -> None:
    """The numbers count records; a batch has one time."""
    ledger = Ledger()
    ledger.add(receipts(0, 3), time=1.0)
    number = ledger.number
    ledger.add(receipts(3, 2), time=2.0)
    assert [(own.writer, own.offset, own.size, own.time) for own in ledger.since(number)] == [
        ("chat", 30, 10, 2.0), ("chat", 40, 10, 2.0),
    ]  # fmt: skip


def test_batches_of_any_size_leave_a_bounded_number() -> None:
    """One batch may hold more records than are remembered at all."""
    ledger, size = Ledger(), LEDGER_RECORDS_MAX * 2
    for number in range(3):
        ledger.add(receipts(number * size, size), time=1.0)
        assert LEDGER_RECORDS_MAX // 2 <= len(ledger.since(0)) <= LEDGER_RECORDS_MAX
    assert ledger.since(0)[-1].offset == (3 * size - 1) * 10
