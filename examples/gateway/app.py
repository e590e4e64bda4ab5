"""Puts the parts together, for as long as the server runs."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette

from coordinator import Coordinator, Limits
from coordinator.observers import log_events

from .gateway import Gateway
from .jobs import Jobs
from .model.app import Faults, model_app
from .model.connection import ResettableProtocol
from .model_client import ModelClient, http_client
from .routes import ERROR_HANDLERS, ROUTES
from .server import Server, beside
from .settings import Settings

STAND_IN_FAULTS = Faults(delay_seconds=0.05)


class App:
    """The gateway as an application, and its end."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._gateway: Gateway | None = None
        self.asgi = Starlette(routes=ROUTES, lifespan=self._live, exception_handlers=ERROR_HANDLERS)

    async def end_turns(self) -> None:
        """Let running turns end while their clients still listen."""
        if self._gateway is not None:
            await self._gateway.end_turns()

    @asynccontextmanager
    async def _live(self, _app: Starlette) -> AsyncGenerator[dict[str, object]]:
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(_model_url(self._settings))
            http = await stack.enter_async_context(http_client(self._settings))
            coordinator = await stack.enter_async_context(new_coordinator(self._settings))
            self._gateway = Gateway(self._settings, coordinator, ModelClient(http, url, self._settings))
            stack.push_async_callback(self._gateway.end_turns)
            jobs = Jobs(self._gateway)
            scheduler = jobs.scheduler(self._settings)
            scheduler.start()
            stack.callback(scheduler.shutdown, wait=False)
            yield {"gateway": self._gateway, "jobs": jobs}


def new_coordinator(settings: Settings) -> Coordinator:
    """Return the owner of all sessions; its directory is made if it is not there."""
    settings.root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Coordinator(
        root=settings.root,
        plugins="installed" if settings.plugins else (),
        limits=Limits(close_seconds_max=settings.close_seconds_max, hook_seconds_max=settings.hook_seconds_max),
        observers=[log_events()],
    )


@asynccontextmanager
async def _model_url(settings: Settings) -> AsyncGenerator[str]:
    if settings.model_url is not None:
        yield settings.model_url
        return
    server = Server(model_app(STAND_IN_FAULTS), "127.0.0.1", 0, http=ResettableProtocol)
    async with beside(server) as url:
        yield f"{url}/v1"
