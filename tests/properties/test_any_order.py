"""Calls and foreign changes in any order: the file is what the model says, and every error is the one that is due."""

from __future__ import annotations

from hypothesis.stateful import run_state_machine_as_test

from coordinator import PI

from .disturbances import DisturbedCalls
from .effort import effort


class PiCalls(DisturbedCalls):
    """The same on the tree format: every record follows the one before it."""

    record_format = PI


def test_a_plain_session_is_what_was_accepted_in_any_order_of_calls() -> None:
    """Each record once, in its place; each fence broken by what broke it, and by nothing else."""
    run_state_machine_as_test(DisturbedCalls, settings=effort(60, steps=25))


def test_a_pi_session_is_one_chain_in_any_order_of_calls() -> None:
    """A wrong parent drops a part of the conversation: every record follows the last one, whoever wrote that."""
    run_state_machine_as_test(PiCalls, settings=effort(60, steps=25))
