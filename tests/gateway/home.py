"""A gateway with its three plugins, at home in a folder, that is judged when it has ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.chain import Record, texts

from .client import Client, Data, Exchange
from .guests import install
from .judge import catch_up, check_files, check_index, check_log, check_trajectories, odd_copies
from .processes import Program, environment

PLUGINS = {"memory_index", "model_snapshot", "trajectory_sync"}


@dataclass
class Home:
    """Where a gateway keeps its files, and what is known of it."""

    work: Path
    model_url: str
    paths: list[Path] = field(default_factory=list)
    """Folders with plugins of third parties, installed next to the gateway's own."""
    conversations: dict[str, list[Record]] = field(default_factory=dict)
    """Every session's records, once the gateway has ended and all was well."""
    turns: list[Record] = field(default_factory=list)
    """The lines of all trajectories, then."""
    log: str = ""
    """What the gateway said on its standard error."""

    @property
    def root(self) -> Path:
        """Return where the sessions are."""
        return self.work / "sessions"

    @property
    def copies(self) -> Path:
        """Return where the trajectories are copied to."""
        return self.work / "copies"

    def program(self, *options: str, **environ: str) -> Program:
        """Return a gateway that is not started yet."""
        places = ["--root", str(self.root), "--port", "0", "--model-url", f"{self.model_url}/v1"]
        environ = {"COORDINATOR_TRAJECTORY_SYNC_DESTINATION": str(self.copies), **environ}
        environ = environment(*self.paths, **environ)
        return Program("gateway", *places, *options, log=self.work / "gateway", environ=environ)

    def invite(self, *guests: str) -> None:
        """Install plugins of third parties."""
        self.paths.append(install(self.work / "guests", *guests))

    def said(self, session: str) -> list[str]:
        """Return the texts of a conversation."""
        return texts(self.conversations[session])

    def kinds(self, session: str) -> list[str]:
        """Return the kind of every record: its role, its custom type, or its type."""
        return [
            record["message"]["role"] if record["type"] == "message" else record.get("customType", record["type"])
            for record in self.conversations[session]
        ]

    async def judge(self, exchanges: Collection[Exchange], *, taken_over: int = 0) -> None:
        """Look at everything that a gateway leaves behind."""
        self.conversations = check_files(self.root, exchanges)
        self.turns = check_trajectories(self.root, taken_over=taken_over)
        await catch_up(self.root, self.copies)
        assert odd_copies(self.root, self.copies) == []
        await check_index(self.root, self.work)


@asynccontextmanager
async def quiet(
    home: Home,
    *,
    failing: Collection[str] = (),
    broken: Collection[str] = (),
    before: Collection[Exchange] = (),
    **environ: str,
) -> AsyncIterator[Client]:
    """Run a gateway for the block; then it must end gracefully, have had no takeover, and have kept everything.

    Plugins that are `failing` or `broken` must be reported as such, and no others. What was acknowledged `before`, by
    gateways that were killed since, must have been kept too.
    """
    with home.program(**environ) as program:
        async with Client(program.url, home.model_url) as client:
            yield client
            statistics = await client.statistics()
        assert program.end() == 0, program.errors
        home.log = program.errors
    check_log(home.log, "stamina.retry_scheduled", "plugin_failed")
    check_statistics(statistics, failing=failing, broken=broken)
    await home.judge([*client.exchanges, *(exchange for exchange in before if exchange.acknowledged)])


def check_statistics(statistics: Data, *, failing: Collection[str], broken: Collection[str]) -> None:
    """Check that no session was changed by others, and that plugins did what was expected of them."""
    changed = [session for session in statistics["sessions"].values() if session["last_change"] is not None]
    assert changed == [], changed
    loaded, left_out, failed = (set(statistics[part]) for part in ("plugins", "plugins_broken", "hook_failures"))
    assert loaded >= PLUGINS, loaded
    assert left_out == set(broken), left_out
    assert failed == {*failing, *broken}, failed


def session_of(statistics: Data, name: str) -> Data:
    """Return what is said about one session."""
    (found,) = [each for path, each in statistics["sessions"].items() if path.endswith(f"/{name}.jsonl")]
    return found
