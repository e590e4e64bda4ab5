"""The branch is the way from the root to the leaf, as every reader of the format finds it."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordinator import PLAIN, Entry, PathError, PositionLostError
from tests.conftest import DATA
from tests.reading.reference import HEADER, branch, entries, line, reference

SESSIONS = ("all-types", "branches", "compaction", "crlf", "short", "long-2000", "damaged-middle")


NODES = st.lists(st.tuples(st.integers(0, 6), st.none() | st.integers(0, 7)), min_size=1, max_size=10)


def way_to(leaf: str | None, found: list[Entry]) -> list[Entry]:
    """Find the way with everything in memory: the parent before the child, else the last one behind it."""
    way: list[Entry] = []
    index = len(found)
    while leaf is not None and leaf not in {entry.record["id"] for entry in way}:
        places = [number for number, entry in enumerate(found) if entry.record["id"] == leaf]
        if not places:
            break
        index = max((place for place in places if place < index), default=places[-1])
        way.append(found[index])
        leaf = found[index].record.get("parentId")
    return way[::-1]


def ids(way: list[Entry]) -> list[str]:
    """Return the ids of entries."""
    return [entry.record["id"] for entry in way]


@pytest.mark.parametrize("name", SESSIONS)
async def test_the_branch_of_a_real_session_is_its_conversation(name: str) -> None:
    """From the last record to the root, oldest first."""
    path = DATA / f"{name}.jsonl"
    found = reference(path.read_bytes())
    leaf = found[-1].record["id"]
    assert await branch(path, leaf) == way_to(leaf, found)


async def test_every_leaf_of_a_tree_has_its_own_branch() -> None:
    """Also one on an early branch, and the root alone."""
    path = DATA / "branches.jsonl"
    found = reference(path.read_bytes())
    for entry in found:
        leaf = entry.record["id"]
        assert await branch(path, leaf) == way_to(leaf, found)


async def test_without_a_tree_the_branch_is_everything(session_path: Path) -> None:
    """A plain file is one conversation."""
    session_path.write_bytes(line(id="a", parentId="x") + b"{torn\n" + line(id="b", parentId=None))
    assert await branch(session_path, None, PLAIN) == await entries(session_path, PLAIN)
    assert len(await entries(session_path, PLAIN)) == 2


async def test_a_file_without_records_has_no_branch(session_path: Path) -> None:
    """Neither a new one nor one with a header alone."""
    assert await branch(session_path, None, end=0) == []
    assert await branch(session_path, "a", end=0) == []
    assert await branch(DATA / "header-only.jsonl", None) == []
    assert await branch(DATA / "header-only.jsonl", "a") == []


async def test_a_missing_parent_ends_the_branch(session_path: Path) -> None:
    """What is before it cannot be reached, and is not guessed."""
    session_path.write_bytes(HEADER + line(id="a") + line(id="b", parentId="gone") + line(id="c", parentId="b"))
    assert ids(await branch(session_path, "c")) == ["b", "c"]


async def test_a_repeated_id_rewinds_the_branch(session_path: Path) -> None:
    """The last record of that id before the child counts."""
    rewound = line(id="a", text="again")
    session_path.write_bytes(HEADER + line(id="a") + line(id="b", parentId="a") + rewound + line(id="c", parentId="a"))
    first, second = await branch(session_path, "c")
    assert (first.record["text"], second.record["id"]) == ("again", "c")


async def test_ids_in_a_ring_end_the_branch(session_path: Path) -> None:
    """A damaged tree gives an end, not an endless loop."""
    session_path.write_bytes(
        HEADER + line(id="a", parentId="c") + line(id="b", parentId="a") + line(id="c", parentId="b")
    )
    assert ids(await branch(session_path, "c")) == ["a", "b", "c"]
    assert ids(await branch(session_path, "b")) == ["c", "a", "b"]
    session_path.write_bytes(HEADER + line(id="a", parentId="a"))
    assert ids(await branch(session_path, "a")) == ["a"]


async def test_a_record_that_was_written_again_behind_its_children_is_found(session_path: Path) -> None:
    """Our own first record of a batch, glued to a foreign half line, stands behind the rest of its batch."""
    glued = b'{"type":"cus' + line(id="one", parentId="root")
    again = line(id="one", parentId="root")
    rest = line(id="two", parentId="one") + line(id="three", parentId="two")
    session_path.write_bytes(HEADER + line(id="root") + glued + rest + again + line(id="four", parentId="three"))
    assert ids(await branch(session_path, "four")) == ["root", "one", "two", "three", "four"]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(nodes=NODES, size=st.integers(1, 90))
async def test_any_tree_is_climbed_as_with_everything_in_memory(
    nodes: list[tuple[int, int | None]], size: int, session_path: Path, block_bytes: Callable[[int], None]
) -> None:
    """Whatever the order, the holes, the repetitions, and wherever the blocks end."""
    block_bytes(size)
    lines = [line(id=f"{node}", parentId=None if parent is None else f"{parent}") for node, parent in nodes]
    data = HEADER + b"".join(lines)
    session_path.write_bytes(data)
    for leaf in {node for node, _ in nodes}:
        assert await branch(session_path, f"{leaf}") == way_to(f"{leaf}", reference(data))


async def test_the_branch_of_a_shuffled_file_is_complete(copy_of: Callable[[str], Path]) -> None:
    """No order of lines loses a record of the way."""
    path = copy_of("short")
    header, *lines = path.read_bytes().splitlines(keepends=True)
    expected = {entry.record["id"] for entry in reference(path.read_bytes())}
    leaf = reference(path.read_bytes())[-1].record["id"]
    random.Random(7).shuffle(lines)
    path.write_bytes(header + b"".join(lines))
    assert set(ids(await branch(path, leaf))) == expected


async def test_a_branch_of_a_file_that_is_not_there_or_too_short_is_an_error(session_path: Path) -> None:
    """A history that cannot be read is not an empty one."""
    with pytest.raises(PathError):
        await branch(session_path, "a", end=100)
    session_path.write_bytes(HEADER + line(id="a"))
    with pytest.raises(PositionLostError):
        await branch(session_path, "a", end=1_000)
