"""PI: what is stamped on a record, what is refused, and how real session files are understood."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coordinator import PI, FormatError, RecordError
from coordinator._core._values import Tail
from tests.conftest import DATA
from tests.support.records import message, pi_records, without_stamps

NOW_MS = 1_779_264_000_123
NOW = "2026-05-20T08:00:00.123Z"
HEADER = {"type": "session", "version": 3, "id": "s", "timestamp": NOW, "cwd": "/home/demo"}

SESSIONS = [path for path in sorted(DATA.glob("*.jsonl")) if path.stem not in {"legacy-v1", "empty"}]


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a file that have their end."""
    return path.read_bytes().split(b"\n")[:-1]


def real_records() -> list[dict[str, Any]]:
    """Return every record of every session in `tests/data`, as the standard library reads it."""
    records: list[dict[str, Any]] = []
    for path in SESSIONS:
        for line in whole_lines(path):
            try:
                records.append(json.loads(line))
            except ValueError:
                assert path.stem == "damaged-middle"
    return [record for record in records if record["type"] != "session"]


EMPTY = Tail()


def stamp(record: dict[str, Any], tail: Tail = EMPTY, now_ms: int = NOW_MS) -> dict[str, Any]:
    """Stamp a record and read what will be in the file."""
    stamped = PI.stamp(PI.encode(record), tail, now_ms=now_ms)
    assert stamped.line.endswith(b"\n")
    assert stamped.line.count(b"\n") == 1
    return json.loads(stamped.line)


# What is stamped


@given(pi_records(), st.none() | st.text(min_size=1, max_size=8))
def test_a_stamped_record_is_the_record_and_what_it_lacked(record: dict[str, Any], leaf: str | None) -> None:
    """What the caller gave is never touched, and every record of a file has all three keys."""
    stamped = PI.stamp(PI.encode(record), Tail(leaf), now_ms=NOW_MS)
    read = PI.read(stamped.line)
    assert read is not None
    assert read == {"parentId": leaf, "timestamp": NOW, "id": stamped.id, **record}
    assert stamped.tail.leaf == stamped.id == read["id"]


def test_every_real_record_survives_a_second_stamping() -> None:
    """A record that brings its own keys is written as it is."""
    records = real_records()
    assert len(records) > 2_300
    assert [stamp(record) for record in records] == records


def test_every_real_record_can_be_stamped_anew() -> None:
    """Without its keys it gets them from us, and nothing else changes."""
    for record in real_records():
        bare = without_stamps(record)
        stamped = stamp(bare, Tail("parent"))
        assert without_stamps(stamped) == bare
        assert (stamped["parentId"], stamped["timestamp"]) == ("parent", NOW)


def test_the_first_record_has_no_parent() -> None:
    """The root says so with null."""
    assert stamp(message("first"))["parentId"] is None


@pytest.mark.parametrize("parent", [None, "earlier"])
def test_a_record_that_brings_its_parent_keeps_it(parent: str | None) -> None:
    """That is how one branches back on purpose, also to a new root."""
    assert stamp(message("branch", parentId=parent), Tail("leaf"))["parentId"] == parent


def test_each_record_is_chained_after_the_one_before() -> None:
    """The tail after a record is what the next one is stamped with."""
    tail, parents, ids = Tail("leaf"), list[Any](), list[Any]()
    for text in ("one", "two", "three"):
        stamped = PI.stamp(PI.encode(message(text)), tail, now_ms=NOW_MS)
        parents.append(json.loads(stamped.line)["parentId"])
        ids.append(stamped.id)
        tail = stamped.tail
    assert parents == ["leaf", *ids[:2]]
    assert tail.leaf == ids[2]


def test_ids_are_unique_without_an_index_of_the_file() -> None:
    """A hundred thousand would collide for certain if they had the usual eight digits."""
    draft = PI.encode(message("same"))
    ids = {PI.stamp(draft, Tail(), now_ms=NOW_MS).id for _ in range(100_000)}
    assert len(ids) == 100_000
    assert all(re.fullmatch("[0-9a-f]{24}", str(each)) for each in ids)


FORK = """
import os
from coordinator import PI
from coordinator._core._values import Tail

draft = PI.encode({"type": "custom"})
child = os.fork()
os.write(1, PI.stamp(draft, Tail(), now_ms=0).id.encode() + b" ")
if child:
    os.waitpid(child, 0)
"""


def test_a_forked_child_makes_other_ids() -> None:
    """The source of ids is not a state that two processes share."""
    done = subprocess.run([sys.executable, "-c", FORK], check=True, capture_output=True, text=True)
    assert len(set(done.stdout.split())) == 2


def test_a_parent_that_only_other_readers_can_decode_is_named_as_it_stands() -> None:
    """Half a character in a foreign id must not stop our writing."""
    foreign = PI.read(rb'{"type":"custom","id":"cut \ud83d"}')
    assert foreign is not None
    assert stamp(message("next"), PI.tail_of(foreign))["parentId"] == "cut \ud83d"


def test_a_draft_gives_the_record_back_as_it_was_given() -> None:
    """What was not written is handed back without stamps."""
    record = message("text", id="own")
    draft = PI.encode(record)
    PI.stamp(draft, Tail("leaf"), now_ms=NOW_MS)
    assert draft.record == record
    assert (draft.id, draft.lacks) == ("own", ("parentId", "timestamp"))


@pytest.mark.parametrize("parent", ["repair-" + str(UUID(int=1)), "0123456789abcdef01234567", "88e57e7c", None])
def test_stamping_adds_no_more_bytes_than_it_says(parent: str | None) -> None:
    """Room is reserved before the stamps are known."""
    draft = PI.encode(message("text"))
    line = PI.stamp(draft, Tail(parent), now_ms=NOW_MS).line
    assert len(line) - len(draft.line) <= PI.stamp_bytes_max


# Time


def test_a_time_never_runs_backwards() -> None:
    """The clock may step back; the conversation may not."""
    tail = PI.tail_of({"id": "a", "timestamp": "2026-05-20T08:00:10.000Z"})
    first = PI.stamp(PI.encode(message("one")), tail, now_ms=NOW_MS)
    second = stamp(message("two"), first.tail, now_ms=NOW_MS - 5_000)
    assert json.loads(first.line)["timestamp"] == second["timestamp"] == "2026-05-20T08:00:10.000Z"


def test_a_time_that_the_caller_gives_does_not_move_ours() -> None:
    """Somebody's wrong clock is not copied to the records after it."""
    draft = PI.encode(message("one", timestamp="2099-01-01T00:00:00.000Z"))
    stamped = PI.stamp(draft, Tail(), now_ms=NOW_MS)
    assert stamp(message("two"), stamped.tail)["timestamp"] == NOW


@given(st.integers(0, 253_402_300_799_999))
def test_a_stamped_time_is_read_as_the_same_time(ms: int) -> None:
    """What we write and what we read are inverse, to the millisecond, up to the end of the calendar."""
    stamped = PI.stamp(PI.encode(message("text")), Tail(), now_ms=ms)
    record = json.loads(stamped.line)
    assert PI.tail_of(record).timestamp_ms == stamped.tail.timestamp_ms == ms
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["timestamp"])


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("2026-05-20T08:00:00.123Z", NOW_MS),
        ("2026-05-20T10:00:00.123+02:00", NOW_MS),
        ("2026-05-20T08:00:00.123", NOW_MS),
        ("2026-05-20T08:00:00.1221Z", NOW_MS),
        ("2026-05-20T08:00:00Z", NOW_MS - 123),
        ("1969-07-20T20:17:40Z", 0),
        ("yesterday", 0),
        ("", 0),
        (1_779_264_000_123, 0),
        (None, 0),
        (["2026-05-20T08:00:00.123Z"], 0),
    ],
)
def test_a_time_at_the_tail_is_read_with_tolerance(text: object, ms: int) -> None:
    """Other writers are careless; a time that nobody can read is no reason to stop, and none to round down."""
    assert PI.tail_of({"type": "custom", "id": "a", "timestamp": text}) == Tail("a", ms)


@given(st.text(max_size=40) | st.datetimes(timezones=st.timezones()).map(datetime.isoformat))
@example("9999-12-31T23:59:59.999999Z")
@example("9999-12-31T23:59:59.999999-23:59")
@example("0001-01-01T00:00:00+23:59")
def test_whatever_time_stands_at_the_tail_the_next_can_be_stamped(text: str) -> None:
    """Also at the ends of the calendar."""
    stamped = stamp(message("next"), PI.tail_of({"type": "custom", "id": "a", "timestamp": text}), now_ms=0)
    assert datetime.fromisoformat(stamped["timestamp"]).tzinfo is UTC


# What is refused


@pytest.mark.parametrize(
    ("record", "about"),
    [
        ({}, "type"),
        ({"type": None}, "type"),
        ({"type": 1}, "type"),
        ({"type": "session", "version": 3}, "session"),
        (message("text", id=""), "id"),
        (message("text", id=None), "id"),
        (message("text", id=7), "id"),
        (message("text", id=["a"]), "id"),
        (message("text", parentId=7), "parentId"),
        (message("text", parentId=["a"]), "parentId"),
    ],
)
def test_a_record_that_would_break_the_tree_is_refused(record: dict[str, Any], about: str) -> None:
    """Before it is accepted, and with a way out."""
    with pytest.raises(RecordError, match=about) as caught:
        PI.encode(record)
    assert caught.value.hint
    assert caught.value.path is None


# Headers


def test_a_new_header_is_one_that_other_readers_know() -> None:
    """Type, version, a UUID, a time, a directory."""
    header = PI.new_header(None, now_ms=NOW_MS)
    assert header is not None
    assert str(UUID(header["id"])) == header["id"]
    assert header == {**HEADER, "id": header["id"], "cwd": os.getcwd()}
    assert list(header) == ["type", "version", "id", "timestamp", "cwd"]
    assert PI.read_header(json.dumps(header).encode() + b"\n") == header


def test_a_given_header_is_merged_over_the_default() -> None:
    """Every key can be replaced, and others come along."""
    given_header = {
        "id": "own",
        "timestamp": "2026-01-01T00:00:00.000Z",
        "cwd": "/home/demo",
        "parentSession": "p.jsonl",
    }
    assert PI.new_header(given_header, now_ms=NOW_MS) == {"type": "session", "version": 3, **given_header}


def test_a_given_header_is_copied() -> None:
    """Later changes of it do not reach the file."""
    tags = ["a"]
    header = PI.new_header({"tags": tags}, now_ms=NOW_MS)
    tags.append("b")
    assert header is not None
    assert header["tags"] == ["a"]


@pytest.mark.parametrize(
    "given_header",
    [
        {"type": "message"},
        {"version": 2},
        {"version": None},
        {"version": 4},
        {"id": ""},
        {"id": None},
        {"cwd": None},
        {"timestamp": 5},
        {"note": float("nan")},
        {"note": {1, 2}},
        {7: "seven"},
        "header",
        [("id", "a")],
    ],
    ids=repr,
)
def test_a_header_that_no_reader_would_take_is_a_value_error(given_header: Any) -> None:
    """Rather no file than one that cannot be opened."""
    with pytest.raises(ValueError, match="header"):
        PI.new_header(given_header, now_ms=NOW_MS)


def test_a_working_directory_that_is_gone_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is invented in its place."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ValueError, match="cwd"):
        PI.new_header(None, now_ms=NOW_MS)
    assert PI.new_header({"cwd": "/home/demo"}, now_ms=NOW_MS)


@pytest.mark.parametrize("path", [path for path in SESSIONS if path.stem != "headerless"], ids=lambda path: path.stem)
def test_the_header_of_a_real_session_is_read(path: Path) -> None:
    """As it stands, with every key."""
    line = whole_lines(path)[0]
    assert PI.read_header(line) == json.loads(line)


@pytest.mark.parametrize("name", ["headerless", "legacy-v1"])
def test_a_real_file_without_a_header_of_this_version_is_refused(name: str) -> None:
    """Its first line is left to the person at the console."""
    with pytest.raises(FormatError) as caught:
        PI.read_header(whole_lines(DATA / f"{name}.jsonl")[0])
    assert caught.value.hint


@pytest.mark.parametrize("version", [{}, {"version": 1}, {"version": 2}])
def test_an_old_version_is_refused_with_the_way_to_convert_it(version: dict[str, int]) -> None:
    """Converting means rewriting, and that is for its own program to do."""
    with pytest.raises(FormatError, match="old version") as caught:
        PI.read_header(json.dumps({"type": "session", "id": "a", **version}).encode())
    assert "converts" in caught.value.hint


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"\n",
        b"null",
        b"[]",
        b'{"type":"sess',
        b'{"type":"message","id":"a"}',
        b'{"type":"session","version":4,"id":"a"}',
        b'{"type":"session","version":"3","id":"a"}',
        b'{"type":"session","version":3}',
        b'{"type":"session","version":3,"id":7}',
        b'\xef\xbb\xbf{"type":"session","version":3,"id":"a"}',
        b"\0" * 100,
        b"[" * 200_000,
    ],
    ids=lambda line: repr(line[:40]),
)
def test_a_first_line_that_is_no_header_is_refused(line: bytes) -> None:
    """A bad header is never taken for an empty file."""
    with pytest.raises(FormatError) as caught:
        PI.read_header(line)
    assert caught.value.hint


# Reading


def test_every_real_record_is_read_as_the_standard_library_reads_it() -> None:
    """Whole lines of real files, carriage returns included."""
    read = [PI.read(line) for path in SESSIONS for line in whole_lines(path)]
    assert [record for record in read if record is not None] == real_records()


@pytest.mark.parametrize(
    "line",
    [
        b'{"id":"a"}',
        b'{"type":null,"id":"a"}',
        b'{"type":"message"}',
        b'{"type":"message","id":""}',
        b'{"type":"message","id":5}',
        json.dumps(HEADER).encode(),
        b"",
        b"{}",
        b"[]",
        b"\0\0\0",
        b'{"type":"message","id":"a"',
        b'{"type":"message","id":"a","text":"\xff"}',
    ],
)
def test_a_line_without_type_and_id_is_no_record(line: bytes) -> None:
    """It cannot be the leaf, so nothing may be chained after it."""
    assert PI.read(line) is None


def test_unknown_types_and_keys_are_records() -> None:
    """Later versions and other plugins invent their own."""
    record = {"type": "hologram", "id": "repair-1", "depth": [1, {"x": None}]}
    assert PI.read(json.dumps(record).encode()) == record


@given(st.binary(max_size=80))
@example(b'{"type":"message","id":"a","timestamp":' + b"9" * 10_000 + b"}")
def test_reading_a_line_and_its_tail_never_raises(line: bytes) -> None:
    """A damaged file can be read."""
    record = PI.read(line)
    if record is not None:
        assert PI.tail_of(record).leaf == record["id"]


@given(st.integers(0, 300), st.integers(0, 255))
def test_a_damaged_real_line_never_raises(place: int, value: int) -> None:
    """One wrong byte gives a record or none, never an error."""
    line = bytearray(whole_lines(DATA / "short.jsonl")[4])
    line[place % len(line)] = value
    record = PI.read(bytes(line))
    if record is not None:
        PI.tail_of(record)
        PI.parent_of(record)


@pytest.mark.parametrize("parent", [None, "", 7, ["a"]])
def test_a_parent_that_is_no_id_is_no_parent(parent: object) -> None:
    """Such a record is a root."""
    assert PI.parent_of({"type": "custom", "id": "b", "parentId": parent}) is None


def test_the_parent_of_a_record_is_named() -> None:
    """That is the way back to the root."""
    assert PI.parent_of({"type": "custom", "id": "b", "parentId": "a"}) == "a"


def test_the_tail_of_a_real_session_is_its_last_record(copy_of: Callable[[str], Path]) -> None:
    """Whatever its type, and also if it stands on an early branch."""
    for name in ("all-types", "branches", "compaction", "short"):
        last = json.loads(whole_lines(copy_of(name))[-1])
        assert PI.tail_of(last).leaf == last["id"]
