"""The tail is read from the end, and no further than needed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import PLAIN, CoordinatorError
from coordinator import _reading as reading
from tests.conftest import DATA
from tests.reading.reference import entries, tail

FILES = sorted(DATA.glob("*.jsonl"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
async def test_the_tail_is_the_end_of_all_entries(path: Path) -> None:
    """Oldest first, with the same offsets and positions."""
    expected = await entries(path)
    for n in (1, 3, len(expected), len(expected) + 5):
        assert await tail(path, n) == (expected[-n:] if n else [])


async def test_the_tail_of_no_records_is_empty() -> None:
    """Nothing is read for nothing, and a header is no record."""
    assert await tail(DATA / "short.jsonl", 0) == []
    assert await tail(DATA / "header-only.jsonl", 4) == []


async def test_damaged_lines_do_not_count(copy_of: Callable[[str], Path]) -> None:
    """Three records are three records, whatever stands between them."""
    path = copy_of("short")
    expected = (await entries(path))[-3:]
    with path.open("ab") as file:
        file.write(b"\n{torn\n[]\n" * 50)
    assert await tail(path, 3) == expected


async def test_only_the_end_of_a_large_file_is_read(
    copy_of: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tail of any file is there at once."""
    path = copy_of("long-2000")
    end = path.stat().st_size
    read: list[tuple[int, int]] = []
    original = reading._File.read

    async def spy(self: reading._File, offset: int, size: int) -> bytes:
        read.append((offset, size))
        return await original(self, offset, size)

    monkeypatch.setattr(reading._File, "read", spy)
    found = await tail(path, 10, end=end)
    assert read == [(end - reading.BLOCK_BYTES, reading.BLOCK_BYTES)]
    assert len(found) == 10


@pytest.mark.parametrize(("n", "kind"), [(-1, ValueError), ("3", TypeError), (2.0, TypeError), (None, TypeError)])
async def test_a_number_that_is_none_is_refused(n: int, kind: type[Exception]) -> None:
    """With an error of ours that is also the usual one."""
    with pytest.raises(kind) as caught:
        await tail(DATA / "short.jsonl", n, PLAIN)
    assert isinstance(caught.value, CoordinatorError)
    assert caught.value.hint
