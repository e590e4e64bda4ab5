"""The short form of `make race`; a failure prints the seed that replays it."""

import random
import sys
from pathlib import Path

import pytest

from .fences import quiet_fences
from .race import race
from .rewrites import race_of_rewrites


@pytest.mark.slow
async def test_every_foreign_change_is_found_and_no_record_is_lost(tmp_path: Path) -> None:
    """A real second process changes the file in four ways while writers write at full speed inside fences."""
    tally = await race(tmp_path, changes=60, seed=random.randrange(10**6))
    print(tally)
    assert tally.wrong == []
    assert tally.counts["changes"] == 60


@pytest.mark.slow
async def test_no_fence_is_broken_without_a_foreign_writer(tmp_path: Path) -> None:
    """Held records, shared fences, cancellation and timeouts: no false takeover, and nothing is lost or doubled."""
    tally = await quiet_fences(tmp_path, fences=500, seed=random.randrange(10**6))
    print(tally)
    assert tally.wrong == []
    assert tally.counts["fences"] >= 500


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="exchanging two files in one step needs Linux")
async def test_rewrites_at_full_load_lose_and_launder_nothing(tmp_path: Path) -> None:
    """Writers and a compaction that never pauses, beside a process that appends, replaces and edits."""
    tally = await race_of_rewrites(tmp_path, changes=120, seed=random.randrange(10**6))
    print(tally)
    assert tally.wrong == []
    assert tally.counts["changes"] == 120
    assert tally.counts["rewrites"] >= 60
