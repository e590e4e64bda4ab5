"""One process owns a session: the kernel decides, nobody's file is touched, and people are told who."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest

from coordinator import LockedError, PathError
from coordinator._store._lock import find_owner, lock_path, start_ticks

from .conftest import OpenDesk
from .scripted import append_to

HOLD = """
import sys
from coordinator import PLAIN, Limits
from coordinator._store import FileStore
FileStore(sys.argv[1], record_format=PLAIN, limits=Limits()).open()
print("held", flush=True)
sys.stdin.read()
"""
Holder = subprocess.Popen[str]


@pytest.fixture
def hold() -> Iterator[Callable[[Path], Holder]]:
    """Return a function that lets a second process own a session until it is killed."""
    holders: list[Holder] = []

    def start(path: Path) -> Holder:
        command = [sys.executable, "-c", HOLD, str(path)]
        holder = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        holders.append(holder)
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        return holder

    yield start
    for holder in holders:
        holder.kill()
        holder.communicate()


def test_a_second_process_is_refused_and_told_by_whom(
    session_path: Path, new_desk: OpenDesk, hold: Callable[[Path], Holder]
) -> None:
    """The loser changes nothing: not the session, not the signature in the lock."""
    session_path.write_bytes(b"{}\n")
    holder = hold(session_path)
    append_to(session_path, b'{"torn')()
    before = session_path.stat(), session_path.read_bytes(), lock_path(session_path).read_bytes()
    with pytest.raises(LockedError) as caught:
        new_desk().open()
    assert (caught.value.pid, caught.value.host, caught.value.path) == (holder.pid, socket.gethostname(), session_path)
    assert str(holder.pid) in str(caught.value)
    assert (session_path.stat(), session_path.read_bytes(), lock_path(session_path).read_bytes()) == before


def test_a_dead_holder_is_replaced_at_once(
    session_path: Path, new_desk: OpenDesk, hold: Callable[[Path], Holder]
) -> None:
    """The kernel frees the lock of whoever dies, whatever is written in it."""
    holder = hold(session_path)
    holder.kill()
    holder.wait()
    new_desk().open()
    assert orjson.loads(lock_path(session_path).read_bytes())["pid"] == os.getpid()


def test_a_stopped_holder_is_never_replaced(
    session_path: Path, new_desk: OpenDesk, hold: Callable[[Path], Holder]
) -> None:
    """However old the lock is: a stopped process may go on in the middle of a write."""
    holder = hold(session_path)
    holder.send_signal(signal.SIGSTOP)
    os.utime(lock_path(session_path), (0, 0))
    with pytest.raises(LockedError) as caught:
        new_desk().open()
    assert caught.value.pid == holder.pid
    holder.send_signal(signal.SIGCONT)


def test_a_second_store_of_this_process_is_refused(session_path: Path, new_desk: OpenDesk) -> None:
    """Two coordinators in one process are two owners too."""
    new_desk().open()
    with pytest.raises(LockedError) as caught:
        new_desk().open()
    assert caught.value.pid == os.getpid()


def test_closing_gives_the_lock_back(session_path: Path, new_desk: OpenDesk) -> None:
    """Its file stays: a deleted lock is two locks."""
    desk = new_desk()
    desk.open()
    desk.close()
    assert lock_path(session_path).exists()
    new_desk().open()


def test_a_lock_taken_in_one_thread_is_given_back_in_another(new_desk: OpenDesk) -> None:
    """The driver uses whichever thread is free."""
    desk = new_desk()
    thread = threading.Thread(target=desk.open)
    thread.start()
    thread.join()
    assert desk.append(b"{}\n").written is not None
    assert desk.compare().foreign == ()
    desk.close()
    new_desk().open()


def test_an_opening_that_fails_gives_the_lock_back(session_path: Path, new_desk: OpenDesk) -> None:
    """Also when it fails late."""
    session_path.write_bytes(b"{}\n")
    failing = new_desk()
    failing.system.fail("pread", OSError(5, "broken"), for_ever=True)
    with pytest.raises(PathError):
        failing.open()
    new_desk().open()


def test_a_forked_child_keeps_no_lock_alive(session_path: Path, new_desk: OpenDesk) -> None:
    """The parent's closing frees it, although the child lives on."""
    desk = new_desk()
    desk.open()
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write_end)
        os.read(read_end, 1)
        os._exit(0)
    os.close(read_end)
    desk.close()
    try:
        new_desk().open()
    finally:
        os.close(write_end)
        os.waitpid(child, 0)


def test_a_forked_child_that_ends_takes_no_lock_with_it(session_path: Path, new_desk: OpenDesk) -> None:
    """What the child closes is its own business."""
    desk = new_desk()
    desk.open()
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    assert desk.compare().foreign == ()
    with pytest.raises(LockedError):
        new_desk().open()


def test_other_code_may_open_and_close_the_files(session_path: Path, new_desk: OpenDesk) -> None:
    """A POSIX lock would be lost by that; this one is not."""
    desk = new_desk()
    desk.open()
    desk.append(b"{}\n")
    for path in (session_path, lock_path(session_path)):
        path.open("r+b").close()
    with pytest.raises(LockedError):
        new_desk().open()


def test_the_lock_file_is_private_and_says_who(session_path: Path, new_desk: OpenDesk) -> None:
    """A person looks into it when nothing else helps."""
    new_desk().open()
    path = lock_path(session_path)
    assert path == session_path.parent / ".session.jsonl.lock"
    signature = orjson.loads(path.read_bytes())
    assert (signature["pid"], signature["host"]) == (os.getpid(), socket.gethostname())
    assert signature["opened"].startswith(time.strftime("%Y-", time.gmtime()))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_long_signature_leaves_nothing_of_itself(session_path: Path, new_desk: OpenDesk) -> None:
    """The lock file of a longer-winded owner is written over as a whole."""
    lock_path(session_path).write_bytes(b"x" * 5000)
    new_desk().open()
    assert orjson.loads(lock_path(session_path).read_bytes())["pid"] == os.getpid()


@pytest.mark.parametrize("make", [Path.mkdir, lambda path: path.symlink_to("/dev/null")], ids=["directory", "link"])
def test_what_is_no_lock_file_is_not_written_to(
    session_path: Path, new_desk: OpenDesk, make: Callable[[Path], None]
) -> None:
    """A link in place of the lock would have us write into somebody's file."""
    make(lock_path(session_path))
    with pytest.raises(PathError) as caught:
        new_desk().open()
    assert caught.value.hint


def test_a_second_name_of_the_lock_is_not_written_to(session_path: Path, new_desk: OpenDesk, tmp_path: Path) -> None:
    """Nor would a hard link be."""
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    lock_path(session_path).hardlink_to(precious)
    with pytest.raises(PathError):
        new_desk().open()
    assert precious.read_bytes() == b"precious"


def test_a_lost_lock_is_taken_again_by_reopening(session_path: Path, new_desk: OpenDesk) -> None:
    """Unless somebody else has it by then."""
    desk = new_desk()
    desk.open()
    desk.append(b"{}\n")
    lock_path(session_path).unlink()
    assert desk.compare().foreign
    other = new_desk()
    other.open()
    with pytest.raises(LockedError):
        desk.reopen()
    other.close()
    desk.reopen()
    assert desk.append(b"{}\n").written is not None
    with pytest.raises(LockedError):
        new_desk().open()


@pytest.mark.parametrize(
    "signature",
    [
        b"",
        b"damage",
        b"[]",
        b'{"pid":"x","host":1}',
        orjson.dumps({"pid": os.getpid(), "host": socket.gethostname(), "start_ticks": 1}),
        orjson.dumps({"pid": os.getpid(), "host": "elsewhere", "start_ticks": start_ticks(os.getpid())}),
        orjson.dumps({"pid": 2**22 + 1, "host": socket.gethostname(), "start_ticks": None}),
    ],
)
def test_an_owner_that_cannot_be_verified_is_unknown(tmp_path: Path, signature: bytes) -> None:
    """Better no name than the name of an innocent process that got the pid later."""
    path = tmp_path / "lock"
    path.write_bytes(signature)
    assert find_owner(path).pid is None


def test_an_owner_is_verified_by_its_start_where_the_kernel_lists_no_locks(tmp_path: Path) -> None:
    """Pid and start time together name one process only."""
    path = tmp_path / "lock"
    about = {"pid": os.getpid(), "host": socket.gethostname(), "start_ticks": start_ticks(os.getpid())}
    path.write_bytes(orjson.dumps(about))
    assert find_owner(path).pid == os.getpid()


def test_of_many_openers_one_wins(session_path: Path, hold: Callable[[Path], Holder]) -> None:
    """Started as closely together as processes can be, every loser is refused and exactly one owns the session."""
    command = [sys.executable, "-c", HOLD, str(session_path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    openers = [subprocess.Popen(command, text=True, **pipes) for _ in range(4)]
    answers = [opener.stdout.readline() for opener in openers if opener.stdout is not None]
    for opener in openers:
        opener.communicate()
    assert sorted(answers) == ["", "", "", "held\n"]


@pytest.mark.parametrize("content", [b'{"pid":"\\ud83d"}', b"[", b"\xff", b'{"pid":' + b"[" * 900], ids=repr)
def test_a_lock_file_with_anything_in_it_names_nobody(session_path: Path, content: bytes) -> None:
    """Whoever has written into it: refusing the session must not fail over that."""
    lock = lock_path(session_path)
    lock.write_bytes(content)
    assert find_owner(lock).pid is None
