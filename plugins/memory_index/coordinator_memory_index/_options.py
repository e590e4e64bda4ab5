"""What can be chosen, checked where it is set: a wrong value names the plugin and the option."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Options(BaseSettings):
    """Options of the plugin, from arguments or from `COORDINATOR_MEMORY_INDEX_...` in the environment."""

    model_config = SettingsConfigDict(
        title="plugin memory_index", env_prefix="COORDINATOR_MEMORY_INDEX_", extra="forbid", frozen=True
    )

    database: Path | None = None
    """Where the index is; by default `memory-index.sqlite3` beside the sessions, one in each of their folders."""
    tool_results: bool = False
    """Whether what tools answered is indexed too."""
    ignore: tuple[str, ...] = ("*.trajectory",)
    """Patterns of file names that are not indexed."""
    idle_seconds: float = Field(default=60.0, gt=0)
    """After how long a session in which nothing happens is let go, so that it can be parked."""
