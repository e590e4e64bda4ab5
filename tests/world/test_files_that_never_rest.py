"""Another process that changes the file again and again while it is looked at: a comparison never says it is whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import Change, SessionState, TakeoverError
from coordinator.testing import Interposer, open_session

OWN, FOREIGN = b'{"text":"one"}\n', b'{"text":"two"}\n'


def replacing(path: Path) -> Callable[[], None]:
    """Return an act: another file of the same size takes the place."""

    def act() -> None:
        other = path.with_name("other")
        other.write_bytes(FOREIGN)
        other.rename(path)

    return act


@pytest.mark.parametrize("times", [1, 2, 3, 10])
async def test_a_file_that_is_replaced_at_every_look_is_a_takeover(session_path: Path, times: int) -> None:
    """What had the path was never ours, at no moment: so `check` says, however often it is deceived."""
    session_path.write_bytes(OWN)
    interposer = Interposer()
    async with open_session(session_path, interposer=interposer) as session:
        async with session.writer("chat").fence() as fence:
            replacing(session_path)()
            for _ in range(times):
                interposer.before("open", replacing(session_path))
            with pytest.raises(TakeoverError) as caught:
                await fence.check()
        assert caught.value.change is Change.REPLACED
        assert session.state is SessionState.STOPPED
        await session.reopen()
        assert session_path.read_bytes() == FOREIGN
