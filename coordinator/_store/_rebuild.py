"""After a failed sync: a new file from what is known good and what is in memory, never from a read-back.

The kernel may have dropped the pages that it could not write and report success from then on, while reads still show
them from the cache. So the new file gets the prefix that an earlier sync has put on the disk, if it still has that
digest, then the bytes since, which are in memory, and is made durable before it takes the old one's place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from .._core._errors import WriteFailedError
from .._core._lines import LineSplitter
from ._content import Content, digesting, look, new_digest
from ._publish import digest_of, exchange, exchange_back, new_file
from ._scan import read_range
from ._system import System


def rebuild(system: System, content: Content, attempted: Sequence[bytes]) -> None:
    """Put a new, durable file in the place of one whose sync has failed; `attempted` are lines that do not count.

    The content then is the new file's, and so is the descriptor. Raises `WriteFailedError`; then the old file is still
    in its place.
    """
    assert content.fd is not None
    try:
        before = _as_it_is(system, content)
        with new_file(system, content.path) as new:
            new.write(_known_good(system, content))
            new.write(content.unsynced)
            new.write(_late_foreign_lines(system, content, attempted))
            new.finish(system.fstat(content.fd))
            exchange(system, new.path, content.path)
            try:
                displaced = look(system, new.path)
                if displaced is None or not content.is_at(displaced) or _as_it_is(system, content) != before:
                    raise _failed(content, "somebody else has changed it meanwhile")
                system.sync_directory(content.path.parent)
            except (OSError, WriteFailedError):
                exchange_back(system, new, content.path)
                raise
            assert new.found is not None
            content.move_to(new.keep(), new.found, new.length, new.digest, copied=before)
    except OSError as error:
        raise _failed(content, str(error)) from error


def _as_it_is(system: System, content: Content) -> tuple[int, bytes]:
    """Return size and digest of the file as others see it: were they at it while it was made anew?"""
    assert content.fd is not None
    size = system.fstat(content.fd).st_size
    return size, digest_of(system, content.fd, size)


def _known_good(system: System, content: Content) -> Iterator[bytes]:
    assert content.fd is not None
    digest = new_digest()
    yield from digesting(digest, read_range(system, content.fd, 0, content.synced_length))
    good = content.synced_digest
    if good is not None and digest.digest() != good.digest():
        raise _failed(content, "what was on the disk before the failure is no longer there")


def _late_foreign_lines(system: System, content: Content, attempted: Sequence[bytes]) -> Iterator[bytes]:
    """Give the whole lines behind what we believe, except those of our own failed batch."""
    assert content.fd is not None
    ours = Counter(attempted)
    size = system.fstat(content.fd).st_size
    for line in _lines(content.length, read_range(system, content.fd, content.length, size)):
        if ours[line] > 0:
            ours[line] -= 1
        else:
            yield line


def _lines(offset: int, blocks: Iterable[bytes]) -> Iterator[bytes]:
    splitter = LineSplitter(offset)
    for block in blocks:
        yield from (line.content for line in splitter.feed(block) if line.content is not None)


def _failed(content: Content, reason: str) -> WriteFailedError:
    hint = "see to the disk, or restore the file from a copy, then reopen again; kept records are still in memory"
    message = f"the file whose sync has failed cannot be made anew: {reason}"
    return WriteFailedError(message, path=content.path, hint=hint)
