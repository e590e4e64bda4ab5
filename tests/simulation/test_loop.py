"""The order of the line is all that the outside can change: choosing less often must not lose an order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable

from .loop import SimulatedExecutor, SimulatedLoop
from .tape import EnumeratingTape, Kind, Tape

Orders = Counter[tuple[str, ...]]


class AskingLoop(SimulatedLoop):
    """Asks before every step whether something comes from outside: more often than it matters."""

    def _let_come_first(self) -> None:
        """Ask elsewhere."""

    def _step_in_line(self) -> None:
        waiting = int(bool(self._ready))
        choice = self.tape.choose(waiting + len(self.answers) + len(self.arrivals), Kind.ORDER)
        if choice < waiting:
            self._run_ready(0)
        else:
            self._let_come(choice - waiting)


async def _walk(loop: SimulatedLoop, name: str, steps: list[str]) -> None:
    await loop.arrive()
    steps.append(f"{name} has arrived")
    await asyncio.sleep(0)
    steps.append(f"{name} has waited")
    await loop.run_in_executor(SimulatedExecutor(), steps.append, f"{name} works")
    steps.append(f"{name} has worked")


async def _walk_all(loop: SimulatedLoop, steps: list[str]) -> None:
    loop.is_strict = loop.is_free = True
    await asyncio.gather(*(_walk(loop, name, steps) for name in "ab"))
    loop.is_free = False


def _orders(make: Callable[[Tape], SimulatedLoop]) -> Orders:
    orders: Orders = Counter()
    tape: EnumeratingTape | None = EnumeratingTape(None)
    while tape is not None:
        loop, steps = make(tape), list[str]()
        loop.run_until_complete(_walk_all(loop, steps))
        loop.close()
        orders[tuple(steps)] += 1
        tape = tape.next_tape()
    return orders


def test_no_order_is_lost_by_choosing_only_where_it_matters():
    """What comes from outside while no callback is put in line comes before the next one that is."""
    often, seldom = _orders(AskingLoop), _orders(SimulatedLoop)
    assert set(seldom) == set(often)
    assert len(seldom) > 10
    assert seldom.total() < often.total() / 3
