"""`check` finds what loses records or cuts a conversation, and says where."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import HEADER, Run, StartGateway, objects, pi_record, write_lines

CopyOf = Callable[[str], Path]
WHOLE = ("all-types", "branches", "compaction", "crlf", "empty", "header-only", "long-2000", "short")
DAMAGED = {
    "damaged-middle": {"unreadable": 2, "missing-parent": 1},
    "headerless": {"header": 1},
    "legacy-v1": {"header": 1},
    "no-final-newline": {"no-line-feed": 1},
    "torn-tail": {"torn": 1},
}


def damage(values: dict) -> dict[str, int]:
    """Count what loses something, by its kind."""
    found = [one["kind"] for one in values["findings"] if one["severity"] == "damage"]
    return {kind: found.count(kind) for kind in found}


@pytest.mark.parametrize("name", WHOLE)
def test_a_whole_file_is_fine(run: Run, copy_of: CopyOf, name: str) -> None:
    """A check that cries wolf is soon ignored: branches, line ends and kinds of record are no damage."""
    result = run("check", copy_of(name), "--json")
    assert (result.exit_code, objects(result)[0]["damaged"]) == (0, False)


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_found_and_named(run: Run, copy_of: CopyOf, name: str) -> None:
    """What opening would refuse, cut or pass over is known before."""
    result = run("check", copy_of(name), "--json")
    assert (result.exit_code, damage(objects(result)[0])) == (1, DAMAGED[name])


@pytest.mark.parametrize(
    ("records", "kind", "line"),
    [
        ([pi_record("a", None), pi_record("b", "a"), pi_record("a", "b")], "repeated-id", 4),
        ([pi_record("a", None), pi_record("b", "gone")], "missing-parent", 3),
        ([pi_record("a", None), pi_record("b", "a"), b"{"], "unreadable", 4),
        ([pi_record("a", None), pi_record("b", "a"), HEADER], "unreadable", 4),
        ([pi_record("a", None), b'{"n": NaN, "type": "custom", "id": "b"}', pi_record("c", "a")], "unreadable", 3),
        ([pi_record("a", None), b"\0\0\0\0", pi_record("c", "a")], "unreadable", 3),
    ],
)
def test_a_line_that_loses_something_is_named_by_its_number(
    run: Run, session_path: Path, records: list, kind: str, line: int
) -> None:
    """A person opens the file in an editor and goes there."""
    (values,) = objects(run("check", write_lines(session_path, HEADER, *records), "--json"))
    found = [(one["kind"], one["line"]) for one in values["findings"] if one["severity"] == "damage"]
    assert found == [(kind, line)]
    content = session_path.read_bytes().split(b"\n")
    assert values["findings"][0]["offset"] == sum(len(each) + 1 for each in content[: line - 1])


@pytest.mark.parametrize(
    ("records", "kind"),
    [
        ([pi_record("a", None), pi_record("b", "a"), pi_record("c", "a")], "leaf"),
        ([pi_record("a", None), pi_record("b", None), pi_record("c", "b")], "root"),
        ([pi_record("b", "a"), pi_record("a", None), pi_record("c", "b")], "late-parent"),
        ([pi_record("a", None), pi_record("b", "a", timestamp="2026-05-20T07:00:00.000Z")], "time"),
        ([pi_record("a", None, timestamp="yesterday")], "time"),
    ],
)
def test_what_can_be_meant_is_a_notice_and_strict_makes_it_damage(
    run: Run, session_path: Path, records: list, kind: str
) -> None:
    """One branches back on purpose; whoever never does asks for the strict check."""
    write_lines(session_path, HEADER, *records)
    result = run("check", session_path, "--json")
    assert (result.exit_code, kind in objects(result)[0]["counts"]) == (0, True)
    assert run("check", session_path, "--strict").exit_code == 1


def test_the_conversation_itself_is_no_other_branch(run: Run, session_path: Path) -> None:
    """The last record is the leaf, also when an old one is repeated there; only what is beside it is noticed."""
    write_lines(session_path, HEADER, pi_record("a", None), pi_record("b", "a"), pi_record("a", None))
    (values,) = objects(run("check", session_path, "--json"))
    assert [one["line"] for one in values["findings"] if one["kind"] == "leaf"] == [3]


def test_the_worst_of_several_files_decides(run: Run, copy_of: CopyOf, tmp_path: Path) -> None:
    """A script checks all sessions with one command, and one bad name hides no damage."""
    whole, torn, missing = copy_of("short"), copy_of("torn-tail"), tmp_path / "missing.jsonl"
    assert run("check", whole, torn).exit_code == 1
    result = run("check", missing, whole, torn)
    assert result.exit_code == 2
    assert "there is no such file" in result.stderr
    assert f"✓ {whole}" in result.stdout
    assert f"✗ {torn}" in result.stdout


def test_a_format_that_is_named_is_believed(run: Run, copy_of: CopyOf) -> None:
    """Records that look like pi's may be plain JSON to their owner."""
    headerless = copy_of("headerless")
    assert run("check", headerless, "--format", "plain").exit_code == 0
    assert run("check", headerless, "--format", "pi").exit_code == 1


def test_many_findings_of_a_kind_are_counted_and_the_first_ones_shown(run: Run, session_path: Path) -> None:
    """A file with a million bad lines must not fill the screen, or the memory."""
    write_lines(session_path, *[b"no"] * 500)
    result = run("check", session_path)
    assert result.stdout.count("damage:") == 10
    assert "and 490 more of the kind `unreadable`" in result.stdout
    (values,) = objects(run("check", session_path, "--json"))
    assert (values["counts"], len(values["findings"])) == ({"unreadable": 500}, 100)


def test_a_file_is_fine_at_any_moment_while_a_gateway_writes_to_it(
    run: Run, session_path: Path, start_gateway: StartGateway
) -> None:
    """Half a line of a write that is under way is no damage."""
    start_gateway(session_path, writes=True)
    while not session_path.exists():
        os.sched_yield()
    sizes = [objects(run("check", session_path, "--json"))[0] for _ in range(5)]
    assert [values["findings"] for values in sizes] == [[]] * 5
    assert sizes[-1]["bytes"] > sizes[0]["bytes"]


def test_a_line_that_is_being_written_gets_the_time_to_end(
    run: Run, session_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large write becomes visible page by page; the first look may fall between two of them."""
    write_lines(session_path, HEADER)
    line = json.dumps(pi_record("a", None)).encode() + b"\n"
    with session_path.open("ab") as file:
        file.write(line[:30])

    def finish(_seconds: float) -> None:
        with session_path.open("ab") as file:
            file.write(line[30:])

    monkeypatch.setattr("time.sleep", finish)
    (values,) = objects(run("check", session_path, "--json"))
    assert (values["records"], values["findings"]) == (1, [])


MEASURED = """
import re, sys
from pathlib import Path
from coordinator._cli import app

app(["check", sys.argv[1]], standalone_mode=False)
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
"""


def peak_kib(path: Path) -> int:
    """Check a file in another process, and return how much memory that took at most."""
    command = [sys.executable, "-c", MEASURED, str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=50).stdout
    assert "✓" in shown
    return int(shown.splitlines()[-1])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc to know what a process has used")
def test_memory_does_not_grow_with_the_file(session_path: Path) -> None:
    """What holds for 100 MB holds for a file of 1 GB."""
    small = peak_kib(write_lines(session_path, HEADER, pi_record("0", None)))
    chain = (pi_record(f"{n}", f"{n - 1}" if n else None, pad="x" * 2000) for n in range(50_000))
    with session_path.open("wb") as file:
        file.writelines(json.dumps(record).encode() + b"\n" for record in (HEADER, *chain))
    assert session_path.stat().st_size > 100_000_000
    assert peak_kib(session_path) < small + 30_000
