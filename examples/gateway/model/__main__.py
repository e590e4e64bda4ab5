"""`python -m gateway.model`: the stand-in as a process of its own."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict

from ..command import run_command
from ..server import Server, run
from .app import Faults, model_app
from .connection import ResettableProtocol


class ModelSettings(BaseSettings):
    """A stand-in for a model provider: streams, delays, resets connections, answers 429."""

    model_config = SettingsConfigDict(
        env_prefix="GATEWAY_MODEL_", cli_prog_name="python -m gateway.model", cli_kebab_case=True
    )

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65535, description="0: any free one")
    delay_seconds: float = Field(default=0.0, ge=0, description="between two pieces of a reply")
    reset_every: int = Field(default=0, ge=0, description="reset every N-th connection in mid-reply; 0: none")
    busy_every: int = Field(default=0, ge=0, description="answer 429 to every N-th request; 0: to none")

    def cli_cmd(self) -> None:
        """Serve until a signal ends it."""
        faults = Faults(self.delay_seconds, self.reset_every, self.busy_every)
        run(Server(model_app(faults), self.host, self.port, http=ResettableProtocol))


if __name__ == "__main__":
    run_command(ModelSettings)
