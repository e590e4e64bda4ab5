"""Opening a file: what is mended, what is refused, what is left as it is, byte for byte."""

import errno
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from coordinator import PI, Change, FormatError, PathError, WriteFailedError
from coordinator._core._effects import Healed
from coordinator._store import _heal

from ..conftest import DATA
from .conftest import OpenDesk
from .scripted import append_to

LEAF = "9e3a0b5c"


def side_files(path: Path) -> list[Path]:
    """Return what was kept beside a session file."""
    return sorted(path.parent.glob(f"{path.name}.torn-*"))


def state_of(path: Path) -> tuple[bytes, int, int]:
    """Return what "untouched" means: bytes, mode, time of the last change."""
    found = path.stat()
    return path.read_bytes(), found.st_mode, found.st_mtime_ns


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        ("all-types", 0), ("short", 0), ("long-2000", 0), ("compaction", 0), ("branches", 0), ("crlf", 0),
        ("header-only", 0), ("damaged-middle", 2),
    ],
)  # fmt: skip
def test_a_whole_file_is_left_as_it_is(
    copy_of: Callable[[str], Path], new_desk: OpenDesk, name: str, damaged: int
) -> None:
    """Damage before the end is counted, never mended; the leaf is the last record."""
    path = copy_of(name)
    before = state_of(path)
    desk = new_desk(path, record_format=PI)
    opened = desk.open()
    assert state_of(path) == before
    assert (opened.healed, opened.damaged) == (Healed(), damaged)
    assert opened.header is not None
    assert opened.header["type"] == "session"
    last = [record for record in map(PI.read, before[0].splitlines()[1:]) if record is not None][-1:]
    assert opened.tail.leaf == (last[0]["id"] if last else None)
    assert desk.knows_the_content


def test_a_cut_is_durable_before_its_blocks_are_used_again(new_desk: OpenDesk, session_path: Path) -> None:
    """A power cut that tears the next write would else mix old and new under the old length: damage for ever."""
    session_path.write_bytes(b'{"own":1}\n{"own')
    desk = new_desk()
    desk.open()
    calls = desk.system.calls
    assert calls[calls.index("truncate") + 1] == "sync"


def test_damage_is_located(copy_of: Callable[[str], Path], new_desk: OpenDesk) -> None:
    """A person who wants to see the damage is told where it is."""
    path = copy_of("damaged-middle")
    opened = new_desk(path, record_format=PI).open()
    lines = path.read_bytes().splitlines(keepends=True)
    starts = [sum(map(len, lines[:number])) for number, line in enumerate(lines) if number and PI.read(line) is None]
    assert list(opened.damaged_at) == starts
    assert opened.damaged == len(starts) == 2


def test_a_torn_tail_is_cut_and_its_bytes_are_kept(copy_of: Callable[[str], Path], new_desk: OpenDesk) -> None:
    """What a crash left of a line is put aside, and the next record is chained after the one before it."""
    path = copy_of("torn-tail")
    content = path.read_bytes()
    keep = content.rfind(b"\n") + 1
    desk = new_desk(path, record_format=PI)
    opened = desk.open()
    (kept,) = side_files(path)
    assert path.read_bytes() == content[:keep]
    assert kept.read_bytes() == content[keep:]
    assert opened.healed == Healed(len(content) - keep, str(kept), newline_added=False)
    last = PI.read(content[:keep].splitlines()[-1])
    assert last is not None
    assert opened.tail.leaf == last["id"]
    assert desk.knows_the_content


def test_the_side_file_is_private_and_no_session(copy_of: Callable[[str], Path], new_desk: OpenDesk) -> None:
    """Nobody else may read what was torn, and no reader takes it for a conversation."""
    path = copy_of("torn-tail")
    new_desk(path, record_format=PI).open()
    (kept,) = side_files(path)
    stamp = kept.name.removeprefix(f"{path.name}.torn-")
    assert abs((datetime.now(UTC) - datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)).seconds) < 60
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.suffix != ".jsonl"


def test_a_whole_record_without_its_end_gets_the_newline(copy_of: Callable[[str], Path], new_desk: OpenDesk) -> None:
    """Nothing is lost of a file whose last writer forgot the line feed."""
    path = copy_of("no-final-newline")
    content = path.read_bytes()
    desk = new_desk(path, record_format=PI)
    opened = desk.open()
    assert path.read_bytes() == content + b"\n"
    assert opened.healed == Healed(newline_added=True)
    assert desk.knows_the_content
    assert side_files(path) == []


@pytest.mark.parametrize("name", ["headerless", "legacy-v1"])
def test_a_file_of_another_format_is_refused_untouched(
    copy_of: Callable[[str], Path], new_desk: OpenDesk, name: str
) -> None:
    """A reader that repairs a bad header by starting afresh destroys the history."""
    path = copy_of(name)
    before = state_of(path)
    with pytest.raises(FormatError) as caught:
        new_desk(path, record_format=PI).open()
    assert caught.value.path == path
    assert caught.value.hint
    assert state_of(path) == before
    assert side_files(path) == []


def test_a_bad_header_is_refused_before_a_torn_tail_is_cut(copy_of: Callable[[str], Path], new_desk: OpenDesk) -> None:
    """Refusing means touching nothing, also at the other end of the file."""
    path = copy_of("headerless")
    append_to(path, b'{"torn')()
    before = state_of(path)
    with pytest.raises(FormatError):
        new_desk(path, record_format=PI).open()
    assert state_of(path) == before
    assert side_files(path) == []


@pytest.mark.parametrize("content", [b"", b'{"type":"session","ver', b"\0" * 5000])
def test_an_empty_or_never_finished_file_counts_as_new(session_path: Path, new_desk: OpenDesk, content: bytes) -> None:
    """A kill during creation leaves no header; the bytes are kept, and the first batch begins the file."""
    session_path.write_bytes(content)
    desk = new_desk(record_format=PI)
    opened = desk.open()
    assert (opened.header, desk.store.revision.length, session_path.read_bytes()) == (None, 0, b"")
    assert [kept.read_bytes() for kept in side_files(session_path)] == ([content] if content else [])
    header, line = b'{"type":"session","version":3,"id":"x"}\n', b'{"type":"custom","id":"a","parentId":null}\n'
    assert desk.append(line, header=header).written is not None
    assert session_path.read_bytes() == header + line


@pytest.mark.parametrize("size", [1, 4096, _heal.BLOCK_BYTES + 1, 3 * _heal.BLOCK_BYTES])
@pytest.mark.parametrize("before", [b"", b'{"torn":', b'{"whole":1}'])
def test_nul_bytes_at_the_end_are_cut(session_path: Path, new_desk: OpenDesk, before: bytes, size: int) -> None:
    """Blocks that a power cut left unwritten are no content; a whole record before them stays."""
    content = b'{"a":1}\n' + before + bytes(size)
    session_path.write_bytes(content)
    desk = new_desk()
    opened = desk.open()
    whole = before.endswith(b"}")
    keep = b'{"a":1}\n' + (before if whole else b"")
    assert session_path.read_bytes() == keep + (b"\n" if whole else b"")
    assert [kept.read_bytes() for kept in side_files(session_path)] == [content[len(keep) :]]
    assert opened.healed.newline_added is whole
    assert desk.knows_the_content


def test_a_long_torn_line_is_found_in_bounded_reads(session_path: Path, new_desk: OpenDesk) -> None:
    """The start of the last line may be many blocks before the end."""
    torn = b'{"a":"' + b"x" * (3 * _heal.BLOCK_BYTES)
    session_path.write_bytes(b"{}\n" + torn)
    new_desk().open()
    (kept,) = side_files(session_path)
    assert (session_path.read_bytes(), kept.read_bytes()) == (b"{}\n", torn)


def test_every_cut_of_a_file_is_healed_to_its_whole_lines(session_path: Path, new_desk: OpenDesk) -> None:
    """At whatever byte a kill stopped the last write, every line before it survives."""
    content = (DATA / "header-only.jsonl").read_bytes() + b'{"type":"custom","id":"a","x":"\xc3\xa9\\n"}\n'
    for length in range(len(content)):
        session_path.write_bytes(content[:length])
        desk = new_desk(record_format=PI)
        desk.open()
        healed = session_path.read_bytes()
        whole = content[: content.rfind(b"\n", 0, length) + 1]
        assert healed in (whole, content[:length] + b"\n")
        assert desk.knows_the_content
        desk.close()


def test_healing_is_done_after_a_kill_at_any_system_call(tmp_path: Path, new_desk: OpenDesk) -> None:
    """Until the cut the file is as it was, and a copy that is there already is used again."""

    class KilledError(BaseException):
        """Ends a run as a kill does: nothing of ours runs after it."""

    def kill() -> None:
        raise KilledError

    number, content = 0, b'{"a":1}\n{"torn'
    while True:
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(content)
        desk = new_desk(path)
        desk.system.act_before(number, kill)
        try:
            desk.open()
        except KilledError:
            assert path.read_bytes() in (content, b'{"a":1}\n')
            assert path.read_bytes() == content or side_files(path)[0].read_bytes() == b'{"torn'
        else:
            desk.system.begin()
            break
        again = new_desk(path)
        again.open()
        assert path.read_bytes() == b'{"a":1}\n'
        assert [kept.read_bytes() for kept in side_files(path) if kept.stat().st_size] == [b'{"torn']
        number += 1
    assert number > 10


def test_healing_twice_changes_nothing_more(copy_of: Callable[[str], Path], new_desk: OpenDesk) -> None:
    """A healed file is a whole file."""
    path = copy_of("torn-tail")
    desk = new_desk(path, record_format=PI)
    desk.open()
    desk.close()
    before = state_of(path)
    assert new_desk(path, record_format=PI).open().healed == Healed()
    assert state_of(path) == before
    assert len(side_files(path)) == 1


def test_two_torn_tails_in_one_second_are_both_kept(session_path: Path, new_desk: OpenDesk) -> None:
    """The clock is no name."""
    for torn in (b'{"first', b'{"second'):
        append_to(session_path, torn)()
        desk = new_desk()
        desk.open()
        desk.close()
    assert {kept.read_bytes() for kept in side_files(session_path)} == {b'{"first', b'{"second'}


@pytest.mark.parametrize("call", ["open", "write", "sync", "sync_directory", "truncate"])
def test_nothing_is_cut_whose_bytes_could_not_be_kept(session_path: Path, new_desk: OpenDesk, call: str) -> None:
    """A full disk while healing is an error, and the file stays as it was."""
    session_path.write_bytes(b'{}\n{"torn')
    desk = new_desk()
    desk.system.fail(call, OSError(errno.ENOSPC, "full"), skip=2 if call == "open" else 0)
    with pytest.raises((WriteFailedError, PathError)) as caught:
        desk.open()
    assert caught.value.hint
    assert session_path.read_bytes() == b'{}\n{"torn'
    assert side_files(session_path) == [] or call in ("sync_directory", "truncate")
    desk.system.mend()
    desk.open()
    assert session_path.read_bytes() == b"{}\n"


def test_a_line_that_comes_while_we_heal_is_not_cut(session_path: Path, new_desk: OpenDesk) -> None:
    """Directly before the cut we look once more; then healing begins again."""
    session_path.write_bytes(b'{}\n{"half"')
    desk = new_desk()
    desk.system.act_at("sync_directory", append_to(session_path, b':"done"}\n'))
    desk.open()
    assert session_path.read_bytes() == b'{}\n{"half":"done"}\n'
    assert desk.knows_the_content


@pytest.mark.parametrize("act", ["replace", "append"])
def test_a_file_that_changes_while_it_is_opened_is_opened_as_it_is_then(
    tmp_path: Path, new_desk: OpenDesk, act: str
) -> None:
    """Opening begins again, or the next comparison finds what came later; nothing makes it a takeover."""

    def change(path: Path) -> None:
        other = path.with_name("other")
        other.write_bytes(b'{"other":1}\n')
        if act == "replace":
            other.replace(path)
        else:
            append_to(path, b"{}\n")()

    for number in range(30):
        path = tmp_path / f"{number}.jsonl"
        path.write_bytes(b'{"a":1}\n{"torn')
        desk = new_desk(path)
        desk.system.act_before(number, lambda path=path: change(path))
        desk.open()
        if len(desk.system.calls) <= number:
            assert number > 10
            return
        if desk.system.calls[number:].count("lstat"):
            assert not [foreign for foreign in desk.compare().foreign if foreign.change.stops]
            assert desk.knows_the_content
        desk.close()
    pytest.fail("opening never ends")


def test_an_edit_while_a_file_is_read_is_not_forgotten(session_path: Path, new_desk: OpenDesk) -> None:
    """Although the file grows above the limit for reading before it is compared for the first time."""
    session_path.write_bytes(b'{"own":1}\n{}\n')
    quiet = new_desk(content_check_bytes_max=20)
    quiet.open()
    last = len(quiet.system.calls) - 1
    assert quiet.system.calls[last] == "lstat"
    quiet.close()
    desk = new_desk(content_check_bytes_max=20)

    def edit() -> None:
        with session_path.open("r+b") as file:
            file.write(b"{ ")

    desk.system.act_before(last, edit)
    desk.open()
    desk.append(b'{"own":2}\n')
    assert [foreign.change for foreign in desk.compare().foreign] == [Change.REWRITTEN]


def test_a_large_file_is_opened_by_its_end_alone(session_path: Path, new_desk: OpenDesk) -> None:
    """Above `content_check_bytes_max` opening reads only what it needs, and says so."""
    shutil.copy(DATA / "long-2000.jsonl", session_path)
    desk = new_desk(record_format=PI, content_check_bytes_max=1000)
    opened = desk.open()
    assert desk.system.calls.count("pread") < 10
    assert opened.revision.digest is None
    assert opened.notes
    last = PI.read(session_path.read_bytes().splitlines()[-1])
    assert last is not None
    assert opened.tail == PI.tail_of(last)


def test_the_tail_of_a_large_file_is_behind_damaged_lines(session_path: Path, new_desk: OpenDesk) -> None:
    """A damaged line is never the leaf, also when the file is read backwards."""
    shutil.copy(DATA / "damaged-middle.jsonl", session_path)
    small = new_desk(record_format=PI)
    expected = small.open().tail
    small.close()
    append_to(session_path, b"damage\n\n\n")()
    assert new_desk(record_format=PI, content_check_bytes_max=10).open().tail == expected


def test_reading_an_unreadable_disk_is_an_error(session_path: Path, new_desk: OpenDesk) -> None:
    """What could not be read is never taken for empty."""
    session_path.write_bytes(b"{}\n")
    desk = new_desk()
    desk.system.fail("pread", OSError(errno.EIO, os.strerror(errno.EIO)))
    with pytest.raises(PathError) as caught:
        desk.open()
    assert caught.value.errno == errno.EIO
