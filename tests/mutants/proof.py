"""Wrong changes for the promises that no other list breaks; each is named in the table of `tests/README.md`."""

from __future__ import annotations

from .mutant import CORE, STORE, Mutant

FAULTS, KEPT = "tests/faults/test_", "tests/store/test_"

PROOF = [
    Mutant(
        "the rest of a short write is forgotten", STORE + "_write.py",
        "        while not current.is_complete and current.error is None:\n",
        "        while not current.pieces and current.error is None:\n",
        KEPT + "sorting_out.py::test_a_short_write_is_finished",
    ),
    Mutant(
        "an interrupted write is not repeated", STORE + "_system.py",
        "        count = os.write(fd, data)\n",
        "        count = int(ctypes.CDLL(None).write(fd, bytes(data), len(data)))\n",
        FAULTS + "system_calls.py::test_an_interrupted_call_is_invisible",
    ),
    Mutant(
        "a tail that could not be cut back is forgotten", STORE + "_takeback.py",
        "                content.leave_debris(current.data[: run.last], error, has_header=current.has_header)\n",
        "                pass\n",
        KEPT + "faults.py::test_a_dirty_tail_is_cut_before_the_next_write",
    ),
    Mutant(
        "healing that was killed begins anew", STORE + "_heal.py",
        "    kept = _find_kept(system, path, fd, start, end)\n", "    kept = None\n",
        KEPT + "healing.py::test_healing_is_done_after_a_kill_at_any_system_call",
    ),
    Mutant(
        "content is read and not compared", STORE + "_compare.py",
        "digest.digest() == content.digest.digest()", "True",
        KEPT + "comparing.py::test_an_edit_of_the_same_length_in_a_small_file_is_found",
    ),
    Mutant(
        "restored times are believed", STORE + "_content.py",
        "    return found.st_mtime_ns, found.st_ctime_ns\n", "    return found.st_mtime_ns, 0\n",
        KEPT + "comparing.py::test_an_edit_of_the_same_length_in_a_large_file_is_found",
    ),
    Mutant(
        "times alone decide", STORE + "_compare.py",
        " and content.digest is not None and not self._opener.is_small(content.length)\n", "\n",
        FAULTS + "foreign_changes.py::test_clock_steps_and_coarse_stamps_change_no_verdict",
    ),
    Mutant(
        "the lock dies with any descriptor of its file", STORE + "_lock.py",
        "            lock.acquire()\n        except Timeout",
        '            __import__("fcntl").flock = __import__("fcntl").lockf\n'
        "            lock.acquire()\n        except Timeout",
        KEPT + "locking.py::test_other_code_may_open_and_close_the_files",
    ),
    Mutant(
        "a taken lock is no obstacle", STORE + "_lock.py",
        "            raise self._locked_error() from None\n", "            pass\n",
        KEPT + "locking.py::test_of_many_openers_one_wins",
    ),
    Mutant(
        "a file that is gone was only touched", CORE + "_change.py",
        "        return Change.VANISHED\n", "        return Change.TOUCHED\n",
        FAULTS + "foreign_changes.py::test_a_foreign_change_is_found_whatever_it_hides",
    ),
    Mutant(
        "out of memory empties the queue", CORE + "_machine.py",
        "            self.inbox.put_back(groups)\n            raise\n", "            raise\n",
        "tests/core/test_machine.py::test_out_of_memory_while_a_batch_is_made_loses_nothing_of_the_queue",
    ),
    Mutant(
        "a session closes around a turn that has not begun", CORE + "_endings.py",
        "(FenceStage.TURN, FenceStage.TOKEN, FenceStage.ACTIVE)", "(FenceStage.TOKEN, FenceStage.ACTIVE)",
        "tests/exploration/test_found.py::test_closing_ends_a_turn_whose_hook_still_runs",
    ),
]  # fmt: skip
