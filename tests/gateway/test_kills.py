"""What a crash of the whole gateway may take: nothing that a client was told is there."""

from pathlib import Path

import pytest

from .kills import kill_often


@pytest.mark.slow
@pytest.mark.timeout(180)
async def test_kill_9_in_mid_turn_loses_nothing_that_a_client_was_told(tmp_path: Path) -> None:
    """Ten times: messages and replies are there once, the index is as if made anew, the copies are the trajectories."""
    tally = await kill_often(tmp_path, kills=10, seed=5)
    print(tally)
    assert tally.kills == 10
    assert tally.cut_off >= 10
    assert tally.acknowledged > 30
