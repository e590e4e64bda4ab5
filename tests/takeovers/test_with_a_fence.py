"""Every kind of foreign change at every moment of a turn: the verdict, and the reply exactly once."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from coordinator import Change, SessionState, TakeoverError

from .acts import ACTS, FOREIGN_ID, Act
from .gateway import Gateway, gateway

QUIET = None


@dataclass(frozen=True)
class Verdict:
    """What the turn's error says: how many records were written and not, and whether one stands on a fork."""

    written: int = 0
    unwritten: int = 0
    forked: bool = False


REFUSED = TOLD = Verdict()
GIVEN_BACK = Verdict(unwritten=1)
WRITTEN = Verdict(written=1)
FORKED = Verdict(written=1, forked=True)

STOPPING = (Change.REWRITTEN, Change.TRUNCATED, Change.REPLACED, Change.VANISHED, Change.LOCK_LOST)
LINES = (Change.APPENDED, Change.TORN)

VERDICTS: dict[str, dict[Change, Verdict | None]] = {
    "before entering": {**dict.fromkeys(LINES, QUIET), **dict.fromkeys(STOPPING, REFUSED)},
    "in the body": dict.fromkeys((*LINES, *STOPPING), GIVEN_BACK),
    "at check": dict.fromkeys((*LINES, *STOPPING), TOLD),
    # Between look and write. What changes neither length nor identity is for the next look: the write was the last.
    "at fence.append": {
        **dict.fromkeys(LINES, FORKED),
        **dict.fromkeys((Change.REWRITTEN, Change.LOCK_LOST), QUIET),
        **dict.fromkeys((Change.TRUNCATED, Change.REPLACED, Change.VANISHED), GIVEN_BACK),
    },
    # Between the write and the second look.
    "behind fence.append": {
        **dict.fromkeys(LINES, WRITTEN),
        **dict.fromkeys((Change.REWRITTEN, Change.LOCK_LOST), QUIET),
        **dict.fromkeys((Change.TRUNCATED, Change.REPLACED, Change.VANISHED), GIVEN_BACK),
    },
    "at leaving": dict.fromkeys((*LINES, *STOPPING), WRITTEN),
    "after it": dict.fromkeys((*LINES, *STOPPING), QUIET),
}

TRIED_AGAIN = {("behind fence.append", "replace_shorter")}
"""What has just taken our batch away again has left what we believed: the batch goes back to the queue, quietly."""

WRITTEN_ALL_THE_SAME = {
    ("at fence.append", "cut_last_line"),
    ("behind fence.append", "replace_longer"),
    ("behind fence.append", "replace_edited"),
}
"""Where the reply's whole line stands in what the file has become, so that giving it back would write it twice."""


def expected(act: Act, moment: str, *, accepting: bool) -> Verdict | None:
    """Look the verdict up; `accept` changes it for whole lines that nothing of ours was forked by."""
    if (moment, act.do.__name__) in TRIED_AGAIN:
        return QUIET
    verdict = WRITTEN if (moment, act.do.__name__) in WRITTEN_ALL_THE_SAME else VERDICTS[moment].get(act.change)
    tolerated = accepting and act.change is Change.APPENDED and verdict is not None and not verdict.forked
    return QUIET if tolerated else verdict


def said(error: TakeoverError | None) -> Verdict | None:
    """Sum up what an error says."""
    return QUIET if error is None else Verdict(len(error.written), len(error.unwritten), error.forked)


async def next_turn_works(home: Gateway, act: Act, *, found: bool) -> None:
    """Take the next turn, which starts by finding what no look of the first one could see."""
    surprise = await home.turn("next")
    if found:
        assert surprise is None
    else:
        assert surprise is not None
        assert (surprise.change, said(surprise)) == (act.change, REFUSED)
        assert await home.turn("next") is None
    assert home.session.state is SessionState.OPEN
    assert home.count("next") == 1


@pytest.mark.parametrize("accepting", [False, True], ids=["fence", "fence with accept"])
@pytest.mark.parametrize("moment", VERDICTS)
@pytest.mark.parametrize("act", ACTS, ids=str)
async def test_a_foreign_change_gets_its_verdict_and_the_reply_is_there_once(
    session_path: Path, act: Act, moment: str, accepting: bool
) -> None:
    """Wherever it strikes: the right name, every record in one list, one reply after the handler, no sticky flag."""
    async with gateway(session_path) as home:
        error = await home.turn("reply", moment, act, accept=(lambda _record: True) if accepting else None)

        assert said(error) == expected(act, moment, accepting=accepting)
        assert not home.interposer.waiting
        if error is not None:
            assert error.change is act.change
            assert error.usable is not act.change.stops
            assert error.writer == ("chat" if moment != "before entering" else None)
        if not (error is None or error.written or error.unwritten):
            assert await home.turn("reply") is None
        assert home.count("reply") == (0 if lost_behind_the_turn(act, moment) else 1)
        harmless = act.change is Change.TOUCHED or (moment, act.do.__name__) in TRIED_AGAIN
        await next_turn_works(home, act, found=error is not None or harmless or not act.change.stops)
        assert home.told() == ([] if harmless else [act.change])
        if act.change is Change.APPENDED:
            on_the_path = FOREIGN_ID in await home.conversation()
            assert on_the_path is (error is None or not error.forked)


def lost_behind_the_turn(act: Act, moment: str) -> bool:
    """Say whether somebody destroyed the reply itself after the turn had put it into the file."""
    destroys = act.change in (Change.TRUNCATED, Change.VANISHED) or act.do.__name__ == "replace_shorter"
    return destroys and moment in ("at leaving", "after it")
