"""What stands where when somebody else writes between our calls: gaps, glued lines, torn lines, and the order of it."""

import itertools
import os
from pathlib import Path

import pytest

from coordinator import Change
from coordinator._core._effects import Append, Compare, Fault, Placement

from .conftest import Desk, OpenDesk
from .scripted import append_to

OWN = b'{"own":3}\n', b'{"own":4}\n', b'{"own":5}\n'
FOREIGN = b'{"foreign":1}\n'


def test_a_line_that_slipped_in_is_told_from_ours_by_position(desk: Desk) -> None:
    """Our lines are written and acknowledged behind it; that they do not know of it is said."""
    desk.system.act_at("write", append_to(desk.path, FOREIGN))
    report = desk.append(*OWN)
    (foreign,) = report.foreign
    assert (foreign.change, foreign.slipped, foreign.records) == (Change.APPENDED, True, ({"foreign": 1},))
    assert (foreign.start, foreign.end) == (20, 20 + len(FOREIGN))
    assert report.written is not None
    assert report.written[0] == foreign.end
    assert desk.content.endswith(FOREIGN + b"".join(OWN))
    assert desk.knows_the_content


def test_a_foreign_line_equal_to_ours_is_not_taken_for_ours(desk: Desk) -> None:
    """Two lines with the same bytes are told apart by where they stand."""
    desk.system.act_at("write", append_to(desk.path, OWN[0]))
    report = desk.append(OWN[0])
    assert report.written is not None
    assert (report.written[0], report.foreign[0].start) == (30, 20)


def test_a_line_that_lands_behind_ours_has_not_slipped_in(desk: Desk) -> None:
    """Our records were stamped with all knowledge there was."""
    desk.system.act_at("position", append_to(desk.path, FOREIGN))
    report = desk.append(*OWN)
    assert [(foreign.change, foreign.slipped) for foreign in report.foreign] == [(Change.APPENDED, False)]
    assert report.written is not None
    assert report.written[0] == 20
    assert desk.knows_the_content


def test_our_own_bytes_are_read_again_when_others_were_there(desk: Desk) -> None:
    """Whoever appends may have edited as well; what is not as we wrote it is not acknowledged."""

    def edit_and_append() -> None:
        with desk.path.open("r+b") as file:
            file.seek(24)
            file.write(b"OWN")
        append_to(desk.path, FOREIGN)()

    desk.system.act_at("position", edit_and_append)
    report = desk.append(*OWN)
    assert (report.written, [foreign.change for foreign in report.foreign]) == (None, [Change.REWRITTEN])


def test_a_glued_line_is_written_again_before_it_is_acknowledged(desk: Desk) -> None:
    """Only the first line can be glued to a foreign half line; it stands again behind its batch, byte for byte."""
    desk.system.act_at("write", append_to(desk.path, b'{"half'))
    report = desk.append(*OWN)
    assert desk.content[20:] == b'{"half' + b"".join(OWN) + OWN[0]
    assert report.written is not None
    assert [offset - 26 for offset in report.written] == [30, 10, 20]
    (foreign,) = report.foreign
    assert (foreign.change, foreign.slipped, foreign.damaged, foreign.records) == (Change.TORN, True, 1, ())
    assert (foreign.start, foreign.end) == (20, 26)
    assert desk.knows_the_content


def test_what_stands_before_a_line_that_was_written_again_has_slipped_in(desk: Desk) -> None:
    """Although it landed behind our batch: the last line of ours is behind it, and does not know of it."""
    desk.system.act_at("write", append_to(desk.path, b'{"half'))
    desk.system.act_at("position", append_to(desk.path, FOREIGN))
    report = desk.append(*OWN)
    assert desk.content.endswith(FOREIGN + OWN[0])
    assert [(foreign.change, foreign.slipped) for foreign in report.foreign] == [
        (Change.TORN, True),
        (Change.APPENDED, True),
    ]


def test_a_line_of_ours_that_somebody_else_has_ended_is_not_written_again(desk: Desk) -> None:
    """Between two pieces of a short write another program may give our half line its end."""
    desk.system.shorten(9)
    desk.system.begin()
    desk.system.act_before(3, append_to(desk.path, b"\n"))
    report = desk.append(*OWN)
    assert report.written is not None
    assert [desk.content.splitlines(keepends=True).count(line) for line in OWN] == [1, 1, 1]
    assert desk.knows_the_content


def test_a_foreign_half_line_behind_ours_may_be_finished(desk: Desk) -> None:
    """We wait before we end it: most writers finish what they begin."""
    desk.system.act_at("position", append_to(desk.path, FOREIGN[:5]))
    report = desk.begin_append(*OWN)
    assert (report.torn, report.written) == (True, None)
    append_to(desk.path, FOREIGN[5:])()
    report = desk.finish_append(report, *OWN)
    assert report.written is not None
    assert [(foreign.change, foreign.slipped) for foreign in report.foreign] == [(Change.APPENDED, False)]
    assert desk.content.endswith(b"".join(OWN) + FOREIGN)
    assert desk.knows_the_content


def test_a_foreign_half_line_that_stays_is_ended_by_us(desk: Desk) -> None:
    """Appended, never cut: it is a damaged line from now on."""
    append_to(desk.path, b'{"half')()
    report = desk.compare()
    (foreign,) = report.foreign
    assert (foreign.change, foreign.damaged, foreign.records, foreign.tail) == (Change.TORN, 1, (), None)
    assert desk.content.endswith(b'{"half\n')
    assert desk.knows_the_content


def test_a_whole_record_that_lacks_its_end_becomes_a_record(desk: Desk) -> None:
    """Some writers put the line feed first."""
    append_to(desk.path, FOREIGN[:-1])()
    (foreign,) = desk.compare().foreign
    assert (foreign.change, foreign.records, foreign.damaged) == (Change.TORN, ({"foreign": 1},), 0)


def test_what_comes_while_we_end_a_line_is_part_of_it(desk: Desk) -> None:
    """Our line feed may land behind the foreign one, as a blank line: nothing of that is ours or lost."""
    append_to(desk.path, FOREIGN[:5])()
    assert desk.begin_compare().torn
    desk.system.act_at("write", append_to(desk.path, FOREIGN[5:]))
    (foreign,) = desk.compare().foreign
    assert foreign.records == ({"foreign": 1},)
    assert desk.content.endswith(FOREIGN + b"\n")
    assert desk.knows_the_content


def test_a_torn_line_that_was_there_first_has_not_slipped_in(desk: Desk) -> None:
    """Nothing of ours was written before we knew of it: the batch goes back, to be stamped with that knowledge."""
    append_to(desk.path, b'{"half')()
    report = desk.append(*OWN)
    assert report.written is None
    assert [(foreign.change, foreign.slipped) for foreign in report.foreign] == [(Change.TORN, False)]


def test_a_torn_line_is_not_ended_where_another_begins(desk: Desk) -> None:
    """Each foreign half line gets its own time to be finished."""
    append_to(desk.path, b'{"first')()
    report = desk.begin_append(OWN[0])
    desk.system.act_at("position", append_to(desk.path, FOREIGN[:5]))
    report = desk.finish_append(report, OWN[0])
    assert (report.written, report.torn) == (None, False)
    assert desk.begin_append(OWN[0]).torn
    append_to(desk.path, FOREIGN[5:])()
    assert desk.content.endswith(b'{"first\n' + FOREIGN)
    assert desk.append(OWN[0]).written is None
    assert desk.append(OWN[0]).written is not None


def _goes_on(desk: Desk) -> None:
    """Let somebody begin another line whenever ours has ended the last one."""

    def begin() -> None:
        append_to(desk.path, b'{"more')()
        desk.system.act_at("position", begin)

    desk.system.act_at("position", begin)


def test_a_fence_does_not_wait_for_ever_beside_a_writer_that_never_ends_its_lines(desk: Desk) -> None:
    """The line that was ended is a takeover already; the next one is left to the next look."""
    append_to(desk.path, b'{"half')()
    _goes_on(desk)
    effect = Compare(desk.store.revision)
    report = desk.store.finish(effect, desk.store.perform(effect))
    assert ([foreign.change for foreign in report.foreign], report.torn) == ([Change.TORN], False)


def test_a_batch_gives_up_beside_a_writer_that_never_ends_its_lines(desk: Desk) -> None:
    """After many attempts it is kept, and the disk is said to be in use: nobody waits for ever."""
    append_to(desk.path, b'{"half')()
    _goes_on(desk)
    effect = Append(desk.store.revision, OWN, insist=True)
    report, waits = desk.store.perform(effect), 0
    while report.torn:
        report, waits = desk.store.finish(effect, report), waits + 1
        assert waits <= 64
    assert (report.written, report.fault) == (None, Fault.WRITE)


def test_a_file_that_is_cut_while_we_end_a_line_is_truncated(desk: Desk) -> None:
    """Our line feed lands where nothing of what we know is any more."""
    append_to(desk.path, b'{"half')()
    desk.system.act_at("write", lambda: os.truncate(desk.path, 5))
    assert [foreign.change for foreign in desk.compare().foreign] == [Change.TRUNCATED]


def test_a_torn_line_without_room_for_its_end_is_ended_by_the_next_batch(desk: Desk) -> None:
    """Adopted as it is; our next write begins with the line feed."""
    append_to(desk.path, b'{"half')()
    desk.system.fail("write", OSError(28, "full"))
    (foreign,) = desk.compare().foreign
    assert foreign.change is Change.TORN
    assert desk.content.endswith(b'{"half')
    report = desk.append(*OWN)
    assert report.written is not None
    assert desk.content.endswith(b'{"half\n' + b"".join(OWN))
    assert desk.content[report.written[0] :].startswith(OWN[0])
    assert desk.knows_the_content


@pytest.mark.parametrize("size", range(1, 30))
def test_a_short_write_is_finished(desk: Desk, size: int) -> None:
    """A write may take less than it was given; the rest follows, and nobody sees a difference."""
    desk.system.shorten(size, 1)
    report = desk.append(*OWN)
    assert desk.content[20:] == b"".join(OWN)
    assert report.written is not None
    assert report.written == [20, 30, 40]
    assert report.foreign == ()


@pytest.mark.parametrize("size", range(1, 30))
def test_a_line_torn_by_a_foreign_one_is_written_again(desk: Desk, size: int) -> None:
    """Between two halves of a short write somebody else's line can land: ours is damage then, and written anew."""
    desk.system.shorten(size)
    desk.system.begin()
    desk.system.act_before(3, append_to(desk.path, FOREIGN))
    report = desk.append(*OWN)
    assert report.written is not None
    lines = desk.content.splitlines(keepends=True)
    for line, offset in zip(OWN, report.written, strict=True):
        assert desk.content[offset : offset + len(line)] == line
        assert desk.content[offset - 1 : offset] == b"\n"
        assert lines.count(line) == 1
    whole = size % 10 == 0
    assert [foreign.change for foreign in report.foreign] == [Change.APPENDED if whole else Change.TORN]
    assert report.foreign[0].slipped
    assert desk.knows_the_content


def test_a_foreign_line_in_two_halves_never_spoils_ours(tmp_path: Path, new_desk: OpenDesk) -> None:
    """Wherever its two halves land between our calls, with short writes too: every acknowledged line is readable."""
    for number, (first, second, short) in enumerate(itertools.product(range(8), range(8), (None, 4, 10, 14))):
        if second < first:
            continue
        desk = new_desk(tmp_path / f"{number}.jsonl")
        desk.open()
        desk.append(b'{"own":1}\n')
        if short is not None:
            desk.system.shorten(short)
        desk.system.begin()
        halves = append_to(desk.path, FOREIGN[:7]), append_to(desk.path, FOREIGN[7:])
        desk.system.act_before(first, halves[0] if first != second else append_to(desk.path, FOREIGN))
        if first != second:
            desk.system.act_before(second, halves[1])
        report = desk.append(*OWN)
        while report.written is None:
            assert report.foreign
            report = desk.append(*OWN)
        desk.system.begin()
        desk.compare()
        lines = desk.content.splitlines(keepends=True)
        assert [lines.count(line) for line in OWN] == [1, 1, 1]
        for line, offset in zip(OWN, report.written, strict=True):
            assert desk.content[offset : offset + len(line)] == line
        assert desk.knows_the_content
        desk.close()


def test_a_writer_that_insists_writes_behind_what_it_found(desk: Desk) -> None:
    """Somebody who never pauses must not keep us from writing for ever."""
    append_to(desk.path, FOREIGN)()
    report = desk.append(*OWN, insist=True)
    assert report.written is not None
    assert [(foreign.change, foreign.slipped) for foreign in report.foreign] == [(Change.APPENDED, True)]
    assert desk.content.endswith(FOREIGN + b"".join(OWN))


def test_a_writer_that_insists_still_waits_for_the_end_of_a_line(desk: Desk) -> None:
    """Writing behind half a line would be glued for certain."""
    append_to(desk.path, b'{"half')()
    report = desk.append(*OWN, insist=True)
    assert [(foreign.change, foreign.slipped) for foreign in report.foreign] == [(Change.TORN, True)]
    assert desk.content.endswith(b'{"half\n' + b"".join(OWN))


def test_a_file_with_our_batch_under_another_inode_is_written(desk: Desk) -> None:
    """A backup that copied everything, our last line included, has lost nothing."""

    def restore_backup() -> None:
        other = desk.path.with_name("other")
        other.write_bytes(desk.content)
        other.replace(desk.path)

    desk.system.act_at("position", restore_backup)
    report = desk.append(*OWN)
    assert (report.written is not None, [foreign.change for foreign in report.foreign]) == (True, [Change.TOUCHED])
    assert desk.append(b"{}\n").written is not None
    assert desk.knows_the_content


def test_a_file_without_our_batch_but_otherwise_equal_is_unwritten(desk: Desk) -> None:
    """A backup from just before: the batch goes back to the queue, and into the file that is there now."""
    before = desk.content

    def restore_backup() -> None:
        other = desk.path.with_name("other")
        other.write_bytes(before)
        other.replace(desk.path)

    desk.system.act_at("position", restore_backup)
    report = desk.append(*OWN)
    assert (report.written, report.attempted_at) == (None, None)
    assert [foreign.change for foreign in report.foreign] == [Change.TOUCHED]
    assert desk.append(*OWN).written is not None
    assert desk.content == before + b"".join(OWN)


def test_a_copy_of_a_file_that_was_cut_under_our_write_is_another_file(new_desk: OpenDesk) -> None:
    """Its length, and all that is known of a large file, may be as we believed; where our line landed says the rest."""
    desk = new_desk(content_check_bytes_max=0)
    desk.path.write_bytes(b'{"old":1}\n{"old":2}\n')
    desk.open()

    def put_a_copy() -> None:
        other = desk.path.with_name("other")
        other.write_bytes(desk.content)
        other.replace(desk.path)

    desk.system.act_at("write", lambda: os.truncate(desk.path, 10))
    desk.system.act_at("position", put_a_copy)
    report = desk.append(OWN[0])
    assert [foreign.change for foreign in report.foreign] == [Change.REPLACED]
    assert report.attempted_at == 10
    assert desk.reopen(OWN[0], since=10).present == (Placement(10, 10),)


def test_a_line_of_a_fence_that_lacks_only_its_end_stands_there(desk: Desk) -> None:
    """A copy of our unfinished write is healed when it is opened: given back too, it would stand there twice."""

    def restore_backup() -> None:
        other = desk.path.with_name("other")
        other.write_bytes(desk.content)
        other.replace(desk.path)

    desk.system.shorten(len(OWN[0]) - 1)
    desk.system.act_at("position", restore_backup)
    report = desk.append(OWN[0], compare=True)
    assert [foreign.change for foreign in report.foreign] == [Change.REPLACED]
    (place,) = report.standing
    assert place is not None
    desk.reopen()
    assert desk.content[place.offset : place.offset + place.size] == OWN[0]


def test_lines_below_the_first_piece_of_a_cut_file_are_found_again(desk: Desk) -> None:
    """The first piece went behind a foreign half line, and both were cut before the next one was written."""

    def append_half() -> None:
        append_to(desk.path, b'{"half')()
        desk.system.act_at("write", lambda: os.truncate(desk.path, 20))

    desk.system.shorten(5)
    desk.system.act_at("write", append_half)
    report = desk.append(*OWN)
    assert [foreign.change for foreign in report.foreign] == [Change.TRUNCATED]
    assert report.attempted_at is not None
    present = desk.reopen(*OWN, since=report.attempted_at).present
    assert [place is None for place in present] == [True, False, False]
