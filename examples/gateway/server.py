"""uvicorn, as a program of its own or beside another one in the same event loop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from socket import socket
from typing import Any

import uvicorn
from starlette.types import ASGIApp

STREAMS_END_SECONDS_MAX = 5


class CannotServeError(Exception):
    """The port is taken, or what is to be served could not start."""


class Server(uvicorn.Server):
    """Says where it listens, leaves signals to the program, and ends what it serves before its connections."""

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        *,
        before_shutdown: Callable[[], Awaitable[None]] | None = None,
        **options: Any,
    ) -> None:
        options = {"log_level": "warning", "timeout_graceful_shutdown": STREAMS_END_SECONDS_MAX, **options}
        super().__init__(uvicorn.Config(app, host=host, port=port, **options))
        self._before_shutdown = before_shutdown
        self.listening = asyncio.Event()
        self.url = ""
        """Where it listens; with port 0 the system has chosen."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture none: `run` does, and a server beside another must not."""
        yield

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Begin to listen, and say so."""
        try:
            await super().startup(sockets)
        except SystemExit as end:  # for those who wait for it, an error; uvicorn has said why
            raise CannotServeError from end
        address, port = self.servers[0].sockets[0].getsockname()[:2]
        self.url = f"http://{address}:{port}"
        self.listening.set()

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """End what is being served first: its streams end with it, and nobody is cut off."""
        if self._before_shutdown is not None:
            await self._before_shutdown()
        await super().shutdown(sockets)

    def stop(self) -> None:
        """Begin to shut down."""
        self.should_exit = True


def run(server: Server) -> None:
    """Serve until SIGTERM or SIGINT; a graceful end is a success."""
    try:
        asyncio.run(_run(server))
    except CannotServeError:
        sys.exit(1)


async def _run(server: Server) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.stop)
    serving = asyncio.create_task(server.serve())
    await _listens(server, serving)
    print(f"listening on {server.url}", flush=True)
    await serving


@asynccontextmanager
async def beside(server: Server) -> AsyncGenerator[str]:
    """Serve in the running event loop for as long as the block lasts."""
    serving = asyncio.create_task(server.serve())
    await _listens(server, serving)
    try:
        yield server.url
    finally:
        server.stop()
        await serving


async def _listens(server: Server, serving: asyncio.Task[None]) -> None:
    listening = asyncio.create_task(server.listening.wait())
    await asyncio.wait({listening, serving}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        listening.cancel()
        await serving
