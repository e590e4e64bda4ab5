"""Several things at once, in any order: foreign acts between our calls, short writes, a failing disk."""

import errno
import tempfile
from collections.abc import Sequence
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from coordinator._core._effects import Fault, Report

from .conftest import Desk
from .scripted import append_to

PIECES = [b'{"foreign":1}\n', b'{"foreign":', b'"two"}\n', b"\n", b'damage\n{"foreign":3}\n', b'{"foreign":4}', b"\0\0"]
ACTS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from(PIECES)), max_size=4)
SHORT = st.lists(st.integers(1, 25), max_size=3)
ERROR = st.sampled_from([OSError(errno.ENOSPC, "full"), OSError(errno.EIO, "broken")])
REFUSED = st.sets(st.sampled_from(["write", "truncate"]))


def own(number: int) -> tuple[bytes, ...]:
    """Return a batch of lines of ours that nobody else writes."""
    return tuple(b'{"own":%d}\n' % (10 * number + line) for line in range(1, 4))


class Gateway:
    """Writes batches as the core does: what was refused is tried again, what failed is looked for by reopening."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.places: dict[bytes, tuple[int, int]] = {}

    def write(self, lines: tuple[bytes, ...]) -> None:
        """Get a batch into the file, however often it has to be tried."""
        attempt: tuple[tuple[bytes, ...], int] = ((), 0)
        for _ in range(20):
            report = self.desk.append(*lines)
            assert not any(foreign.change.stops for foreign in report.foreign)
            if report.attempted_at is not None:
                attempt = lines, report.attempted_at
            if report.written is not None:
                self.place(lines, report)
                return
            if report.fault is not None:
                self.desk.system.mend()
            if report.fault is Fault.WRITE:
                lines = self.reopen(lines, *attempt)
            if not lines:
                return
        raise AssertionError("never written")

    def place(self, lines: tuple[bytes, ...], report: Report) -> None:
        """Remember the receipts."""
        for line, offset in zip(lines, report.written or (), strict=True):
            assert line not in self.places
            self.places[line] = offset, len(line)

    def reopen(self, lines: tuple[bytes, ...], attempted: tuple[bytes, ...], since: int) -> tuple[bytes, ...]:
        """Accept the file, and say which lines are still to be written."""
        there = dict(zip(attempted, self.desk.reopen(*attempted, since=since).present, strict=True))
        for line, place in there.items():
            if place is not None:
                self.places[line] = place.offset, place.size
        return tuple(line for line in lines if there.get(line) is None)

    def check(self) -> None:
        """Every line of ours stands whole where its receipt says, once; nothing foreign was cut."""
        content = self.desk.content
        lines = content.splitlines(keepends=True)
        for line, (offset, size) in self.places.items():
            assert content[offset : offset + size] == line
            assert lines.count(line) == 1
        assert self.desk.knows_the_content


@given(ACTS, ACTS, SHORT)
def test_every_batch_is_written_once_and_whole(
    first: list[tuple[int, bytes]], second: list[tuple[int, bytes]], short: list[int]
) -> None:
    """However the foreign pieces fall between our calls, and however short our writes are."""
    run([first, second], short, refused=set())


@given(st.tuples(ACTS, ACTS), SHORT, REFUSED, ERROR, st.integers(0, 3))
def test_a_failing_disk_changes_nothing_about_that(
    acts: tuple[list[tuple[int, bytes]], ...], short: list[int], refused: set[str], error: OSError, skip: int
) -> None:
    """A write or a cut that is refused in between is tried again later, and no line is there twice."""
    run(acts, short, refused, error, skip)


def run(
    acts: Sequence[list[tuple[int, bytes]]],
    short: list[int],
    refused: set[str],
    error: OSError | None = None,
    skip: int = 0,
) -> None:
    """Write one batch for each list of acts."""
    with tempfile.TemporaryDirectory() as directory:
        desk = Desk(Path(directory) / "session.jsonl")
        desk.open()
        desk.append(b'{"own":1}\n')
        gateway = Gateway(desk)
        for number, batch_acts in enumerate(acts, start=1):
            desk.system.begin()
            for position, pieces in joined(batch_acts).items():
                desk.system.act_before(position, append_to(desk.path, pieces))
            desk.system.shorten(*short)
            for call in refused:
                assert error is not None
                desk.system.fail(call, error, skip=skip if call == "write" else 0)
            gateway.write(own(number))
        desk.system.mend()
        desk.compare()
        gateway.check()
        assert set(gateway.places) == {line for number, _ in enumerate(acts, start=1) for line in own(number)}
        desk.close()


def joined(acts: list[tuple[int, bytes]]) -> dict[int, bytes]:
    """Put together what is done at one place."""
    together: dict[int, bytes] = {}
    for position, piece in acts:
        together[position] = together.get(position, b"") + piece
    return together
