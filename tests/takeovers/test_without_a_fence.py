"""Every kind of foreign change around a batch while nobody holds a fence: adopt it or stop, and lose nothing."""

from pathlib import Path

import pytest

from coordinator import Change, Outcome, Receipt, SessionState, TakeoverError

from .acts import ACTS, FOREIGN_ID, Act
from .gateway import Gateway, gateway, note

SEEN_BY_A_BATCH = {
    "before a batch": {Change.TRUNCATED, Change.REPLACED, Change.VANISHED},
    "between look and write": {Change.TRUNCATED, Change.REPLACED, Change.VANISHED},
    "after it": set[Change](),
}
"""What stops a batch; a same-length edit and a lost lock are for the next comparison of a fence."""


async def write_beside(home: Gateway, act: Act, moment: str) -> Receipt | TakeoverError:
    """Append one note with a foreign act beside it, and return how that ended."""
    if moment == "before a batch":
        act.do(home.path)
    if moment == "between look and write":
        home.interposer.before("write", lambda: act.do(home.path))
    try:
        return await home.chat.append(note("background"))
    except TakeoverError as error:
        return error
    finally:
        if moment == "after it":
            act.do(home.path)


async def heal(home: Gateway, error: TakeoverError) -> None:
    """Check that a writer's error keeps its record, and reopen."""
    assert (error.outcome, error.written, error.unwritten) == (Outcome.KEPT, [], [])
    assert not error.usable
    assert home.session.state is SessionState.STOPPED
    await home.session.reopen()


@pytest.mark.parametrize("moment", SEEN_BY_A_BATCH)
@pytest.mark.parametrize("act", ACTS, ids=str)
async def test_a_foreign_change_beside_a_batch_loses_no_record(session_path: Path, act: Act, moment: str) -> None:
    """Harmless and appended changes pass; the others stop the session, and `reopen` writes what it kept."""
    async with gateway(session_path) as home:
        ended = await write_beside(home, act, moment)

        stopped = isinstance(ended, TakeoverError)
        assert stopped is (act.change in SEEN_BY_A_BATCH[moment])
        if stopped:
            assert ended.change is act.change
            await heal(home, ended)
        else:
            found_later = await home.turn("next")
            assert (None if found_later is None else found_later.change) is (act.change if act.change.stops else None)
        assert home.session.state is SessionState.OPEN
        assert await home.turn("reply") is None
        destroyed = moment == "after it" and act.do.__name__ in (
            "cut_last_line", "cut_into_last_line", "replace_shorter", "remove",
        )  # fmt: skip
        assert home.count("background") == (0 if destroyed else 1)
        assert home.count("reply") == 1
        assert home.told() == ([] if act.change is Change.TOUCHED else [act.change])


@pytest.mark.parametrize("moment", SEEN_BY_A_BATCH)
async def test_a_foreign_record_is_adopted_into_the_conversation_unless_it_slipped_in(
    session_path: Path, moment: str
) -> None:
    """The next own record is chained after it; one that slipped in behind our look is said to be a fork."""
    async with gateway(session_path) as home:
        await write_beside(home, next(act for act in ACTS if act.change is Change.APPENDED), moment)

        await home.chat.append(note("later"))
        slipped = moment == "between look and write"
        assert (FOREIGN_ID in await home.conversation()) is not slipped
        assert home.forks() == slipped


async def test_a_receipt_beside_a_glued_line_points_at_whole_bytes(session_path: Path) -> None:
    """The first copy is glued to somebody's half line; the receipt is that of the second, which can be read."""
    async with gateway(session_path) as home:
        receipt = await write_beside(
            home, next(act for act in ACTS if act.change is Change.TORN), "between look and write"
        )

        assert isinstance(receipt, Receipt)
        line = home.path.read_bytes()[receipt.offset : receipt.offset + receipt.size]
        assert line.endswith(b"\n")
        assert b'"background"' in line
        assert home.path.read_bytes()[receipt.offset - 1 : receipt.offset] == b"\n"
        assert home.session.leaf == receipt.id
