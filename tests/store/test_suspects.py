"""Who has the file open: found where it can be, cheap where it cannot."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordinator._core._values import Suspect
from coordinator._store import _suspects
from coordinator._store._paths import identity
from coordinator._store._suspects import SuspectSearch

from .conftest import Desk
from .scripted import ScriptedSystem, append_to

OPEN = "import sys; file = open(sys.argv[1], 'ab'); print('open', flush=True); sys.stdin.read()"


class Clock(ScriptedSystem):
    """A clock that a test moves."""

    now = 0.0

    def monotonic(self) -> float:
        """Return what the test says."""
        return self.now


@pytest.fixture
def opener(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """Return a file and another process that has it open."""
    path = tmp_path / "session.jsonl"
    path.touch()
    process = subprocess.Popen(
        [sys.executable, "-c", OPEN, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    yield path, process
    process.kill()
    process.communicate()


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
class TestWithProc:
    """Where the kernel tells."""

    def test_a_process_with_the_file_open_is_named(self, opener: tuple[Path, subprocess.Popen[str]]) -> None:
        """By pid and by name; we ourselves are no suspects."""
        path, process = opener
        with path.open("ab"):
            found = SuspectSearch(ScriptedSystem(), path).search([identity(path.stat())])
        assert found == (Suspect(process.pid, Path(f"/proc/{process.pid}/comm").read_text().strip()),)

    def test_a_removed_file_still_has_its_openers(self, opener: tuple[Path, subprocess.Popen[str]]) -> None:
        """Whoever holds the displaced file is as interesting as who made the new one."""
        path, process = opener
        found = identity(path.stat())
        path.unlink()
        assert [suspect.pid for suspect in SuspectSearch(ScriptedSystem(), path).search([found])] == [process.pid]

    def test_another_file_of_the_same_name_is_somebody_elses(
        self, opener: tuple[Path, subprocess.Popen[str]], tmp_path: Path
    ) -> None:
        """The name is only a first sieve."""
        path, _ = opener
        other = tmp_path / "elsewhere"
        other.mkdir()
        (other / path.name).touch()
        assert SuspectSearch(ScriptedSystem(), path).search([identity((other / path.name).stat())]) == ()

    def test_a_second_search_within_a_second_asks_known_suspects_only(
        self, opener: tuple[Path, subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A busy foreign writer must not have us search for ever."""
        path, process = opener
        system, searches = Clock(), []
        real = _suspects._other_processes
        monkeypatch.setattr(_suspects, "_other_processes", lambda: searches.append(system.now) or real())
        search, files = SuspectSearch(system, path), [identity(path.stat())]
        assert [[suspect.pid for suspect in search.search(files)] for _ in range(2)] == [[process.pid]] * 2
        process.communicate("")
        assert search.search(files) == ()
        system.now = 2.0
        assert search.search(files) == ()
        assert searches == [0.0, 2.0]

    def test_a_report_names_the_suspects(self, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
        """The evidence of a foreign change includes who could have done it."""
        monkeypatch.setattr(_suspects, "SEARCH_SECONDS_MAX", 10.0)  # a busy machine is not what is tested here
        command = [sys.executable, "-c", OPEN, str(desk.path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.readline()
            append_to(desk.path, b"{}\n")()
            (foreign,) = desk.compare().foreign
            process.communicate("")
        assert [suspect.pid for suspect in foreign.suspects] == [process.pid]


def test_a_search_that_takes_too_long_is_given_up(tmp_path: Path) -> None:
    """On a machine with a thousand processes a lead is not worth a turn's time."""

    class Slow(ScriptedSystem):
        """Every question takes a second."""

        now = 0.0

        def monotonic(self) -> float:
            """Return a time that runs away."""
            self.now += 1.0
            return self.now

    system = Slow()
    assert SuspectSearch(system, tmp_path / "x").search([(1, 1)]) == ()
    assert system.now <= 3.0


def test_without_proc_nobody_is_suspected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other systems have no such directory; that is no error."""
    monkeypatch.setattr(_suspects, "PROC", tmp_path / "none")
    assert SuspectSearch(ScriptedSystem(), tmp_path / "x").search([(os.getpid(), 1)]) == ()
