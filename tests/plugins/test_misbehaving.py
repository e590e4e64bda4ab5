"""Plugins that throw, hang, flood, or go on after the end: reported by name, bounded, and the turn goes on."""

import asyncio
import contextlib
import time

import pytest

from coordinator import Coordinator, Limits, QueueFullError, SessionState, hookimpl
from tests.plugins.waiting import until

QUICK = Limits(hook_seconds_max=0.05)


class Throwing:
    """Raises in every hook."""

    name = "throwing"

    def _fail(self):
        raise ZeroDivisionError

    @hookimpl
    def coordinator_started(self):
        """Fail."""
        self._fail()

    @hookimpl
    async def session_opened(self):
        """Fail."""
        self._fail()

    @hookimpl
    async def fence_entering(self):
        """Fail."""
        self._fail()

    @hookimpl
    def fence_left(self):
        """Fail."""
        self._fail()

    @hookimpl
    def records_written(self):
        """Fail."""
        self._fail()

    @hookimpl
    def session_closing(self):
        """Fail."""
        self._fail()


class Hanging:
    """Never comes back from any hook."""

    name = "hanging"

    @hookimpl
    async def session_opened(self):
        """Hang."""
        await asyncio.Event().wait()

    @hookimpl
    async def fence_entering(self):
        """Hang."""
        await asyncio.Event().wait()

    @hookimpl
    async def records_written(self):
        """Hang."""
        await asyncio.Event().wait()

    @hookimpl
    async def session_closing(self):
        """Hang."""
        await asyncio.Event().wait()


async def one_turn(coordinator, path):
    """Take one turn, as a gateway does."""
    session = await coordinator.open(path)
    async with session.writer("chat").fence() as fence:
        await fence.append({"reply": 1})
    await session.aclose()


async def test_a_plugin_that_throws_fails_nobody(session_path, events) -> None:
    """Every failure is reported with its name and hook, and counted."""
    async with Coordinator(plugins=[Throwing()], observers=[events]) as coordinator:
        await one_turn(coordinator, session_path)
        statistics = coordinator.statistics()
    assert session_path.read_bytes() == b'{"reply":1}\n'
    hooks = ["coordinator_started", "session_opened", "fence_entering", "records_written", "fence_left"]
    assert sorted(events.failures()) == sorted(("throwing", hook) for hook in [*hooks, "session_closing"])
    assert statistics.hook_failures == {"throwing": 6}
    assert statistics.plugins["throwing"].failures == 6


async def test_a_plugin_that_hangs_delays_the_turn_by_one_hook_at_most(session_path, events) -> None:
    """Entering waits for it as long as a hook may take; appending and leaving do not wait at all."""
    async with Coordinator(plugins=[Hanging()], observers=[events], limits=QUICK) as coordinator:
        began = time.monotonic()
        await one_turn(coordinator, session_path)
        assert time.monotonic() - began < 10 * QUICK.hook_seconds_max
    assert session_path.read_bytes() == b'{"reply":1}\n'
    assert ("hanging", "fence_entering") in events.failures()


async def test_a_hook_that_ignores_being_cancelled_is_left_behind(session_path, events) -> None:
    """A few times; then the plugin is not called until one of them ends."""
    release = asyncio.Event()
    calls = []

    class Stubborn:
        name = "stubborn"

        @hookimpl
        async def fence_entering(self):
            calls.append(1)
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await release.wait()

    limits = Limits(hook_seconds_max=0.01)
    async with Coordinator(plugins=[Stubborn()], observers=[events], limits=limits) as coordinator:
        session = await coordinator.open(session_path)
        for number in range(8):
            async with session.writer("chat").fence() as fence:
                await fence.append({"reply": number})
        statistics = coordinator.statistics().plugins["stubborn"]
        release.set()
    assert len(session_path.read_bytes().splitlines()) == 8
    assert len(calls) == 4
    assert statistics.hook_calls_dropped == 4


async def test_a_task_that_fails_is_reported_by_name(listener, events) -> None:
    """A background task whose failure nobody sees is how plugins rot."""

    class Failing:
        name = "failing"

        @hookimpl
        async def coordinator_started(self, spawn):
            await asyncio.wait({spawn(self.work())})
            listener.hear("over")

        async def work(self):
            raise KeyError("gone")

    async with Coordinator(plugins=[Failing()], observers=[events]):
        await listener.until("over")
    ((plugin, what),) = events.failures()
    assert plugin == "failing"
    assert "work" in what


async def test_a_task_that_does_not_end_is_left_behind(events) -> None:
    """Closing the coordinator is bounded whatever a plugin does."""
    begun, release = asyncio.Event(), asyncio.Event()

    class Clinging:
        name = "clinging"

        @hookimpl
        def coordinator_started(self, spawn):
            spawn(self.work())

        async def work(self):
            begun.set()
            while not release.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await release.wait()

    async with Coordinator(plugins=[Clinging()], observers=[events], limits=QUICK):
        await begun.wait()
    release.set()
    assert [plugin for plugin, _ in events.failures()] == ["clinging"]


async def test_a_plugin_that_floods_does_not_starve_the_turn(session_path) -> None:
    """It hits its own bound, which is visible, and the chat writes on."""
    limits = Limits(writer_records_max=100)

    class Flooding:
        name = "flooding"

        @hookimpl
        async def session_opened(self, session, spawn):
            spawn(self.work(session))

        async def work(self, session):
            writer = session.writer("flood")
            while True:
                try:
                    writer.append_nowait({"noise": "x" * 100})
                except QueueFullError:
                    await asyncio.sleep(0)

    async with Coordinator(plugins=[Flooding()], limits=limits) as coordinator:
        session = await coordinator.open(session_path)
        await until(lambda: (flood := session.statistics().writers.get("flood")) and flood.refused_records)
        for number in range(5):
            async with session.writer("chat").fence() as fence:
                await fence.append({"reply": number})
        statistics = session.statistics()
        assert statistics.writers["flood"].queued_records <= 100
        assert statistics.writers["chat"].written_records == 5
        assert coordinator.statistics().plugins["flooding"].records_written > 0


async def test_calls_that_a_slow_plugin_cannot_take_are_left_out_and_counted(session_path, listener, events) -> None:
    """What waits for a plugin is bounded; it reads `records` if it needs them all."""
    release = asyncio.Event()

    class Slow:
        name = "slow"

        @hookimpl
        async def records_written(self):
            await release.wait()

    async with Coordinator(plugins=[Slow(), listener], observers=[events]) as coordinator:
        session = await coordinator.open(session_path)
        for number in range(300):
            await session.writer("chat").append({"a": number})
        assert 30 < coordinator.statistics().plugins["slow"].hook_calls_dropped < 60
        assert events.failures() == [("slow", "records_written")]
        release.set()


async def test_a_plugin_that_appends_after_the_end_is_refused(session_path, listener, events) -> None:
    """And it is its own failure, reported by name."""

    class Late:
        name = "late"

        @hookimpl
        async def session_opened(self, session, spawn):
            spawn(self.work(session))

        async def work(self, session):
            await until(lambda: session.state is SessionState.CLOSED)
            listener.hear("trying")
            await session.writer("late").append({"late": True})

    async with Coordinator(plugins=[Late()], observers=[events]) as coordinator:
        await one_turn(coordinator, session_path)
        await listener.until("trying")
    assert session_path.read_bytes() == b'{"reply":1}\n'
    assert [plugin for plugin, _ in events.failures()] == ["late"]


@pytest.mark.parametrize("hook", ["session_opened", "session_closing"])
async def test_a_plugin_may_remove_itself_in_a_hook(session_path, listener, hook, events) -> None:
    """It must not wait for the end of the hook it is in."""

    async def leave(self):
        await coordinator.unregister(self)
        listener.hear("gone")

    leaving = type("Leaving", (), {"name": "leaving", hook: hookimpl(specname=hook)(leave)})
    async with Coordinator(plugins=[leaving()], observers=[events]) as coordinator:
        await one_turn(coordinator, session_path)
        await listener.until("gone")
        assert coordinator.statistics().plugins == {}
    assert events.failures() == []
