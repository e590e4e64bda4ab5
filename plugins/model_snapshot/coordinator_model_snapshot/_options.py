"""What can be chosen, checked where it is set: a wrong value names the plugin and the option."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Options(BaseSettings):
    """Options of the plugin, from arguments or from `COORDINATOR_MODEL_SNAPSHOT_...` in the environment."""

    model_config = SettingsConfigDict(
        title="plugin model_snapshot", env_prefix="COORDINATOR_MODEL_SNAPSHOT_", extra="forbid", frozen=True
    )

    model_change: bool = False
    """Whether a `model_change` record, which is part of the conversation, is appended with each snapshot."""
    look_back_records_max: int = Field(default=16_384, gt=0)
    """How many records are looked through for the last snapshot; beyond that a new one is appended."""
