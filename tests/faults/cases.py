"""All the points at which something can go wrong, enumerated from the trace of an undisturbed life."""

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence

from .life import Case
from .shim import Act, Call, Rule

ERRORS: dict[str, tuple[int, ...]] = {
    "open": (errno.EMFILE, errno.EACCES, errno.ENOSPC, errno.EIO),
    "opendir": (errno.EMFILE, errno.EACCES),
    "close": (errno.EIO,),
    "dup": (errno.EMFILE,),
    "read": (errno.EIO,),
    "pread": (errno.EIO,),
    "write": (errno.ENOSPC, errno.EIO),
    "pwrite": (errno.ENOSPC, errno.EIO),
    "fsync": (errno.EIO, errno.ENOSPC),
    "fdatasync": (errno.EIO, errno.ENOSPC),
    "ftruncate": (errno.EIO, errno.EPERM),
    "lseek": (errno.EIO,),
    "flock": (errno.ENOLCK, errno.EIO),
    "fchmod": (errno.EPERM, errno.EIO),
    "fchown": (errno.EPERM, errno.EIO),
    "rename": (errno.EXDEV, errno.EROFS, errno.ENOSPC, errno.EIO),
    "renameat2": (errno.EXDEV, errno.EROFS, errno.ENOSPC, errno.EIO, errno.ENOSYS),
    "link": (errno.EPERM, errno.EIO),
    "unlink": (errno.EACCES, errno.EIO),
    "mkdir": (errno.ENOSPC, errno.EACCES),
    "stat": (errno.EIO, errno.EACCES),
    "lstat": (errno.EIO, errno.EACCES),
    "fstat": (errno.EIO,),
}
"""What each call can fail with on a real system."""

KILLS_PER_WRITE_MAX = 2000

WHOLE_STARTS = ("append", "append-always", "rewrite", "rescue")
"""Stories that begin with whole lines, and have no other foreign act: what is appended is a line of its own."""


def failures(story: str, calls: Sequence[Call]) -> Iterator[Case]:
    """Each call fails once; that call and all later ones of its name; everything from there on."""
    for number, name, *_ in calls:
        for error in ERRORS[name]:
            yield Case(story, (Rule(Act.FAIL, error, first=number, last=number),))
            yield Case(story, (Rule(Act.FAIL, error, first=number, name=name),))
        yield Case(story, (Rule(Act.FAIL, errno.EIO, first=number),))


def short_writes(story: str, calls: Sequence[Call]) -> Iterator[Case]:
    """Each write stops short: and goes on, or is refused then, or cannot be cut back either, or somebody follows it."""
    for call in writes(calls):
        for size in some(call.result):
            short = Rule(Act.SHORTEN, size, first=call.number, last=call.number)
            yield Case(story, (short,))
            for error in ERRORS["write"]:
                full = Rule(Act.FAIL, error, first=call.number + 1, name="write", times=1)
                full_for_ever = Rule(Act.FAIL, error, first=call.number + 1, name="write")
                uncut = Rule(Act.FAIL, errno.EIO, first=call.number + 1, name="ftruncate", times=1)
                uncut_for_ever = Rule(Act.FAIL, errno.EPERM, first=call.number + 1, name="ftruncate")
                for rest in ((full,), (full_for_ever,), (full, uncut), (full, uncut_for_ever)):
                    yield Case(story, (short, *rest))
                yield Case(story, (short, full_for_ever, uncut_for_ever))


def foreign_acts(story: str, calls: Sequence[Call]) -> Iterator[Case]:
    """Another process appends, replaces or edits before each call; or appends right after a write that stops short."""
    if story not in WHOLE_STARTS:
        return
    for call in calls:
        for what in ("append", "replace", "edit"):
            yield Case(story, (Rule(Act.ASK_BEFORE, ord("f"), first=call.number, last=call.number),), what)
    for call in writes(calls):
        here = {"first": call.number, "last": call.number}
        follows = (Rule(Act.SHORTEN, call.result // 2, **here), Rule(Act.ASK_AFTER, ord("f"), **here))
        yield Case(story, follows, "append")
        full = Rule(Act.FAIL, errno.ENOSPC, first=call.number + 1, name="write", times=1)
        yield Case(story, (*follows, full), "append")


def kills(story: str, calls: Sequence[Call]) -> Iterator[Case]:
    """Die before and after each call, and after every byte of each write."""
    for call in calls:
        yield Case(story, (Rule(Act.KILL_BEFORE, first=call.number, last=call.number),))
        yield Case(story, (Rule(Act.KILL_AFTER, first=call.number, last=call.number),))
    for call in writes(calls):
        for size in range(1, call.result, 1 + call.result // KILLS_PER_WRITE_MAX):
            yield Case(story, (Rule(Act.KILL_WITHIN, size, first=call.number, last=call.number),))


def writes(calls: Sequence[Call]) -> Iterator[Call]:
    """Return the calls that write more than one byte to the session file or a new one."""
    return (call for call in calls if call.name == "write" and call.result > 1)


def some(size: int) -> list[int]:
    """Return the sizes at which a write most likely goes wrong: at its ends and in the middle."""
    return sorted({1, size // 2, size - 1})


KINDS: Mapping[str, Callable[[str, Sequence[Call]], Iterator[Case]]] = {
    "failures": failures,
    "short_writes": short_writes,
    "foreign_acts": foreign_acts,
    "kills": kills,
}
