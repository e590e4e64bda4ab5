"""`show` tells the conversation as a person reads it, and goes on as it does."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .conftest import HEADER, Run, objects, pi_record, write_lines

CopyOf = Callable[[str], Path]
Follower = subprocess.Popen[str]


def ids(objects_shown: list[dict]) -> list[str]:
    """Name the records that were shown."""
    return [each["record"]["id"] for each in objects_shown]


def listen_to_the_keyboard() -> None:
    """Undo what a shell does to jobs in the background, where Ctrl-C is not heard."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def said(record_id: str, parent: str | None, text: str, role: str = "user") -> dict[str, object]:
    """Return a message."""
    return pi_record(record_id, parent, type="message", message={"role": role, "content": text})


@pytest.fixture
def follow() -> Iterator[Callable[..., Follower]]:
    """Return a function that follows a file in another process, until the test ends."""
    followers: list[Follower] = []

    def start(path: Path, *arguments: str) -> Follower:
        command = [sys.executable, "-m", "coordinator", "show", "--follow", "--json", *arguments, str(path)]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        followers.append(
            subprocess.Popen(
                command,
                stdout=subprocess.PIPE,
                text=True,
                env=environment,
                preexec_fn=listen_to_the_keyboard,  # noqa: PLW1509
            )
        )
        return followers[-1]

    yield start
    for follower in followers:
        follower.kill()
        follower.communicate()


def next_id(follower: Follower) -> str:
    """Wait for the next record that a follower shows."""
    assert follower.stdout is not None
    record_id: str = json.loads(follower.stdout.readline())["record"]["id"]
    return record_id


def append(path: Path, data: bytes) -> None:
    """Write to a file as its gateway does."""
    with path.open("ab") as file:
        file.write(data)


def line(record: dict[str, object]) -> bytes:
    """Return a record as it stands in a file."""
    return json.dumps(record).encode() + b"\n"


def test_the_conversation_is_the_way_from_the_root_to_the_last_record(run: Run, session_path: Path) -> None:
    """What the next model call will see, newest last; other branches only if asked for."""
    write_lines(
        session_path, HEADER, said("a", None, "A"), said("b", "a", "B"), said("c", "a", "C"), said("d", "c", "D")
    )
    assert ids(objects(run("show", session_path, "--json"))) == ["a", "c", "d"]
    everything = objects(run("show", session_path, "--json", "--all"))
    assert [(each["record"]["id"], each["aside"]) for each in everything] == [
        ("a", False), ("b", True), ("c", False), ("d", False),
    ]  # fmt: skip


def test_the_last_ones_are_shown_unless_all_are_asked_for(run: Run, copy_of: CopyOf) -> None:
    """A long session must not run over the screen; it says that there is more."""
    path = copy_of("long-2000")
    last = path.read_bytes().split(b"\n")[-4:-1]
    assert ids(objects(run("show", path, "-n", 3, "--json"))) == [json.loads(each)["id"] for each in last]
    assert len(objects(run("show", path, "-n", 0, "--json"))) == 2003
    assert "the last 3; -n 0 shows all" in run("show", path, "-n", 3).stdout
    assert "shows all" not in run("show", path, "-n", 2003).stdout


@pytest.mark.parametrize("name", ["short", "crlf", "no-final-newline", "torn-tail", "all-types"])
def test_what_is_shown_stands_where_it_says(run: Run, copy_of: CopyOf, name: str) -> None:
    """Offsets lead to the record, whatever the end of the file is like."""
    path = copy_of(name)
    for each in objects(run("show", path, "-n", 0, "--json", "--all")):
        place = slice(each["offset"], each["offset"] + each["size"])
        assert json.loads(path.read_bytes()[place]) == each["record"]


def test_a_line_longer_than_a_block_is_read_backwards_too(run: Run, session_path: Path) -> None:
    """A tool result of some megabytes stands before the last message."""
    long = said("b", "a", "x" * 3_000_000)
    write_lines(session_path, HEADER, said("a", None, "A"), long, said("c", "b", "C"))
    assert ids(objects(run("show", session_path, "--json"))) == ["a", "b", "c"]


def test_people_read_who_said_what_and_which_tool_was_called(run: Run, copy_of: CopyOf) -> None:
    """The text is there, at both usual widths, and no line is wider than the screen."""
    for columns in (80, 120):
        shown = run("show", copy_of("all-types"), "-n", 0, columns=columns).stdout
        assert "08:00:00 user\n  Please list the notes folder." in shown
        assert '→ exec {"command": "ls notes"}' in shown
        assert max(map(len, shown.splitlines())) <= columns


def test_foreign_text_cannot_control_the_terminal(run: Run, session_path: Path) -> None:
    """A tool result may hold anything: escape sequences are shown, not obeyed, and half characters are no crash."""
    write_lines(session_path, HEADER, said("a\x1b[2J", None, "red \x1b[31m \x07 \ud83d [bold]end"))
    shown = run("show", session_path, "--all").stdout
    assert "red \\x1b[31m \\x07 ? [bold]end" in shown
    assert "\x1b" not in shown


def test_a_long_text_is_shortened_unless_it_is_wanted_whole(run: Run, session_path: Path) -> None:
    """A thousand lines of output do not push the conversation off the screen."""
    write_lines(session_path, HEADER, said("a", None, "\n".join(f"row {n}" for n in range(1000))))
    assert "row 999" not in run("show", session_path).stdout
    assert "more characters (--full)" in run("show", session_path).stdout
    assert "row 999" in run("show", session_path, "--full").stdout


def test_a_conversation_that_was_cut_off_says_so(run: Run, session_path: Path) -> None:
    """Who wonders where the history went reads it here."""
    write_lines(session_path, HEADER, said("a", None, "A"), said("b", "gone", "B"))
    assert "the parent gone is missing" in run("show", session_path).stdout
    write_lines(session_path, HEADER, said("a", None, "A"), said("b", None, "B"))
    assert "the conversation starts anew here" in run("show", session_path).stdout


def test_a_plain_file_is_shown_record_by_record(run: Run, session_path: Path) -> None:
    """Any JSON object can be looked at."""
    write_lines(session_path, {"role": "user", "content": "Hello."}, {"step": 1})
    assert run("show", session_path).stdout == "user\n  Hello.\nrecord  step 1\n"


def test_following_shows_each_record_once_when_its_line_has_ended(
    session_path: Path, follow: Callable[..., Follower]
) -> None:
    """Half a line is nothing yet."""
    write_lines(session_path, HEADER, said("a", None, "A"))
    follower = follow(session_path)
    assert next_id(follower) == "a"
    half = line(said("b", "a", "B"))
    append(session_path, half[:20])
    append(session_path, half[20:] + line(said("c", "b", "C")))
    assert [next_id(follower), next_id(follower)] == ["b", "c"]


def test_following_a_last_line_without_its_end_waits_for_it(
    session_path: Path, follow: Callable[..., Follower]
) -> None:
    """What lacks only its line feed is shown when that comes, and only then."""
    write_lines(session_path, HEADER, said("a", None, "A"))
    append(session_path, line(said("b", "a", "B"))[:-1])
    follower = follow(session_path)
    assert next_id(follower) == "a"
    append(session_path, b"\n" + line(said("c", "b", "C")))
    assert [next_id(follower), next_id(follower)] == ["b", "c"]


def test_following_goes_on_in_a_file_that_replaces_the_old_one(
    session_path: Path, follow: Callable[..., Follower]
) -> None:
    """Compaction gives the file a new inode; what was shown is not shown again, what is new is not missed."""
    write_lines(session_path, HEADER, said("a", None, "A"), said("b", "a", "B"))
    follower = follow(session_path)
    assert [next_id(follower), next_id(follower)] == ["a", "b"]
    other = write_lines(session_path.with_suffix(".new"), HEADER, said("b", "a", "B"), said("c", "b", "C"))
    other.replace(session_path)
    assert next_id(follower) == "c"
    other = write_lines(session_path.with_suffix(".new"), HEADER, said("x", None, "X"))
    other.replace(session_path)
    assert next_id(follower) == "x"


def test_following_begins_anew_in_a_file_that_was_cut(session_path: Path, follow: Callable[..., Follower]) -> None:
    """The same inode, but shorter: what stands there now is new."""
    write_lines(session_path, HEADER, said("a", None, "A" * 500))
    follower = follow(session_path)
    assert next_id(follower) == "a"
    write_lines(session_path, HEADER, said("x", None, "X"))
    assert next_id(follower) == "x"


def test_following_ends_with_the_keyboard_and_that_is_fine(session_path: Path, follow: Callable[..., Follower]) -> None:
    """Ctrl-C is how one stops looking, so the status says fine."""
    write_lines(session_path, HEADER, said("a", None, "A"))
    follower = follow(session_path)
    assert next_id(follower) == "a"
    append(session_path, line(said("b", "a", "B")))
    assert next_id(follower) == "b"
    follower.send_signal(signal.SIGINT)
    assert follower.wait(timeout=20) == 0


@pytest.mark.parametrize("depth", [300, 900, 1020])
@pytest.mark.parametrize("command", ["show", "check", "stats", "who"])
def test_a_record_of_any_depth_is_no_obstacle(run: Run, session_path: Path, command: str, depth: int) -> None:
    """What can be parsed may be nested more deeply than what can be written."""
    session_path.write_bytes(b'{"a":1}\n' + b'{"a":' * depth + b"1" + b"}" * depth + b"\n")
    for options in ([], ["--json"]):
        assert run(command, session_path, *options).exit_code in (0, 1)
