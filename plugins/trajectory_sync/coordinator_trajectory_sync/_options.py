"""What can be chosen, checked where it is set: a wrong value names the plugin and the option."""

from typing import Any

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from ._filesystems import is_known, protocol_of


class Options(BaseSettings):
    """Options of the plugin, from arguments or from `COORDINATOR_TRAJECTORY_SYNC_...` in the environment."""

    model_config = SettingsConfigDict(
        title="plugin trajectory_sync", env_prefix="COORDINATOR_TRAJECTORY_SYNC_", extra="forbid", frozen=True
    )

    destination: str | None = None
    """Where the copies go: a URL that fsspec knows, or the path of a folder; None copies nothing."""
    storage_options: dict[str, Any] = Field(default_factory=dict, repr=False)
    """What fsspec needs for the destination; may hold secrets, so it is never shown."""
    part_bytes_max: int = Field(default=1024 * 1024, gt=0)
    """A part of a copy that has as much is full, and the next one begins."""
    linger_seconds: float = Field(default=1.0, ge=0)
    """How long a line may wait for others to be sent with."""
    retry_seconds_first: float = Field(default=0.5, gt=0)
    retry_seconds_max: float = Field(default=60.0, gt=0)
    """How long a destination that is down is left alone; doubled from the first to the longest."""

    @field_validator("destination")
    @classmethod
    def _is_known(cls, destination: str | None) -> str | None:
        if destination is not None and not is_known(protocol_of(destination)):
            raise ValueError(f"fsspec knows no {protocol_of(destination)!r}")
        return destination
