"""A rewrite shows the whole old file or the whole new one, and loses nothing that anybody else wrote meanwhile."""

import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

import orjson
import pytest

from coordinator import PI, Change, Record, RecordError
from coordinator._core._effects import Compare, Fault, Report, Rewrite
from coordinator._store._system import System

from .conftest import Desk, OpenDesk
from .scripted import append_to

FOREIGN = b'{"foreign":1}\n'
CALLS_MAX = 200


def number(records: Iterator[Record]) -> Iterable[Record]:
    """Give every record its place."""
    return ({**record, "place": place} for place, record in enumerate(records))


def rewrite(desk: Desk, transform: object = number) -> Report:
    """Rewrite; a torn foreign line is ended as the driver does it."""
    effect = Rewrite(desk.store.revision, transform, 0)  # type: ignore[arg-type]
    report = desk.store.perform(effect)
    while report.torn:
        report = desk.store.finish(effect, report)
    return report


def strays(path: Path) -> list[str]:
    """Return what is beside the file and its lock."""
    return [name for name in os.listdir(path.parent) if name not in (path.name, f".{path.name}.lock")]


def records(content: bytes) -> list[Record]:
    """Return the records of a file, in their order."""
    return [orjson.loads(line) for line in content.splitlines()]


def test_a_rewrite_replaces_the_content_by_another_generation(desk: Desk) -> None:
    """The same name, another inode, the mode as it was, nothing left over; the next batch goes behind it."""
    desk.path.chmod(0o640)
    before = desk.path.stat()
    desk.compare()
    report = rewrite(desk)
    assert (report.refused, report.synced, report.foreign) == (None, True, ())
    assert records(desk.content) == [{"own": 1, "place": 0}, {"own": 2, "place": 1}]
    after = desk.path.stat()
    assert (after.st_ino != before.st_ino, after.st_mode) == (True, before.st_mode)
    assert desk.store.revision.generation == 2
    assert desk.append(b"{}\n").written is not None
    assert desk.knows_the_content
    assert strays(desk.path) == []


def test_damage_keeps_its_place(new_desk: OpenDesk, session_path: Path) -> None:
    """A rewrite never drops a damaged line silently."""
    session_path.write_bytes(b'{"a":1}\nnonsense\n{"a":2}\n\n')
    desk = new_desk()
    desk.open()
    assert rewrite(desk).refused is None
    assert desk.content == b'{"a":1,"place":0}\nnonsense\n{"a":2,"place":1}\n\n'


@pytest.mark.parametrize("transform", [lambda _records: 1 / 0, lambda _records: [{"a": float("nan")}]])
def test_a_transform_that_fails_leaves_the_old_file(desk: Desk, transform: object) -> None:
    """Its error goes back to the caller."""
    before = desk.content
    report = rewrite(desk, transform)
    assert report.refused is not None
    assert (desk.content, desk.store.revision.generation, strays(desk.path)) == (before, 1, [])
    assert desk.compare().foreign == ()


def test_what_others_append_until_the_exchange_is_carried_over(desk: Desk) -> None:
    """Through a descriptor of the old file or through the name: found, adopted, reported."""
    desk.system.act_at("exchange", append_to(desk.path, FOREIGN))
    report = rewrite(desk)
    assert [foreign.change for foreign in report.foreign] == [Change.APPENDED]
    assert desk.content.endswith(FOREIGN)
    assert desk.knows_the_content


def test_what_is_brought_over_is_not_glued_to_an_unfinished_line(desk: Desk) -> None:
    """Two others: one is in the middle of a line in the new file, one writes a whole line to the old."""
    with desk.path.open("ab") as old:
        assert rewrite(desk).refused is None
        append_to(desk.path, b'{"half')()
        old.write(FOREIGN)
    desk.compare()
    assert desk.content.splitlines()[-2:] == [b'{"half', FOREIGN.strip()]


def test_a_line_that_comes_in_halves_is_brought_over_whole(desk: Desk) -> None:
    """The first half waits for the second as it would in the file itself."""
    old = os.open(desk.path, os.O_WRONLY | os.O_APPEND)
    assert rewrite(desk).refused is None
    os.write(old, FOREIGN[:5])
    effect = Compare(desk.store.revision, sync=False)
    report = desk.store.perform(effect)
    assert report.torn
    os.write(old, FOREIGN[5:])
    assert [foreign.change for foreign in desk.store.finish(effect, report).foreign] == [Change.APPENDED]
    assert desk.content.endswith(b"\n" + FOREIGN)
    os.close(old)


def test_what_others_append_to_the_displaced_file_later_is_found_once_more(desk: Desk) -> None:
    """They still have a descriptor of the old inode: the next comparison brings their line over."""
    with desk.path.open("ab") as file:
        assert rewrite(desk).foreign == ()
        file.write(FOREIGN)
    assert [foreign.change for foreign in desk.compare().foreign] == [Change.APPENDED]
    assert desk.content.endswith(FOREIGN)


def test_an_edit_while_it_is_copied_is_never_laundered(desk: Desk) -> None:
    """What is read has to be what we believe; otherwise the old file stays and the session stops."""
    edited = desk.content.replace(b"1", b"7")

    def edit(records: Iterator[Record]) -> Iterator[Record]:
        desk.path.write_bytes(edited)
        yield from records

    report = rewrite(desk, edit)
    assert [foreign.change for foreign in report.foreign] == [Change.REWRITTEN]
    assert (desk.content, strays(desk.path)) == (edited, [])


def test_an_edit_that_is_undone_before_the_exchange_is_not_laundered(desk: Desk) -> None:
    """What was copied is what counts, not what stands there when the copy is published."""
    before = desk.content

    def edit_and_undo(records: Iterator[Record]) -> Iterator[Record]:
        desk.path.write_bytes(before.replace(b"1", b"7"))
        yield from list(records)
        desk.path.write_bytes(before)

    assert rewrite(desk, edit_and_undo).refused is not None
    assert desk.content == before


def test_a_replacement_just_before_the_exchange_is_exchanged_back(desk: Desk) -> None:
    """The other's file is in its place again, and the session stops."""

    def replace() -> None:
        other = desk.path.with_name("other")
        other.write_bytes(FOREIGN)
        other.rename(desk.path)

    desk.system.act_at("exchange", replace)
    report = rewrite(desk)
    assert [foreign.change for foreign in report.foreign] == [Change.REPLACED]
    assert (desk.content, strays(desk.path)) == (FOREIGN, [])


def test_an_equal_file_that_takes_the_path_meanwhile_refuses_the_rewrite_and_is_no_takeover(desk: Desk) -> None:
    """An editor's save, or a backup put back: the same bytes under a new inode."""

    def save() -> None:
        copy = desk.path.with_name("copy")
        copy.write_bytes(desk.content)
        copy.replace(desk.path)

    desk.system.act_at("exchange", save)
    report = rewrite(desk)
    assert report.refused is not None
    assert [foreign.change for foreign in report.foreign] == [Change.TOUCHED]
    assert rewrite(desk).refused is None


def test_a_path_that_was_given_back_is_durable_before_anything_is_written(desk: Desk) -> None:
    """A power cut could keep the first exchange and lose the second, and with it what is written afterwards."""
    desk.system.begin()
    desk.system.act_at("exchange", lambda: desk.system.fail("lstat", OSError(errno.EIO, "io")))
    assert rewrite(desk).refused is not None
    calls = desk.system.calls
    last = len(calls) - calls[::-1].index("exchange")
    assert calls.count("exchange") == 2
    assert "sync_directory" in calls[last:]


def test_what_others_append_while_a_refused_rewrite_has_the_path_is_given_on(desk: Desk) -> None:
    """The path is ours for an instant only, but what was written then was written to us."""

    def save() -> None:
        copy = desk.path.with_name("copy")
        copy.write_bytes(desk.content)
        copy.replace(desk.path)
        desk.system.act_at("lstat", append_to(desk.path, FOREIGN))

    desk.system.act_at("exchange", save)
    report = rewrite(desk)
    assert report.refused is not None
    assert desk.content.endswith(FOREIGN)
    assert [foreign.change for foreign in report.foreign][-1] is Change.REPLACED


def test_what_cannot_be_given_on_is_more_than_a_refused_rewrite(desk: Desk) -> None:
    """Somebody else's line is lost with it: the session fails, and every fence with it, instead of going on."""

    def append() -> None:
        append_to(desk.path, FOREIGN)()
        desk.system.fail("write", OSError(errno.EIO, "io"))

    def save() -> None:
        copy = desk.path.with_name("copy")
        copy.write_bytes(desk.content)
        copy.replace(desk.path)
        desk.system.act_at("lstat", append)

    desk.system.act_at("exchange", save)
    report = rewrite(desk)
    assert (report.fault, report.refused) == (Fault.WRITE, None)


def test_without_an_exchange_a_rename_does_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has no atomic exchange, what slips in before the rename is still carried over."""

    def no_exchange(_system: System, _one: Path, _other: Path) -> None:
        raise OSError(errno.ENOSYS, "no exchange")

    monkeypatch.setattr(type(desk.system), "exchange", no_exchange)
    desk.system.act_at("rename", append_to(desk.path, FOREIGN))
    report = rewrite(desk)
    assert [foreign.change for foreign in report.foreign] == [Change.APPENDED]
    assert desk.content.endswith(b'"place":1}\n' + FOREIGN)
    assert strays(desk.path) == []


@pytest.mark.parametrize("errno_", [errno.ENOSPC, errno.EIO, errno.EXDEV, errno.EROFS])
def test_every_call_of_a_rewrite_may_fail(new_desk: OpenDesk, tmp_path: Path, errno_: int) -> None:
    """At the N-th call, for N = 1, 2, …: the old file or the new one is in its place, whole, and no stray stays."""
    for n in range(CALLS_MAX):
        desk = new_desk(tmp_path / f"{n}.jsonl")
        desk.open()
        desk.append(b'{"own":1}\n', b'{"own":2}\n')
        old = desk.content
        desk.system.begin()
        desk.system.fail_at(n, OSError(errno_, os.strerror(errno_)), for_ever=False)
        report = rewrite(desk)
        made_it = len(desk.system.calls) <= n
        desk.system.mend()
        assert desk.content in (old, b'{"own":1,"place":0}\n{"own":2,"place":1}\n'), n
        if made_it:
            assert report.refused is None
            return
        desk.close()
        new_desk(tmp_path / f"{n}.jsonl").open()
        left = [name for name in os.listdir(tmp_path) if name.startswith(f".{n}.jsonl.rewrite")]
        assert left == [], n
    pytest.fail("no run was clean")


def test_an_empty_file_is_not_rewritten(new_desk: OpenDesk, session_path: Path) -> None:
    """It has no header yet: the first batch brings it."""
    session_path.touch()
    desk = new_desk(record_format=PI)
    desk.open()
    assert rewrite(desk, lambda records: [*records, {"made": "up"}]).refused is None
    assert desk.content == b""


def test_what_can_stand_in_a_file_can_be_rewritten(new_desk: OpenDesk, session_path: Path) -> None:
    """Half characters that JavaScript leaves, and nesting that an encoder refuses: a compaction must not fail on it."""
    nested = b'{"a":' * 300 + b"1" + b"}" * 300
    lines = [rb'{"text":"cut \ud83d","more":"\u00e9 \ud83d\ude00"}', nested, b'{"a":1}']
    session_path.write_bytes(b"".join(line + b"\n" for line in lines))
    desk = new_desk()
    desk.open()
    assert rewrite(desk, lambda records: records).refused is None
    expected = [rb'{"text":"cut \ud83d","more":"' + "é 😀".encode() + b'"}', *lines[1:]]
    assert desk.content.split(b"\n")[:-1] == expected


def test_a_record_as_large_as_allowed_can_be_rewritten_with_its_stamp(new_desk: OpenDesk, session_path: Path) -> None:
    """Stamping has made it longer than it was when it was accepted."""
    header = b'{"type":"session","version":3,"id":"one","timestamp":"2026-05-20T08:00:00.000Z","cwd":"/"}\n'
    stamp = b'"id":"%b","parentId":null,"timestamp":"2026-05-20T08:00:00.000Z",' % (b"f" * 24)
    session_path.write_bytes(header + b'{%b"type":"x","y":"%b"}\n' % (stamp, b"z" * 60))
    desk = new_desk(record_format=PI, record_bytes_max=100)
    desk.open()
    assert rewrite(desk, lambda records: [{**record, "y": "z" * 80} for record in records]).refused is None
    assert desk.content == header + b'{%b"type":"x","y":"%b"}\n' % (stamp, b"z" * 80)
    assert rewrite(desk, lambda records: [{**record, "y": "z" * 200} for record in records]).refused is not None


def test_a_record_over_the_limit_that_stands_there_may_stay(new_desk: OpenDesk, session_path: Path) -> None:
    """Somebody else wrote it; only what is larger than all that was there is refused."""
    session_path.write_bytes(b'{"y":"' + b"z" * 1000 + b'"}\n')
    desk = new_desk(record_bytes_max=100)
    desk.open()
    assert rewrite(desk, lambda records: records).refused is None
    assert rewrite(desk, lambda records: [{"y": "z" * 1001}]).refused is not None


@pytest.mark.parametrize("record", [{1: "a number as a key"}, {"a": object()}, {"a": float("inf")}], ids=repr)
def test_what_no_file_can_hold_is_refused_by_a_rewrite(desk: Desk, record: Record) -> None:
    """Written in spite of that it would not be what was given."""
    before = desk.content
    assert isinstance(rewrite(desk, lambda _: [record]).refused, RecordError)
    assert desk.content == before
