"""Where lines stand, given where the writes of a batch went."""

from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from coordinator._store._placing import Run, join_pieces, place_lines, place_lines_in_order

LINES = st.lists(st.integers(1, 4).map(lambda size: b"o" * (size - 1) + b"\n"), min_size=1, max_size=6)
FOREIGN = st.sampled_from([b"", b"f", b"f\n", b"ff\nf", b"\n"])


def test_pieces_that_touch_are_one_run() -> None:
    """Two writes with nothing between them are as good as one."""
    assert join_pieces([(10, 5), (15, 3), (20, 2)]) == [Run(10, 0, 8), Run(20, 8, 10)]


def test_lines_in_order_begin_where_the_one_before_ends() -> None:
    """The common case needs no runs."""
    assert place_lines_in_order([3, 4, 5], 100) == [100, 103, 107]


def test_a_line_torn_over_two_runs_is_nowhere() -> None:
    """Half a line here and half a line there is no line."""
    assert place_lines([4, 4], [Run(0, 0, 6), Run(9, 6, 8)], [False, False], [False, False]) == [0, None]


def test_a_line_glued_to_foreign_bytes_is_nowhere() -> None:
    """Only the first line of a run can be glued."""
    assert place_lines([4, 4], [Run(5, 0, 8)], [True], [False]) == [None, 9]


def test_a_line_that_somebody_else_has_ended_is_whole() -> None:
    """Other programs end torn lines too; written again, it would stand there twice."""
    assert place_lines([4, 4], [Run(0, 0, 7), Run(9, 7, 8)], [False, False], [True, False]) == [0, 4]


@given(LINES, st.lists(st.tuples(st.integers(1, 30), FOREIGN), max_size=5), FOREIGN)
def test_a_placed_line_is_a_whole_line_of_the_file(
    lines: list[bytes], cuts: list[tuple[int, bytes]], before: bytes
) -> None:
    """Whatever foreign bytes fall between the pieces of our writes, what we say stands there does, and nothing more."""
    data = b"".join(lines)
    content, pieces, glued, done = b"x\n" + before, [], [], 0
    ends = [*sorted({cut % len(data) for cut, _ in cuts} - {0}), len(data)]
    for end, (_, foreign) in zip(ends, [*cuts, (0, b""), (0, b"")], strict=False):
        pieces.append((len(content), end - done))
        content, done = content + data[done:end] + foreign, end
    if done < len(data):
        pieces.append((len(content), len(data) - done))
        content += data[done:]
    runs = join_pieces(pieces)
    glued = [content[run.start - 1 : run.start] != b"\n" for run in runs]
    ended = [content[run.end : run.end + 1] == b"\n" for run in runs]
    placed = place_lines([*map(len, lines)], runs, glued, ended)
    for line, offset, end in zip(lines, placed, accumulate(map(len, lines)), strict=True):
        starts = [run.shift + end - len(line) for run in runs if run.first <= end - len(line) < run.last]
        whole = [at for at in starts if content[at - 1 : at] == b"\n" and content[at : at + len(line)] == line]
        assert offset in (whole or [None])
