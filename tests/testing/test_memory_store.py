"""The store in memory answers as the store on a file does, whatever happens to the content."""

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator import PI, PLAIN, FormatError, Limits, RecordError, RecordFormat, WriteFailedError
from coordinator._core._effects import Append, Close, Compare, Fault, Opened, Reopen, Report, Rewrite, Sync
from coordinator._core._values import Change
from coordinator._store import FileStore
from coordinator.testing import MemoryStore, foreign_append

LINE, OTHER, DAMAGE, TORN = b'{"a":1}\n', b'{"b":2}\n', b"no record\n", b'{"torn":'
HEADER = b'{"type":"session","version":3,"id":"s"}\n'


def foreign_story(report: Report) -> list[object]:
    """Say what a report tells of others, without what only a file has: its inode, its times, who has it open."""
    return [
        (
            found.change, found.start, found.end, found.first_records, found.records, found.damaged, found.tail,
            found.slipped, found.header,
        )
        for found in report.foreign
        if found.change is not Change.TOUCHED
    ]  # fmt: skip


class Twins:
    """A store on a file and one in memory, which are told the same."""

    def __init__(self, directory: str, record_format: RecordFormat, content: bytes) -> None:
        self.path = Path(directory) / "session.jsonl"
        self.path.write_bytes(content)
        self.file = FileStore(self.path, record_format=record_format, limits=Limits())
        self.memory = MemoryStore(record_format, content, path=self.path)
        self.opened(lambda store: store.open())

    def content(self) -> bytes:
        """Return what both hold."""
        assert bytes(self.memory.content) == self.path.read_bytes()
        return bytes(self.memory.content)

    def opened(self, act: Callable[[Any], Opened]) -> Opened:
        """Open both in some way."""
        by_file, by_memory = act(self.file), act(self.memory)
        revisions = [(opened.revision.generation, opened.revision.length) for opened in (by_file, by_memory)]
        assert revisions[0] == revisions[1]
        same = {"revision": by_file.revision, "healed": replace(by_file.healed, side_file=None)}
        assert replace(by_memory, **same) == replace(by_file, **same)
        assert by_memory.healed == same["healed"]
        self.content()
        return by_memory

    def perform(self, effect: Callable[..., Any], *arguments: Any, **options: Any) -> Report:
        """Let both do the same, to the end of a torn line if need be, and compare what they answer."""
        reports = []
        for store, revision in ((self.file, self.file.revision), (self.memory, self.memory.revision())):
            act = effect(revision, *arguments, **options)
            report = store.perform(act)
            reports.append(store.finish(act, report) if report.torn else report)
        by_file, by_memory = reports
        assert by_memory.written == by_file.written
        assert foreign_story(by_memory) == foreign_story(by_file)
        assert by_memory.tail == by_file.tail
        assert type(by_memory.refused) is type(by_file.refused)
        assert (by_memory.torn, by_memory.fault) == (by_file.torn, by_file.fault) == (False, None)
        same = (by_file.revision.generation, by_file.revision.length)
        assert (by_memory.revision.generation, by_memory.revision.length) == same
        self.content()
        return by_memory

    def foreign(self, data: bytes) -> None:
        """Append to both as somebody else."""
        foreign_append(self.path, data)
        self.memory.foreign_append(data)

    def overwrite(self, content: bytes) -> None:
        """Put something else into both files, in place."""
        with self.path.open("r+b") as file:
            file.truncate(0)
            file.write(content)
        self.memory.content[:] = content

    def close(self) -> None:
        """Give the file back."""
        assert [store.close(Close(store_revision(store))).fault for store in (self.file, self.memory)] == [None, None]


def store_revision(store: FileStore | MemoryStore) -> Any:
    """Return what a store believes."""
    return store.revision if isinstance(store, FileStore) else store.revision()


def mark(records):
    """Change every record, drop the third."""
    for number, record in enumerate(records):
        if number != 2:
            yield {**record, "marked": True}


def take_two(records):
    """Leave most of the old content unread."""
    for _ in range(2):
        record = next(records, None)
        if record is not None:
            yield record


def fail(records):
    """Fail in the middle."""
    yield next(records, {"made": "up"})
    raise ZeroDivisionError


CONTENTS = [b"", LINE, LINE + OTHER, LINE + DAMAGE + OTHER, LINE + TORN, LINE + b'{"whole":1}', b"\n" + LINE]
STEPS: dict[str, Callable[[Twins], object]] = {
    "append": lambda twins: twins.perform(Append, (LINE, OTHER)),
    "append with a fence": lambda twins: twins.perform(Append, (LINE,), compare=True, sync=True),
    "insist": lambda twins: twins.perform(Append, (LINE, LINE), insist=True),
    "compare": lambda twins: twins.perform(Compare, sync=True),
    "sync": lambda twins: twins.perform(Sync),
    "rewrite": lambda twins: twins.perform(Rewrite, mark, 0),
    "rewrite the beginning": lambda twins: twins.perform(Rewrite, take_two, 0),
    "rewrite in vain": lambda twins: twins.perform(Rewrite, fail, 0),
    "a foreign line": lambda twins: twins.foreign(OTHER),
    "foreign damage": lambda twins: twins.foreign(DAMAGE + OTHER),
    "half a foreign line": lambda twins: twins.foreign(TORN),
    "reopen": lambda twins: twins.opened(lambda store: store.reopen(Reopen((LINE, LINE, TORN), 0))),
    "park": lambda twins: twins.opened(lambda store: (store.park(), store.unpark())[1]),
}
BREAKS: dict[str, Callable[[Twins], object]] = {
    "shorter": lambda twins: twins.overwrite(b""),
    "another beginning": lambda twins: twins.overwrite(b"x" + twins.content()),
}


@given(content=st.sampled_from(CONTENTS), steps=st.lists(st.sampled_from(sorted(STEPS)), max_size=8))
def test_it_answers_as_the_store_on_a_file(content, steps) -> None:
    """A plugin's test that passes in memory must not fail on a disk."""
    with TemporaryDirectory() as directory:
        twins = Twins(directory, PLAIN, content)
        for step in steps:
            STEPS[step](twins)
        twins.close()


@pytest.mark.parametrize("verb", ["append", "append with a fence", "insist", "compare", "rewrite"])
@pytest.mark.parametrize("change", BREAKS)
def test_it_stops_where_the_store_on_a_file_stops(tmp_path, change, verb) -> None:
    """Nothing is written over what somebody else has made of the file; reopening accepts it."""
    twins = Twins(str(tmp_path), PLAIN, LINE + OTHER)
    BREAKS[change](twins)
    content = twins.content()
    report = STEPS[verb](twins)
    assert isinstance(report, Report)
    assert [found.change.stops for found in report.foreign] == [True]
    assert report.written is None
    assert twins.content() == content
    assert STEPS["reopen"](twins)
    twins.close()


@given(
    content=st.sampled_from([HEADER, HEADER + b'{"type":"x","id":"1"}\n' + DAMAGE]),
    steps=st.permutations(["a", "r", "c"]),
)
def test_a_header_is_neither_record_nor_damage(content, steps) -> None:
    """It stays first through every rewrite."""
    record = b'{"type":"x","id":"2","parentId":null,"timestamp":"2024-01-01T00:00:00.000Z"}\n'
    acts = {
        "a": lambda twins: twins.perform(Append, (record,)),
        "r": lambda twins: twins.perform(Rewrite, mark_all, 0),
        "c": lambda twins: (twins.foreign(record), twins.perform(Compare)),
    }
    with TemporaryDirectory() as directory:
        twins = Twins(directory, PI, content)
        for step in steps:
            acts[step](twins)
        assert twins.content().startswith(HEADER)
        twins.close()


def mark_all(records):
    """Change every record; nothing is left to chance by what is there already."""
    return ({"parentId": None, "timestamp": "2024-01-01T00:00:00.000Z", **record, "marked": 1} for record in records)


def test_a_header_that_is_none_is_refused_and_left_as_it_is() -> None:
    """Opening changes nothing in a file that it does not understand."""
    store = MemoryStore(PI, b"something\nelse")
    with pytest.raises(FormatError) as caught:
        store.open()
    assert caught.value.path == store.path
    assert bytes(store.content) == b"something\nelse"


def test_a_new_session_begins_with_its_header() -> None:
    """It is written with the first batch, and with that one only."""
    store = MemoryStore(PI)
    opened = store.open()
    first = store.perform(Append(opened.revision, (LINE,), header=HEADER))
    store.perform(Append(first.revision, (OTHER,), header=HEADER))
    assert bytes(store.content) == HEADER + LINE + OTHER
    assert first.written is not None
    assert first.written[0] == len(HEADER)


def test_a_line_that_slips_in_stands_before_ours() -> None:
    """The moment between look and write is the one that no test on a disk hits by chance."""
    store = MemoryStore(PLAIN, LINE)
    revision = store.open().revision
    store.between.append(OTHER)
    report = store.perform(Append(revision, (LINE,)))
    assert bytes(store.content) == LINE + OTHER + LINE
    assert [(found.change, found.slipped) for found in report.foreign] == [(Change.APPENDED, True)]


@pytest.mark.parametrize(("number", "fault"), [(errno.ENOSPC, Fault.ROOM), (errno.EIO, Fault.WRITE)])
def test_a_refused_write_writes_nothing(number, fault) -> None:
    """A full disk is a matter of setting one attribute; a rewrite is refused by it too."""
    store = MemoryStore(PLAIN, LINE)
    revision = store.open().revision
    store.refusal = OSError(number, os.strerror(number))
    report = store.perform(Append(revision, (OTHER,)))
    assert (report.fault, report.written, report.revision) == (fault, None, revision)
    rewritten = store.perform(Rewrite(revision, mark, 0))
    assert isinstance(rewritten.refused, WriteFailedError)
    assert bytes(store.content) == LINE


def test_a_record_that_a_rewrite_makes_too_large_is_refused() -> None:
    """The bound of the coordinator holds for every way into the file."""
    store = MemoryStore(PLAIN, LINE, limits=replace(Limits(), record_bytes_max=5))
    report = store.perform(Rewrite(store.open().revision, mark, 0))
    assert isinstance(report.refused, RecordError)
    assert report.refused.path == store.path


@pytest.mark.parametrize(("late", "kept"), [(OTHER, True), (None, False)])
def test_a_change_during_a_rewrite_is_kept_or_stops_it(late, kept) -> None:
    """What was appended meanwhile is brought over; what was overwritten meanwhile stays."""
    store = MemoryStore(PLAIN, LINE)

    def transform(records):
        yield from mark(records)
        if late is None:
            store.content.clear()
        else:
            store.foreign_append(late)

    report = store.perform(Rewrite(store.open().revision, transform, 0))
    assert (report.refused is None) is kept
    assert bytes(store.content) == (b'{"a":1,"marked":true}\n' + OTHER if kept else b"")
    assert [found.change.stops for found in report.foreign] == [not kept]


def test_only_what_was_synced_is_safe() -> None:
    """A test can ask what a power cut would leave."""
    store = MemoryStore(PLAIN, LINE)
    report = store.perform(Append(store.open().revision, (OTHER,)))
    assert store.synced == LINE
    assert store.perform(Sync(report.revision)).synced
    assert store.synced == LINE + OTHER


def test_an_unchanged_revision_stays_the_same_object_over_parking() -> None:
    """The contract of the store says so."""
    store = MemoryStore(PLAIN, LINE)
    revision = store.open().revision
    store.park()
    assert store.unpark().revision is revision
