"""The small wrong changes: what each breaks, where, and which test must notice."""

from __future__ import annotations

from dataclasses import dataclass

CORE, STORE, SHELL = "coordinator/_core/", "coordinator/_store/", "coordinator/"
QUIET = "tests/scenarios/test_own_writes_stay_quiet.py::"
TURNS = "tests/scenarios/test_turns_wait_for_each_other.py::"
FOUND = "tests/scenarios/test_foreign_writers_are_found.py::"
WORLD = "tests/scenarios/test_the_world_around_the_file.py::"


@dataclass(frozen=True)
class Mutant:
    """One change: `old` stands exactly once in `file` and becomes `new`; `killer` is the test that must go red."""

    name: str
    file: str
    old: str
    new: str
    killer: str


MUTANTS = [
    # One for each scenario.
    Mutant(
        "01 own bytes are not accounted for", STORE + "_write.py",
        "            content.extend(current.data)\n", "            pass\n", QUIET + "test_scenario_01",
    ),
    Mutant(
        "02 the token overtakes the queue (no drain)", CORE + "_machine.py",
        "self.inbox.queue.append(fence)", "self.inbox.queue.appendleft(fence)", QUIET + "test_scenario_02",
    ),
    Mutant(
        "03 records of one batch are siblings", CORE + "_machine.py",
        "                tail = line.tail\n", "", QUIET + "test_scenario_09",
    ),
    Mutant(
        "04 a type that users may write is refused", "coordinator/_formats/_pi.py",
        "if kind == _HEADER_TYPE:", 'if kind in (_HEADER_TYPE, "label"):', QUIET + "test_scenario_04",
    ),
    Mutant(
        "05 the parent is not the leaf of now", CORE + "_machine.py",
        "tail, stamped = self.tail, list[Stamped]()", "tail, stamped = Tail(), list[Stamped]()",
        QUIET + "test_scenario_05",
    ),
    Mutant(
        "06 a rewrite is no new generation", STORE + "_content.py",
        "        self.suspect = True\n        self.generation += 1\n", "        self.suspect = True\n",
        WORLD + "test_scenario_06",
    ),
    Mutant(
        "07 exclusive turns overlap", CORE + "_turns.py",
        "        if not self.holders:\n            return True\n", "        return True\n", TURNS + "test_scenario_07",
    ),
    Mutant(
        "08 a held record is written at once", CORE + "_machine.py",
        "return group.writer.hold and", "return False and group.writer.hold and", TURNS + "test_scenario_08",
    ),
    Mutant(
        "09 the leaf is not moved by own records", CORE + "_reports.py",
        "[running.stamped[-1].tail] if written else []", "[]", QUIET + "test_scenario_05",
    ),
    Mutant(
        "10 every writer is held during a fence", SHELL + "_session.py",
        'hold=during_fence == "hold")\n        writer', "hold=True)\n        writer", QUIET + "test_scenario_10",
    ),
    Mutant(
        "11 a turn that ends with an error is not released", SHELL + "_fence.py",
        "comparison = None if state.stage is FenceStage.OVER else",
        "comparison = None if raised or state.stage is FenceStage.OVER else", TURNS + "test_scenario_11",
    ),
    Mutant(
        "12 a new file gets no header", CORE + "_machine.py",
        "        if self.header is None or self.revision.length:\n", "        if True:\n", QUIET + "test_scenario_12",
    ),
    Mutant(
        "13 the revision is taken before the drain", CORE + "_reports.py",
        "    machine.revision = answer.revision\n", "    machine.revision = running.effect.expected\n",
        QUIET + "test_scenario_13",
    ),
    Mutant(
        "14-16 a touch is a takeover", CORE + "_fences.py",
        "if foreign.change is Change.TOUCHED:", "if foreign.change is None:", WORLD + "test_scenario_14_15_16",
    ),
    Mutant(
        "17 a cancelled waiter keeps its turn", SHELL + "_fence.py",
        "            engine.machine.abandon(state)\n", "            pass\n",
        TURNS + "test_scenario_17",
    ),
    Mutant(
        "18 closing does not wait for the turn", SHELL + "_closing.py",
        "            while machine.fences.turns.holders:\n", "            while False:\n", TURNS + "test_scenario_18",
    ),
    Mutant(
        "19 foreign records are tolerated unasked", CORE + "_fences.py",
        "fence.tolerates(foreign)\n", "True\n", FOUND + "test_scenario_19_20",
    ),
    Mutant(
        "20 a foreign record does not move the leaf", CORE + "_reports.py",
        "    tails = [foreign.tail for foreign in found if not written or foreign.slipped]\n", "    tails = []\n",
        FOUND + "test_scenario_19_20",
    ),
    Mutant(
        "21 accounting without content", CORE + "_change.py",
        "    if not evidence.prefix_equal:\n        return Change.REWRITTEN\n", "", WORLD + "test_scenario_21",
    ),
    Mutant(
        "22 the second look is forgotten", STORE + "_write.py",
        "return in_place and content.is_at(found) and found.st_size == content.length + size", "return True",
        WORLD + "test_scenario_22",
    ),
    Mutant(
        "23 accept is not asked", CORE + "_turns.py",
        "        if self.accept is None or", "        if True or self.accept is None or", FOUND + "test_scenario_23",
    ),
    Mutant(
        "24 a takeover is sticky", CORE + "_reports.py",
        "if foreign.change.stops and machine.trouble is None:", "if machine.trouble is None:",
        FOUND + "test_scenario_24",
    ),
    Mutant(
        "25 a takeover is silent", CORE + "_reports.py",
        "        machine.events += machine.fences.found(foreign)\n", "        machine.fences.found(foreign)\n",
        FOUND + "test_scenario_25_26",
    ),
    Mutant(
        "26 the error has no ledger", CORE + "_ledger.py",
        "            if batch.number >= number\n", "            if False\n", FOUND + "test_scenario_25_26",
    ),
    Mutant(
        "27 the loser signs the lock", STORE + "_lock.py",
        "            raise self._locked_error() from None\n", "            return\n", FOUND + "test_scenario_27",
    ),
    Mutant(
        "28 the holder of a lock is not looked up", STORE + "_lock.py",
        "    if pid is not None:\n        return Owner(pid, host)\n", "    return Owner()\n",
        WORLD + "test_scenario_28",
    ),
    Mutant(
        "29 a torn tail is left", STORE + "_heal.py",
        "    return TailRepair(repair.keep, size - start - repair.keep)\n", "    return TailRepair(0, 0)\n",
        TURNS + "test_scenario_29",
    ),
    Mutant(
        "30 a full disk is a failed disk", STORE + "_batch.py",
        "frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})", "frozenset({errno.EFBIG})",
        WORLD + "test_scenario_30",
    ),
    Mutant(
        "31 receipts are one byte off", STORE + "_placing.py",
        "accumulate(sizes[:-1], initial=start)", "accumulate(sizes[:-1], initial=start + 1)",
        QUIET + "test_scenario_31",
    ),
    Mutant(
        "33 a writer has no bound of its own", CORE + "_admission.py",
        "        return not self._per_writer or (", "        return True or (", WORLD + "test_scenario_33",
    ),
    Mutant(
        "35 the turn waits for the last look", CORE + "_machine.py",
        "        if not self._has_begun(fence):\n", "        if comparison is None:\n", TURNS + "test_scenario_35",
    ),
    Mutant(
        "36 the holder is not named", SHELL + "_fence.py",
        "            holder=None if holder is None else holder.writer.name,\n", "", TURNS + "test_scenario_36",
    ),
    Mutant(
        "37 shared turns do not overlap", CORE + "_turns.py",
        "return may_overlap and fence.shared and", "return False and fence.shared and", TURNS + "test_scenario_37",
    ),
    Mutant(
        "38 what was written is not said to be", CORE + "_reports.py",
        "            group.fence.written += group.receipts\n", "            pass\n", FOUND + "test_scenario_38",
    ),
    Mutant(
        "39 a glued record counts as written", STORE + "_sort.py",
        "            glued.append(content.inside_line)\n", "            glued.append(False)\n",
        "tests/store/test_between_calls.py::test_nothing_is_lost_doubled_or_laundered",
    ),
    # The classic ones, and the promises that no scenario names.
    Mutant(
        "a retried sync is believed", STORE + "_durable.py",
        "                self.failure = error\n", "                return error\n",
        "tests/store/test_appending.py::test_a_failed_sync_is_never_asked_again",
    ),
    Mutant(
        "acknowledged before the sync", STORE + "_write.py",
        "        failure = self._durable.sync(content.fd) if batch.effect.sync else None\n"
        "        if failure is not None:\n            return self._fault(content, batch, Fault.SYNC, failure)\n"
        "        found = look", "        found = look",
        "tests/store/test_appending.py::test_a_batch_is_synced_before_the_second_look",
    ),
    Mutant(
        "the tail is cut blindly", STORE + "_takeback.py",
        "        if self._system.fstat(content.fd).st_size != end or "
        "read_exactly(self._system, content.fd, start, end) != data:\n            raise MovedError\n", "",
        "tests/store/test_faults.py::test_bytes_that_are_not_ours_are_never_cut",
    ),
    Mutant(
        "times are pinned again unread", STORE + "_content.py",
        "        if self.times != times_of(found):\n            self.suspect = True\n",
        "        self.times = times_of(found)\n",
        "tests/store/test_comparing.py::test_an_edit_before_a_batch_makes_a_large_file_suspect",
    ),
    Mutant(
        "a full queue drops", CORE + "_machine.py",
        "            writer.refused += len(drafts)\n            raise QueueFullError(",
        "            return group\n            raise QueueFullError(",
        "tests/core/test_machine.py::test_a_chatty_writer_cannot_take_the_room_of_the_turn",
    ),
    Mutant(
        "a kept record is forgotten", CORE + "_reports.py",
        "    machine.inbox.queue.append(group)\n    if group.fence is None",
        "    if group.fence is None",
        "tests/core/test_machine.py::test_a_stopped_session_keeps_what_was_accepted_and_writes_it_after_reopen",
    ),
    Mutant(
        "leaving waits behind records that cannot be written", CORE + "_machine.py",
        "self._compare() or self._serve_queue(now_ms) or", "self._serve_queue(now_ms) or self._compare() or",
        "tests/core/test_machine.py::test_a_check_comes_before_the_queue",
    ),
    Mutant(
        "a failed write is forgiven", CORE + "_reports.py",
        "    machine.go(Trigger.DISK_FAILED)\n", "    machine.trouble = None\n",
        "tests/core/test_machine.py::test_a_failed_write_latches_the_session",
    ),
    Mutant(
        "the directory of a new file is not synced", STORE + "_write.py",
        "            self._durable.named([content.path.parent])\n", "            pass\n",
        "tests/store/test_appending.py::test_the_directory_of_a_new_file_is_synced",
    ),
    Mutant(
        "a torn tail is cut before its bytes are safe", STORE + "_heal.py",
        "        side_file = _keep_aside(system, path, fd, size - repair.cut, size)\n", "",
        "tests/store/test_healing.py::test_a_torn_tail_is_cut_and_its_bytes_are_kept",
    ),
    Mutant(
        "damage is not counted", STORE + "_scan.py",
        "        self.damaged += 1\n", "", "tests/store/test_healing.py::test_damage_is_located",
    ),
    Mutant(
        "an inode is used again", STORE + "_compare.py",
        "        same_file = found is not None and content.is_at(found)\n",
        "        same_file = found is not None\n", WORLD + "test_scenario_21",
    ),
    Mutant(
        "the lock is not looked at", STORE + "_lock.py",
        "            return identity(self._system.lstat(self._lock_path)) == self._file\n", "            return True\n",
        "tests/store/test_comparing.py::test_the_lock_is_looked_at_by_every_comparison",
    ),
    Mutant(
        "a rewrite launders what others appended meanwhile", STORE + "_publish.py",
        "        write_all(system, content.fd, block)\n        displaced.seen", "        displaced.seen",
        "tests/store/test_rewriting.py::test_what_others_append_until_the_exchange_is_carried_over",
    ),
    Mutant(
        "a rewrite believes what it reads", STORE + "_rewrite.py",
        "            if not unchanged:\n", "            if False:\n",
        "tests/store/test_rewriting.py::test_an_edit_that_is_undone_before_the_exchange_is_not_laundered",
    ),
    Mutant(
        "a failed sync is healed from a read-back", STORE + "_store.py",
        "        if failed and before.retains and before.fd is not None:\n", "        if False:\n",
        "tests/store/test_rebuilding.py::test_what_a_failed_sync_has_lost_is_written_again_from_memory",
    ),
]  # fmt: skip
