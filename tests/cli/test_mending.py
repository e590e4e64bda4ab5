"""`heal` and `recover` write: only when told, never past a live owner, nothing lost, nothing twice."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from coordinator import PathError
from coordinator._cli import _recovery

from .conftest import HEADER, Run, StartGateway, everything_in, objects, pi_record, records_in, write_lines

CopyOf = Callable[[str], Path]
STAMP = "20261122T120000Z"

LIMITED = """
import resource, sys
from coordinator._cli import _recovery, app
_recovery.ROOM_SECONDS_MAX = 0.2
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
app(sys.argv[2:])
"""


def put_aside(path: Path, *records: object, stamp: str = STAMP) -> Path:
    """Leave records beside a session as closing does when they could not be written."""
    rows = ({"writer": "chat", "reason": "no room", "record": record} for record in records)
    return write_lines(path.with_name(f"{path.name}.unwritten-{stamp}"), *rows)


def customs(path: Path) -> list[object]:
    """Return what the records of a test say, in their order."""
    return [record["n"] for record in records_in(path) if "n" in record]


def numbered(*numbers: int) -> list[dict[str, object]]:
    """Return records that can be told apart."""
    return [{"type": "custom", "n": number} for number in numbers]


def names_beside(path: Path) -> set[str]:
    """Name what stands beside a session, but for its lock."""
    return {each.name.removeprefix(path.name) for each in path.parent.iterdir()} - {"", f".{path.name}.lock"}


# heal


@pytest.mark.parametrize("name", ["torn-tail", "no-final-newline"])
def test_healing_says_what_it_would_do_and_does_it_only_when_told(run: Run, copy_of: CopyOf, name: str) -> None:
    """The first run is always safe; after the second there is nothing left to do."""
    path = copy_of(name)
    before = everything_in(path.parent)
    result = run("heal", path)
    assert (result.exit_code, "nothing was changed" in result.stdout) == (1, True)
    assert everything_in(path.parent) == before
    assert run("heal", path, "--yes").exit_code == 0
    assert run("check", path).exit_code == 0
    assert run("heal", path).exit_code == 0


def test_healing_keeps_every_byte(run: Run, copy_of: CopyOf) -> None:
    """What is cut stands in the side file that is named."""
    path = copy_of("torn-tail")
    content = path.read_bytes()
    shown = run("heal", path, "--yes", columns=40).stdout
    (kept,) = path.parent.glob(f"{path.name}.torn-*")
    assert path.read_bytes() + kept.read_bytes() == content
    assert str(kept) in shown.splitlines()


def test_healing_leaves_damage_before_the_end(run: Run, copy_of: CopyOf) -> None:
    """Only an end can be torn by a crash; whatever else happened is for a person."""
    path = copy_of("damaged-middle")
    content = path.read_bytes()
    assert run("heal", path, "--yes").exit_code == 0
    assert path.read_bytes() == content


@pytest.mark.parametrize("arguments", [["--format", "pi"], ["--format", "pi", "--yes"]])
def test_a_file_without_its_header_is_refused_untouched(run: Run, copy_of: CopyOf, arguments: list[str]) -> None:
    """A tool that repairs a bad header by starting afresh destroys the history."""
    path = copy_of("headerless")
    before = everything_in(path.parent)
    result = run("heal", path, *arguments)
    assert (result.exit_code, "no session header" in result.stderr) == (2, True)
    assert everything_in(path.parent) == before


def test_what_a_killed_rewrite_left_is_removed(run: Run, copy_of: CopyOf) -> None:
    """It is nobody's, and opening removes it."""
    path = copy_of("short")
    stray = path.with_name(f".{path.name}.rewrite-0123456789abcdef")
    stray.write_bytes(b"x")
    assert run("heal", path).exit_code == 1
    assert stray.exists()
    assert run("heal", path, "--yes").exit_code == 0
    assert not stray.exists()


@pytest.mark.parametrize("command", [["heal"], ["heal", "--yes"], ["recover"]])
def test_the_session_of_a_live_process_is_left_alone_and_the_process_named(
    run: Run, copy_of: CopyOf, start_gateway: StartGateway, command: list[str]
) -> None:
    """Two writers are what this library is against."""
    path = copy_of("short")
    gateway = start_gateway(path)
    put_aside(path, *numbered(1))
    with path.open("ab") as file:
        file.write(b'{"type":"mess')
    before = everything_in(path.parent)
    result = run(*command, path)
    assert (result.exit_code, f"process {gateway.pid}" in result.stderr) == (2, True)
    assert everything_in(path.parent) == before


# recover


@pytest.mark.parametrize("header", [[HEADER, pi_record("a", None)], [{"first": True}]], ids=["pi", "plain"])
def test_what_could_not_be_written_is_appended_once_however_often_it_is_run(
    run: Run, session_path: Path, header: list[dict[str, object]]
) -> None:
    """In order, behind what is there; the side file is kept under another name."""
    write_lines(session_path, *header)
    side_file = put_aside(session_path, *numbered(1, 2, 2, 3))
    content = side_file.read_bytes()
    result = run("recover", session_path, "--json")
    assert (result.exit_code, objects(result)[0]["appended"]) == (0, 4)
    assert customs(session_path) == [1, 2, 2, 3]
    assert names_beside(session_path) == {f".unwritten-{STAMP}.recovered"}
    assert side_file.with_name(f"{side_file.name}.recovered").read_bytes() == content
    assert run("recover", session_path).exit_code == 0
    assert run("check", session_path).exit_code == 0
    assert customs(session_path) == [1, 2, 2, 3]


def test_all_side_files_are_taken_the_oldest_first_or_those_that_are_named(run: Run, session_path: Path) -> None:
    """Closing may have failed more than once."""
    write_lines(session_path, HEADER)
    put_aside(session_path, *numbered(2), stamp="20261122T130000Z")
    put_aside(session_path, *numbered(1), stamp="20261122T120000Z")
    named = put_aside(session_path, *numbered(0), stamp="20261122T140000Z")
    run("recover", session_path, named)
    run("recover", session_path)
    assert customs(session_path) == [0, 1, 2]


@pytest.mark.parametrize("header", [[HEADER], [{"first": True}]], ids=["pi", "plain"])
@pytest.mark.parametrize("written", range(5))
def test_a_recovery_that_was_cut_short_is_finished_not_repeated(
    run: Run, session_path: Path, monkeypatch: pytest.MonkeyPatch, written: int, header: list[dict[str, object]]
) -> None:
    """Whatever was appended before a crash is found again, equal records counted."""
    write_lines(session_path, *header, *([pi_record("a", None)] if header == [HEADER] else []))
    put_aside(session_path, *numbered(1, 2, 2, 3))
    append = _recovery._append

    async def crash_after_some(session: object, rows: list) -> None:
        await append(session, rows[:written])
        raise PathError("the machine stopped", path=session_path, hint="start it")

    monkeypatch.setattr(_recovery, "_append", crash_after_some)
    assert run("recover", session_path).exit_code == 2
    monkeypatch.undo()
    assert customs(session_path) == [1, 2, 2, 3][:written]
    with session_path.open("ab") as file:
        file.write(json.dumps({**pi_record("foreign", None), "n": 99}).encode() + b"\n")
    (values,) = objects(run("recover", session_path, "--json"))
    assert (values["appended"], values["already_there"]) == (4 - written, written)
    assert [n for n in customs(session_path) if n != 99] == [1, 2, 2, 3]
    assert names_beside(session_path) == {f".unwritten-{STAMP}.recovered"}


def test_an_interrupted_recovery_of_a_file_that_was_rewritten_since_asks_a_person(
    run: Run, session_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there cannot be known any more, and a guess could double or lose a record."""
    write_lines(session_path, HEADER, pi_record("a", None))
    side_file = put_aside(session_path, *numbered(1))
    monkeypatch.setattr(_recovery, "_rename", _fail)
    assert run("recover", session_path).exit_code == 2
    monkeypatch.undo()
    write_lines(session_path, HEADER, pi_record("z", None, n=1))
    result = run("recover", session_path)
    assert (result.exit_code, "rewritten" in result.stderr) == (2, True)
    assert side_file.exists()
    side_file.with_name(f"{side_file.name}.recovering").unlink()
    assert run("recover", session_path).exit_code == 0


def _fail(side_file: Path) -> Path:
    raise PathError("the machine stopped", path=side_file, hint="start it")


def test_a_record_keeps_its_own_id_and_is_not_written_under_it_again(run: Run, session_path: Path) -> None:
    """To repeat an id would rewind the conversation; an equal record is there already, another one needs a person."""
    write_lines(session_path, HEADER, pi_record("a", None, n=1), pi_record("b", "a", n=2))
    there, other = {"type": "custom", "id": "a", "n": 1}, {"type": "custom", "id": "b", "n": 7}
    put_aside(session_path, there, other, {"type": "custom", "id": "c", "n": 3})
    result = run("recover", session_path, "--json")
    (values,) = objects(result)
    assert result.exit_code == 1
    assert (values["appended"], values["already_there"], [left["line"] for left in values["left"]]) == (1, 1, [2])
    last = records_in(session_path)[-1]
    assert (last["id"], last["parentId"], customs(session_path)) == ("c", "b", [1, 2, 3])
    assert Path(values["renamed_to"]).exists()


def test_lines_of_a_side_file_that_are_no_records_are_left_and_named(run: Run, session_path: Path) -> None:
    """The others are recovered; and a file of nothing else stays where it is."""
    write_lines(session_path, HEADER)
    side_file = put_aside(session_path, {"no": "type"}, *numbered(1))
    with side_file.open("ab") as file:
        file.write(b'{"writer":"chat","rec')
    result = run("recover", session_path)
    assert result.exit_code == 1
    assert "line 1 is left for a person: the record has no `type`" in result.stdout
    assert "line 3 is left for a person: it holds no record" in result.stdout
    assert customs(session_path) == [1]
    useless = put_aside(session_path, {"no": "type"}, stamp="20261122T130000Z")
    assert run("recover", session_path).exit_code == 1
    assert useless.exists()


def test_a_full_disk_leaves_every_record_in_its_side_file(run: Run, copy_of: CopyOf) -> None:
    """Closing puts nothing aside a second time, so that the next run doubles nothing."""
    path = copy_of("long-2000")
    put_aside(path, *numbered(*range(50)))
    limit = path.stat().st_size + 500
    command = [sys.executable, "-c", LIMITED, str(limit), "recover", str(path)]
    failed = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert (failed.returncode, "still in its side file" in failed.stderr) == (2, True)
    assert names_beside(path) == {f".unwritten-{STAMP}", f".unwritten-{STAMP}.recovering"}
    assert run("recover", path).exit_code == 0
    assert customs(path) == list(range(50))


def test_a_file_that_is_gone_is_made_anew_only_when_told(run: Run, session_path: Path) -> None:
    """A misspelt name must not become a session."""
    put_aside(session_path, *numbered(1, 2))
    assert run("recover", session_path).exit_code == 2
    assert run("recover", session_path, "--create").exit_code == 2
    assert not session_path.exists()
    assert run("recover", session_path, "--create", "--format", "pi").exit_code == 0
    assert customs(session_path) == [1, 2]
    assert run("check", session_path).exit_code == 0


def test_the_side_file_of_another_session_is_refused(run: Run, copy_of: CopyOf) -> None:
    """Its records belong into another conversation."""
    path, other = copy_of("short"), copy_of("branches")
    foreign = put_aside(other, *numbered(1))
    before = everything_in(path.parent)
    assert run("recover", path, foreign).exit_code == 2
    assert everything_in(path.parent) == before


def test_what_closing_put_aside_is_what_is_recovered(run: Run, session_path: Path) -> None:
    """The library writes the side file, this command reads it: both speak of the same format."""
    script = """
import asyncio, os, sys
from coordinator import PI, Coordinator, CoordinatorError

async def close_in_trouble(path):
    try:
        async with Coordinator() as coordinator:
            session = await coordinator.open(path, format=PI)
            chat = session.writer("chat")
            await chat.append({"type": "custom", "n": 1})
            os.unlink(path)
            await session.sync()
            pending = [chat.append_nowait({"type": "custom", "n": n}) for n in (2, 3)]
            await asyncio.gather(*pending, return_exceptions=True)
    except CoordinatorError as error:
        print(error.hint)

asyncio.run(close_in_trouble(sys.argv[1]))
"""
    command = [sys.executable, "-c", script, str(session_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert ".unwritten-" in ended.stdout, ended.stderr
    assert not os.path.exists(session_path)
    assert run("recover", session_path, "--create", "--format", "pi").exit_code == 0
    assert customs(session_path) == [2, 3]


def test_what_stands_in_the_file_all_the_same_is_not_appended_again(run: Run, session_path: Path) -> None:
    """A write whose sync has failed is in doubt; so is a record that only a cache may have: looking decides."""
    script = """
import asyncio, errno, sys
from coordinator import PLAIN, CoordinatorError, Durability
from coordinator.testing import Interposer, open_session

def broken():
    raise OSError(errno.EIO, "broken")

async def close_in_trouble(path):
    interposer = Interposer()
    try:
        async with open_session(path, format=PLAIN, durability=Durability.FENCE, interposer=interposer) as session:
            chat = session.writer("chat")
            for _ in range(2):
                await chat.append({"n": 1})
            interposer.before("sync", broken)
            await asyncio.gather(session.sync(), return_exceptions=True)
            await chat.append({"n": 1})
    except CoordinatorError as error:
        print(error.hint)

asyncio.run(close_in_trouble(sys.argv[1]))
"""
    command = [sys.executable, "-c", script, str(session_path)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert ended.returncode == 0, ended.stderr
    assert session_path.read_bytes() == b'{"n":1}\n' * 2
    (answer,) = objects(run("recover", session_path, "--json"))
    assert (answer["appended"], answer["already_there"]) == (1, 2)
    assert session_path.read_bytes() == b'{"n":1}\n' * 3


def test_a_recovery_that_was_cut_short_does_not_take_what_it_has_appended_for_what_was_tried(
    run: Run, session_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two equal records one was tried and is gone: the copy that was appended for the other stands for one only."""
    write_lines(session_path, {"n": 0})
    line = '{"n":1}\n'
    rows = [{"writer": "w", "reason": "r", "record": {"n": 1}, "offset": 8, "end": 100, "tried": line}]
    rows += [{"writer": "w", "reason": "r", "record": {"n": 1}}]
    write_lines(session_path.with_name(f"{session_path.name}.unwritten-{STAMP}"), *rows)

    def fail(_side_file: Path) -> Path:
        raise PathError("killed here")

    with monkeypatch.context() as killed:
        killed.setattr(_recovery, "_rename", fail)
        assert run("recover", session_path, "--format", "plain").exit_code == 2
    whole = session_path.read_bytes()
    assert whole == b'{"n": 0}\n' + line.encode() * 2
    session_path.write_bytes(whole.removesuffix(line.encode()))
    assert run("recover", session_path, "--format", "plain").exit_code == 0
    assert session_path.read_bytes() == whole


@pytest.mark.parametrize("end", [9, 17])
def test_an_equal_record_that_came_later_is_another_one(run: Run, session_path: Path, end: int) -> None:
    """Heartbeats are all the same: one that the next gateway has written must not stand for one that was lost."""
    write_lines(session_path, {"n": 0}, b'{"n":1}')
    row = {"writer": "w", "reason": "r", "record": {"n": 1}, "offset": 9, "end": end, "tried": '{"n":1}\n'}
    write_lines(session_path.with_name(f"{session_path.name}.unwritten-{STAMP}"), row)
    assert run("recover", session_path, "--format", "plain").exit_code == 0
    assert customs(session_path) == ([0, 1, 1] if end == 9 else [0, 1])


def test_a_foreign_record_with_half_a_character_that_stands_there_needs_nobody(run: Run, session_path: Path) -> None:
    """It could not be appended, but it need not be: only one that is gone is left for a person."""
    line = b'{"cut":"\\ud83d"}\n'
    session_path.write_bytes(line)
    row = {"writer": None, "reason": "r", "record": {"cut": "\ud83d"}, "offset": 0, "end": 20, "tried": line.decode()}
    beside = session_path.with_name(f"{session_path.name}.unwritten-{STAMP}")
    write_lines(beside, row)
    assert run("recover", session_path, "--format", "plain").exit_code == 0
    write_lines(beside, row)
    session_path.write_bytes(b"{}\n")
    assert run("recover", session_path, "--format", "plain").exit_code == 1
    assert session_path.read_bytes() == b"{}\n"
