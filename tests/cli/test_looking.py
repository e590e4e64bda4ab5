"""`stats`, `who`, `ls`: what is there, whose it is; and all commands that only read leave no trace."""

import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import HEADER, Run, StartGateway, everything_in, objects, pi_record, write_lines

CopyOf = Callable[[str], Path]
READING = ("check", "show", "stats", "who")


def lock_of(path: Path) -> Path:
    """Return where the lock of a session is."""
    return path.with_name(f".{path.name}.lock")


@pytest.mark.parametrize("name", ["short", "torn-tail", "no-final-newline", "empty", "legacy-v1"])
def test_reading_changes_nothing_and_makes_no_file(run: Run, copy_of: CopyOf, name: str) -> None:
    """Whoever looks must not become a suspect: bytes, modes, times and names stay as they are."""
    path = copy_of(name)
    before = everything_in(path.parent)
    for command in READING:
        run(command, path)
    run("heal", path)
    run("ls", path.parent)
    assert everything_in(path.parent) == before


def test_reading_works_on_the_session_of_a_running_gateway_and_leaves_its_lock(
    run: Run, copy_of: CopyOf, start_gateway: StartGateway
) -> None:
    """The lock and its signature are the owner's; looking takes and changes nothing."""
    path = copy_of("short")
    start_gateway(path)
    before = everything_in(path.parent)
    assert [run(command, path).exit_code for command in READING] == [0] * 4
    assert run("ls", path.parent).exit_code == 0
    assert everything_in(path.parent) == before


@pytest.mark.parametrize("command", [*READING, "heal", "recover"])
def test_what_cannot_be_read_is_a_failure_of_its_own(run: Run, tmp_path: Path, command: str) -> None:
    """Missing, a directory, a link, a pipe: 2, never 'fine', never 'empty'; and it never waits."""
    link, pipe = tmp_path / "link.jsonl", tmp_path / "pipe.jsonl"
    link.symlink_to(write_lines(tmp_path / "target.jsonl", HEADER))
    os.mkfifo(pipe)
    side_file = tmp_path / "missing.jsonl.unwritten-20261122T120000Z"
    side_file.write_bytes(b"")
    for path in (tmp_path / "missing.jsonl", tmp_path, link, pipe):
        result = run(command, path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "✗" in result.stderr
        (values,) = objects(run(command, path, "--json"))
        assert values["error"]
        assert values["hint"]


@pytest.mark.parametrize("command", [*READING, "heal", "recover"])
def test_a_directory_that_is_gone_is_such_a_failure_too(run: Run, tmp_path: Path, command: str) -> None:
    """A traceback would have the status of damage."""
    result = run(command, tmp_path / "missing" / "session.jsonl")
    assert (result.exit_code, "✗" in result.stderr) == (2, True)


def test_a_reader_of_the_output_may_go_away(copy_of: CopyOf) -> None:
    """`show | head` is how one looks at the beginning: no traceback, no complaint."""
    command = [sys.executable, "-m", "coordinator", "show", "-n", "0", str(copy_of("long-2000"))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as shown:
        assert shown.stdout is not None
        assert shown.stderr is not None
        assert shown.stdout.readline()
        shown.stdout.close()
        assert shown.stderr.read() == ""


def test_wrong_usage_is_a_failure_too(run: Run, copy_of: CopyOf) -> None:
    """A script that misspells an option must not read it as damage."""
    assert run("check").exit_code == 2
    assert run("show", copy_of("short"), "--format", "xml").exit_code == 2


# stats


def test_statistics_count_what_is_in_the_file(run: Run, copy_of: CopyOf) -> None:
    """Numbers that can be checked by hand, from the file that has one record of every type."""
    path = copy_of("all-types")
    (values,) = objects(run("stats", path, "--json"))
    records = [json.loads(line) for line in path.read_bytes().split(b"\n") if line][1:]
    usages = [record["message"]["usage"] for record in records if "usage" in record.get("message", {})]
    assert (values["records"], values["bytes"]) == (27, path.stat().st_size)
    assert values["conversation_records"] == 15
    assert values["kinds"]["message user"]["records"] == 5
    assert (
        sum(kind["bytes"] for kind in values["kinds"].values()) == values["bytes"] - path.read_bytes().index(b"\n") - 1
    )
    assert values["tokens"]["output"] == sum(usage["output"] for usage in usages)
    assert values["cost"] == pytest.approx(sum(usage["cost"]["total"] for usage in usages))
    assert (values["first"], values["last"]) == ("2026-05-20T08:00:00.000+00:00", "2026-05-20T08:00:04.407+00:00")


def test_statistics_tell_people_of_damage(run: Run, copy_of: CopyOf) -> None:
    """Counting goes on over damaged lines, but not silently."""
    assert "2 lines: see `check`" in run("stats", copy_of("damaged-middle")).stdout
    assert "1 line: see `check`" in run("stats", copy_of("torn-tail")).stdout
    assert "see `check`" not in run("stats", copy_of("short")).stdout


def test_statistics_take_any_json(run: Run, session_path: Path) -> None:
    """A foreign record with odd values is counted and breaks nothing."""
    odd = {"type": 7, "message": {"usage": {"input": "many", "cost": None}, "model": ["x"]}}
    write_lines(session_path, odd, {"role": "user"}, {})
    (values,) = objects(run("stats", session_path, "--json"))
    assert {name: kind["records"] for name, kind in values["kinds"].items()} == {"no type": 2, "user": 1}


# who


def test_the_live_owner_is_named(run: Run, session_path: Path, start_gateway: StartGateway) -> None:
    """Pid and host as the lock says them, verified; and what it has open."""
    write_lines(session_path, HEADER)
    gateway = start_gateway(session_path)
    (values,) = objects(run("who", session_path, "--json"))
    assert (values["owner"]["pid"], values["owner"]["host"]) == (gateway.pid, socket.gethostname())
    assert values["owner"]["opened"]
    (opener,) = values["openers"]
    assert (opener["pid"], opener["access"]) == (gateway.pid, "reads and writes")
    assert f"process {gateway.pid}" in run("who", session_path).stdout


def test_a_lock_whose_owner_has_ended_is_nobodys(run: Run, session_path: Path, start_gateway: StartGateway) -> None:
    """The signature outlives its writer; it is no proof."""
    write_lines(session_path, HEADER)
    gateway = start_gateway(session_path)
    gateway.kill()
    gateway.communicate()
    assert lock_of(session_path).exists()
    (values,) = objects(run("who", session_path, "--json"))
    assert (values["owner"], values["openers"]) == (None, [])


def test_a_live_process_that_has_given_the_session_back_is_no_owner(run: Run, session_path: Path) -> None:
    """A gateway closes one session and goes on with others; its name stays in the lock, its lock does not."""
    write_lines(session_path, HEADER)
    script = """
import asyncio, sys
from coordinator import PI, Coordinator
async def visit():
    async with Coordinator() as coordinator:
        await coordinator.open(sys.argv[1], format=PI)
asyncio.run(visit())
print("closed", flush=True)
sys.stdin.read()
"""
    command = [sys.executable, "-c", script, str(session_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as visitor:
        assert visitor.stdout is not None
        assert visitor.stdout.readline() == "closed\n"
        assert json.loads(lock_of(session_path).read_bytes())["pid"] == visitor.pid
        assert objects(run("who", session_path, "--json"))[0]["owner"] is None
        assert run("heal", session_path, "--yes").exit_code == 0


def test_an_owner_on_another_host_is_said_to_be_unknown(run: Run, session_path: Path) -> None:
    """From here nobody can tell whether it lives, so nobody claims it."""
    write_lines(session_path, HEADER)
    lock_of(session_path).write_text(json.dumps({"pid": 7, "host": "elsewhere", "start_ticks": 1}))
    assert "unknown: process 7 on elsewhere had it last" in run("who", session_path).stdout


def test_every_process_that_has_the_file_open_is_named_with_what_it_may_do(run: Run, session_path: Path) -> None:
    """A reader is harmless, a writer is a suspect."""
    write_lines(session_path, HEADER)
    script = "import sys; file = open(sys.argv[1], sys.argv[2]); print('open', flush=True); sys.stdin.read()"
    others = [
        subprocess.Popen([sys.executable, "-c", script, str(session_path), mode], stdin=-1, stdout=-1, text=True)
        for mode in ("r", "a")
    ]
    try:
        assert [other.stdout and other.stdout.readline() for other in others] == ["open\n"] * 2
        (values,) = objects(run("who", session_path, "--json"))
        found = {opener["pid"]: opener["access"] for opener in values["openers"]}
        assert found == {others[0].pid: "reads", others[1].pid: "writes"}
    finally:
        for other in others:
            other.communicate()


# ls


def test_a_listing_names_every_session_its_owner_and_what_is_the_matter(
    run: Run, copy_of: CopyOf, tmp_path: Path, start_gateway: StartGateway
) -> None:
    """One look in the morning says where a person is needed."""
    owned = copy_of("short")
    gateway = start_gateway(owned)
    for name in ("torn-tail", "damaged-middle", "legacy-v1", "headerless"):
        copy_of(name)
    (tmp_path / "sub").mkdir()
    write_lines(tmp_path / "sub" / "deep.jsonl", HEADER, pi_record("a", None))
    for beside in ("deep.jsonl.unwritten-20261122T120000Z", "deep.jsonl.torn-20261122T120000Z-1", "notes.txt"):
        (tmp_path / "sub" / beside).write_bytes(b"{}\n")
    (tmp_path / "sub" / ".deep.jsonl.rewrite-0123456789abcdef").write_bytes(b"")
    result = run("ls", tmp_path, "--json")
    rows = {Path(row["path"]).name: row for row in objects(result)}
    assert result.exit_code == 1
    assert {name: row["damage"] for name, row in rows.items()} == {
        "short.jsonl": [], "torn-tail.jsonl": ["torn end"], "damaged-middle.jsonl": ["2 damaged lines"],
        "legacy-v1.jsonl": ["the session file has the old version 1, not 3"], "headerless.jsonl": ["no header"],
        "deep.jsonl": [],
    }  # fmt: skip
    assert {name for name, row in rows.items() if row["owner"]} == {"short.jsonl"}
    assert rows["short.jsonl"]["owner"]["pid"] == gateway.pid
    assert [len(rows["deep.jsonl"][kind]) for kind in ("unwritten", "torn", "strays")] == [1, 1, 1]


def test_a_listing_without_anything_to_do_is_fine(run: Run, copy_of: CopyOf, tmp_path: Path) -> None:
    """Kept torn ends and recovered records are history, and links are seen where they lead."""
    path = copy_of("short")
    path.with_name("short.jsonl.torn-20261122T120000Z").write_bytes(b"{")
    path.with_name("short.jsonl.unwritten-20261122T120000Z.recovered").write_bytes(b"{}\n")
    (tmp_path / "link.jsonl").symlink_to(path)
    result = run("ls", tmp_path)
    assert result.exit_code == 0
    assert "1 session, 3.2 kB, none with something to look at" in result.stdout


def test_records_that_wait_beside_a_vanished_file_are_listed(run: Run, tmp_path: Path) -> None:
    """The session is gone, what could not be written to it is not."""
    (tmp_path / "gone.jsonl.unwritten-20261122T120000Z").write_bytes(b"{}\n")
    result = run("ls", tmp_path)
    assert result.exit_code == 1
    assert "the file is gone" in result.stdout
    assert "1 file of unwritten records" in result.stdout


def test_of_a_large_file_only_the_ends_are_looked_at(run: Run, copy_of: CopyOf, tmp_path: Path) -> None:
    """A directory of large sessions is listed at once, and what was not read is not called fine."""
    copy_of("damaged-middle")
    result = run("ls", tmp_path, "--read-max", 0)
    assert result.exit_code == 0
    assert "fine at its ends" in result.stdout
    copy_of("torn-tail")
    assert run("ls", tmp_path, "--read-max", 0).exit_code == 1


def test_a_listing_of_what_is_no_directory_fails(run: Run, copy_of: CopyOf, tmp_path: Path) -> None:
    """Nothing there and nothing wrong are two things."""
    assert run("ls", tmp_path / "missing").exit_code == 2
    assert run("ls", copy_of("short")).exit_code == 2


def test_a_listing_fits_the_screen(run: Run, copy_of: CopyOf, tmp_path: Path) -> None:
    """Names as long as a session's real ones fold rather than push the verdict out."""
    copy_of("torn-tail").rename(tmp_path / "2026-05-20T08-00-00-000Z_019e4466-1000-79a8-8458-fa7202862628.jsonl")
    for columns in (80, 120):
        shown = run("ls", tmp_path, columns=columns).stdout
        assert max(map(len, shown.splitlines())) <= columns
        assert "torn end" in shown
