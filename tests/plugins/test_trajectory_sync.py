"""Trajectories: one line for each turn, and a copy of it that gets there whatever happens in between."""

import asyncio
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import fsspec
import orjson
import pytest

from coordinator import PI, Coordinator, TakeoverError
from coordinator_trajectory_sync import TrajectorySync
from tests.plugins.waiting import until
from tests.support.records import message

QUICK = {"linger_seconds": 0.0, "retry_seconds_first": 0.01, "retry_seconds_max": 0.05}


def lines(session_path: Path) -> list[dict]:
    """Return what was recorded."""
    return [orjson.loads(line) for line in sidecar_of(session_path).splitlines()]


def copy_in(folder: Path, session_path: Path) -> bytes:
    """Return the parts of a copy, put together."""
    parts = sorted((folder / f"{session_path.name}.trajectory").iterdir())
    return b"".join(part.read_bytes() for part in parts)


def sidecar_of(session_path: Path) -> bytes:
    """Return the content of the sidecar; it is made with its first line."""
    sidecar = session_path.with_name(session_path.name + ".trajectory")
    return sidecar.read_bytes() if sidecar.exists() else b""


async def turns(coordinator, path, count) -> None:
    """Open a session, take turns, close it."""
    session = await coordinator.open(path, format=PI)
    for number in range(count):
        async with session.writer("chat").fence() as fence:
            await fence.append(message(f"reply {number}"))
    await session.aclose()


# What is recorded


async def test_a_turn_is_one_line(session_path) -> None:
    """It says who, when, how long, what was written by whom, and how it ended."""
    annotations: dict[str, object] = {"provider": "anthropic", "modelId": "m", "traceId": "t-1", "client": object()}
    call = {"type": "toolCall", "id": "call-1", "name": "exec", "arguments": {}}
    asked = {"type": "message", "message": {"role": "assistant", "content": [call]}}
    answer = {"type": "message", "message": {"role": "toolResult", "toolCallId": "call-1", "isError": True}}
    broken = {"type": "message", "message": {"role": "assistant", "stopReason": "error", "errorMessage": "429"}}
    async with Coordinator(plugins=[TrajectorySync()]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await session.writer("user").append(message("before the turn"))
        async with session.writer("chat").fence(annotations=annotations) as fence:
            annotations["firstTokenAt"] = time.time()
            await fence.append_all([asked, broken])
            await session.writer("tools").append(answer)
            await fence.append(message("reply"))
        await session.writer("user").append(message("after the turn"))
    (line,) = lines(session_path)
    assert (line["schema"], line["version"], line["traceId"], line["sequence"]) == ("session-trajectory", 1, "t-1", 1)
    assert (line["session"], line["writer"], line["verdict"]) == (session_path.name, "chat", "whole")
    assert line["annotations"] == {key: value for key, value in annotations.items() if key != "client"}
    assert line["askedAt"] <= line["enteredAt"] <= line["firstTokenAt"] <= line["leftAt"]
    assert 0 <= line["firstTokenSeconds"] <= line["turnSeconds"]
    assert {writer: counts["records"] for writer, counts in line["writes"].items()} == {"chat": 3, "tools": 1}
    assert line["toolCalls"] == [{"id": "call-1", "name": "exec", "isError": True}]
    assert line["modelErrors"] == ["429"]
    assert (line["error"], line["foreign"], line["complete"]) == (None, 0, True)


async def test_a_takeover_and_an_error_of_the_body_are_recorded(session_path, foreign) -> None:
    """Which of them it was is the first question of whoever reads this."""
    async with Coordinator(plugins=[TrajectorySync()]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        chat = session.writer("chat")
        await chat.append(message("before"))
        with pytest.raises(TakeoverError):
            async with chat.fence() as fence:
                foreign({"type": "message", "id": "f", "parentId": None, "timestamp": "x"})
                await fence.append(message("reply"))
        with pytest.raises(ConnectionResetError):
            async with chat.fence():
                raise ConnectionResetError("by peer")
    taken_over, raised = lines(session_path)
    assert (taken_over["verdict"], taken_over["change"], taken_over["foreign"]) == ("taken over", "appended", 1)
    assert taken_over["error"]["type"] == "TakeoverError"
    assert (raised["verdict"], raised["error"]) == ("whole", {"type": "ConnectionResetError", "message": "by peer"})


async def test_a_turn_that_is_held_while_the_coordinator_closes_is_recorded(session_path) -> None:
    """Its sidecar may be closed first; then it is opened once more."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def body(session):
        async with session.writer("chat").fence() as fence:
            entered.set()
            await leave.wait()
            await fence.append(message("reply"))

    async with Coordinator(plugins=[TrajectorySync()]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        running = asyncio.create_task(body(session))
        await entered.wait()
        closing = asyncio.create_task(coordinator.aclose())
        await until(lambda: len(coordinator.sessions) == 1)
        leave.set()
        await asyncio.gather(running, closing)
        assert coordinator.statistics().hook_failures == {}
    assert len(lines(session_path)) == 1


async def test_the_sequence_goes_on_after_a_restart(session_path) -> None:
    """A gap would mean a lost line, so there must be none without one."""
    for _ in range(2):
        async with Coordinator(plugins=[TrajectorySync()]) as coordinator:
            await turns(coordinator, session_path, 2)
            await turns(coordinator, session_path, 1)
    assert [line["sequence"] for line in lines(session_path)] == [1, 2, 3, 4, 5, 6]
    assert len({line["traceId"] for line in lines(session_path)}) == 1


async def test_what_is_recorded_is_redacted_like_everything_else(session_path) -> None:
    """The sidecar is a session of the same coordinator, with the same choke point."""

    def redact(record):
        return {key: "***" if key == "error" and value else value for key, value in record.items()}

    async with Coordinator(plugins=[TrajectorySync()], transform=redact) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        with pytest.raises(ValueError, match="secret"):
            async with session.writer("chat").fence():
                raise ValueError("secret")
    assert lines(session_path)[0]["error"] == "***"


# The copy


@pytest.mark.parametrize("part_bytes_max", [1, 1000, 1_000_000])
async def test_the_copy_equals_the_sidecar(session_path, tmp_path, part_bytes_max) -> None:
    """However it is cut into parts, and over restarts."""
    folder = tmp_path / "copies"
    for round_number in (1, 2):
        plugin = TrajectorySync(destination=str(folder), part_bytes_max=part_bytes_max, **QUICK)
        async with Coordinator(plugins=[plugin]) as coordinator:
            session = await coordinator.open(session_path, format=PI)
            for number in range(5):
                async with session.writer("chat").fence() as fence:
                    await fence.append(message(f"reply {number}"))
            await until(lambda count=round_number * 5: len(lines(session_path)) == count)
            await plugin.settled(session)
    assert copy_in(folder, session_path) == sidecar_of(session_path)
    assert sidecar_of(session_path).count(b"\n") == 10


async def test_an_arrival_is_marked_in_the_session(session_path, tmp_path) -> None:
    """Whoever reads the session knows up to where its trajectory is safe."""
    plugin = TrajectorySync(destination=(tmp_path / "copies").as_uri(), **QUICK)
    async with Coordinator(plugins=[plugin]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        async with session.writer("chat").fence() as fence:
            await fence.append(message("reply"))
        async for entry in session.records(follow=True):
            if entry.record.get("customType") == "trajectory-sync":
                break
        assert entry.record["data"]["offset"] == len(sidecar_of(session_path))
        assert entry.writer == "trajectory-sync"


async def test_opening_again_sends_and_marks_nothing_that_has_arrived(session_path, tmp_path) -> None:
    """A session that is only looked at stays as it is."""
    folder = tmp_path / "copies"
    plugin = TrajectorySync(destination=str(folder), **QUICK)
    async with Coordinator(plugins=[plugin]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        async with session.writer("chat").fence() as fence:
            await fence.append(message("reply"))
        await until(lambda: b"trajectory-sync" in session_path.read_bytes())
    before = session_path.read_bytes()
    again = TrajectorySync(destination=str(folder), **QUICK)
    async with Coordinator(plugins=[again]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await until(lambda: coordinator.statistics().plugins["trajectory_sync"].hook_calls == 3)
        await again.settled(session)
    assert session_path.read_bytes() == before


@pytest.mark.parametrize("damage", ["cut", "wrong", "missing", "longer"])
@pytest.mark.parametrize("more", [0, 1])
async def test_a_damaged_copy_is_mended(session_path, tmp_path, damage, more) -> None:
    """A kill in the middle of sending, or somebody who tidied up."""
    folder = tmp_path / "copies"
    for count in (6, more):
        plugin = TrajectorySync(destination=str(folder), part_bytes_max=1500, **QUICK)
        async with Coordinator(plugins=[plugin]) as coordinator:
            session = await coordinator.open(session_path, format=PI)
            for number in range(count):
                async with session.writer("chat").fence() as fence:
                    await fence.append(message(f"reply {number}"))
            await until(lambda total=6 if count == 6 else 6 + more: len(lines(session_path)) == total)
            await until(lambda told=3 + count: coordinator.statistics().plugins["trajectory_sync"].hook_calls >= told)
            await plugin.settled(session)
        parts = sorted((folder / f"{session_path.name}.trajectory").iterdir())
        assert copy_in(folder, session_path) == sidecar_of(session_path)
        if count == 6:
            assert len(parts) > 2
            _damage(parts, damage)


def _damage(parts: list[Path], damage: str) -> None:
    if damage == "cut":
        parts[-1].write_bytes(parts[-1].read_bytes()[:100])
    elif damage == "wrong":
        parts[-1].write_bytes(parts[-1].read_bytes().replace(b"session", b"sossion"))
    elif damage == "missing":
        parts[1].unlink()
    else:
        parts[-1].write_bytes(parts[-1].read_bytes() + b"{}\n")


async def test_a_destination_that_is_down_delays_no_turn_and_is_caught_up_with(session_path, tmp_path, caplog) -> None:
    """Nothing is lost: it waits in the sidecar."""
    folder = tmp_path / "copies"
    folder.write_text("a file where a folder should be")
    plugin = TrajectorySync(destination=str(folder), **QUICK)
    async with Coordinator(plugins=[plugin]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        began = time.monotonic()
        for number in range(20):
            async with session.writer("chat").fence() as fence:
                await fence.append(message(f"reply {number}"))
        assert time.monotonic() - began < 2
        await until(lambda: "was not copied" in caplog.text and len(lines(session_path)) == 20)
        folder.unlink()
        await plugin.settled(session)
        assert coordinator.statistics().hook_failures == {}
    assert copy_in(folder, session_path) == sidecar_of(session_path)


async def test_any_place_that_fsspec_knows_will_do(session_path) -> None:
    """Here it is memory."""
    plugin = TrajectorySync(destination="memory://trajectories", **QUICK)
    async with Coordinator(plugins=[plugin]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        async with session.writer("chat").fence() as fence:
            await fence.append(message("reply"))
        await until(lambda: b"trajectory-sync" in session_path.read_bytes())
    files = fsspec.filesystem("memory")
    (part,) = files.find(f"/trajectories/{session_path.name}.trajectory")
    assert files.cat_file(part) == sidecar_of(session_path)


@pytest.mark.parametrize(
    ("options", "named"),
    [({"destination": "nosuch://x"}, "destination"), ({"part_bytes_max": 0}, "part_bytes_max"), ({"x": 1}, "x")],
)
def test_a_wrong_option_names_plugin_and_option(options, named) -> None:
    """Where it is set, not when the first turn ends."""
    with pytest.raises(ValueError, match=rf"plugin trajectory_sync\s+{named}"):
        TrajectorySync(**options)


# S3, over HTTP


@pytest.fixture
def s3() -> Iterator[str]:
    """Run an S3 server in a process of its own, and return its address."""
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        yield next(found.group() for line in server.stderr if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        server.kill()


def storage_options(address: str) -> dict:
    """Return what reaches the server, and gives up soon if it is not there."""
    return {
        "key": "k", "secret": "s", "endpoint_url": address, "use_listings_cache": False,
        "config_kwargs": {"connect_timeout": 2, "read_timeout": 5, "retries": {"max_attempts": 0}},
    }  # fmt: skip


async def test_the_copy_on_s3_equals_the_sidecar(session_path, s3) -> None:
    """A real client and a real server, restarts included."""
    options = storage_options(s3)
    files = fsspec.filesystem("s3", **options)
    await asyncio.to_thread(files.mkdir, "bucket")
    for count in (3, 1):
        plugin = TrajectorySync(
            destination="s3://bucket/agents/trajectories", storage_options=options, part_bytes_max=1500, **QUICK
        )
        async with Coordinator(plugins=[plugin]) as coordinator:
            session = await coordinator.open(session_path, format=PI)
            for number in range(count):
                async with session.writer("chat").fence() as fence:
                    await fence.append(message(f"reply {number}"))
            await until(lambda total={3: 3, 1: 4}[count]: len(lines(session_path)) == total)
            await plugin.settled(session)
    folder = f"bucket/agents/trajectories/{session_path.name}.trajectory"
    parts = await asyncio.to_thread(lambda: [files.cat_file(path) for path in sorted(files.ls(folder, detail=False))])
    assert len(parts) > 1
    assert b"".join(parts) == sidecar_of(session_path)


async def test_an_s3_server_that_is_not_there_delays_no_turn(session_path, caplog) -> None:
    """The connection is refused; the turns go on, the sidecar keeps what is to be sent."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    plugin = TrajectorySync(
        destination="s3://bucket/x", storage_options=storage_options(f"http://127.0.0.1:{port}"), **QUICK
    )
    async with Coordinator(plugins=[plugin]) as coordinator:
        await turns(coordinator, session_path, 5)
        await until(lambda: "was not copied" in caplog.text)
    assert len(lines(session_path)) == 5
