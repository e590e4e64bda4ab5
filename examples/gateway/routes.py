"""The HTTP interface: each route is one call of the gateway."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from coordinator import ClosedError, CoordinatorError, PathError, QueueFullError, RecordError

from .agents import AGENTS, is_session_name
from .complaints import complaints
from .gateway import Gateway
from .jobs import Jobs
from .plain import plain
from .search import find

HITS_MAX = 100


class NewMessage(BaseModel):
    """What the user says, and who is to answer."""

    text: str = Field(min_length=1)
    model: str | None = None
    provider: str | None = None
    agent: Literal["main", "researcher"] | None = None


async def post_message(request: Request) -> Response:
    """Accept a message and stream its turn; a client that goes away changes nothing for the turn."""
    try:
        message = NewMessage.model_validate_json(await request.body())
    except ValidationError as error:
        raise HTTPException(400, "; ".join(complaints(error))) from error
    agent = AGENTS[message.agent] if message.agent else None
    turn = await _gateway(request).post(
        _name(request), message.text, agent=agent, model=message.model, provider=message.provider
    )
    return StreamingResponse(aiter(turn.events), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})


async def stop_turn(request: Request) -> Response:
    """Stop the running turn of a session."""
    conversation = _gateway(request).conversations.get(_name(request))
    return JSONResponse({"stopped": conversation is not None and conversation.stop()})


async def beat(request: Request) -> Response:
    """Fire the heartbeat of a session now."""
    receipt = await _jobs(request).beat(_name(request))
    return JSONResponse({"id": receipt.id})


async def run_job(request: Request) -> Response:
    """Fire a cron job now."""
    name = request.path_params["job"]
    job = _jobs(request).by_name.get(name)
    if job is None:
        raise HTTPException(404, f"no job {name!r}")
    return JSONResponse({"job": name, "sessions": await job()})


async def release_tools(request: Request) -> Response:
    """Let the slow tool find something now."""
    return JSONResponse({"released": _gateway(request).tools.release_searches()})


async def list_sessions(request: Request) -> Response:
    """List all sessions, open or not."""
    gateway = _gateway(request)
    states = {name: each.session.state.value for name, each in gateway.conversations.items()}
    return JSONResponse(
        {
            "sessions": [
                {"name": name, "open": name in states, "state": states.get(name)} for name in await gateway.names()
            ]
        }
    )


async def show_session(request: Request) -> Response:
    """Show the conversation of a session."""
    name = _name(request)
    session = (await _gateway(request).conversation(name, create=False)).session
    entries = [entry.record for entry in await session.branch()]
    return JSONResponse({"name": name, "state": session.state.value, "leaf": session.leaf, "entries": entries})


async def search(request: Request) -> Response:
    """Search what was said in all sessions."""
    query, limit = request.query_params.get("query", ""), request.query_params.get("limit", "10")
    if not query or not limit.isdecimal():
        raise HTTPException(400, "search for something: ?query=...&limit=10")
    hits = await find(_gateway(request), query, min(int(limit), HITS_MAX))
    if hits is None:
        raise HTTPException(501, "the plugin memory_index is not loaded")
    return JSONResponse({"hits": [{**plain(hit), "session": hit.session.stem} for hit in hits]})


async def show_statistics(request: Request) -> Response:
    """Show what the coordinator, its sessions and its plugins are doing."""
    return JSONResponse(plain(_gateway(request).coordinator.statistics()))


async def show_health(_request: Request) -> Response:
    """Say that the process is there and its event loop turns."""
    return JSONResponse({"status": "ok"})


async def answer_error(_request: Request, error: Exception) -> Response:
    """Say what the library could not do, and what to do about it."""
    assert isinstance(error, CoordinatorError)
    status = next((status for kind, status in STATUS.items() if isinstance(error, kind)), 409)
    return JSONResponse(_failure(type(error).__name__, error.message, error.hint), status)


async def answer_refusal(_request: Request, error: Exception) -> Response:
    """Say what was wrong with a request, in the same form."""
    assert isinstance(error, HTTPException)
    return JSONResponse(_failure("HTTPException", error.detail, "look at the request"), error.status_code)


STATUS = {RecordError: 400, PathError: 404, QueueFullError: 429, ClosedError: 503}
ERROR_HANDLERS = {CoordinatorError: answer_error, HTTPException: answer_refusal}
ROUTES = [
    Route("/sessions", list_sessions),
    Route("/sessions/{name}", show_session),
    Route("/sessions/{name}/messages", post_message, methods=["POST"]),
    Route("/sessions/{name}/stop", stop_turn, methods=["POST"]),
    Route("/sessions/{name}/heartbeat", beat, methods=["POST"]),
    Route("/cron/{job}/run", run_job, methods=["POST"]),
    Route("/tools/release", release_tools, methods=["POST"]),
    Route("/search", search),
    Route("/statistics", show_statistics),
    Route("/health", show_health),
]


def _failure(kind: str, message: str, hint: str) -> dict[str, Any]:
    return {"kind": kind, "message": message, "hint": hint}


def _gateway(request: Request) -> Gateway:
    gateway: Gateway = request.state.gateway
    return gateway


def _jobs(request: Request) -> Jobs:
    jobs: Jobs = request.state.jobs
    return jobs


def _name(request: Request) -> str:
    name: str = request.path_params["name"]
    if not is_session_name(name):
        raise HTTPException(400, f"no name for a session: {name!r}")
    return name
