"""Any JSON object goes into a file and comes out as it was; anything else is refused, and nothing is written of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator import PI, PLAIN, RecordError, RecordFormat
from tests.conftest import DATA
from tests.support.records import LEAVES, json_values, pi_records, plain_records, without_stamps

from .disk import entries, in_session, session_file
from .effort import effort

REFUSED = st.sampled_from([float("nan"), float("inf"), "\ud83d", 2**64, -(2**63) - 1, b"bytes", {1, 2}, object(), 1j])
REFUSED_KEYS = st.sampled_from([1, None, True, "\udc00", (1, 2), 1.5])
LISTS = st.lists(plain_records(), max_size=6)


def bad_values() -> st.SearchStrategy[Any]:
    """Return values that hold, at any depth, something that is no JSON."""
    bad = REFUSED | st.builds(lambda key, value: {key: value}, REFUSED_KEYS, LEAVES)
    return st.recursive(
        bad,
        lambda inner: (
            st.builds(lambda value, others: [*others, value], inner, st.lists(json_values(), max_size=2))
            | st.builds(lambda value, others: {**others, "bad": value}, inner, plain_records())
        ),
        max_leaves=4,
    )


def round_trip(records: list[dict[str, Any]], record_format: RecordFormat) -> list[dict[str, Any]]:
    """Write records, half of them as a group, and read them back from an opening of their own."""

    async def write(session):
        writer, half = session.writer("chat"), len(records) // 2
        for record in records[:half]:
            await writer.append(record)
        await writer.append_all(records[half:])
        assert [entry.record for entry in await entries(session)] == await read(session)

    async def read(session):
        return [entry.record for entry in await entries(session)]

    with session_file() as path:
        in_session(path, write, record_format=record_format)
        found = in_session(path, read, record_format=record_format)
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    assert lines.pop() == b""
    assert [json.loads(line) for line in lines[record_format is PI and bool(records) :]] == found
    return found


@effort(40)
@given(records=LISTS)
def test_plain_records_come_back_as_they_were(records: list[dict[str, Any]]) -> None:
    """Nothing is added, nothing lost, nothing changed, also for other readers of JSON."""
    assert round_trip(records, PLAIN) == records


@effort(40)
@given(records=st.lists(pi_records(), max_size=6))
def test_a_pi_record_gets_only_the_stamps_that_it_lacks(records: list[dict[str, Any]]) -> None:
    """What a record brings along is kept, and without a parent of its own it follows the record before it."""
    found = round_trip(records, PI)
    assert [without_stamps(record) for record in found] == [without_stamps(record) for record in records]
    leaf = None
    for given_record, record in zip(records, found, strict=True):
        assert record == {**record, **given_record}
        assert record["parentId"] == given_record.get("parentId", leaf)
        leaf = record["id"]


@effort(40)
@given(bad=bad_values(), record_format=st.sampled_from([PLAIN, PI]))
def test_what_is_no_json_is_refused_and_harms_nobody(bad: Any, record_format: RecordFormat) -> None:
    """A bad record is the caller's; its group is refused with it, its neighbours are written."""
    good, record = {"type": "custom", "good": True}, {"type": "custom", "bad": bad}

    async def write(session):
        writer = session.writer("chat")
        with pytest.raises(RecordError) as refusal:
            await writer.append(record)
        assert refusal.value.path == session.path
        with pytest.raises(RecordError):
            await writer.append_all([good, record])
        with pytest.raises(RecordError):
            writer.append_nowait(record)
        await writer.append(good)
        return [without_stamps(entry.record) for entry in await entries(session)]

    with session_file() as path:
        assert in_session(path, write, record_format=record_format) == [without_stamps(good)]


@pytest.mark.parametrize("name", sorted({path.stem for path in DATA.glob("*.jsonl")} - {"headerless", "legacy-v1"}))
def test_a_pi_file_goes_on_behind_its_leaf(name: str) -> None:
    """Real files of real programs: every byte stays, the new record follows the last one."""
    content = (DATA / f"{name}.jsonl").read_bytes()

    async def append(session):
        before, leaf = await entries(session), session.leaf
        await session.writer("chat").append({"type": "custom", "customType": "new"})
        return before, leaf, await entries(session)

    with session_file(content) as path:
        before, leaf, after = in_session(path, append, record_format=PI)
        kept = content[: content.rindex(b"\n") + 1] if name == "torn-tail" else content
        assert path.read_bytes().startswith(kept)
        again = in_session(path, entries, record_format=PI)
    assert after[:-1] == before
    assert after[-1].record["parentId"] == leaf == (before[-1].record["id"] if before else None)
    assert [entry.record for entry in again] == [entry.record for entry in after]
