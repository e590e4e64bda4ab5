"""Asks a model over an OpenAI-compatible interface: streamed, and again when the network or the provider fails."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
import stamina

from .answer import Answer
from .settings import Settings


class Listener(Protocol):
    """Who wants to hear a reply while it comes."""

    def heard(self, text: str) -> None:
        """Take the next piece."""

    def repeated(self) -> None:
        """Take it that the reply begins anew: what was heard so far is void."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked."""

    model: str
    messages: Sequence[Any]
    tools: Sequence[Any]

    def request(self) -> dict[str, Any]:
        """Return the body of the request."""
        tools = {"tools": self.tools} if self.tools else {}
        options = {"stream": True, "stream_options": {"include_usage": True}}
        return {"model": self.model, "messages": self.messages, **tools, **options}


class ModelError(Exception):
    """The model cannot answer."""

    hint = "look at the model's URL, name and key; the message is in the session, so ask again"


class ModelUnavailableError(ModelError):
    """The model cannot answer now: it is too busy, or the connection broke."""

    hint = "try again later; the message is in the session"

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class ModelClient:
    """Calls models, and knows when to call again."""

    def __init__(self, http: httpx.AsyncClient, url: str, settings: Settings) -> None:
        self._http = http
        self._url = f"{url.rstrip('/')}/chat/completions"
        self._settings = settings

    async def ask(self, question: Question, answer: Answer, listener: Listener) -> None:
        """Fill the answer; `ModelError` if there is none after all attempts."""
        async for attempt in stamina.retry_context(
            on=_when_to_try_again,
            attempts=self._settings.attempts_max,
            timeout=None,
            wait_initial=self._settings.retry_seconds_first,
            wait_max=self._settings.retry_seconds_max,
            wait_jitter=self._settings.retry_seconds_first,
        ):
            with attempt:
                if answer.pieces:
                    listener.repeated()
                answer.clear()
                await self._ask_once(question, answer, listener)

    async def _ask_once(self, question: Question, answer: Answer, listener: Listener) -> None:
        try:
            async with self._http.stream("POST", self._url, json=question.request()) as response:
                await _refuse_failure(response)
                async with aclosing(_chunks(response)) as chunks:
                    async for chunk in chunks:
                        if text := answer.take(chunk):
                            listener.heard(text)
        except (httpx.TransportError, json.JSONDecodeError) as error:
            raise ModelUnavailableError(f"the connection to the model broke: {error!r}") from error
        if answer.finish is None:
            raise ModelUnavailableError("the model's reply ended in the middle")


def http_client(settings: Settings) -> httpx.AsyncClient:
    """Return a client for calls that are silent while the model thinks, and take as long as they take."""
    key = settings.api_key
    headers = {} if key is None else {"Authorization": f"Bearer {key.get_secret_value()}"}
    timeout = httpx.Timeout(10.0, read=settings.model_silence_seconds_max, pool=None)
    limits = httpx.Limits(max_connections=None)
    # Without the environment's proxies: the stand-in is on this machine, and they would keep us from it.
    return httpx.AsyncClient(headers=headers, timeout=timeout, limits=limits, proxy=settings.proxy, trust_env=False)


async def _chunks(response: httpx.Response) -> AsyncGenerator[dict[str, Any], None]:
    async for line in response.aiter_lines():
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        if line.startswith("data:"):
            yield json.loads(data)


async def _refuse_failure(response: httpx.Response) -> None:
    if response.is_success:
        return
    said = (await response.aread()).decode(errors="replace")[:500]
    message = f"the model answered {response.status_code}: {said}"
    if response.status_code in (408, 409, 429) or response.status_code >= 500:
        raise ModelUnavailableError(message, retry_after_seconds=_retry_after(response))
    raise ModelError(message)


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return float(response.headers["Retry-After"])
    except (KeyError, ValueError):
        return None  # absent, or a date: our own back-off will do


def _when_to_try_again(error: Exception) -> bool | float:
    if not isinstance(error, ModelUnavailableError):
        return False
    return True if error.retry_after_seconds is None else error.retry_after_seconds
