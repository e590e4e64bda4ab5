"""The classic mistakes of those who write such code, and the promises of the store."""

from __future__ import annotations

from .mutant import CORE, FOUND, STORE, WORLD, Mutant

CLASSICS = [
    Mutant(
        "the length of a stat is adopted after an own write", STORE + "_write.py",
        "        if found is not None and self._is_as_expected(content, current, found):\n"
        "            batch.place(current, self._accept(content, current, found))\n",
        "        if found is not None:\n            batch.place(current, self._accept(content, current, found))\n"
        "            content.length, content.digest, content._revision = found.st_size, None, None\n",
        WORLD + "test_scenario_22",
    ),
    Mutant(
        "the look before the write is forgotten", STORE + "_write.py",
        "        if not batch.effect.compare and self._is_accounted_for(content):\n", "        if True:\n",
        FOUND + "test_scenario_19_20",
    ),
    Mutant(
        "the fingerprint is refreshed unconditionally", STORE + "_compare.py",
        "        if (identity(after), after.st_size, times_of(after)) != "
        "(identity(found), found.st_size, times_of(found)):\n            return False\n", "",
        "tests/store/test_comparing.py::test_a_file_that_never_rests_is_read_three_times_and_stays_suspect",
    ),
    Mutant(
        "entering takes the file as it is", CORE + "_machine.py",
        "return Running(Compare(self.revision, sync=sync), token=item)",
        "return Running(Sync(self.revision), token=item)",
        "tests/api/test_fences.py::test_what_was_found_before_entering_is_not_blamed_on_the_turn",
    ),
    Mutant(
        "acknowledged before it is written", CORE + "_machine.py",
        "        groups = self.inbox.take()\n",
        "        groups = self.inbox.take()\n        [group.resolve([]) for group in groups]\n",
        "tests/api/test_durability.py::test_always_answers_nobody_before_the_sync",
    ),
    Mutant(
        "the parent is remembered at submission", CORE + "_machine.py",
        '        """Ask to write these drafts: `stage` says',
        "        leaf = b'{\"parentId\":%b,' % orjson.dumps(self.tail.leaf)\n"
        '        drafts = [Draft(leaf + d.body[1:], d.id, tuple({*d.lacks} - {"parentId"})) for d in drafts]\n'
        '        """Ask to write these drafts: `stage` says',
        "tests/api/test_many_writers.py::test_every_record_is_there_once",
    ),
    Mutant(
        "the leaf is not moved by own records", CORE + "_reports.py",
        "return tail.merge(running.stamped.tail) if written else tail", "return tail",
        "tests/scenarios/test_own_writes_stay_quiet.py::test_scenario_05",
    ),
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
        "        if read_exactly(self._system, content.fd, start, end) != data or "
        "self._system.fstat(content.fd).st_size != end:\n            raise MovedError\n", "",
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
        "    machine.inbox.queue.append(group)\n    # A broken fence",
        "    # A broken fence",
        "tests/core/test_machine.py::test_a_stopped_session_keeps_what_was_accepted_and_writes_it_after_reopen",
    ),
    Mutant(
        "leaving waits behind records that cannot be written", CORE + "_machine.py",
        "if self.compared and self.closing is None else None", "if self.closing is None else None",
        "tests/core/test_machine.py::test_a_check_comes_before_the_queue",
    ),
    Mutant(
        "a failed write is forgiven", CORE + "_reports.py",
        "    machine.go(Trigger.DISK_FAILED)\n", "    machine.trouble = None\n",
        "tests/core/test_machine.py::test_a_failed_write_latches_the_session",
    ),
    Mutant(
        "the directory of a new file is not synced", STORE + "_write.py",
        "        self._durable.named([content.path.parent])\n        return Verdict()\n\n    # The write\n",
        "        return Verdict()\n\n    # The write\n",
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
        "            count = system.write(fd, rest)\n", "            count = len(rest)\n",
        "tests/store/test_rewriting.py::test_what_others_append_until_the_exchange_is_carried_over",
    ),
    Mutant(
        "a rewrite believes what it reads", STORE + "_rewrite.py",
        "            if not unchanged:\n", "            if False:\n",
        "tests/store/test_rewriting.py::test_an_edit_that_is_undone_before_the_exchange_is_not_laundered",
    ),
    Mutant(
        "a failed sync is healed from a read-back", STORE + "_store.py",
        "        rebuilt = failed and before.retains and before.fd is not None\n", "        rebuilt = False\n",
        "tests/store/test_rebuilding.py::test_what_a_failed_sync_has_lost_is_written_again_from_memory",
    ),
]  # fmt: skip
