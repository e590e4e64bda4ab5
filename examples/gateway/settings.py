"""What can be chosen: on the command line, or as `GATEWAY_...` in the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """A small agent gateway: sessions over HTTP, kept in files that only one queue writes."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_",
        cli_prog_name="python -m gateway",
        cli_kebab_case=True,
        cli_implicit_flags=True,
        protected_namespaces=(),
    )

    root: Path = Field(default=Path("gateway-sessions"), description="where the sessions are; made if it is not there")
    host: str = "127.0.0.1"
    port: int = Field(default=8765, ge=0, le=65535, description="0: any free one")
    plugins: bool = Field(default=True, description="load the installed plugins of the coordinator")
    hook_seconds_max: float = Field(default=5.0, gt=0, description="how long a plugin may delay a turn")
    close_seconds_max: float = Field(default=10.0, gt=0, description="how long a running turn may go on at the end")

    model_url: str | None = Field(
        default=None, description="an OpenAI-compatible interface, up to /v1; none: a stand-in"
    )
    model: str = Field(default="stand-in", description="the model that answers unless a message names another")
    provider: str = "local"
    api_key: SecretStr | None = Field(default=None, description="sent to the model as a bearer token")
    model_silence_seconds_max: float = Field(
        default=120.0, gt=0, description="a reply that stops for so long is broken"
    )
    proxy: str | None = Field(default=None, description="the URL of a proxy on the way to the model")
    context_messages_max: int = Field(default=400, gt=0, description="how much of a session a model is told")
    attempts_max: int = Field(default=6, gt=0, description="how often a model is asked before a turn fails")
    retry_seconds_first: float = Field(default=0.2, ge=0)
    retry_seconds_max: float = Field(default=20.0, gt=0)
    steps_max: int = Field(default=16, gt=0, description="how many model calls one turn may take")

    slow_search_seconds: float = Field(default=10.0, ge=0, description="how long the slow tool takes at most")
    heartbeat_seconds: float = Field(default=1800.0, gt=0)
    note_cron: str = Field(default="0 * * * *", description="when the job `note` runs")
    digest_cron: str = Field(default="30 3 * * *", description="when the job `digest` runs")
