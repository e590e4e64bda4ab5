"""A takeover answers the question "what wrote?": our own writes in the window, foreign bytes, who has the file open."""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordinator import Change, CoordinatorError, Fence, TakeoverError
from coordinator.testing import foreign_append

from .acts import ACTS, FOREIGN_ID, PAD, append_half_a_line, append_line, edit, remove, replace_longer
from .gateway import Gateway, gateway, note

BY_NAME = {act.do.__name__: act for act in ACTS}


@contextmanager
def holding_open(path: Path) -> Iterator[subprocess.Popen[str]]:
    """Run a second process that keeps the file open until the end."""
    code = "import sys; file = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "open\n"
        yield process
        assert process.stdin is not None
        process.stdin.close()


async def taken_over(home: Gateway, name: str) -> TakeoverError:
    """Take a turn in which somebody acts, and return its error without handling it."""
    with pytest.raises(TakeoverError) as caught:
        await fence_with(home, name)
    return caught.value


async def fence_with(home: Gateway, name: str) -> None:
    """Hold a fence, write beside it, and let somebody act."""
    async with home.chat.fence() as fence:
        await home.session.writer("memory").append(note("indexed"))
        BY_NAME[name].do(home.path)
        await fence.append(note("reply"))


async def test_the_ledger_names_our_own_writes_of_the_window(session_path: Path) -> None:
    """It is the proof that it was not us: the writes since the fence was entered, and only these."""
    async with gateway(session_path) as home:
        began = time.time()
        error = await taken_over(home, "append_line")

        assert [write.writer for write in error.ledger] == ["memory"]
        (write,) = error.ledger
        assert b'"indexed"' in home.path.read_bytes()[write.offset : write.offset + write.size]
        assert began <= write.time <= time.time()


async def test_foreign_bytes_and_records_are_named_exactly(session_path: Path) -> None:
    """The range holds the foreign line and nothing else."""
    async with gateway(session_path) as home:
        error = await taken_over(home, "append_line")

        assert error.foreign_range is not None
        start, end = error.foreign_range
        assert [record["id"] for record in error.foreign_records] == [FOREIGN_ID]
        assert home.path.read_bytes()[start:end].count(b"\n") == 1
        assert FOREIGN_ID.encode() in home.path.read_bytes()[start:end]
        assert home.path.read_bytes()[start - 1 : start] == b"\n"


async def test_a_half_line_is_named_by_its_range(session_path: Path) -> None:
    """Its bytes are no record, but they can be looked at."""
    async with gateway(session_path) as home:
        error = await taken_over(home, "append_half_a_line")

        assert error.foreign_records == []
        assert error.foreign_range is not None
        start, end = error.foreign_range
        assert home.path.read_bytes()[start:end].startswith(b'{"type"')


async def test_an_edit_is_named_by_a_block_that_holds_it(session_path: Path) -> None:
    """Where the first differing block is known it is told; otherwise nothing is made up."""
    async with gateway(session_path) as home:
        place = home.path.read_bytes().index(PAD)
        error = await taken_over(home, "edit")

        assert error.foreign_range is None or error.foreign_range[0] <= place < error.foreign_range[1]


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="without /proc nobody can be named")
@pytest.mark.parametrize("act", [append_line, append_half_a_line, edit], ids=lambda act: act.__name__)
async def test_the_process_that_has_the_file_open_is_suspected(tmp_path: Path, act) -> None:
    """Pid and name of a real second process; never our own. The search is cut short on a busy machine: it has tries."""
    for attempt in range(5):
        async with gateway(tmp_path / f"session-{attempt}.jsonl") as home:
            with holding_open(home.path) as process:
                suspects = (await taken_over(home, act.__name__)).suspects
        if suspects:
            break

    assert [suspect.pid for suspect in suspects] == [process.pid]
    assert "python" in suspects[0].name


@pytest.mark.parametrize("act", ACTS, ids=str)
async def test_every_error_names_path_writer_and_the_next_step(session_path: Path, act) -> None:
    """What the person at the console needs is in the message itself."""
    async with gateway(session_path) as home:
        if act.change is Change.TOUCHED:
            await fence_with(home, act.do.__name__)
            assert not home.told()
            return
        error = await taken_over(home, act.do.__name__)

        assert (error.path, error.writer) == (home.path, "chat")
        assert str(home.path) in str(error)
        assert ("reopen" in error.hint) is not error.usable
        assert error.expected == home.session.revision or error.usable
        assert (error.found is None) == (act.change is Change.VANISHED)
        if not error.usable:
            await home.session.reopen()


@pytest.mark.parametrize("act", [append_line, edit, replace_longer, remove], ids=lambda act: act.__name__)
async def test_a_takeover_is_never_sticky(session_path: Path, act) -> None:
    """After the handler the next appends, the next drain and the next three turns know nothing of it."""
    async with gateway(session_path) as home:
        error = await home.turn("reply", "in the body", BY_NAME[act.__name__])
        assert error is not None

        await home.session.writer("memory").append(note("indexed"))
        await home.session.drain(timeout=10)
        assert [await home.turn(f"reply {number}") for number in range(3)] == [None] * 3


async def test_a_broken_fence_gives_back_everything_it_is_given(session_path: Path) -> None:
    """Every further append and check raises, each time with all that is unwritten so far."""
    async with gateway(session_path) as home:
        async with home.chat.fence() as fence:
            append_line(home.path)
            errors = [await refused(fence, text) for text in ("one", "two")]
            with pytest.raises(TakeoverError) as caught:
                await fence.check()
            assert fence.broken

        assert [len(error.unwritten) for error in (*errors, caught.value)] == [1, 2, 2]
        await home.handle(caught.value)
        assert (home.count("one"), home.count("two")) == (1, 1)


async def refused(fence: Fence, text: str) -> TakeoverError:
    """Append through a fence that is broken."""
    with pytest.raises(TakeoverError) as caught:
        await fence.append(note(text))
    return caught.value


async def test_a_fence_that_said_it_inside_does_not_say_it_again_at_its_end(session_path: Path) -> None:
    """One error for each broken fence: whoever caught it in the body leaves in peace."""
    async with gateway(session_path) as home:
        async with home.chat.fence() as fence:
            append_line(home.path)
            with pytest.raises(TakeoverError):
                await fence.check()
        assert home.told() == [Change.APPENDED]


async def test_the_exception_of_the_body_wins_and_observers_hear_of_the_takeover(session_path: Path) -> None:
    """A provider's error surfaces as itself; what the last look finds is told to the observers."""
    async with gateway(session_path) as home:
        with pytest.raises(ConnectionResetError):
            async with home.chat.fence():
                append_line(home.path)
                raise ConnectionResetError

        await home.session.drain(timeout=10)
        assert await home.turn("next") is None
        assert home.told() == [Change.APPENDED]


async def test_a_stopped_session_refuses_turns_with_the_same_takeover(session_path: Path) -> None:
    """A turn that has not begun has written nothing and gives nothing back."""
    async with gateway(session_path) as home:
        first = await taken_over(home, "edit")
        with pytest.raises(TakeoverError) as caught:
            await taken_over_at_entering(home)

        assert (caught.value.change, caught.value.written, caught.value.unwritten) == (Change.REWRITTEN, [], [])
        assert caught.value is not first
        await home.handle(first)
        assert home.count("reply") == 1


async def taken_over_at_entering(home: Gateway) -> None:
    """Take a turn that must not begin."""
    async with home.chat.fence():
        pytest.fail("the turn has begun")


async def test_a_flood_of_foreign_records_is_adopted_and_only_its_beginning_is_shown(session_path: Path) -> None:
    """At most ten records and 64 KiB are in the error; all bytes are in the range, and all records are adopted."""
    async with gateway(session_path) as home:
        flood = b"".join(b'{"type":"custom","id":"flood%06d","parentId":null}\n' % number for number in range(20_000))
        with pytest.raises(TakeoverError) as caught:
            await append_in_a_fence(home, flood)

        error = caught.value
        assert error.foreign_range is not None
        assert error.foreign_range[1] - error.foreign_range[0] == len(flood)
        assert [record["id"] for record in error.foreign_records] == [f"flood{number:06}" for number in range(10)]
        assert home.session.leaf == "flood019999"
        await home.handle(error)
        assert home.count("reply") == 1


async def append_in_a_fence(home: Gateway, foreign: bytes) -> None:
    """Let somebody append these bytes while a fence is held."""
    async with home.chat.fence() as fence:
        foreign_append(home.path, foreign)
        await fence.append(note("reply"))


async def test_a_large_foreign_record_is_not_carried_around_in_the_error(session_path: Path) -> None:
    """The evidence is bounded in bytes too."""
    async with gateway(session_path) as home:
        large = b'{"type":"custom","id":"large","parentId":null,"data":"' + b"x" * 100_000 + b'"}\n'
        with pytest.raises(CoordinatorError) as caught:
            await append_in_a_fence(home, large)

        assert isinstance(caught.value, TakeoverError)
        assert caught.value.foreign_records == []
        assert home.session.leaf == "large"
