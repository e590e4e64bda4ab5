"""The index of a check says what a look at all records says, and reading over healthy blocks changes nothing."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coordinator import PathError
from coordinator._cli import _findings, _index
from coordinator._cli._files import reading
from coordinator._cli._index import NOWHERE, Index
from coordinator._cli._places import Places

from .conftest import HEADER, Run, objects, pi_record, write_lines

Node = tuple[str, str | None]
IDS = st.sampled_from("abcdefg")
NODES = st.lists(st.tuples(IDS, st.none() | IDS), min_size=1, max_size=12)


def linked(ids: list[str]) -> list[Node]:
    """Let each record follow the one before it."""
    return list(zip(ids, [None, *ids], strict=False))


def slowly(nodes: list[Node]) -> dict[str, Any]:
    """Answer by looking at all records, again and again."""
    ids = [record_id for record_id, _ in nodes]
    parents = {parent for _, parent in nodes}
    last = {record_id: number for number, record_id in enumerate(ids)}
    place = [(number, ids.index(parent)) for number, (_, parent) in enumerate(nodes) if parent in ids]
    return {
        "repeated": [(number, ids.index(each)) for number, each in enumerate(ids) if ids.index(each) != number],
        "orphans": [(n, NOWHERE) for n, (_, parent) in enumerate(nodes) if parent is not None and parent not in ids],
        "late": [pair for pair in place if pair[1] >= pair[0]],
        "roots": [(number, NOWHERE) for number, (_, parent) in enumerate(nodes) if number and parent is None],
        "leaves": sorted((n, NOWHERE) for each, n in last.items() if each not in parents and each != ids[-1]),
    }


def answers(index: Index) -> dict[str, Any]:
    """Ask the index everything."""
    return {
        "repeated": index.repeated(), "orphans": index.orphans(), "late": index.late_parents(),
        "roots": index.later_roots(), "leaves": index.other_leaves(),
    }  # fmt: skip


@given(NODES | st.lists(IDS, min_size=1, max_size=9).map(linked), st.integers(1, 4), st.sampled_from([1, 2, 1 << 18]))
def test_the_index_says_what_a_look_at_all_records_says(nodes: list[Node], step: int, part: int) -> None:
    """However they are added, and in however many parts they are sorted out."""
    index = Index()
    for at in range(0, len(nodes), step):
        ids, parents = zip(*nodes[at : at + step], strict=True)
        index.add(ids, parents)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_index, "PART_RECORDS", part)
        index.finish()
    assert answers(index) == slowly(nodes)


def test_the_conversation_is_counted_from_the_leaf_to_the_root_and_a_ring_ends() -> None:
    """What branches off is not part of it."""
    for nodes, size in (
        ([("a", None), ("b", "a"), ("c", "b"), ("d", "b"), ("e", "d")], 4),
        ([("a", None), ("b", "gone"), ("c", "b")], 2),
        ([("a", "b"), ("b", "a")], 2),
        ([("a", "a")], 1),
    ):
        index = Index()
        index.add(*zip(*nodes, strict=True))
        index.finish()
        assert index.branch_size() == size


LINES = st.sampled_from([
    pi_record("a", None), pi_record("b", "a"), pi_record("c", "b"), pi_record("d", "c"), HEADER, b"", b" ", b"{}",
    pi_record("e", "d", timestamp="2026-05-20T09:00:00.000Z"), pi_record("f", "e", timestamp="soon"), b"\0", b"{",
    pi_record("g", "f", timestamp="2026-05-20T09:00:00"), pi_record("h", "g", timestamp="1970-01-01T00:00:00Z"),
    b'{"type":"m","id":"i","parentId":7,"timestamp":"2026-05-20T08:00:00Z","x":"\xff"}', b"[]", b"1e999",
    b'{"type":"m","id":"","timestamp":"2026-05-20T08:00:00Z"}', b'{"type":7,"id":"j"}', b'{"type":"m","id":"k"}',
    b'{"type":"m","id":"l","timestamp":"2026-05-20T08:00:00Z","x":"\\ud83d"}\r', b'{"type":"m","id":"m","x":NaN}',
    b'{"type":"m","id":"n","timestamp":"2026-05-20T08:00:00Z"}{"type":"m","id":"o","timestamp":"2026-05-20T08:00:00Z"}',
])  # fmt: skip


@pytest.mark.parametrize("first", [HEADER, {"no": "header"}, b"\0"])
@given(lines=st.lists(LINES, max_size=8))
def test_reading_over_what_is_healthy_finds_what_a_close_look_finds(
    tmp_path_factory: pytest.TempPathFactory, first: Any, lines: list
) -> None:
    """Whatever the lines are: what is read over is what there is nothing to say about."""
    path = write_lines(tmp_path_factory.mktemp("check") / "session.jsonl", first, *lines)
    quick = found_in(path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_findings, "skimmer_of", lambda _format: lambda _block: None)
        assert quick == found_in(path)


def found_in(path: Path) -> _findings.Findings:
    """Check a file."""
    with reading(path) as reader:
        return _findings.check(reader, guessed=True)


def test_a_finding_far_behind_the_first_block_is_at_its_line(run: Run, session_path: Path) -> None:
    """Lines are counted also where nothing is looked at closely."""
    ids = [f"id-{number}" for number in range(4_000)]
    records = [pi_record(each, parent, text="x" * 200) for each, parent in linked(ids)]
    records[3_000] = pi_record(ids[3_000], ids[7], text="x" * 200)
    (values,) = objects(run("check", write_lines(session_path, HEADER, *records), "--json"))
    assert [(one["kind"], one["line"]) for one in values["findings"]] == [("leaf", 3_001)]
    content = session_path.read_bytes().split(b"\n")
    assert values["findings"][0]["offset"] == sum(len(each) + 1 for each in content[:3_000])


def test_a_record_that_was_edited_away_meanwhile_is_an_error_with_a_hint(tmp_path: Path) -> None:
    """What is to be said of it was read before; where it stood something else stands now."""
    path = tmp_path / "session.jsonl"
    write_lines(path, HEADER, pi_record("a", None))
    with reading(path) as reader:
        places = Places(reader)
        places.add(0, 1, 0)
        assert places.find(0).id == "a"
        path.write_bytes(b"x" * (path.stat().st_size - 1) + b"\n")
        with pytest.raises(PathError, match="changed while it was read"):
            places.find(0)
