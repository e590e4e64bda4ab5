"""Several fences at once: each has its own `accept`, its own records and its own error."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from coordinator import Change, Fence, Record, TakeoverError
from coordinator.testing import foreign_append

from .acts import FOREIGN_ID, append_half_a_line, append_line, edit
from .gateway import Gateway, gateway, note


def never(_record: Record) -> bool:
    """Accept nothing."""
    return False


def always(_record: Record) -> bool:
    """Accept everything."""
    return True


def raising(_record: Record) -> bool:
    """Be of no use."""
    raise RuntimeError("no opinion")


async def shared(home: Gateway, stack: AsyncExitStack, *accepts: Callable[[Record], bool] | None) -> list[Fence]:
    """Hold one shared fence for each `accept`, entered in tasks of their own."""
    fences = [
        home.session.writer(f"agent {number}").fence(shared=True, accept=accept)
        for number, accept in enumerate(accepts)
    ]
    return [await enter_elsewhere(stack, fence) for fence in fences]


async def enter_elsewhere(stack: AsyncExitStack, scope) -> Fence:
    """Enter a fence in another task, so that this one stays outside of it."""
    fence = await asyncio.create_task(scope.__aenter__())
    stack.push_async_exit(scope.__aexit__)
    return fence


async def outcome(fence: Fence) -> Change | None:
    """Check a fence, and return what broke it."""
    try:
        await fence.check()
    except TakeoverError as error:
        return error.change
    return None


async def test_shared_fences_break_each_for_itself(session_path: Path) -> None:
    """One accepts the foreign record and goes on, the others do not."""
    async with gateway(session_path) as home, AsyncExitStack() as stack:
        fences = await shared(home, stack, None, always, never)
        append_line(home.path)

        assert [await outcome(fence) for fence in fences] == [Change.APPENDED, None, Change.APPENDED]
        assert [fence.broken for fence in fences] == [True, False, True]
        await fences[1].append(note("reply of the second"))
        assert home.count("reply of the second") == 1
        assert home.told() == [Change.APPENDED]


async def test_each_shared_fence_gives_back_its_own_records(session_path: Path) -> None:
    """What one fence was given is in no other one's error."""
    async with gateway(session_path) as home, AsyncExitStack() as stack:
        fences = await shared(home, stack, None, None)
        append_line(home.path)
        errors = [await error_of(fence, f"reply {number}") for number, fence in enumerate(fences)]

        assert [[record["data"]["text"] for record in error.unwritten] for error in errors] == [
            ["reply 0"],
            ["reply 1"],
        ]
        assert [error.writer for error in errors] == ["agent 0", "agent 1"]


async def error_of(fence: Fence, text: str) -> TakeoverError:
    """Append through a fence that is taken over."""
    with pytest.raises(TakeoverError) as caught:
        await fence.append(note(text))
    return caught.value


async def test_an_accept_that_raises_accepts_nothing(session_path: Path) -> None:
    """A predicate that cannot judge says no, and its error harms nobody."""
    async with gateway(session_path) as home:
        async with home.chat.fence(accept=raising) as fence:
            append_line(home.path)
            assert await outcome(fence) is Change.APPENDED
        assert await home.turn("next") is None


async def test_accept_is_asked_once_about_each_foreign_record(session_path: Path) -> None:
    """In the order of the file, and never again about what is adopted."""
    asked: list[str] = []
    async with gateway(session_path) as home:
        async with home.chat.fence(accept=lambda record: not asked.append(record["id"])) as fence:
            append_line(home.path)
            await fence.check()
            foreign_append(home.path, b'{"type":"custom","id":"second","parentId":null}\n')
            await fence.check()
            await fence.append(note("reply"))
        assert asked == [FOREIGN_ID, "second"]


async def test_one_record_that_is_not_accepted_breaks_the_fence(session_path: Path) -> None:
    """All of them, or it is a takeover."""
    async with gateway(session_path) as home:
        async with home.chat.fence(accept=lambda record: record["id"] == FOREIGN_ID) as fence:
            append_line(home.path)
            foreign_append(home.path, b'{"type":"custom","id":"second","parentId":null}\n')
            assert await outcome(fence) is Change.APPENDED


async def test_a_foreign_line_that_is_no_record_is_never_accepted(session_path: Path) -> None:
    """Damage is not asked about."""
    async with gateway(session_path) as home:
        async with home.chat.fence(accept=always) as fence:
            foreign_append(home.path, b"not a record\n")
            assert await outcome(fence) is Change.APPENDED
            assert home.session.leaf == home.records()[-1]["id"]


async def test_a_half_line_is_never_accepted(session_path: Path) -> None:
    """It ends as a damaged line."""
    async with gateway(session_path) as home:
        async with home.chat.fence(accept=always) as fence:
            append_half_a_line(home.path)
            assert await outcome(fence) is Change.TORN


async def test_an_edit_breaks_every_fence(session_path: Path) -> None:
    """Nothing that stops the session can be accepted."""
    async with gateway(session_path) as home:
        async with AsyncExitStack() as stack:
            fences = await shared(home, stack, None, always)
            edit(home.path)
            assert [await outcome(fence) for fence in fences] == [Change.REWRITTEN] * 2
        await home.session.reopen()
        assert await home.turn("next") is None


async def test_the_append_of_one_shared_fence_advances_the_others(session_path: Path) -> None:
    """Own writes never look foreign, whichever fence they went through."""
    async with gateway(session_path) as home, AsyncExitStack() as stack:
        first, second = await shared(home, stack, None, None)
        await first.append(note("one"))
        await second.check()
        await second.append(note("two"))

        assert (home.count("one"), home.count("two"), home.told()) == (1, 1, [])
        assert first.revision == second.revision == home.session.revision


async def test_a_fence_is_not_blamed_for_what_happened_before_it(session_path: Path) -> None:
    """Its first comparison adopts what is there, then the window opens."""
    async with gateway(session_path) as home:
        append_line(home.path)
        async with home.chat.fence() as fence:
            await fence.append(note("reply"))
            await fence.check()
        assert home.told() == [Change.APPENDED]
        assert FOREIGN_ID in await home.conversation()
