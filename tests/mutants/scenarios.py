"""One small wrong change for each scenario; the scenario's own test must notice it."""

from __future__ import annotations

from .mutant import CORE, FORMATS, FOUND, QUIET, SHELL, STORE, TURNS, WORLD, Mutant

SCENARIOS = [
    Mutant(
        "01 own bytes are not accounted for", STORE + "_write.py",
        "        content.extend(current.data)\n        content.accept_times(found)\n",
        "        content.accept_times(found)\n", QUIET + "test_scenario_01",
    ),
    Mutant(
        "02 the token overtakes the queue (no drain)", CORE + "_machine.py",
        "self.inbox.queue.append(fence)", "self.inbox.queue.insert(0, fence)", QUIET + "test_scenario_02",
    ),
    Mutant(
        "03 a step inside a turn waits for its end", SHELL + "_writer.py",
        "if self._state.hold and self._would_wait_for_oneself() and not",
        "if active_fence(self._engine.machine) is not None and not",
        QUIET + "test_scenario_03",
    ),
    Mutant(
        "04 a type that users may write is refused", FORMATS + "_pi.py",
        "if kind == _HEADER_TYPE:", 'if kind in (_HEADER_TYPE, "label"):', QUIET + "test_scenario_04",
    ),
    Mutant(
        "05 the parent is not the leaf of now", CORE + "_machine.py",
        "self.format.stamp_all(drafts, self.tail,", "self.format.stamp_all(drafts, Tail(),",
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
        "09 records of one batch are siblings", CORE + "_format.py",
        "line, record_id, tail = self.stamp(", "line, record_id, _ = self.stamp(", QUIET + "test_scenario_09",
    ),
    Mutant(
        "10 every writer is held during a fence", SHELL + "_session.py",
        'WriterState(name, hold=during_fence == "hold")', "WriterState(name, hold=True)", QUIET + "test_scenario_10",
    ),
    Mutant(
        "11 a turn that ends with an error is not released", SHELL + "_fence.py",
        "comparison = None if state.stage is FenceStage.OVER else",
        "comparison = None if raised or state.stage is FenceStage.OVER else", TURNS + "test_scenario_11",
    ),
    Mutant(
        "12 a new file gets no header", CORE + "_machine.py",
        "None if self.header is None or self.revision.length else", "None if True else", QUIET + "test_scenario_12",
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
        "first = max(0, number - (self.number - len(self._columns[0])))", "first = len(self._columns[0])",
        FOUND + "test_scenario_25_26",
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
        "            writer = group.writer\n            if (\n",
        "            writer = group.writer\n            if False and (\n",
        WORLD + "test_scenario_33",
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
        "        running.groups[0].fence.written += running.groups[0].receipts\n", "        pass\n",
        FOUND + "test_scenario_38",
    ),
    Mutant(
        "39 a glued record counts as written", STORE + "_sort.py",
        "            glued.append(content.inside_line)\n", "            glued.append(False)\n",
        FOUND + "test_scenario_39",
    ),
]  # fmt: skip
