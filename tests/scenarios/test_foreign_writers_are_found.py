"""A second process that writes the file is found, named, and never costs a reply."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import PI, Change, Coordinator, Limits, LockedError, Receipt, TakeoverError
from coordinator.testing import Interposer, open_session
from tests.support.chain import check_chain, read_session, texts
from tests.support.foreign import ForeignProcess

from .gateway import Gateway, gateway, mark, say

QUICK = Limits(torn_wait_seconds=0.005)


def foreign_line(text: str) -> bytes:
    """Return a whole foreign record."""
    return json.dumps({"id": f"foreign {text}", "parentId": None, **say("user", text)}).encode() + b"\n"


async def taken_over(home: Gateway, foreign: ForeignProcess, role: str) -> None:
    """Take a turn during which the second process appends one record."""
    await home.chat.append(say("user", "question"))
    message = {"role": role, "content": [{"type": "text", "text": "foreign"}]}

    async def think(_fence: object) -> None:
        foreign.append_record(message=message)

    await home.turn("reply", think)


@pytest.mark.parametrize(("number", "role"), [(19, "user"), (20, "assistant")])
async def test_scenario_19_20_a_foreign_record_fires_and_stays_in_the_conversation(
    session_path: Path, number: int, role: str
) -> None:
    """Whatever its role: APPENDED, adopted, on the path of the next context; the reply is there once."""
    async with gateway(session_path) as home:
        await home.chat.append(say("user", "first"))
        with ForeignProcess(session_path) as foreign:
            await taken_over(home, foreign, role)
        (error,) = home.errors
        assert (error.change, error.usable, error.forked) == (Change.APPENDED, True, False)
        assert [record["message"]["role"] for record in error.foreign_records] == [role], number
        await home.turn("next")
        assert texts(check_chain(home.path)) == ["first", "question", "foreign", "reply", "next"]
        assert [entry.record["id"] for entry in await home.session.branch()] == read_session(home.path).ids


async def test_scenario_23_a_foreign_record_that_the_gateway_accepts_is_quiet(session_path: Path) -> None:
    """`accept` is asked once per foreign record, and the reply is chained after it."""
    asked = []

    def accept(record: dict[str, object]) -> bool:
        asked.append(record["id"])
        return record["type"] == "custom"

    async with gateway(session_path) as home:
        await home.chat.append(say("user", "question"))
        with ForeignProcess(session_path) as foreign:

            async def think(_fence: object) -> None:
                foreign.append_record(type="custom", customType="heartbeat", id="harmless")

            await home.turn("reply", think, accept=accept)
        home.assert_quiet("question", "reply")
        assert asked == ["harmless"]


async def test_scenario_24_a_takeover_is_never_sticky(session_path: Path) -> None:
    """After it the next append and the next fence work, as often as it happens."""
    async with gateway(session_path) as home:
        await home.chat.append(say("user", "first"))
        with ForeignProcess(session_path) as foreign:
            for _ in range(3):
                await taken_over(home, foreign, "user")
                await home.session.writer("memory").append(mark("memory"))
                await home.turn("quiet turn")
        assert [error.usable for error in home.errors] == [True] * 3
        assert home.count("reply") == home.count("quiet turn") == 3


async def test_scenario_25_26_the_error_says_who_wrote_what_and_that_it_was_not_us(session_path: Path) -> None:
    """It names writer, bytes, records, suspects and our own writes of the window; observers hear of it once."""
    async with gateway(session_path) as home:
        await home.chat.append(say("user", "question"))
        memory = home.session.writer("memory")
        with ForeignProcess(session_path) as foreign:
            foreign.open_and_hold()

            async def think(_fence: object) -> None:
                await memory.append(mark("memory"))
                foreign.append(foreign_line("who wrote this?"))

            await home.turn("reply", think)
            (error,) = home.errors
            assert foreign.pid in [suspect.pid for suspect in error.suspects]
        start, end = error.foreign_range or (0, 0)
        assert home.path.read_bytes()[start:end] == foreign_line("who wrote this?")
        assert [own.writer for own in error.ledger] == ["memory"]
        assert error.writer == "chat"
        assert error.path == home.path
        assert "unwritten" in error.hint
        assert [event.name for event in home.events].count("fence_broken") == 1


async def test_scenario_27_a_second_gateway_is_refused_and_touches_nothing(session_path: Path) -> None:
    """`LockedError` names the owner's pid and host; bytes, mode and times of the file stay as they are."""
    async with gateway(session_path) as home:
        await home.chat.append(say("user", "mine"))
        before, content = session_path.stat(), session_path.read_bytes()
        program = (
            "import asyncio, json, sys, coordinator\n"
            "async def main():\n"
            "    async with coordinator.Coordinator() as c:\n"
            "        try: await c.open(sys.argv[1], format=coordinator.PI)\n"
            "        except coordinator.LockedError as e: print(json.dumps([e.pid, bool(e.host), bool(e.hint)]))\n"
            "asyncio.run(main())\n"
        )
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", program, str(session_path), stdout=subprocess.PIPE
        )
        output, _ = await process.communicate()
        assert json.loads(output) == [os.getpid(), True, True]
        after = session_path.stat()
        assert (after.st_mtime_ns, after.st_ctime_ns, after.st_mode) == (
            before.st_mtime_ns, before.st_ctime_ns, before.st_mode,
        )  # fmt: skip
        assert session_path.read_bytes() == content
        async with Coordinator() as second:
            with pytest.raises(LockedError):
                await second.open(session_path, format=PI)
        await home.turn("still mine")
        home.assert_quiet("mine", "still mine")


async def test_scenario_38_a_reply_that_was_written_before_the_foreign_line_is_not_written_again(
    session_path: Path,
) -> None:
    """The handler runs after the reply is in the file: `unwritten` is empty, so the reply stands there once."""
    async with gateway(session_path) as home:
        await home.chat.append(say("user", "question"))
        with ForeignProcess(session_path) as foreign:
            with pytest.raises(TakeoverError) as caught:
                async with home.chat.fence() as fence:
                    await fence.append(say("assistant", "reply"))
                    foreign.append_record()
                    await fence.check()
            assert [receipt.writer for receipt in caught.value.written] == ["chat"]
            await home.chat.append_all(caught.value.unwritten)
        assert home.count("reply") == 1
        await home.turn("next")
        check_chain(home.path)


async def test_scenario_39_no_acknowledged_record_is_glued_to_a_foreign_half_line(session_path: Path) -> None:
    """A foreign process writes its lines in two halves around ours: every record that has a receipt is readable."""
    interposer, acknowledged = Interposer(), list[Receipt]()
    async with open_session(session_path, format=PI, interposer=interposer, limits=QUICK) as session:
        memory = session.writer("memory")
        await memory.append(mark("memory"))
        with ForeignProcess(session_path) as foreign:
            for number in range(30):
                halves = Halves(foreign, foreign_line(f"{number}"))
                interposer.before("write", halves.first)
                interposer.after("write", halves.second)
                acknowledged += await memory.append_all([mark("memory", number=number)] * 3)
                await asyncio.to_thread(Halves(foreign, foreign_line(f"and {number}")).first)
                acknowledged.append(await memory.append(mark("memory", number=number)))
    content = session_path.read_bytes()
    for receipt in acknowledged:
        line = content[receipt.offset : receipt.offset + receipt.size]
        assert json.loads(line)["id"] == receipt.id
    readable = read_session(session_path).ids
    assert {receipt.id for receipt in acknowledged} <= set(readable)


class Halves:
    """A foreign line that is written in two halves."""

    def __init__(self, foreign: ForeignProcess, line: bytes) -> None:
        self._foreign, self._line = foreign, line
        self._finish: Callable[[], int] | None = None

    def first(self) -> None:
        """Write the first half."""
        self._finish = self._foreign.append_half(self._line)

    def second(self) -> None:
        """Write the rest."""
        assert self._finish is not None
        self._finish()
