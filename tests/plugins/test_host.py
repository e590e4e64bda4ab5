"""The plugin host: who is called when, with what, and what is counted."""

import asyncio
import time
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

import coordinator._host as host
from coordinator import ClosedError, Coordinator, TakeoverError, hookimpl
from coordinator.testing import foreign_append
from tests.plugins.waiting import until


async def test_a_registered_plugin_is_found_by_its_name(listener) -> None:
    """Of installed plugins nobody has the object otherwise, and its methods are what it is for."""
    async with Coordinator(plugins=[listener]) as coordinator:
        assert list(coordinator.plugins.values()) == [listener]
        await coordinator.unregister(listener)
        assert not coordinator.plugins


async def test_a_plugin_hears_the_whole_life_of_a_session(session_path, listener) -> None:
    """Each hook comes once, in the order in which things happen."""
    async with Coordinator(plugins=[listener]) as coordinator:
        session = await coordinator.open(session_path)
        async with session.writer("chat").fence(annotations={"modelId": "m"}) as fence:
            await fence.append({"a": 1})
        await session.aclose()
    assert listener.hooks == [
        "coordinator_started", "session_opened", "fence_entering", "records_written", "fence_left", "session_closing",
    ]  # fmt: skip


async def test_fence_left_tells_how_the_turn_went(session_path, listener) -> None:
    """Times, both ends of its records, and what the caller added to the annotations meanwhile."""
    annotations: dict[str, object] = {"modelId": "m"}
    began = time.time()
    async with Coordinator(plugins=[listener]) as coordinator:
        session = await coordinator.open(session_path)
        await session.writer("chat").append({"a": 0})
        async with session.writer("chat").fence(annotations=annotations) as fence:
            annotations["firstTokenAt"] = 1.0
            await fence.append({"a": 1})
        story = await listener.until("fence_left")
        turn = [entry.record async for entry in session.records(story["before"].length)]
    assert turn == [{"a": 1}]
    assert began - 1 < story["asked_at"] <= story["entered_at"] <= story["left_at"] < time.time() + 1
    assert story["annotations"]["firstTokenAt"] == 1.0
    assert story["error"] is None
    assert story["raised"] is None


async def test_fence_left_tells_what_the_body_raised(session_path, listener) -> None:
    """A provider's error is not a takeover, for a plugin as for everybody."""
    async with Coordinator(plugins=[listener]) as coordinator:
        session = await coordinator.open(session_path)
        with pytest.raises(ConnectionResetError):
            async with session.writer("chat").fence():
                raise ConnectionResetError
        story = await listener.until("fence_left")
    assert isinstance(story["raised"], ConnectionResetError)
    assert story["error"] is None


async def test_a_turn_that_was_never_entered_is_told_too(session_path, listener) -> None:
    """Whoever heard of its entering hears of its end."""

    class Slow:
        @hookimpl
        async def fence_entering(self):
            await asyncio.Event().wait()

    async with Coordinator(plugins=[Slow(), listener]) as coordinator:
        session = await coordinator.open(session_path)
        with pytest.raises(TimeoutError):
            async with session.writer("chat").fence(timeout=0.01):
                pass
        story = await listener.until("fence_left")
    assert story["entered_at"] is None
    assert story["before"] is None


async def test_a_takeover_is_told_with_its_evidence(session_path, listener) -> None:
    """Once for the fence that broke, with what its writer would be told."""
    async with Coordinator(plugins=[listener]) as coordinator:
        session = await coordinator.open(session_path)
        await session.writer("chat").append({"a": 1})
        with pytest.raises(TakeoverError):
            async with session.writer("chat").fence() as fence:
                foreign_append(session_path, b'{"foreign":1}\n')
                await fence.append({"a": 2})
        error = await listener.until("takeover")
        story = await listener.until("fence_left")
    assert error.writer == "chat"
    assert error.foreign_records == [{"foreign": 1}]
    assert isinstance(story["error"], TakeoverError)
    assert listener.hooks.count("takeover") == 1


async def test_a_takeover_without_a_fence_is_told_when_the_session_stops(session_path, listener) -> None:
    """Also if nobody held a turn."""
    async with Coordinator(plugins=[listener]) as coordinator:
        session = await coordinator.open(session_path)
        await session.writer("chat").append({"a": 1})
        session_path.write_bytes(b"{}\n")
        with pytest.raises(TakeoverError):
            await session.writer("chat").append({"a": 2})
        error = await listener.until("takeover")
        assert not error.usable
        await session.reopen()


async def test_a_plugin_may_write_its_last_record_while_the_session_closes(session_path) -> None:
    """The session refuses new records only after that."""

    class Farewell:
        @hookimpl
        async def session_closing(self, session):
            await session.writer("farewell").append({"last": True})

    async with Coordinator(plugins=[Farewell()]) as coordinator:
        session = await coordinator.open(session_path)
        await session.writer("chat").append({"a": 1})
        await session.aclose()
        with pytest.raises(ClosedError):
            await session.writer("chat").append({"a": 2})
    assert session_path.read_bytes().splitlines() == [b'{"a":1}', b'{"last":true}']


async def test_a_plugin_that_closes_a_session_does_not_wait_for_itself(tmp_path) -> None:
    """A sidecar is closed by the hook that closes the session it belongs to."""

    class Sidecar:
        closed: list[str]

        @hookimpl
        def coordinator_started(self, coordinator):
            self.coordinator, self.closed = coordinator, []

        @hookimpl
        async def session_opened(self, session):
            if session.path.suffix != ".side":
                self.sidecar = await self.coordinator.open(session.path.with_suffix(".side"))

        @hookimpl
        async def session_closing(self, session):
            self.closed.append(session.path.suffix)
            if session.path.suffix != ".side":
                await self.sidecar.aclose()

    plugin = Sidecar()
    async with Coordinator(plugins=[plugin]) as coordinator:
        session = await coordinator.open(tmp_path / "a.jsonl")
        await session.aclose()
        assert not coordinator.sessions
        assert coordinator.statistics().hook_failures == {}
    assert plugin.closed == [".jsonl", ".side"]


async def test_opening_a_session_that_is_closing_waits_and_opens_it_anew(session_path, listener) -> None:
    """A request that comes while the last one lets the session go gets one that works."""
    async with Coordinator(plugins=[listener]) as coordinator:
        first = await coordinator.open(session_path)
        await first.writer("chat").append({"a": 1})
        closing = asyncio.create_task(first.aclose())
        await listener.until("session_closing")
        second = await coordinator.open(session_path)
        await second.writer("chat").append({"a": 2})
        await closing
    assert first is not second


# Coming and going


async def test_a_plugin_that_comes_late_is_told_what_is_there(session_path, listener) -> None:
    """It need not care when it was registered."""
    async with Coordinator() as coordinator:
        await coordinator.open(session_path)
        coordinator.register(listener)
        await listener.until("session_opened")
    assert listener.hooks[:2] == ["coordinator_started", "session_opened"]


async def test_a_removed_plugin_hears_nothing_more_and_its_tasks_end(session_path) -> None:
    """Removing leaves nothing behind."""
    begun, ended = asyncio.Event(), asyncio.Event()

    class Worker:
        name = "worker"

        @hookimpl
        def coordinator_started(self, spawn):
            spawn(self.work())

        async def work(self):
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

        @hookimpl
        def records_written(self):
            raise AssertionError("called after it was removed")

    worker = Worker()
    async with Coordinator(plugins=[worker]) as coordinator:
        await begun.wait()
        assert coordinator.statistics().plugins["worker"].tasks == 1
        await coordinator.unregister(worker)
        assert ended.is_set()
        session = await coordinator.open(session_path)
        await session.writer("chat").append({"a": 1})
        assert coordinator.statistics().plugins == {}
        with pytest.raises(ValueError, match="not registered"):
            await coordinator.unregister(worker)
        coordinator.register(worker)


async def test_a_plugins_tasks_end_with_the_coordinator_and_begin_with_it_again() -> None:
    """A coordinator that was closed may be started again, plugins included."""
    begun, ended = [], []

    class Worker:
        @hookimpl
        def coordinator_started(self, spawn):
            spawn(self.work())

        async def work(self):
            begun.append(1)
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(1)

    coordinator = Coordinator(plugins=[Worker()])
    for count in (1, 2):
        await coordinator.start()
        await until(lambda number=count: len(begun) == number)
        await coordinator.aclose()
        assert len(ended) == count


async def test_two_plugins_of_one_name_are_refused(new_listener) -> None:
    """Statistics and reports name plugins, so a name has to mean one of them."""
    coordinator = Coordinator(plugins=[new_listener("a")])
    with pytest.raises(ValueError, match="'a'"):
        coordinator.register(new_listener("a"))
    coordinator.register(new_listener("b"))
    assert set(coordinator.statistics().plugins) == {"a", "b"}


def test_a_hook_that_does_not_exist_is_refused() -> None:
    """A misspelt hook would silently never be called."""

    class Misspelt:
        @hookimpl
        def sesion_opened(self):
            pass

    with pytest.raises(ValueError, match="sesion_opened"):
        Coordinator(plugins=[Misspelt()])


def test_an_argument_that_does_not_exist_is_refused() -> None:
    """The same for what a hook wants to be told."""

    class Curious:
        @hookimpl
        def session_opened(self, weather):
            pass

    with pytest.raises(ValueError, match="weather"):
        Coordinator(plugins=[Curious()])


@pytest.fixture
def installed(monkeypatch) -> list[EntryPoint]:
    """Return the list of what is installed, for a test to fill."""
    entries: list[EntryPoint] = []
    monkeypatch.setattr(host, "entry_points", lambda group: [e for e in entries if e.group == group])
    return entries


async def test_an_installed_plugin_that_is_broken_is_named_and_left_out(installed, events) -> None:
    """The gateway starts, and says what is missing."""
    installed += [
        EntryPoint("broken", "no_such_module_at_all:Plugin", "coordinator.plugins"),
        EntryPoint("snapshots", "coordinator_model_snapshot:ModelSnapshot", "coordinator.plugins"),
    ]
    coordinator = Coordinator(plugins="installed", observers=[events])
    statistics = coordinator.statistics()
    assert set(statistics.plugins) == {"snapshots"}
    assert "no_such_module_at_all" in statistics.plugins_broken["broken"]
    assert events.failures() == [("broken", "load")]


async def test_an_installed_plugin_with_a_wrong_option_is_named_with_the_option(installed, monkeypatch) -> None:
    """Whoever reads the statistics knows what to mend."""
    installed.append(EntryPoint("memory_index", "coordinator_memory_index:MemoryIndex", "coordinator.plugins"))
    monkeypatch.setenv("COORDINATOR_MEMORY_INDEX_IDLE_SECONDS", "-1")
    broken = Coordinator(plugins="installed").statistics().plugins_broken["memory_index"]
    assert "plugin memory_index" in broken
    assert "idle_seconds" in broken


# Counts


async def test_what_a_plugin_writes_is_counted_as_its_own(session_path, listener) -> None:
    """Also what its tasks write; and nothing of what others do."""

    class Writing:
        name = "writing"

        @hookimpl
        async def session_opened(self, session, spawn):
            await session.writer("from-hook").append({"a": 1})
            await spawn(self.work(session))
            listener.hear("done")

        async def work(self, session):
            await session.writer("from-task").append({"a": 2})

    async with Coordinator(plugins=[Writing(), listener]) as coordinator:
        session = await coordinator.open(session_path)
        await session.writer("chat").append({"a": 3})
        await listener.until("done")
    mine, others = coordinator.statistics().plugins.values()
    assert (mine.records_written, mine.bytes_written) == (2, 16)
    assert others.records_written == 0
    assert mine.hook_calls == 1
    assert 0 < mine.hook_seconds_p50 <= mine.hook_seconds_p99


FIRST_PARTY = Path(__file__).parents[2] / "plugins"


def test_the_first_party_plugins_use_public_names_only() -> None:
    """What they need, every plugin can have."""
    modules = sorted(FIRST_PARTY.rglob("*.py"))
    assert len(modules) > 10
    private = [
        f"{path.name}: {line}"
        for path in modules
        for line in path.read_text().splitlines()
        if "coordinator._" in line or line.startswith(("from coordinator.", "import coordinator."))
    ]
    assert private == []


async def test_closing_goes_on_to_its_end_when_nobody_waits_for_it_any_more() -> None:
    """Stopping whoever closes a coordinator must not leave the tasks of its plugins behind."""
    ended, ending, go_on = [], asyncio.Event(), asyncio.Event()

    class Worker:
        @hookimpl
        def coordinator_started(self, spawn):
            spawn(self.work())

        async def work(self):
            try:
                await asyncio.Event().wait()
            finally:
                ending.set()
                await go_on.wait()
                ended.append(1)

    coordinator = Coordinator(plugins=[Worker()])
    await coordinator.start()
    await until(lambda: coordinator.statistics().plugins["Worker"].tasks == 1)
    await asyncio.sleep(0)
    closing = asyncio.create_task(coordinator.aclose())
    await ending.wait()
    closing.cancel()
    await until(closing.done)
    assert closing.cancelled()
    go_on.set()
    await coordinator.aclose()
    assert ended == [1]
    with pytest.raises(ClosedError):
        await coordinator.drain()


async def test_a_plugin_may_close_the_coordinator_from_its_own_task(session_path) -> None:
    """It waits for the end of all tasks but its own."""
    over = []

    class Guard:
        @hookimpl
        def coordinator_started(self, coordinator, spawn):
            spawn(self.work(coordinator))

        async def work(self, coordinator):
            await coordinator.aclose()
            over.append(1)

    coordinator = Coordinator(plugins=[Guard()])
    await coordinator.start()
    await until(lambda: over)
    assert over == [1]
    with pytest.raises(ClosedError):
        await coordinator.drain()
