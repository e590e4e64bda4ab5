"""How hard a property is tried: the same examples each time, so that CI is quick and no lottery, or many new ones."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

FACTOR = "PROPERTIES_FACTOR"
"""The environment variable that asks for new examples, this many times as many."""


def effort(examples: int, *, steps: int = 50) -> settings:
    """Return how often to try; every example has a directory of its own, so a slow one is no sign of anything."""
    factor = int(os.environ.get(FACTOR, "0"))
    return settings(
        max_examples=examples * max(factor, 1),
        stateful_step_count=steps,
        derandomize=not factor,
        database=None,
        deadline=None,
        print_blob=True,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )
