"""The stand-in's HTTP interface: chat completions, and three doors for tests."""

from __future__ import annotations

import asyncio
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from .chunks import DONE, chunks, completion
from .connection import reset
from .script import Script, last_user_text, script_for

TEXTS_KEPT = 10_000
RETRY_AFTER_SECONDS = "0.05"


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong by itself, as it does with real providers."""

    delay_seconds: float = 0.0
    reset_every: int = 0
    busy_every: int = 0


class Model:
    """Remembers what it was asked, and answers."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._count = 0
        self._texts: deque[str] = deque(maxlen=TEXTS_KEPT)
        self._mishaps: Counter[tuple[str, str]] = Counter()
        """How often a marker has already had its way with the same request."""
        self._gates: list[tuple[str, asyncio.Event]] = []

    async def complete(self, request: Request) -> Response:
        """Answer one chat completion."""
        asked = await request.json()
        messages, tools = asked["messages"], [each["function"]["name"] for each in asked.get("tools", ())]
        self._count += 1
        number = self._count
        self._texts.append(last_user_text(messages))
        script = script_for(messages, tools)
        if _is_turn(number, self._faults.busy_every) or self._mishap("busy", messages, script.refusals):
            return _busy()
        breaks = _is_turn(number, self._faults.reset_every) or self._mishap("reset", messages, script.resets)
        model = str(asked.get("model"))
        if not asked.get("stream"):
            return JSONResponse(completion(number, model, script))
        return StreamingResponse(
            self._stream(request, list(chunks(number, model, script)), script, breaks=breaks),
            media_type="text/event-stream",
        )

    async def _stream(
        self, request: Request, pieces: list[bytes], script: Script, *, breaks: bool
    ) -> AsyncIterator[bytes]:
        middle, gate = len(pieces) // 2, self._gate(script)
        for index, piece in enumerate(pieces):
            if index == middle and breaks:
                reset(request)
                return
            if index == middle and gate is not None:
                await gate.wait()
            yield piece
            await asyncio.sleep(self._faults.delay_seconds)
        yield DONE

    def _gate(self, script: Script) -> asyncio.Event | None:
        """Make the gate before the first piece is sent: who has seen a piece can already open it."""
        if not script.slow or script.tool:
            return None
        gate = asyncio.Event()
        self._gates.append((script.gate, gate))
        return gate

    def _mishap(self, kind: str, messages: Sequence[Any], times: int) -> bool:
        if times == 0:
            return False
        key = kind, json.dumps(messages)
        self._mishaps[key] += 1
        return self._mishaps[key] <= times

    async def release(self, request: Request) -> Response:
        """Let slow replies go on: those of a name, or all."""
        wanted = request.query_params.get("name")
        released = [(name, gate) for name, gate in self._gates if wanted in {None, name}]
        self._gates = [each for each in self._gates if each not in released]
        for _, gate in released:
            gate.set()
        return JSONResponse({"released": len(released)})

    async def requests(self, _request: Request) -> Response:
        """Say what was asked."""
        return JSONResponse({"count": self._count, "texts": list(self._texts)})


def model_app(faults: Faults) -> Starlette:
    """Return the stand-in as an application."""
    model = Model(faults)
    return Starlette(
        routes=[
            Route("/v1/chat/completions", model.complete, methods=["POST"]),
            Route("/release", model.release, methods=["POST"]),
            Route("/requests", model.requests),
        ]
    )


def _is_turn(number: int, every: int) -> bool:
    return every > 0 and number % every == 0


def _busy() -> Response:
    error: Mapping[str, Any] = {"error": {"message": "too many requests", "type": "rate_limit"}}
    return JSONResponse(error, status_code=429, headers={"Retry-After": RETRY_AFTER_SECONDS})
