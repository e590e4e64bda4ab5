"""Promises 22 to 24: who owns a session, with processes that really die, stop, fork and compete."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from .scribe import Scribe

LAST_PID = Path("/proc/sys/kernel/ns_last_pid")
COMPETITIONS = 1000
REUSE_ATTEMPTS_MAX = 1000

Start = Callable[[], Scribe]


@pytest.fixture
def start(session_path: Path) -> Iterator[Start]:
    """Return a function that starts a process that uses the session."""
    scribes: list[Scribe] = []

    def new() -> Scribe:
        scribes.append(Scribe(session_path))
        return scribes[-1]

    yield new
    for scribe in scribes:
        scribe.end()


@pytest.fixture
def owner(start: Start) -> Scribe:
    """Return a process that owns the session."""
    owner = start()
    owner.do("open")
    owner.do("append", "owner")
    return owner


def test_a_dead_holder_is_replaced_at_once(owner: Scribe, start: Start) -> None:
    """The kernel frees the lock when its holder dies; nobody waits for a lock to grow old."""
    other = start()
    assert other.do("open")["error"] == "LockedError"
    owner.send(signal.SIGKILL)
    assert other.do("open") == {"state": "OPEN"}
    assert other.do("append", "other")["acknowledged"]


def test_a_stopped_holder_is_never_replaced(owner: Scribe, start: Start) -> None:
    """A process that is stopped, in a debugger or frozen with its machine, comes back and goes on writing."""
    other = start()
    owner.send(signal.SIGSTOP)
    try:
        for _ in range(3):
            refused = other.do("open")
            assert refused["error"] == "LockedError"
            assert str(owner.pid) in refused["text"]
    finally:
        owner.send(signal.SIGCONT)
    assert owner.do("append", "more")["acknowledged"]


def _with_pid(pid: int) -> int | None:
    """Fork a child that gets this process id and lives; None if another process was quicker."""
    LAST_PID.write_text(str(pid - 1))
    child = os.posix_spawn("/bin/sleep", ["sleep", "1000"], {})
    if child == pid:
        return child
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


@pytest.mark.root
def test_a_reused_process_id_confuses_nobody(owner: Scribe, start: Start) -> None:
    """The holder is dead and an innocent process has its number: the session opens at once."""
    if not LAST_PID.exists():
        pytest.skip(f"needs {LAST_PID}")
    other = start()
    owner.send(signal.SIGKILL)
    innocent = next((child for _ in range(REUSE_ATTEMPTS_MAX) if (child := _with_pid(owner.pid))), None)
    assert innocent is not None, "the process id did not come round"
    try:
        assert other.do("open") == {"state": "OPEN"}
    finally:
        os.kill(innocent, signal.SIGKILL)
        os.waitpid(innocent, 0)


def test_a_forked_child_does_not_keep_the_lock_alive(owner: Scribe, start: Start) -> None:
    """A gateway that forks its tools and dies leaves no locked session behind."""
    other, child = start(), owner.do("fork")["child"]
    try:
        owner.send(signal.SIGKILL)
        assert other.do("open") == {"state": "OPEN"}
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_forked_child_that_ends_does_not_give_the_lock_back(owner: Scribe, start: Start) -> None:
    """The lock is the parent's: what its children do with inherited descriptors means nothing."""
    os.kill(owner.do("fork")["child"], signal.SIGKILL)
    assert start().do("open")["error"] == "LockedError"
    assert owner.do("append", "more")["acknowledged"]


def test_the_lock_survives_other_code_that_opens_and_closes_the_files(
    owner: Scribe, start: Start, session_path: Path
) -> None:
    """Closing any descriptor of a file drops a POSIX lock; ours is none."""
    lock = session_path.with_name(f".{session_path.name}.lock")
    with lock.open("r+b"), session_path.open("rb"):
        pass
    owner.do("read_own_files")
    assert start().do("open")["error"] == "LockedError"
    assert owner.do("append", "more")["acknowledged"]


@pytest.mark.slow
def test_of_two_coordinators_exactly_one_wins_every_time(start: Start, session_path: Path) -> None:
    """A thousand races for one session: one owner each time, the other is refused, every record is there once."""
    one, two = start(), start()
    wins = {one.pid: 0, two.pid: 0}
    for number in range(COMPETITIONS):
        first, second = (one, two) if number % 2 else (two, one)
        first.begin("open")
        second.begin("open")
        answers = {first: first.answer(), second: second.answer()}
        winners = [scribe for scribe, answer in answers.items() if answer.get("state") == "OPEN"]
        assert len(winners) == 1, answers
        (loser,) = {one, two} - {*winners}
        assert answers[loser]["error"] == "LockedError"
        wins[winners[0].pid] += 1
        assert winners[0].do("append", str(number))["acknowledged"]
        assert winners[0].do("close") == {}
    print(f"{COMPETITIONS} competitions, won {wins}")
    assert session_path.read_bytes().count(b'"filling"') == COMPETITIONS
