"""Wrong changes that need a certain order of events: the tests that try many orders must notice them."""

from __future__ import annotations

from .mutant import CORE, SHELL, STORE, Mutant

EXPLORED = "tests/exploration/test_exploration.py::test_every_interleaving_keeps_every_promise"
SIMULATED = "tests/simulation/test_simulation.py::test_random_schedules_keep_every_promise"
OPENED = "tests/properties/test_opening_anything.py::"

MECHANISMS = [
    Mutant(
        "a name that was not synced is forgotten", STORE + "_store.py",
        "Durable(system, unsynced_names)", "Durable(system, [])",
        "tests/store/test_appending.py::test_a_name_that_was_never_synced_stays_owed",
    ),
    Mutant(
        "a path is looked at twice", STORE + "_opening.py",
        "        if not stat.S_ISREG(self._system.lstat(self._path).st_mode):\n",
        "        if look(self._system, self._path) is None and self._system.lstat(self._path):\n",
        "tests/store/test_paths.py::test_a_file_that_somebody_makes_at_any_moment_of_an_opening_is_opened",
    ),
    Mutant(
        "what stood there before reopening counts as synced", CORE + "_endings.py",
        "0 if machine.durability is Durability.NONE else opened.revision.length",
        "0 if machine.unsynced_bytes == 0 else opened.revision.length",
        "tests/core/test_machine.py::test_after_reopening_everything_is_to_be_synced_again",
    ),
    Mutant(
        "the displaced inode is not compared", STORE + "_rewrite.py",
        "if displaced is None or not content.is_at(displaced):", "if displaced is None:",
        "tests/races/test_rewrites_between_calls.py::test_a_rewrite_beside_another_process",
    ),
    Mutant(
        "the fingerprint is taken after the await", SHELL + "_driver.py",
        "            running = self.machine.running\n            try:\n",
        '            content = getattr(self.store, "_tools").content\n'
        "            if isinstance(answer, Report) and content.fd is not None:\n"
        "                content.length = getattr(self.store, '_system').fstat(content.fd).st_size\n"
        "                content.digest = content._revision = None\n"
        "                answer.revision = content.revision\n"
        "            running = self.machine.running\n            try:\n",
        SIMULATED,
    ),
    Mutant(
        "the token overtakes the queue, in one order of many", CORE + "_machine.py",
        "self.inbox.queue.append(fence)", "self.inbox.queue.insert(len(self.inbox.queue) - 1, fence)", EXPLORED,
    ),
    Mutant(
        "a batch that was not written goes to the end of the queue", CORE + "_inbox.py",
        "        self.queue[:0] = groups\n", "        self.queue += groups\n", EXPLORED,
    ),
    Mutant(
        "a fence is left without a look", CORE + "_machine.py",
        "        look = not fence.appended_last and not fence.broken\n", "        look = False\n", EXPLORED,
    ),
    Mutant(
        "what a rewrite has displaced is not looked at", STORE + "_rewrite.py",
        "        if not ours:\n", "        if False:\n",
        "tests/store/test_rewriting.py::test_a_replacement_just_before_the_exchange_is_exchanged_back",
    ),
    Mutant(
        "what slipped in before a batch is not said to have forked it", CORE + "_fences.py",
        "        fence.forked = fence.forked or foreign.slipped\n        ledger", "        ledger",
        "tests/core/test_machine.py::test_a_line_that_slips_in_is_reported_as_forked",
    ),
    Mutant(
        "the second look is forgotten, in one order of many", STORE + "_write.py",
        "return in_place and content.is_at(found) and found.st_size == content.length + size", "return True", SIMULATED,
    ),
    Mutant(
        "a foreign record is not followed, in any order of calls", CORE + "_reports.py",
        "    tails = [foreign.tail for foreign in found if not written or foreign.slipped]\n", "    tails = []\n",
        "tests/properties/test_any_order.py::test_a_pi_session_is_one_chain_in_any_order_of_calls",
    ),
    Mutant(
        "the last byte of a torn line is not kept", STORE + "_heal.py",
        "_keep_aside(system, path, fd, size - repair.cut, size)",
        "_keep_aside(system, path, fd, size - repair.cut, size - 1)",
        OPENED + "test_opening_loses_no_byte_and_raises_only_what_is_ours",
    ),
]  # fmt: skip
