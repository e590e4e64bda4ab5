"""Every record given to a fence is in exactly one of `written` and `unwritten`, and so in the file once in the end."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import Change, Durability, Fence, Outcome, TakeoverError, WriteFailedError
from coordinator.testing import foreign_append

from .acts import append_line, cut_last_line, edit, remove, replace_longer
from .gateway import Gateway, gateway, note


async def broken_off(home: Gateway, body: Callable[[Fence], object]) -> TakeoverError:
    """Run a body inside a fence that is taken over, and handle it."""
    with pytest.raises(TakeoverError) as caught:
        await inside(home, body)
    await home.handle(caught.value)
    return caught.value


async def inside(home: Gateway, body) -> None:
    """Run a body inside a fence."""
    async with home.chat.fence() as fence:
        await body(fence)


def texts(records) -> list[str]:
    """Return what records say."""
    return [record["data"]["text"] for record in records]


async def test_of_a_group_that_was_cut_apart_each_record_is_in_one_list(session_path: Path) -> None:
    """The first line stands, the second is gone: one receipt, one record to write again, and their order is kept."""
    async with gateway(session_path) as home:
        home.interposer.after("write", lambda: cut_last_line(home.path))
        error = await broken_off(home, lambda fence: fence.append_all([note("one"), note("two")]))

        assert (len(error.written), texts(error.unwritten)) == (1, ["two"])
        assert texts(home.records()[-2:]) == ["one", "two"]
        receipt = error.written[0]
        assert b'"one"' in home.path.read_bytes()[receipt.offset : receipt.offset + receipt.size]


async def test_a_file_that_shrank_and_grew_again_around_our_write_does_not_look_right(session_path: Path) -> None:
    """Length and identity agree in the end; where our bytes stand tells that others were cut."""
    async with gateway(session_path) as home:
        before = home.path.read_bytes()
        home.interposer.before("write", lambda: cut_last_line(home.path))
        home.interposer.after("write", lambda: foreign_append(home.path, before[before.rindex(b"\n", 0, -1) + 1 :]))
        error = await broken_off(home, lambda fence: fence.append(note("reply")))

        assert (error.change, len(error.written), error.unwritten) == (Change.TRUNCATED, 1, [])
        assert home.count("reply") == 1


async def test_what_was_written_before_the_break_is_not_given_back(session_path: Path) -> None:
    """A turn of several steps gets back only what is missing."""

    async def body(fence: Fence) -> None:
        await fence.append(note("step"))
        append_line(home.path)
        await fence.append(note("reply"))

    async with gateway(session_path) as home:
        error = await broken_off(home, body)

        assert (len(error.written), texts(error.unwritten)) == (1, ["reply"])
        assert error.outcome is Outcome.NOT_WRITTEN
        assert (home.count("step"), home.count("reply")) == (1, 1)


async def test_appends_of_several_tasks_are_given_back_together(session_path: Path) -> None:
    """Whichever error the gateway sees first names all of them."""

    async def body(fence: Fence) -> None:
        append_line(home.path)
        await asyncio.gather(fence.append(note("one")), fence.append(note("two")))

    async with gateway(session_path) as home:
        error = await broken_off(home, body)

        assert texts(error.unwritten) == ["one", "two"]
        assert (home.count("one"), home.count("two")) == (1, 1)


@pytest.mark.parametrize("act", [append_line, edit, replace_longer, remove], ids=lambda act: act.__name__)
async def test_background_and_held_records_survive_the_takeover_of_a_turn(session_path: Path, act) -> None:
    """Whoever else writes loses nothing: written at once, kept for `reopen`, or held for the end of the turn."""

    async def body(fence: Fence) -> None:
        held = home.session.writer("follow-up", during_fence="hold").append_nowait(note("held"))
        act(home.path)
        beside = asyncio.create_task(home.session.writer("memory").append(note("beside")))
        answers.extend([held, beside])
        await asyncio.wait([beside], timeout=10)
        await fence.append(note("reply"))

    answers: list = []
    async with gateway(session_path) as home:
        error = await broken_off(home, body)

        assert texts(error.unwritten) == ["reply"]
        outcomes = await asyncio.gather(*(outcome(answer) for answer in answers))
        await home.session.drain(timeout=10)
        assert set(outcomes) <= {None, Outcome.KEPT}
        assert [home.count(text) for text in ("beside", "held", "reply")] == [1, 1, 1]


async def outcome(answer) -> Outcome | None:
    """Return what a writer was told about its record."""
    try:
        await answer
    except TakeoverError as error:
        return error.outcome
    return None


async def test_a_foreign_change_that_a_background_writer_meets_breaks_the_turn(session_path: Path) -> None:
    """It does not matter who looks first: the fence knows, and the background record is written behind the line."""

    async def body(fence: Fence) -> None:
        append_line(home.path)
        await home.session.writer("memory").append(note("beside"))
        assert fence.broken
        await fence.append(note("reply"))

    async with gateway(session_path) as home:
        error = await broken_off(home, body)

        assert texts(error.unwritten) == ["reply"]
        assert (home.count("beside"), home.count("reply")) == (1, 1)


@pytest.mark.parametrize("failing", ["sync", "pread"])
async def test_a_record_in_doubt_beside_a_foreign_line_is_kept_and_not_given_back(
    session_path: Path, failing: str
) -> None:
    """The foreign line breaks the fence, and then the disk fails: only `reopen` can tell whether the reply stands."""

    def fail(_: object = None) -> None:
        raise OSError(5, "a bad sector")

    async with gateway(session_path, durability=Durability.ALWAYS) as home:

        def slip_in() -> None:
            append_line(home.path)
            home.interposer.after("lstat", lambda: home.interposer.before(failing, fail))

        home.interposer.before("position", slip_in)
        with pytest.raises(WriteFailedError) as caught:
            await inside(home, lambda fence: fence.append(note("reply")))
        assert caught.value.outcome is Outcome.KEPT
        await home.session.reopen()
        assert home.count("reply") == 1
