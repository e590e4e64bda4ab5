"""A foreign act before each system call of a turn in turn: found, named once, and the reply there once."""

from itertools import count
from pathlib import Path

import pytest

from coordinator import Change, Limits, SessionState

from .acts import ACTS, Act
from .gateway import Gateway, gateway

DESTROYING = ("cut_last_line", "cut_into_last_line", "replace_shorter", "remove")
"""These may take away a reply that was in the file already."""


async def turn_with_act_at(home: Gateway, act: Act, number: int) -> bool:
    """Take turns until the reply was given; return whether the turn made so many system calls."""
    home.interposer.at(number, lambda: act.do(home.path))
    error = await home.turn("reply", "at leaving")
    reached = not home.interposer.waiting
    if error is not None and not error.written and not error.unwritten:
        assert await home.turn("reply") is None
    return reached


async def judge(home: Gateway, act: Act, number: int) -> None:
    """Look at what observers heard and at what is in the file, after one more turn."""
    if await home.turn("next") is not None:
        assert await home.turn("next") is None
    where = f"before call {number} ({home.interposer.calls[number]})"
    assert home.session.state is SessionState.OPEN, where
    told = home.told()
    if act.do.__name__ == "replace_shorter" and not told:
        return  # it took away a batch that was not confirmed yet: what is left is what we believed
    assert told == ([] if act.change is Change.TOUCHED else [act.change]), where
    assert home.count("next") == 1, where
    assert home.count("reply") in ((0, 1) if act.do.__name__ in DESTROYING else (1,)), where


IN_FULL = Limits().content_check_bytes_max
CASES = [(act, IN_FULL) for act in ACTS] + [(act, 0) for act in ACTS if act.change is not Change.REWRITTEN]
"""Above the limit an edit beside our own write, or through a mapping, is a known limit."""


@pytest.mark.slow
@pytest.mark.parametrize("quick", [True, False], ids=["on-the-loop", "in-a-thread"])
@pytest.mark.parametrize(("act", "content_check_bytes_max"), CASES, ids=str)
async def test_an_act_between_any_two_system_calls_is_found(
    tmp_path: Path, act: Act, content_check_bytes_max: int, quick: bool
) -> None:
    """One run for each system call of a turn, also of a session that counts as too large to be read each time."""
    limits = Limits(torn_wait_seconds=0.002, content_check_bytes_max=content_check_bytes_max)
    for number in count():
        directory = tmp_path / str(number)
        directory.mkdir()
        async with gateway(directory / "session.jsonl", limits, quick=quick) as home:
            home.interposer.calls.clear()
            if not await turn_with_act_at(home, act, number):
                break
            await judge(home, act, number)
    assert number > 10
