"""All three plugins at once, in turns with background writers: quiet."""

import asyncio

import orjson

from coordinator import PI, Coordinator
from coordinator_memory_index import MemoryIndex
from coordinator_model_snapshot import ModelSnapshot
from coordinator_trajectory_sync import TrajectorySync
from tests.plugins.waiting import until
from tests.support.records import message

TURNS = 20
SESSIONS = 3


async def converse(session, name: str) -> None:
    """Take turns with changing models, while a job beside them appends."""
    for number in range(TURNS):
        annotations = {"provider": "p", "modelApi": "a", "modelId": f"m{number // 5}"}
        async with session.writer("chat").fence(annotations=annotations) as fence:
            pending = [session.writer("job").append_nowait({"type": "custom", "customType": "job"}) for _ in range(3)]
            await fence.append(message(f"{name} said lantern {number}"))
        await asyncio.gather(*pending)


async def test_three_plugins_beside_background_jobs_are_quiet(tmp_path, events) -> None:
    """No takeover, every record once, one conversation without branches, the index and the copies complete."""
    memory, copies = MemoryIndex(), tmp_path / "copies"
    trajectories = TrajectorySync(destination=str(copies), linger_seconds=0.0)
    async with Coordinator(plugins=[memory, ModelSnapshot(), trajectories], observers=[events]) as coordinator:
        paths = [tmp_path / f"{number}.jsonl" for number in range(SESSIONS)]
        sessions = [await coordinator.open(path, format=PI) for path in paths]
        await asyncio.gather(*(converse(session, session.path.stem) for session in sessions))
        for session in sessions:
            sidecar = session.path.with_name(f"{session.path.name}.trajectory")
            await until(lambda sidecar=sidecar: sidecar.read_bytes().count(b"\n") == TURNS)
            await trajectories.settled(session)
            await memory.settled(session)
            assert len(await memory.search("lantern", 1000, session)) == TURNS
            assert {"memory-index", "model-snapshot", "trajectory-sync"} <= session.statistics().writers.keys()
        statistics = coordinator.statistics()
    assert events.failures() == []
    assert not [event for event in events if event.name in {"foreign_change", "fence_broken", "answer_unheard"}]
    assert statistics.plugins["model_snapshot"].records_written == SESSIONS * TURNS // 5
    for path in paths:
        _, *records = map(orjson.loads, path.read_bytes().splitlines())
        assert [record["parentId"] for record in records] == [None, *(record["id"] for record in records[:-1])]
        assert sum(record.get("customType") == "job" for record in records) == TURNS * 3
        sidecar = path.with_name(f"{path.name}.trajectory")
        parts = sorted((copies / sidecar.name).iterdir())
        assert b"".join(part.read_bytes() for part in parts) == sidecar.read_bytes()
