"""The log of a disk, and every state that a power cut can leave of it."""

import random
from collections.abc import Iterator, Sequence
from enum import IntEnum
from typing import NamedTuple

SECTOR = 512
SUPERBLOCK_END = 4096
DRAWS_PER_STATE_MAX = 10


class Kind(IntEnum):
    """What the disk was asked for."""

    WRITE = 1
    FLUSH = 2


class Entry(NamedTuple):
    """One request of the log."""

    kind: Kind
    offset: int
    data: bytes


class Cut(NamedTuple):
    """A power cut: after so many entries, and this draw of what became of the writes that no flush has covered."""

    prefix: int
    draw: int
    """0: all of them have reached the disk."""


class State(NamedTuple):
    """What a cut leaves: everything before `flushed`, and these pieces of what came after it."""

    flushed: int
    pieces: tuple[tuple[int, int, int], ...]
    """Entry, and the part of its data, from and to."""


def last_flush(entries: Sequence[Entry], prefix: int) -> int:
    """Return how many entries are safe once `prefix` of them were answered."""
    return next((at for at in range(prefix, 0, -1) if entries[at - 1].kind is Kind.FLUSH), 0)


def state_of(entries: Sequence[Entry], cut: Cut, seed: int) -> State:
    """Draw which unflushed writes have reached the disk, whole or by sectors; in their order, as bytes may repeat."""
    flushed = last_flush(entries, cut.prefix)
    generator = random.Random(f"{seed}/{cut.prefix}/{cut.draw}")
    pieces: list[tuple[int, int, int]] = []
    for number in range(flushed, cut.prefix):
        size = len(entries[number].data)
        fate = generator.random() if cut.draw else 0.0
        if fate < 0.5:
            pieces.append((number, 0, size))
        elif fate < 0.75:
            pieces += [(number, *part) for part in _parts(entries[number]) if generator.random() < 0.5]
    return State(flushed, tuple(pieces))


def _parts(entry: Entry) -> Iterator[tuple[int, int]]:
    """Cut a write into what a disk writes as a whole; ext4 itself takes its superblock, in two sectors, for one."""
    at, size = 0, len(entry.data)
    while at < size:
        end = SUPERBLOCK_END - entry.offset if entry.offset + at < SUPERBLOCK_END else at + SECTOR
        yield at, min(end, size)
        at = end


def cuts(entries: Sequence[Entry], count: int, seed: int) -> list[Cut]:
    """Choose cuts that leave so many different states: every prefix first, then draws of what was not flushed."""
    seen: dict[State, Cut] = {}
    for cut in _candidates(len(entries), count, seed):
        seen.setdefault(state_of(entries, cut, seed), cut)
        if len(seen) >= count:
            break
    return sorted(seen.values())


def _candidates(length: int, count: int, seed: int) -> Iterator[Cut]:
    generator = random.Random(seed)
    prefixes = list(range(length + 1))
    if count < len(prefixes):  # a sample should not be all beginnings
        generator.shuffle(prefixes)
    yield from (Cut(prefix, 0) for prefix in prefixes)
    for draw in range(1, count * DRAWS_PER_STATE_MAX):
        yield Cut(generator.choice(prefixes), draw)
