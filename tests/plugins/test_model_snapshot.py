"""Model snapshots: one for each change of the model on the branch, before the line, none otherwise."""

from typing import Any

import pytest

from coordinator import PI, PLAIN, Coordinator, RecordFormat
from coordinator_model_snapshot import ModelSnapshot
from tests.support.records import message

OPUS = {"provider": "anthropic", "modelApi": "anthropic-messages", "modelId": "opus"}
MINI = {"provider": "openai", "modelApi": "openai-responses", "modelId": "mini"}


@pytest.fixture
def coordinator_options() -> dict[str, Any]:
    """Return what the fixture `coordinator` is made with: the plugin."""
    return {"plugins": [ModelSnapshot()]}


@pytest.fixture
def session_format() -> RecordFormat:
    """Return the format of the fixture `session`."""
    return PI


async def turn(session, model, **rest):
    """Take a turn with a model."""
    async with session.writer("chat").fence(annotations={**model, **rest}) as fence:
        await fence.append(message("reply"))


async def snapshots(session) -> list[str]:
    """Return the models of the snapshots on the current branch."""
    records = [entry.record for entry in await session.branch()]
    return [record["data"]["modelId"] for record in records if record.get("customType") == "model-snapshot"]


@pytest.mark.parametrize("record_format", [PI, PLAIN], ids=["PI", "PLAIN"])
async def test_a_snapshot_is_appended_when_the_model_changes_and_only_then(session_path, record_format) -> None:
    """Readers rely on it to know who said what."""
    async with Coordinator(plugins=[ModelSnapshot()]) as coordinator:
        session = await coordinator.open(session_path, format=record_format)
        for model in (OPUS, OPUS, MINI, MINI, OPUS):
            await turn(session, model)
        assert await snapshots(session) == ["opus", "mini", "opus"]


async def test_the_snapshot_lies_before_the_line(session) -> None:
    """It is part of what the model call starts from, so no fence ever sees it as new."""
    async with session.writer("chat").fence(annotations=OPUS) as fence:
        (entry,) = [entry async for entry in session.records()]
        assert fence.revision.length == entry.position.offset
    data: dict[str, Any] = entry.record["data"]
    assert {key: data[key] for key in OPUS} == OPUS
    assert isinstance(data["timestamp"], int)
    assert entry.record["type"] == "custom"


async def test_the_last_snapshot_is_remembered_over_a_restart(session_path) -> None:
    """What stands in the file counts, not what a process remembers."""
    for _ in range(2):
        async with Coordinator(plugins=[ModelSnapshot()]) as coordinator:
            session = await coordinator.open(session_path, format=PI)
            await turn(session, OPUS)
            assert await snapshots(session) == ["opus"]


async def test_it_is_found_far_back(session_path) -> None:
    """A turn may have hundreds of records, more than are looked at first."""
    async with Coordinator(plugins=[ModelSnapshot()]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await turn(session, OPUS)
        await session.writer("tools").append_all([message("x")] * 1000)
    async with Coordinator(plugins=[ModelSnapshot()]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await turn(session, OPUS)
        assert await snapshots(session) == ["opus"]


async def test_a_snapshot_of_another_branch_does_not_count(session) -> None:
    """Who branches back to before the change talks to the old model's context again."""
    await turn(session, OPUS)
    early = session.leaf
    await turn(session, MINI)
    session.writer("user").append_nowait(message("back", parentId=early))
    await turn(session, MINI)
    assert await snapshots(session) == ["opus", "mini"]
    session.writer("user").append_nowait(message("back", parentId=early))
    await turn(session, OPUS)
    assert await snapshots(session) == ["opus"]


async def test_a_turn_without_a_model_leaves_no_snapshot(session) -> None:
    """A cron job takes turns too."""
    await turn(session, {"purpose": "cron"})
    assert await snapshots(session) == []


async def test_a_model_change_is_appended_when_asked(session_path) -> None:
    """Some readers show it in the conversation."""
    async with Coordinator(plugins=[ModelSnapshot(model_change=True)]) as coordinator:
        session = await coordinator.open(session_path, format=PI)
        await turn(session, OPUS)
        types = [entry.record["type"] for entry in await session.branch()]
        change = (await session.branch())[0].record
    assert types == ["model_change", "custom", "message"]
    assert (change["provider"], change["modelId"]) == ("anthropic", "opus")


def test_a_wrong_option_names_plugin_and_option() -> None:
    """Also one that does not exist."""
    with pytest.raises(ValueError, match=r"plugin model_snapshot\s+model_chnge"):
        ModelSnapshot(model_chnge=True)
