"""After each run: every record that was acknowledged is in the file, once, whole, in its writer's order."""

from collections.abc import Iterable, Sequence
from functools import cache

from .records import Feed, lines


class WrongFileError(Exception):
    """A contender was fast because it did something else."""


@cache
def _numbers() -> dict[bytes, int]:
    return {line: number for number, line in enumerate(lines())}


def verify(found: Iterable[bytes], feeds: Sequence[Feed]) -> None:
    """Compare the lines of a file with what its writers were given."""
    seen = [0] * len(feeds)
    for place, line in enumerate(found):
        number = _numbers().get(line)
        if number is None:
            raise WrongFileError(f"line {place} is none of ours: {line[:80]!r}")
        writer = number % len(feeds)
        expected = feeds[writer].numbers[seen[writer] % len(feeds[writer].numbers)]
        if number != expected:
            raise WrongFileError(f"line {place} is record {number} of writer {writer}, expected was {expected}")
        seen[writer] += 1
    if seen != [feed.taken for feed in feeds]:
        raise WrongFileError(f"{sum(seen)} records are in the file, {sum(feed.taken for feed in feeds)} were given")
