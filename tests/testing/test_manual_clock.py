"""Time that passes only when a test says so."""

import asyncio
import time

import pytest

from coordinator import PI, Limits, hookimpl
from coordinator.testing import ManualClock, open_session


async def test_a_timer_fires_when_its_time_has_come() -> None:
    """Neither earlier nor by itself; an hour costs nothing."""
    began = time.monotonic()
    with ManualClock() as clock:
        fired = asyncio.Event()
        asyncio.get_running_loop().call_later(3600, fired.set)
        clock.advance(3599)
        await asyncio.sleep(0)
        assert not fired.is_set()
        clock.advance(1)
        await fired.wait()
    assert time.monotonic() - began < 60


async def test_a_time_out_of_the_library_waits_for_it(session_path) -> None:
    """A hook that hangs is cut off after an hour that did not pass."""
    entered = asyncio.Event()

    class Hanging:
        @hookimpl
        async def fence_entering(self):
            entered.set()
            await asyncio.Event().wait()

    async def turn(session):
        async with session.writer("chat").fence() as fence:
            await fence.append({"a": 1})

    with ManualClock() as clock:
        async with open_session(session_path, plugins=[Hanging()], limits=Limits(hook_seconds_max=3600)) as session:
            turning = asyncio.create_task(turn(session))
            await entered.wait()
            assert not turning.done()
            clock.advance(3600)
            await turning
    assert session_path.read_bytes() == b'{"a":1}\n'


async def test_records_are_stamped_with_its_time(session_path) -> None:
    """What a test expects of a file can be written down."""
    with ManualClock(start=0) as clock:
        async with open_session(session_path, format=PI) as session:
            for seconds in (1.5, 60):
                clock.advance(seconds)
                await session.writer("chat").append({"type": "custom"})
            stamps = [entry.record["timestamp"] async for entry in session.records()]
    assert stamps == ["1970-01-01T00:00:01.500Z", "1970-01-01T00:01:01.500Z"]


async def test_real_time_goes_on_afterwards() -> None:
    """Also if the test failed in between."""
    from coordinator import _driver

    loop = asyncio.get_running_loop()
    with pytest.raises(ZeroDivisionError), ManualClock() as clock:
        assert loop.time() == clock.monotonic() == clock.perf_counter()
        raise ZeroDivisionError
    assert abs(loop.time() - time.monotonic()) < 60
    assert _driver.time is time


def test_time_does_not_go_back() -> None:
    """Nothing here is written for that."""
    with pytest.raises(ValueError, match="back"):
        ManualClock().advance(-1)
