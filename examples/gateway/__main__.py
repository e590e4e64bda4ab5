"""`python -m gateway`: the gateway as a process."""

from .app import App
from .command import run_command
from .logs import log_to_stderr
from .server import Server, run
from .settings import Settings


class Command(Settings):
    """Serve sessions over HTTP, with one queue that owns every append to them."""

    def cli_cmd(self) -> None:
        """Serve until a signal ends it."""
        log_to_stderr()
        app = App(self)
        run(Server(app.asgi, self.host, self.port, before_shutdown=app.end_turns))


if __name__ == "__main__":
    run_command(Command)
