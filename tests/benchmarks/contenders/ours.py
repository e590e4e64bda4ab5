"""The coordinator, through its public names and with every check on; `check` of the command line."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

from coordinator import PLAIN, Coordinator, Durability, Limits, Session
from coordinator._cli._files import reading
from coordinator._cli._findings import check

from ..model import Append, Bench, Contender, Journal, Tail
from ..records import Record


class OurJournal(Journal):
    """A session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, writer: int) -> Append:
        return self._session.writer(f"writer {writer}").append

    def submit(self, writer: int) -> Append:
        return self._session.writer(f"writer {writer}").submit

    async def drain(self) -> None:
        await self._session.drain()

    def fence(self) -> AbstractAsyncContextManager[object]:
        return self._session.writer("turn").fence()

    async def close(self) -> None:
        await self._session.aclose()


class Ours(Contender):
    """What all this is about."""

    name = "ours"
    has_modes = True
    loops = ("asyncio", "uvloop")

    @asynccontextmanager
    async def opened(self, bench: Bench) -> AsyncIterator[Callable[[Path], Awaitable[Journal]]]:
        limits = Limits(open_files_max=10_000, content_check_bytes_max=bench.content_check_bytes_max)
        async with Coordinator(durability=Durability[bench.mode], limits=limits) as coordinator:

            async def open_file(path: Path) -> Journal:
                return OurJournal(await coordinator.open(path, format=PLAIN))

            yield open_file

    @asynccontextmanager
    async def tails(self) -> AsyncIterator[Tail]:
        async with Coordinator() as coordinator:

            async def tail(path: Path, count: int) -> Sequence[Record]:
                async with await coordinator.open(path, create=False) as session:
                    return [entry.record for entry in await session.tail(count)]

            yield tail

    def index(self, path: Path) -> int:
        with reading(path) as reader:
            findings = check(reader, guessed=True)
        assert not findings.kept, findings.kept[0]
        return findings.records


CONTENDER = Ours()
