"""One small wrong change for each promise of the public names; a test in `tests/api` must notice it."""

from __future__ import annotations

from .mutant import CORE, FORMATS, SHELL, STORE, Mutant

API = "tests/api/test_"

RECORDS = [
    Mutant(
        "NaN is written", FORMATS + "_encoding.py",
        "            elif kind is not float or not isfinite(item):\n", "            elif kind is not float:\n",
        API + "bad_records.py::test_what_is_no_record_is_refused_at_the_call_and_alone",
    ),
    Mutant(
        "a record has no largest size", SHELL + "_engine.py",
        "        if largest > limits.record_bytes_max:\n", "        if False:\n",
        API + "bad_records.py::test_what_is_no_record_is_refused_at_the_call_and_alone",
    ),
    Mutant(
        "a group over a bound waits for ever", SHELL + "_engine.py",
        "        if not room.fits_ever(len(drafts), sum(sizes)) or sum(sizes) > limits.batch_bytes_max:\n",
        "        if False:\n", API + "bad_records.py::test_a_group_over_a_bound_is_refused_at_once",
    ),
    Mutant(
        "the header is not redacted", SHELL + "_coordinator.py",
        "            if header is not None and self._transform is not None:\n", "            if False:\n",
        API + "bad_records.py::test_the_transform_sees_everything_that_reaches_the_disk",
    ),
    Mutant(
        "one name has two options", SHELL + "_session.py",
        "        if state_of(known).hold != hold:\n", "        if False:\n",
        API + "bad_records.py::test_a_writer_needs_a_name_and_one_option",
    ),
    Mutant(
        "sequences stand still", CORE + "_reports.py",
        "    machine.sequence += len(receipts)\n", "",
        API + "many_writers.py::test_every_record_is_there_once",
    ),
]  # fmt: skip

PATHS = [
    Mutant(
        "the root is no bound", STORE + "_paths.py",
        "    if not inside:\n", "    if False:\n", API + "bad_paths.py::test_a_path_outside_of_the_root_is_refused",
    ),
    Mutant(
        "one file is open under two names", STORE + "_paths.py",
        "        if path not in names:\n", "        if False:\n",
        API + "bad_paths.py::test_one_file_is_open_under_one_name",
    ),
    Mutant(
        "too many open files say nothing about the remedy", STORE + "_paths.py",
        '    errno.EMFILE: "too many open files: raise `ulimit -n`, or open fewer sessions",\n', "",
        API + "bad_paths.py::test_too_many_open_files_are_said_and_overcome",
    ),
    Mutant(
        "a missing file is made although it must exist", STORE + "_store.py",
        "        if not self._opener().probe() and not self._create:\n", "        if False:\n",
        API + "bad_paths.py::test_a_file_that_must_exist_is_not_made",
    ),
    Mutant(
        "an old version is opened", FORMATS + "_pi.py",
        '        version = header.get("version", 1)\n', "        version = VERSION\n",
        API + "session_files.py::test_a_file_of_another_kind_is_refused_untouched",
    ),
    Mutant(
        "a line feed that is missing stays missing", STORE + "_opening.py",
        "            return heal(self._system, self._path, fd, size, repair)\n", "            return Healed()\n",
        API + "session_files.py::test_a_real_file_is_opened_as_the_table_says",
    ),
    Mutant(
        "new files are for everybody", STORE + "_system.py",
        "PRIVATE_FILE = 0o600", "PRIVATE_FILE = 0o644",
        API + "opening.py::test_a_new_file_is_made_by_the_first_record_for_us_alone",
    ),
]  # fmt: skip

QUEUE = [
    Mutant(
        "a later record overtakes an earlier one of its writer", CORE + "_admission.py",
        "first = not self._head_lacks_room and group.writer not in self._waiting", "first = not self._head_lacks_room",
        API + "admission.py::test_append_nowait_never_overtakes_an_earlier_call_of_its_writer",
    ),
    Mutant(
        "newcomers starve a large group", CORE + "_admission.py",
        "first = not self._head_lacks_room and group.writer not in self._waiting",
        "first = group.writer not in self._waiting",
        API + "admission.py::test_a_large_group_is_not_starved_by_newcomers",
    ),
    Mutant(
        "room is given to whoever is asked first", CORE + "_admission.py",
        "        heads = [(line[0].arrival, line) for line in self._waiting.values()]\n",
        "        heads = [(-line[0].arrival, line) for line in self._waiting.values()]\n",
        API + "admission.py::test_room_is_given_in_the_order_of_arrival",
    ),
    Mutant(
        "a writer without room keeps others out", CORE + "_admission.py",
        "        return not self._per_writer or (", "        return True or (",
        API + "admission.py::test_a_writer_without_room_keeps_nobody_else_out",
    ),
    Mutant(
        "bytes are not counted", CORE + "_admission.py",
        "if self.records + records > self.records_max or self.bytes + size > self.bytes_max:",
        "if self.records + records > self.records_max:",
        API + "admission.py::test_room_is_counted_in_bytes_too",
    ),
    Mutant(
        "a cancelled waiter is written all the same", SHELL + "_engine.py",
        "        self.machine.withdraw(group)\n        self.driver.wake()\n", "        self.driver.wake()\n",
        API + "admission.py::test_cancelled_before_it_was_accepted_a_record_is_not_written",
    ),
    Mutant(
        "a waiter that leaves wakes nobody", CORE + "_machine.py",
        "            gone = True\n        self.inbox.admit()\n", "            gone = True\n",
        API + "admission.py::test_a_cancelled_large_group_lets_the_small_ones_behind_it_pass_at_once",
    ),
    Mutant(
        "what was accepted is withdrawn with its waiter", CORE + "_machine.py",
        "if group.fence is not None and group.stage is Stage.QUEUED:\n            self.inbox.queue",
        "if group.stage is Stage.QUEUED:\n            self.inbox.queue",
        API + "cancellation.py::test_once_accepted_a_record_is_written_whoever_stops_waiting",
    ),
    Mutant(
        "every record is a write of its own", CORE + "_inbox.py",
        "if groups and (item.fence is not None or size > self._batch_bytes_max):", "if groups:",
        API + "admission.py::test_what_is_submitted_in_one_turn_of_the_loop_is_one_write",
    ),
    Mutant(
        "a drain covers nothing", CORE + "_machine.py",
        "        self.inbox.queue.append(barrier)\n", "        self.inbox.queue.insert(0, barrier)\n",
        API + "barriers.py::test_drain_covers_everything_that_was_accepted_before_it",
    ),
    Mutant(
        "a barrier is not told of trouble", CORE + "_reports.py",
        "        else:\n            item.reject(trouble.error())\n", "        else:\n            pass\n",
        API + "barriers.py::test_a_barrier_that_is_waiting_hears_of_the_trouble",
    ),
]  # fmt: skip

TURNS = [
    Mutant(
        "an append that was not begun is written after its turn", CORE + "_machine.py",
        "        self._withdraw_unbegun(fence)\n", "",
        API + "fences.py::test_what_was_not_begun_when_the_fence_is_left_is_refused",
    ),
    Mutant(
        "the turn passes on while its append is under way", CORE + "_machine.py",
        "        if not self._has_begun(fence):\n", "        if True:\n",
        API + "cancellation.py::test_stopped_when_its_append_has_begun_the_turn_ends_after_it",
    ),
    Mutant(
        "held records come in the wrong order", CORE + "_inbox.py",
        "        self.queue.extend(self.held)\n", "        self.queue.extend(reversed(self.held))\n",
        API + "holding.py::test_held_records_come_after_the_turn_in_their_order",
    ),
    Mutant(
        "shared turns hold a follow-up for ever", CORE + "_machine.py",
        "self.fences.turns.grant(may_overlap=not self.inbox.held)", "self.fences.turns.grant(may_overlap=True)",
        API + "holding.py::test_records_are_held_until_the_last_shared_fence_ends",
    ),
    Mutant(
        "held records take the room of others", CORE + "_inbox.py",
        "(self.held_room if held else self.room).offer", "self.room.offer",
        API + "holding.py::test_held_records_have_room_of_their_own",
    ),
    Mutant(
        "who waited for room when the fence began is not held", CORE + "_machine.py",
        "        self.inbox.hold_waiting(self.is_held)\n", "",
        API + "holding.py::test_records_that_waited_for_room_when_the_fence_began_are_held",
    ),
    Mutant(
        "a turn that ends in trouble lets others wait for ever", CORE + "_reports.py",
        "            item.entered.reject(trouble.error())\n",
        "            item.entered.reject(trouble.error())\n            machine.abandon(item)\n",
        API + "holding.py::test_everybody_who_waits_when_the_session_stops_is_told",
    ),
    Mutant(
        "the fence's own writer waits for itself", CORE + "_machine.py",
        "self.fences.holding and not self.fences.owned_by(group)", "self.fences.holding",
        API + "holding.py::test_the_writer_of_the_fence_advances_although_it_is_a_hold_writer",
    ),
    Mutant(
        "a second fence waits for the first one around it", SHELL + "_fence.py",
        "        if active_fence(engine.machine) is not None:\n", "        if False:\n",
        API + "order_errors.py::test_waiting_for_oneself_is_an_error",
    ),
    Mutant(
        "an ended fence still forbids", SHELL + "_context.py",
        "    return fence.stage is FenceStage.ACTIVE and not fence.closed\n", "    return True\n",
        API + "order_errors.py::test_after_the_fence_its_tasks_may_wait_again",
    ),
    Mutant(
        "shared turns overtake an exclusive one", CORE + "_turns.py",
        "while self.line and self._may_enter(self.line[0], may_overlap=may_overlap or bool(granted)):\n"
        "            fence = self.line.pop(0)\n",
        "while self.line and self._may_enter(self.line[-1], may_overlap=may_overlap or bool(granted)):\n"
        "            fence = self.line.pop()\n",
        API + "fences.py::test_shared_turns_overlap_and_queue_behind_an_exclusive_one",
    ),
    Mutant(
        "a last append is no comparison", CORE + "_machine.py",
        "look = not fence.appended_last and not fence.broken", "look = not fence.broken",
        API + "fences.py::test_what_comes_after_a_successful_last_append_is_after_the_turn",
    ),
    Mutant(
        "an early append is the last comparison", CORE + "_machine.py",
        '        """Ask for a comparison now."""\n        fence.appended_last = False\n',
        '        """Ask for a comparison now."""\n',
        API + "fences.py::test_a_turn_without_an_append_is_compared_at_leaving",
    ),
    Mutant(
        "a takeover hides the body's error", SHELL + "_fence.py",
        "        if raised is not None:\n            return\n", "",
        API + "fences.py::test_an_error_of_the_body_wins",
    ),
    Mutant(
        "a takeover is raised twice", CORE + "_reports.py",
        "        fence.told = (comparison.reject(error) and not comparison.leaving) or fence.told\n",
        "        comparison.reject(error)\n", API + "fences.py::test_a_takeover_is_raised_once",
    ),
    Mutant(
        "a broken fence forgets what it was given", CORE + "_machine.py",
        "            fence.unwritten += [draft.record for draft in group.drafts]\n            fence.told = True\n",
        "            fence.told = True\n",
        API + "fences.py::test_a_broken_fence_collects_all_that_is_unwritten",
    ),
]  # fmt: skip

ENDS = [
    Mutant(
        "a closed session is used", SHELL + "_engine.py",
        "        self.check_loop()\n        if self.machine.state is SessionState.CLOSED:\n",
        "        self.check_loop()\n        if False:\n",
        API + "closing.py::test_a_closed_session_refuses_every_call",
    ),
    Mutant(
        "a foreign loop is served", SHELL + "_engine.py",
        "        if running is not self.loop:\n", "        if False:\n",
        API + "tasks_and_threads.py::test_a_call_from_a_foreign_loop_is_refused",
    ),
    Mutant(
        "the first user closes for all", SHELL + "_session.py",
        "        self._users = max(0, self._users - 1)\n", "        self._users = 0\n",
        API + "opening.py::test_opening_twice_gives_the_same_session_and_needs_two_closes",
    ),
    Mutant(
        "closing throws kept records away", SHELL + "_closing.py",
        "await self._write_aside(rows, trouble) if rows else None", "None",
        API + "closing.py::test_records_kept_by_a_stopped_session_go_to_a_side_file",
    ),
    Mutant(
        "closing waits for a disk without room for ever", SHELL + "_closing.py",
        "        with anyio.move_on_after(machine.limits.close_seconds_max) as scope:\n",
        "        with anyio.move_on_after(None) as scope:\n",
        API + "closing.py::test_records_that_a_full_disk_did_not_take_in_time_go_to_a_side_file",
    ),
    Mutant(
        "closing leaves those alone who still wait", CORE + "_endings.py",
        "    for group in list(machine.inbox.groups()):\n        message", "    for group in ():\n        message",
        API + "closing.py::test_records_that_a_full_disk_did_not_take_in_time_go_to_a_side_file",
    ),
    Mutant(
        "closing hides the body's error", SHELL + "_coordinator.py",
        '            raised.add_note(f"closing also failed: {error}")\n', "            raise\n",
        API + "closing.py::test_the_bodys_own_exception_comes_out_as_it_is",
    ),
    Mutant(
        "a last sync that fails is not said", SHELL + "_closing.py",
        "        if report.error is None:\n", "        if True:\n",
        API + "closing.py::test_a_failed_last_sync_is_said",
    ),
    Mutant(
        "ALWAYS does not sync", CORE + "_machine.py",
        "        return self.durability is Durability.ALWAYS\n", "        return False\n",
        API + "durability.py::test_always_syncs_each_batch_before_its_receipts",
    ),
    Mutant(
        "a turn begins on what is not durable", CORE + "_machine.py",
        "                sync = self.durability is Durability.FENCE and self.unsynced_bytes > 0\n"
        "                return Running(Compare",
        "                sync = False\n                return Running(Compare",
        API + "durability.py::test_fence_syncs_around_the_turn",
    ),
    Mutant(
        "an idle session is never synced", SHELL + "_driver.py",
        "        if idle and unsynced and self._idle is None:\n", "        if False:\n",
        API + "durability.py::test_fence_syncs_an_idle_session",
    ),
    Mutant(
        "what stands in the file is written again", CORE + "_endings.py",
        "        places = [next(present, None) for _ in group.drafts]\n",
        "        places = [None for _ in group.drafts]\n",
        API + "reopening.py::test_a_record_whose_write_was_tried_is_not_written_twice",
    ),
    Mutant(
        "reopening keeps quiet about new trouble", SHELL + "_reopening.py",
        "        if any(group.stage", "        if self._machine.trouble is None and any(group.stage",
        API + "reopening.py::test_new_trouble_before_what_was_kept_is_written_is_told",
    ),
    Mutant(
        "reopening waits for what is written already", SHELL + "_reopening.py",
        "any(group.stage is not Stage.OVER for group in kept)", "kept",
        API + "reopening.py::test_a_session_that_is_parked_as_soon_as_it_is_well_ends_its_reopening",
    ),
    Mutant(
        "what stands below the first piece is written again", STORE + "_batch.py",
        "min(start for start, _ in self.pieces)", "self.pieces[0][0]",
        "tests/store/test_sorting_out.py::test_lines_below_the_first_piece_of_a_cut_file_are_found_again",
    ),
    Mutant(
        "a copy of what was taken back is written again", STORE + "_takeback.py",
        "            batch.may_stand_at(current.lowest)  # a copy", "            pass  # a copy",
        "tests/store/test_faults.py::test_a_copy_that_was_made_before_the_cut_may_hold_what_was_tried",
    ),
    Mutant(
        "a line that lacks only its end is given back", STORE + "_scan.py",
        "chain(read_range(system, fd, since, end), [LINE_FEED])", "chain(read_range(system, fd, since, end), [])",
        "tests/store/test_sorting_out.py::test_a_line_of_a_fence_that_lacks_only_its_end_stands_there",
    ),
    Mutant(
        "what was cut again is believed", STORE + "_compare.py",
        "        if not content.is_at(after) or content.length != after.st_size:\n            return False\n", "",
        "tests/store/test_comparing.py::test_what_was_cut_again_after_it_was_read_is_not_believed",
    ),
    Mutant(
        "each caller reopens for himself", SHELL + "_reopening.py",
        "        if self._task is None or self._task.done():\n", "        if True:\n",
        API + "reopening.py::test_concurrent_calls_share_one_run",
    ),
    Mutant(
        "discarded records are written", SHELL + "_reopening.py",
        "            drop(self._machine, group)\n", "            pass\n",
        API + "reopening.py::test_discarded_records_go_to_a_side_file",
    ),
    Mutant(
        "an observer can fail an append", SHELL + "observers.py",
        "            except BaseException:", "            except NotImplementedError:",
        API + "observing.py::test_an_observer_that_raises_disturbs_nobody",
    ),
    Mutant(
        "events are printed", SHELL + "observers.py",
        "    if structlog.is_configured():\n", "    if True:\n",
        API + "observing.py::test_nothing_is_printed_while_structlog_is_not_configured",
    ),
    Mutant(
        "an error that nobody awaits is silent", CORE + "_machine.py",
        "        if not heard:\n", "        if False:\n",
        API + "observing.py::test_an_error_that_nobody_awaits_reaches_the_observers",
    ),
    Mutant(
        "receipts of too few places are handed out", CORE + "_reports.py",
        "sizes, ids, all_durable, strict=True)", "sizes, ids, all_durable, strict=False)",
        "tests/core/test_machine.py::test_a_store_that_names_too_few_places_hands_out_nothing",
    ),
    Mutant(
        "a path that is given back is not durable", STORE + "_store.py",
        "return self._synced(report, sync=not report.torn)",
        "return self._synced(report, sync=report.refused is None and not report.torn)",
        "tests/store/test_rewriting.py::test_a_path_that_was_given_back_is_durable_before_anything_is_written",
    ),
    Mutant(
        "what is brought over is glued to a half line", STORE + "_publish.py",
        "        end_line(system, fd)\n    for block in read_range(system, displaced.fd",
        "        pass\n    for block in read_range(system, displaced.fd",
        "tests/store/test_rewriting.py::test_what_is_brought_over_is_not_glued_to_an_unfinished_line",
    ),
    Mutant(
        "the second half of a line is brought over as a line", STORE + "_publish.py",
        "    if found.st_size > displaced.seen and ends_line(system, displaced.fd, displaced.seen):\n",
        "    if found.st_size > displaced.seen:\n",
        "tests/store/test_rewriting.py::test_a_line_that_comes_in_halves_is_brought_over_whole",
    ),
    Mutant(
        "what cannot be given on is a refused rewrite", STORE + "_rewrite.py",
        "            return Report(content.revision, fault=Fault.WRITE, error=error)\n",
        "            return Report(content.revision, refused=_refused(content, error))\n",
        "tests/store/test_rewriting.py::test_what_cannot_be_given_on_is_more_than_a_refused_rewrite",
    ),
    Mutant(
        "where a line landed says nothing of a copy", STORE + "_sort.py",
        "        in_one_place = len(current.runs) == 1 and current.lowest >= content.length\n",
        "        in_one_place = len(current.runs) == 1\n",
        "tests/store/test_sorting_out.py::test_a_copy_of_a_file_that_was_cut_under_our_write_is_another_file",
    ),
    Mutant(
        "parking forgets a suspicion", STORE + "_content.py",
        "        times = None if self.suspect else self.times\n", "        times = self.times\n",
        "tests/store/test_parking.py::test_a_suspicion_is_not_forgotten",
    ),
    Mutant(
        "a touched file is a hand-over", STORE + "_store.py",
        "        elif before.may_be(content):\n", "        elif False:\n",
        "tests/store/test_parking.py::test_a_large_file_that_was_only_touched_is_read_and_recognised",
    ),
    Mutant(
        "a parked session is taken for durable", SHELL + "_session.py",
        "        if was_parked and (not sync or self._machine.durability is not Durability.NONE):\n",
        "        if was_parked:\n",
        API + "durability.py::test_a_sync_of_a_parked_session_is_one_too",
    ),
    Mutant(
        "the ledger has no bound", CORE + "_ledger.py",
        "        if len(writers) > LEDGER_RECORDS_MAX:\n", "        if False:\n",
        "tests/core/test_ledger.py::test_batches_of_any_size_leave_a_bounded_number",
    ),
    Mutant(
        "checks keep the queue waiting", CORE + "_machine.py",
        "if self.compared and self.closing is None else None", "if False else None",
        "tests/core/test_machine.py::test_checks_never_keep_the_queue_waiting",
    ),
    Mutant(
        "out of memory after a write nobody is answered", CORE + "_reports.py",
        "        machine.inbox.put_back(unanswered)\n", "        pass\n",
        "tests/core/test_machine.py::test_out_of_memory_after_a_write_loses_and_doubles_nothing",
    ),
    Mutant(
        "each task has a turn's work for itself", SHELL + "_driver.py",
        "        self._schedule()\n        self._at_once -= 1\n",
        "        if self._at_once == AT_ONCE_MAX:\n"
        "            self._loop.call_soon(self._pump, context=self._context)\n        self._at_once -= 1\n",
        API + "on_the_loop.py::test_many_tasks_that_never_wait_let_others_run",
    ),
    Mutant(
        "`accept` writes while a report is taken in", SHELL + "_driver.py",
        "        telling, self._telling = self._telling, True\n", "        telling = self._telling\n",
        API + "fences.py::test_what_accept_appends_is_written_afterwards",
    ),
    Mutant(
        "a hand-over leaves the authors as they were", SHELL + "_engine.py",
        "isinstance(event, SessionUnparked) and event.handed_over", "False",
        "tests/reading/test_authors.py::test_what_another_owner_wrote_meanwhile_is_nobodys",
    ),
    Mutant(
        "a parked session syncs without a time limit", SHELL + "_session.py",
        "        with anyio.move_on_after(timeout_seconds) as scope:\n            await self._engine.parking.ready()\n",
        "        await self._engine.parking.ready()\n        with anyio.move_on_after(timeout_seconds) as scope:\n",
        API + "durability.py::test_a_sync_of_a_parked_session_waits_no_longer_than_it_may",
    ),
    Mutant(
        "who was told in the body is told again", SHELL + "_fence.py",
        "self._state.told or comparison.error is not None", "self._state.told",
        API + "fences.py::test_who_was_told_in_the_body_is_not_told_again",
    ),
    Mutant(
        "a fence that its session breaks keeps what was given to it", SHELL + "_session.py",
        "            break_fence(self._machine, fence)\n",
        "            fence.closed = True\n            self._machine.abandon(fence)\n",
        API + "closing.py::test_what_a_task_has_given_to_a_fence_comes_back_when_its_session_is_left",
    ),
    Mutant(
        "who waits no longer is kept", SHELL + "_waiting.py",
        "            ticket.unlisten(wake)\n", "            pass\n",
        API + "observing.py::test_who_waits_no_longer_is_forgotten",
    ),
    Mutant(
        "who was cancelled counts as a listener", SHELL + "_waiting.py",
        "        return False\n    future.set_result", "        return True\n    future.set_result",
        API + "observing.py::test_who_was_cancelled_hears_nothing",
    ),
    Mutant(
        "a slow disk is asked again at once", SHELL + "_breaker.py",
        "OPEN_FACTOR * waited", "0 * waited", API + "on_the_loop.py::test_a_slow_write_sends_the_next_ones_to_a_thread",
    ),
    Mutant(
        "a disk that stays slow is asked as often", SHELL + "_breaker.py",
        "self._open_seconds if soon else 0.0", "0.0",
        API + "on_the_loop.py::test_threads_are_used_for_twice_as_long_as_the_loop_has_waited",
    ),
]  # fmt: skip

PROMISES = [*RECORDS, *PATHS, *QUEUE, *TURNS, *ENDS]
