"""Entries are read in order, from any place to the known end, and what cannot be read is said to be lost."""

import errno
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator import PI, PLAIN, CoordinatorError, PathError, Position, PositionLostError
from coordinator import _reading as reading
from coordinator._core._lines import LINE_BYTES_MAX
from tests.conftest import DATA
from tests.reading.reference import HEADER, entries, iterate, line, nobody, reference, tail

FILES = sorted(DATA.glob("*.jsonl"))
JUNK = st.sampled_from([b"\n", b"\r\n", b"{\n", b"[1]\n", b"\0\0\n", b"\xff\n", '{"a":"\u2028"}\n'.encode()])
LINES = st.lists(JUNK | st.integers(0, 99).map(lambda number: line(id=f"{number}")), max_size=12)
small_files = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_a_real_session_is_read_record_by_record(path: Path) -> None:
    """The header and damaged lines are no entries; offsets, sizes and positions are those of the bytes on disk."""
    data = path.read_bytes()
    found = await entries(path)
    assert found == reference(data[: data.rfind(b"\n") + 1])
    assert all(PI.read(data[entry.offset : entry.offset + entry.size]) == entry.record for entry in found)


@pytest.mark.parametrize("size", [100, 1_000, 4_096])
async def test_a_line_may_be_longer_than_a_block(size: int, block_bytes: Callable[[int], None]) -> None:
    """How much is read at a time changes nothing but the memory it takes."""
    path = DATA / "all-types.jsonl"
    block_bytes(size)
    assert await entries(path) == reference(path.read_bytes())


@small_files
@given(
    data=st.builds(lambda header, lines: HEADER * header + b"".join(lines), st.booleans(), LINES),
    size=st.integers(1, 70),
)
async def test_any_file_is_read_the_same_with_any_block(
    data: bytes, size: int, session_path: Path, block_bytes: Callable[[int], None]
) -> None:
    """Wherever a block ends: before a line feed, behind it, in the middle of a character."""
    block_bytes(size)
    session_path.write_bytes(data)
    for record_format in (PI, PLAIN):
        expected = reference(data, record_format)
        assert await entries(session_path, record_format) == expected
        for n in (1, 2, len(expected), len(expected) + 1):
            assert await tail(session_path, n, record_format) == (expected[-n:] if n else [])


async def test_the_header_is_no_entry_of_any_format_that_has_one(session_path: Path) -> None:
    """Also if its line would pass for a record."""
    session_path.write_bytes(line(id="first") + line(id="second"))
    assert [entry.record["id"] for entry in await entries(session_path)] == ["second"]
    assert [entry.record["id"] for entry in await entries(session_path, PLAIN)] == ["first", "second"]


async def test_entries_carry_their_writer(copy_of: Callable[[str], Path]) -> None:
    """Whoever is known to have written at an offset is named."""
    path = copy_of("short")
    first, *_, last = await entries(path)
    authors = {last.offset: "chat"}
    named = await entries(path, author=authors.get)
    assert named[-1].writer == "chat"
    assert named[0] == first


# Where to begin


async def test_reading_goes_on_after_any_entry(copy_of: Callable[[str], Path]) -> None:
    """Its position survives a restart, because it is text."""
    path = copy_of("all-types")
    expected = await entries(path)
    for number, entry in enumerate(expected, start=1):
        position = Position.parse(str(entry.position))
        assert await entries(path, start=position) == expected[number:]


async def test_reading_begins_at_the_offset_of_any_line(copy_of: Callable[[str], Path]) -> None:
    """The end of the file is the offset of the line that comes next."""
    path = copy_of("damaged-middle")
    expected = await entries(path)
    for number, entry in enumerate(expected):
        assert await entries(path, start=entry.offset) == expected[number:]
    assert await entries(path, start=path.stat().st_size) == []


async def test_reading_begins_behind_a_very_long_line(session_path: Path, block_bytes: Callable[[int], None]) -> None:
    """The line before a position is looked at as a whole, however many blocks it takes."""
    block_bytes(16)
    session_path.write_bytes(HEADER + line(id="long", text="x" * 500) + line(id="next"))
    first, second = await entries(session_path)
    assert await entries(session_path, start=first.position) == [second]


@pytest.mark.parametrize("start", [-1, 1, 20, 10_000])
async def test_an_offset_that_is_no_line_is_a_value_error(start: int, copy_of: Callable[[str], Path]) -> None:
    """Half a line would look like damage."""
    with pytest.raises(ValueError, match="offset") as caught:
        await entries(copy_of("short"), start=start)
    assert isinstance(caught.value, CoordinatorError)
    assert caught.value.hint


@pytest.mark.parametrize("start", ["0", 1.0, None])
async def test_a_start_that_is_no_place_is_a_type_error(start: object, copy_of: Callable[[str], Path]) -> None:
    """A stored position has to be parsed first, and the error says so."""
    with pytest.raises(TypeError, match="start") as caught:
        await entries(copy_of("short"), start=start)
    assert isinstance(caught.value, CoordinatorError)
    assert "Position.parse" in caught.value.hint


async def test_a_position_is_lost_when_the_line_before_it_changed(copy_of: Callable[[str], Path]) -> None:
    """One byte is enough, at the same length."""
    path = copy_of("short")
    third = (await entries(path))[2]
    data = bytearray(path.read_bytes())
    data[third.offset + third.size // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(PositionLostError) as caught:
        await entries(path, start=third.position)
    assert (caught.value.path, bool(caught.value.hint)) == (path, True)


async def test_a_position_is_lost_when_the_file_is_shorter(copy_of: Callable[[str], Path]) -> None:
    """There is nothing it could point at."""
    path = copy_of("short")
    *_, third, last = await entries(path)
    os.truncate(path, third.position.offset)
    with pytest.raises(PositionLostError):
        await entries(path, start=last.position)


async def test_a_position_is_lost_when_lines_have_moved(copy_of: Callable[[str], Path]) -> None:
    """It then points into the middle of a line."""
    path = copy_of("short")
    third = (await entries(path))[2]
    path.write_bytes(HEADER + path.read_bytes())
    with pytest.raises(PositionLostError):
        await entries(path, start=third.position)


async def test_a_position_is_lost_when_the_file_is_new(session_path: Path) -> None:
    """A file that does not exist yet has no positions."""
    with pytest.raises(PositionLostError):
        await entries(session_path, start=Position.after(0, line(id="a")), end=0)


# Where to end


async def test_what_is_written_behind_the_known_end_is_not_seen(copy_of: Callable[[str], Path]) -> None:
    """It may be half a line, and it belongs to whoever comes later."""
    path = copy_of("short")
    end = path.stat().st_size
    expected = await entries(path)
    with path.open("ab") as file:
        file.write(line(id="later") + b'{"type":"cus')
    assert await entries(path, end=end) == expected
    assert await tail(path, 1, end=end) == expected[-1:]


async def test_reading_goes_on_with_what_was_written_meanwhile(copy_of: Callable[[str], Path]) -> None:
    """An iteration ends where the file ended when it began; the next one begins there."""
    path = copy_of("short")
    read = []
    async for entry in iterate(path):
        read.append(entry)
        with path.open("ab") as file:
            file.write(line(id=f"after-{len(read)}"))
    more = await entries(path, start=read[-1].position)
    assert read + more == reference(path.read_bytes())
    assert len(more) == len(read)


@pytest.mark.parametrize("cut", [1, 100, 2_000])
async def test_a_file_that_is_shorter_than_known_is_lost_not_short(cut: int, copy_of: Callable[[str], Path]) -> None:
    """An end that is missing must not look like the end."""
    path = copy_of("short")
    end = path.stat().st_size
    os.truncate(path, end - cut)
    with pytest.raises(PositionLostError, match="changed"):
        await entries(path, end=end)
    with pytest.raises(PositionLostError, match="changed"):
        await tail(path, 1, end=end)


async def test_a_file_that_has_no_line_feed_at_its_known_end_is_lost(copy_of: Callable[[str], Path]) -> None:
    """Half a record must not look like damage."""
    path = copy_of("short")
    end = path.stat().st_size - 10
    with pytest.raises(PositionLostError, match="changed"):
        await entries(path, end=end)
    with pytest.raises(PositionLostError, match="changed"):
        await tail(path, 1, end=end)


# Files that are none


async def test_a_file_that_does_not_exist_yet_has_no_entries(session_path: Path) -> None:
    """Nothing is believed to be there, so nothing is missing."""
    assert await entries(session_path, end=0) == []
    assert await tail(session_path, 3, end=0) == []


async def test_a_file_that_vanished_is_a_path_error(session_path: Path) -> None:
    """It is not an empty session."""
    with pytest.raises(PathError, match="gone") as caught:
        await entries(session_path, end=100)
    assert (caught.value.errno, caught.value.path, bool(caught.value.hint)) == (errno.ENOENT, session_path, True)


def make_pipe(path: Path) -> None:
    """Put a pipe that nobody writes to in the place of the file."""
    os.mkfifo(path)


def make_link(path: Path) -> None:
    """Put a symbolic link to a good session in the place of the file."""
    path.symlink_to(DATA / "short.jsonl")


@pytest.mark.parametrize("make", [Path.mkdir, make_pipe, make_link])
async def test_what_is_no_regular_file_is_a_path_error(make: Callable[[Path], None], session_path: Path) -> None:
    """A pipe in its place does not make anybody wait."""
    make(session_path)
    with pytest.raises(PathError) as caught:
        await entries(session_path, end=100)
    assert caught.value.path == session_path
    assert caught.value.hint


async def test_a_file_that_may_not_be_read_is_a_path_error(copy_of: Callable[[str], Path]) -> None:
    """The hint is to give the right; root has it always, and so gives it up here."""
    path = copy_of("short")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(PathError) as caught:
            await entries(path, end=100)
    finally:
        os.seteuid(user)
    assert caught.value.errno == errno.EACCES
    assert "right" in caught.value.hint


# Memory


async def test_a_large_file_is_read_in_little_memory(session_path: Path) -> None:
    """What was handed out is not kept."""
    session_path.write_bytes(HEADER + line(id="a", text="x" * 16_000) * 2_000)
    unread = iterate(session_path)
    tracemalloc.start()
    count = 0
    async for _ in unread:
        count += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 2_000
    assert peak < 4 * 1024 * 1024


async def test_a_line_that_is_too_long_to_be_a_record_is_passed_over(session_path: Path) -> None:
    """A hole of NUL bytes, as a power cut leaves it, takes no more memory than the longest line that counts."""
    session_path.write_bytes(HEADER + line(id="before"))
    hole_end = session_path.stat().st_size + 3 * LINE_BYTES_MAX
    os.truncate(session_path, hole_end)
    with session_path.open("ab") as file:
        file.write(b"\n" + line(id="after"))
    end = session_path.stat().st_size
    tracemalloc.start()
    forwards = [entry.record["id"] async for entry in reading.read_entries(session_path, PI, end=end, author=nobody)]
    backwards = [entry.record["id"] for entry in await tail(session_path, 5, end=end)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert forwards == backwards == ["before", "after"]
    assert peak < LINE_BYTES_MAX * 1.25
