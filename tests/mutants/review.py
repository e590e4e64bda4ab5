"""What reading with hostile eyes has found, put back."""

from .mutant import CORE, FORMATS, SHELL, STORE, Mutant

API, CLI, STORED = "tests/api/test_", "tests/cli/test_", "tests/store/test_"

REVIEW: list[Mutant] = [
    # Opening and closing
    Mutant(
        "what was opened for two may be closed under the second", SHELL + "_coordinator.py",
        "        while (session := await self._find(key)) is None:\n"
        "            await self._open_once(key, Asked(format, header, create))\n",
        "        if await self._find(key) is None:\n"
        "            await self._open_once(key, Asked(format, header, create))\n"
        "        session = self._sessions[key]\n",
        API + "opening.py::test_who_opens_beside_somebody_who_closes_has_an_open_session",
    ),
    Mutant(
        "what was opened for somebody who is stopped is closed under another", SHELL + "_session.py",
        "    if session._users == 0:", "    if True:",
        API + "opening.py::test_who_is_stopped_while_opening_takes_nothing_from_another",
    ),
    Mutant(
        "each of many who are refused tries again", SHELL + "_coordinator.py",
        "                if ours or (waited and others == asked):\n", "                if ours:\n",
        API + "opening.py::test_any_number_of_callers_may_be_refused_at_once",
    ),
    Mutant(
        "the error of another's attempt is shared", SHELL + "_coordinator.py",
        "                if ours or (waited and others == asked):\n", "                if ours or waited:\n",
        API + "opening.py::test_who_may_make_the_file_is_not_refused_with_those_who_may_not",
    ),
    Mutant(
        "starting does not wait for a closing", SHELL + "_coordinator.py",
        "            await asyncio.wait({self._closing})\n", "            pass\n",
        API + "opening.py::test_starting_waits_for_a_closing_that_nobody_waits_for",
    ),
    Mutant(
        "closing ends with whoever waits for it", SHELL + "_coordinator.py",
        "        await asyncio.shield(self._closing)\n", "        await self._closing\n",
        "tests/plugins/test_host.py::test_closing_goes_on_to_its_end_when_nobody_waits_for_it_any_more",
    ),
    Mutant(
        "who closes from a plugin's task is ended with it", SHELL + "_plugin.py",
        "            tasks.discard(caller)\n", "            pass\n",
        "tests/plugins/test_host.py::test_a_plugin_may_close_the_coordinator_from_its_own_task",
    ),
    Mutant(
        "a refused job stays in the pool", SHELL + "_threads.py",
        "            if job.cancel():\n                raise\n", "            raise\n",
        API + "no_thread.py::test_a_job_that_was_refused_is_never_run",
    ),
    Mutant(
        "no thread, no closing", SHELL + "_driver.py",
        "answer = job() if isinstance(effect, (Close, Park)) else error", "answer = error",
        API + "no_thread.py::test_a_session_is_closed_and_its_file_free_even_without_a_thread",
    ),
    Mutant(
        "want of a thread is no error of ours", SHELL + "_threads.py",
        "    except RuntimeError as error:\n        hint", "    except NotImplementedError as error:\n        hint",
        API + "no_thread.py::test_a_session_that_could_not_be_opened_for_want_of_a_thread_is_free",
    ),
    Mutant(
        "draining fails beside somebody who closes", SHELL + "_session.py",
        "        except ClosedError:\n            closing = closing_of(session)\n",
        "        except NotImplementedError:\n            closing = closing_of(session)\n",
        API + "barriers.py::test_a_coordinator_drains_beside_somebody_who_closes",
    ),
    Mutant(
        "closing looks only once whether the file is given back", SHELL + "_parking.py",
        "        while not self._is_settled:", "        if not self._is_settled:",
        API + "closing.py::test_closing_while_the_file_is_given_back_frees_it",
    ),
    Mutant(
        "a closing that was ended is over", SHELL + "_closing.py",
        "        if self._task is None or self._task.cancelled():\n", "        if self._task is None:\n",
        API + "closing.py::test_closing_again_goes_on_where_all_tasks_were_ended",
    ),
    Mutant(
        "a session is forgotten before it is closed", SHELL + "_closing.py",
        "            if self._machine.state is SessionState.CLOSED or task is None or not task.cancelling():\n",
        "            if True:\n",
        API + "closing.py::test_closing_again_goes_on_where_all_tasks_were_ended",
    ),
    Mutant(
        "a drain waits for any closing", SHELL + "_session.py",
        "    with anyio.move_on_after(timeout_seconds) as scope:\n        try:\n            await session.drain()\n",
        "    with anyio.move_on_after(None) as scope:\n        try:\n            await session.drain()\n",
        API + "barriers.py::test_a_drain_beside_a_closing_waits_no_longer_than_it_may",
    ),
    Mutant(
        "a file that was given back is synced", SHELL + "_session.py",
        "            if was_parked and self._machine.refuses:\n", "            if False:\n",
        API + "barriers.py::test_a_sync_of_a_parked_session_that_is_closed_first_says_so",
    ),
    Mutant(
        "sessions in trouble ask for a sync again and again", SHELL + "_parking.py",
        "        if self._machine.unsynced_bytes and self._machine.trouble is None:\n",
        "        if self._machine.unsynced_bytes:\n",
        "tests/world/test_months_of_use.py::test_sessions_in_trouble_that_cannot_be_parked_cost_nothing",
    ),
    # Side files
    Mutant(
        "a side file that was cut short is left there", SHELL + "_sidefile.py",
        "        remove(target)\n        raise\n", "        raise\n",
        API + "side_files.py::test_a_side_file_that_is_cut_short_is_not_left_there",
    ),
    Mutant(
        "the name of a side file is not synced", SHELL + "_sidefile.py",
        "        for path in (target, target.parent):\n", "        for path in (target,):\n",
        API + "side_files.py::test_a_side_file_that_cannot_be_written_whole_is_not_left_there",
    ),
    Mutant(
        "closing and discarding put aside at once", SHELL + "_engine.py",
        "        self._putting_aside = self._putting_aside or asyncio.Lock()\n",
        "        self._putting_aside = asyncio.Lock()\n",
        API + "side_files.py::test_discarding_while_closing_puts_each_record_aside_once",
    ),
    Mutant(
        "discarding goes on on a session that was closed meanwhile", SHELL + "_reopening.py",
        "        if self._machine.state is SessionState.CLOSED:\n", "        if False:\n",
        API + "side_files.py::test_discarding_while_closing_puts_each_record_aside_once",
    ),
    Mutant(
        "nobody can tell what was tried", SHELL + "_sidefile.py",
        "    if row.tried is not None:\n", "    if False:\n",
        API + "side_files.py::test_a_record_in_doubt_is_put_aside_with_the_line_that_was_tried",
    ),
    Mutant(
        "what a failed sync has put at risk is not put aside", STORE + "_store.py",
        "        if tools.durable.failure is not None:\n", "        if False:\n",
        API + "side_files.py::test_what_a_failed_sync_has_put_at_risk_is_put_aside_and_said",
    ),
    Mutant(
        "a header counts as a record at risk", SHELL + "_closing.py",
        "            elif self._machine.format.read(content) is not None:\n", "            else:\n",
        API + "side_files.py::test_what_the_last_sync_has_put_at_risk_is_put_aside",
    ),
    Mutant(
        "closing without a side file leaves its waiters", SHELL + "_closing.py",
        "        except OSError as error:\n            written, note",
        "        except KeyError as error:\n            written, note",
        API + "side_files.py::test_who_waits_is_told_even_if_nothing_can_be_put_aside",
    ),
    Mutant(
        "recovering does not look for what was tried", SHELL + "_cli/_recovery.py",
        "    if not tried or not session.revision.length:\n", "    if True:\n",
        CLI + "mending.py::test_what_stands_in_the_file_all_the_same_is_not_appended_again",
    ),
    Mutant(
        "what came later counts as tried", SHELL + "_cli/_recovery.py",
        "    end = min(session.revision.length, max(row.end for row in tried))", "    end = session.revision.length",
        CLI + "mending.py::test_an_equal_record_that_came_later_is_another_one",
    ),
    Mutant(
        "what a recovery has appended counts as tried", SHELL + "_cli/_recovery.py",
        "    if start is not None:\n        end", "    if False:\n        end",
        CLI + "mending.py::test_a_recovery_that_was_cut_short_does_not_take_what_it_has_appended_for_what_was_tried",
    ),
    Mutant(
        "half a character may name a writer", SHELL + "_session.py",
        "        return bool(name.encode())\n", "        return bool(name)\n",
        API + "arguments.py::test_a_call_refuses_what_cannot_work_and_does_nothing",
    ),
    Mutant(
        "a side file that may not be durable is removed", SHELL + "_closing.py",
        "            if written.failure is not None:  # it is all there is of them, so it stays\n",
        "            if written.failure is not None:\n                raise written.failure\n            if False:\n",
        API + "side_files.py::test_a_side_file_of_closing_stays_although_it_may_not_be_durable",
    ),
    Mutant(
        "discarding believes in a side file that may not be durable", SHELL + "_reopening.py",
        "            if written.failure is not None:\n", "            if False:\n",
        API + "side_files.py::test_a_side_file_that_cannot_be_written_whole_is_not_left_there",
    ),
    Mutant(
        "what is left of a batch is put aside twice", SHELL + "_closing.py",
        "            if line.offset >= tried_from and tried[content] > 0:\n", "            if False:\n",
        API + "side_files.py::test_what_a_failing_disk_has_left_of_a_batch_is_put_aside_once",
    ),
    Mutant(
        "no thread, no side file", SHELL + "_driver.py",
        "        except CoordinatorError:\n            return write()\n",
        "        except NotImplementedError:\n            return write()\n",
        API + "side_files.py::test_without_a_thread_records_are_put_aside_all_the_same",
    ),
    Mutant(
        "in trouble nothing is synced at closing", CORE + "_machine.py",
        "        has_failed = self.trouble is not None and self.trouble.fault is Fault.SYNC",
        "        has_failed = self.trouble is not None",
        API + "side_files.py::test_closing_makes_durable_what_was_written_before_a_write_failed",
    ),
    Mutant(
        "who discards while closing is not told where it is", SHELL + "_reopening.py",
        "            if side_file is not None:\n", "            if False:\n",
        API + "side_files.py::test_discarding_while_closing_puts_each_record_aside_once",
    ),
    Mutant(
        "what cannot be written is left although it stands there", SHELL + "_cli/_recovery.py",
        "    except RecordError as error:\n        return record_format.encode_again(record), error.message",
        "    except NotImplementedError as error:\n        return record_format.encode_again(record), str(error)",
        CLI + "mending.py::test_a_foreign_record_with_half_a_character_that_stands_there_needs_nobody",
    ),
    # Fences
    Mutant(
        "a reply at risk is not told of", SHELL + "_fence.py",
        "        return state.appended_last and not at_risk\n", "        return state.appended_last\n",
        API + "fences.py::test_a_reply_that_a_failed_sync_has_put_at_risk_is_told_at_leaving",
    ),
    Mutant(
        "any failure after a durable reply is told of", SHELL + "_fence.py",
        "        at_risk = state.failed is not None and self._engine.machine.unsynced_bytes > 0\n",
        "        at_risk = state.failed is not None\n",
        API + "fences.py::test_a_reply_that_is_durable_already_is_not_put_in_doubt_by_what_fails_later",
    ),
    Mutant(
        "a timeout does not cover taking the file back", SHELL + "_fence.py",
        "        with anyio.move_on_after(self._timeout_seconds) as scope:\n            await self._engine.ready()\n",
        "        with anyio.move_on_after(None) as scope:\n            await self._engine.ready()\n",
        API + "fences.py::test_a_timeout_covers_taking_a_parked_file_back",
    ),
    Mutant(
        "what accept raises stops a report", CORE + "_turns.py",
        "        except BaseException:  # noqa: BLE001 - the caller's",
        "        except Exception:  # noqa: BLE001 - the caller's",
        API + "fences.py::test_whatever_accept_does_no_record_is_lost",
    ),
    Mutant(
        "a coroutine is a yes", CORE + "_turns.py",
        '        return bool(answer) and not hasattr(answer, "__await__")', "        return bool(answer)",
        API + "fences.py::test_whatever_accept_does_no_record_is_lost",
    ),
    # Observers, answers, counts
    Mutant(
        "an observer can cancel an append", SHELL + "observers.py",
        "            except BaseException:  # noqa: BLE001 - an observer",
        "            except Exception:  # noqa: BLE001 - an observer",
        API + "observing.py::test_an_observer_cannot_cancel_an_append",
    ),
    Mutant(
        "an interrupt leaves the queue asleep", SHELL + "_driver.py",
        "                self._schedule()  # an interrupt", "                pass  # an interrupt",
        API + "observing.py::test_an_interrupt_that_comes_out_of_an_observer_leaves_nobody_waiting",
    ),
    Mutant(
        "what a stopped session keeps is not said", SHELL + "_engine.py",
        "            if group.error is not None:  # kept", "            if False:  # kept",
        API + "observing.py::test_an_error_of_a_stopped_session_that_nobody_awaits_reaches_the_observers_too",
    ),
    Mutant(
        "what was held counts nowhere", SHELL + "_statistics.py",
        "    rooms, held = (inbox.room, inbox.held_room), inbox.held\n",
        "    rooms, held = (inbox.room,), inbox.held\n",
        API + "observing.py::test_held_records_are_counted_until_they_are_written",
    ),
    Mutant(
        "adopted damage is not counted", CORE + "_reports.py",
        "        machine.damaged += 0 if foreign.change.stops else foreign.damaged\n", "",
        API + "observing.py::test_damage_that_is_adopted_is_counted",
    ),
    Mutant(
        "what stands there does not count as written", CORE + "_endings.py",
        "    count_written(group.writer, receipts)\n", "",
        API + "observing.py::test_a_kept_record_that_stands_there_counts_as_written",
    ),
    Mutant(
        "a receipt is awaited in any loop", SHELL + "_writer.py",
        "        self._engine.check_loop()\n        if self._group.stage", "        if self._group.stage",
        API + "tasks_and_threads.py::test_a_receipt_is_awaited_in_its_own_loop",
    ),
    # What grows, and what never ends
    Mutant(
        "closed writers are remembered for ever", SHELL + "_session.py",
        "            self._forget_closed_writers()\n", "            pass\n",
        "tests/world/test_months_of_use.py::test_writers_that_were_closed_are_forgotten",
    ),
    Mutant(
        "names of writers are numbered for ever", SHELL + "_authors.py",
        "        if len(self._names) > NAMES_MAX:\n", "        if False:\n",
        "tests/world/test_months_of_use.py::test_writers_that_were_closed_are_forgotten",
    ),
    Mutant(
        "those that cannot be parked are looked at again and again", SHELL + "_parking.py",
        "                self._open[parking.path] = parking\n",
        "                self._open = {parking.path: parking, **self._open}\n",
        "tests/world/test_months_of_use.py::test_sessions_that_cannot_be_parked_do_not_keep_others_from_it",
    ),
    Mutant(
        "each attempt begins a chain of its own", SHELL + "_driver.py",
        "            self._retry.cancel()\n        self._retry = None\n",
        "            pass\n        self._retry = None\n",
        API + "reopening.py::test_trying_a_full_disk_again_and_again_leaves_one_timer",
    ),
    Mutant(
        "a fence waits for ever beside half lines", STORE + "_store.py",
        "replace(self._look(report, end_torn=True), torn=False)", "self._look(report, end_torn=True)",
        STORED + "sorting_out.py::test_a_fence_does_not_wait_for_ever_beside_a_writer_that_never_ends_its_lines",
    ),
    Mutant(
        "a batch waits for ever beside half lines", STORE + "_write.py",
        "            batch.rounds += 1\n            if torn:\n", "            if torn:\n",
        STORED + "sorting_out.py::test_a_batch_gives_up_beside_a_writer_that_never_ends_its_lines",
    ),
    Mutant(
        "the beginning of any file is half a header", STORE + "_content.py",
        "LINE_FEED in self.data or self.has_header or", "LINE_FEED in self.data or self.start == 0 or",
        STORED + "faults.py::test_the_beginning_of_a_file_that_is_glued_to_a_foreign_line",
    ),
    # Half characters, sizes, depths
    Mutant(
        "a header with half a character cannot be made anew", FORMATS + "_pi.py",
        "        return _encoding.encode_again(header)\n", "        return _encoding.encode(header)\n",
        API + "reopening.py::test_a_header_with_half_a_character_is_made_anew",
    ),
    Mutant(
        "only want of memory is answered", SHELL + "_driver.py",
        "        except Exception as error:  # noqa: BLE001 - most of all",
        "        except MemoryError as error:  # noqa: BLE001 - most of all",
        API + "reopening.py::test_a_batch_that_cannot_be_made_fails_the_session_and_loses_nothing",
    ),
    Mutant(
        "half characters cannot be rewritten", FORMATS + "_plain.py",
        "        return Draft(_encoding.encode_again(record))\n", "        return Draft(_encoding.encode(record))\n",
        STORED + "rewriting.py::test_what_can_stand_in_a_file_can_be_rewritten",
    ),
    Mutant(
        "what is written again need not be what was given", FORMATS + "_encoding.py",
        "        if line is None or parse(line) != record:\n", "        if line is None:\n",
        STORED + "rewriting.py::test_what_no_file_can_hold_is_refused_by_a_rewrite",
    ),
    Mutant(
        "a stamp counts against the limit of its record", STORE + "_rewrite.py",
        "record_bytes_max + record_format.stamp_bytes_max + len(LINE_FEED)", "record_bytes_max + len(LINE_FEED)",
        STORED + "rewriting.py::test_a_record_as_large_as_allowed_can_be_rewritten_with_its_stamp",
    ),
    Mutant(
        "what is too large may not stay", STORE + "_rewrite.py",
        "bytes_max=max(self._line_bytes_max, source.largest)", "bytes_max=self._line_bytes_max",
        STORED + "rewriting.py::test_a_record_over_the_limit_that_stands_there_may_stay",
    ),
    Mutant(
        "anything in a lock file is believed to be ours", STORE + "_lock.py",
        "    except ValueError:  # JSON to others", "    except NotImplementedError:  # JSON to others",
        STORED + "locking.py::test_a_lock_file_with_anything_in_it_names_nobody",
    ),
    Mutant(
        "a deep record cannot be shown", SHELL + "_cli/_text.py",
        "    except RecursionError:\n", "    except NotImplementedError:\n",
        CLI + "show.py::test_a_record_of_any_depth_is_no_obstacle",
    ),
]  # fmt: skip
