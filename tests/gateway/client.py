"""A client of the gateway, that remembers everything it was told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any, Self, TypeVar

import httpx

Data = dict[str, Any]
T = TypeVar("T")
SILENCE_SECONDS_MAX = 20.0
LOOK_SECONDS = 0.005


class Exchange:
    """One message and what the gateway has said about it so far."""

    def __init__(self, session: str, text: str) -> None:
        self.session = session
        self.text = text
        self.events: list[tuple[str, Data]] = []
        self.over = False
        """Whether the gateway has said everything."""
        self._stream: AsyncIterator[tuple[str, Data]] | None = None

    def attach(self, response: httpx.Response) -> AsyncIterator[tuple[str, Data]]:
        """Begin to listen."""
        self._stream = _events(response)
        return self._stream

    async def until(self, kind: str) -> Data:
        """Listen until there is such an event, and return what it says."""
        assert self._stream is not None
        async for event, data in self._stream:
            self.events.append((event, data))
            if event == kind:
                return data
        raise AssertionError(f"no {kind!r} came, only {self.events}")

    async def next(self) -> None:
        """Listen to one more event, if there is one."""
        assert self._stream is not None
        async for event in self._stream:
            self.events.append(event)
            return
        self.over = True

    async def rest(self) -> None:
        """Listen to the end."""
        assert self._stream is not None
        async for event in self._stream:
            self.events.append(event)
        self.over = True

    def _last(self, kind: str) -> Data | None:
        return next((data for event, data in reversed(self.events) if event == kind), None)

    @property
    def accepted(self) -> Data | None:
        """Return what was said when the message was accepted."""
        return self._last("accepted")

    @property
    def acknowledged(self) -> bool:
        """Return whether the message was said to be in the file, not only to be accepted."""
        return self.accepted is not None and self.accepted["id"] is not None

    @property
    def done(self) -> Data | None:
        """Return the reply, if it came."""
        return self._last("done")

    @property
    def stopped(self) -> Data | None:
        """Return the part of the reply that was kept, if the turn was stopped."""
        return self._last("stopped")

    @property
    def errors(self) -> list[Data]:
        """Return every error that was told."""
        return [data for event, data in self.events if event == "error"]

    @property
    def reply(self) -> str:
        """Return the text of the reply; it must have come."""
        assert self.done is not None, f"no reply to {self.text!r}, only {self.events}"
        return self.done["text"]


async def _events(response: httpx.Response) -> AsyncIterator[tuple[str, Data]]:
    kind = ""
    async with aclosing(response.aiter_lines()) as lines:
        async for line in lines:
            name, _, value = line.partition(": ")
            if name == "event":
                kind = value
            elif name == "data":
                yield kind, json.loads(value)


class Client:
    """Talks to one gateway and to the model behind it."""

    def __init__(self, gateway_url: str, model_url: str) -> None:
        options = {"timeout": SILENCE_SECONDS_MAX, "limits": httpx.Limits(max_connections=None), "trust_env": False}
        self.http = httpx.AsyncClient(base_url=gateway_url, **options)
        self._model_url = model_url
        self.exchanges: list[Exchange] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    @asynccontextmanager
    async def asking(self, session: str, text: str, **options: str) -> AsyncIterator[Exchange]:
        """Send a message; who leaves before the end is a client that goes away."""
        exchange = Exchange(session, text)
        self.exchanges.append(exchange)
        request = {"text": text, **options}
        async with self.http.stream("POST", f"/sessions/{session}/messages", json=request) as response:
            if not response.is_success:
                raise AssertionError(f"{response.status_code}: {(await response.aread()).decode()}")
            async with aclosing(exchange.attach(response)):
                yield exchange

    async def ask(self, session: str, text: str, **options: str) -> Exchange:
        """Send a message and listen to the end."""
        async with self.asking(session, text, **options) as exchange:
            await exchange.rest()
        return exchange

    async def post(self, path: str, **body: Any) -> Data:
        """Tell the gateway to do something."""
        return _json(await self.http.post(path, json=body or None))

    async def get(self, path: str, **parameters: str | int) -> Any:
        """Ask the gateway for something."""
        return _json(await self.http.get(path, params=parameters))

    async def statistics(self) -> Data:
        """Return what the gateway says about itself."""
        return await self.get("/statistics")

    async def release(self) -> int:
        """Let every reply of the model go on that waits in its middle; return how many did."""
        return _json(await self.http.post(f"{self._model_url}/release"))["released"]

    async def release_until_over(self, exchange: Exchange) -> None:
        """Let the model go on until this exchange is over, however often it is asked anew."""
        rest = asyncio.create_task(exchange.rest())
        while not rest.done():
            await self.release()
            await asyncio.sleep(LOOK_SECONDS)
        await rest

    async def release_search(self) -> int:
        """Let every slow search find something; return how many there were."""
        return (await self.post("/tools/release"))["released"]

    async def requests(self) -> Data:
        """Return what the model was asked."""
        return _json(await self.http.get(f"{self._model_url}/requests"))

    async def until(self, path: str, holds: Callable[[Any], bool], **parameters: str | int) -> Any:
        """Ask again and again until the answer is as wished."""
        return await until(lambda: self.get(path, **parameters), holds)


async def until(ask: Callable[[], Awaitable[T]], holds: Callable[[T], bool] = bool) -> T:
    """Do something again and again until what comes of it is as wished, and return that."""
    async with asyncio.timeout(SILENCE_SECONDS_MAX):
        while True:
            answer = await ask()
            if holds(answer):
                return answer
            await asyncio.sleep(LOOK_SECONDS)


def _json(response: httpx.Response) -> Any:
    assert response.is_success, f"{response.request.url}: {response.status_code}: {response.text}"
    return response.json()
