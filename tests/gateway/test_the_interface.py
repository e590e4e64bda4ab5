"""What a client sees: agents that ask each other, search, and refusals that say what to do."""

import json

import pytest

from .client import Client
from .home import Home, quiet


async def test_an_agent_may_ask_another_one_in_the_middle_of_its_turn(home: Home) -> None:
    """The researcher answers in a session of its own, and what it says comes back as the result of a tool."""
    async with quiet(home) as client:
        async with client.asking("chat", "question [tool:ask_researcher]") as exchange:
            result = (await exchange.until("tool"))["result"]
            await exchange.until("done")
    assert home.said("researcher-chat") == ["question", result]
    assert [kind for kind in home.kinds("chat") if kind in ("user", "assistant", "toolResult")] == [
        "user", "assistant", "toolResult", "assistant",
    ]  # fmt: skip
    assert home.said("chat")[2] == result


async def test_what_was_said_in_any_session_is_found(home: Home) -> None:
    """With the session it was said in and by whom; also in a language that puts no spaces between words."""
    async with quiet(home) as client:
        await client.ask("amber", "where is the harbour")
        await client.ask("birch", "港の地図はどこですか")
        english = (await client.get("/search", query="harbour"))["hits"]
        japanese = (await client.get("/search", query="地図は", limit=1))["hits"]
    assert sorted((hit["session"], hit["role"]) for hit in english) == [("amber", "assistant"), ("amber", "user")]
    assert [hit["session"] for hit in japanese] == ["birch"]


REFUSED = [
    ("GET", "/sessions/nobody", None, 404),
    ("POST", "/sessions/chat/messages", b'{"text": ""}', 400),
    ("POST", "/sessions/chat/messages", b"no json", 400),
    ("POST", "/sessions/.hidden/messages", b'{"text": "hello"}', 400),
    ("POST", "/sessions/..%2Foutside/messages", b'{"text": "hello"}', 404),
    ("POST", "/cron/nothing/run", None, 404),
    ("GET", "/search?query=", None, 400),
]


async def test_what_cannot_be_done_is_refused_with_a_reason_and_leaves_nothing_behind(home: Home) -> None:
    """No session is made by a wrong request, wherever its name points to, and no stop stops what does not run."""
    async with quiet(home) as client:
        for method, path, content, status in REFUSED:
            assert await refusal(client, method, path, content) == status, path
        assert await client.post("/sessions/chat/stop") == {"stopped": False}
        assert (await client.get("/sessions"))["sessions"] == []
        assert await client.get("/health") == {"status": "ok"}
        await client.ask("chat", "hello")
    assert set(home.conversations) == {"chat"}
    assert [path for path in home.work.rglob("*") if "outside" in path.name or "hidden" in path.name] == []


async def refusal(client: Client, method: str, path: str, content: bytes | None) -> int:
    """Return the status of an answer, which must have the parts that every refusal has."""
    response = await client.http.request(method, path, content=content)
    assert set(json.loads(response.content)) == {"kind", "message", "hint"}, response.text
    return response.status_code


@pytest.mark.parametrize("plugins", ["--plugins", "--no-plugins"])
async def test_the_plugins_are_there_unless_they_are_not_wanted(home: Home, plugins: str) -> None:
    """Without them a turn works just the same; the search says that it has nothing to ask."""
    with home.program(plugins) as program:
        async with Client(program.url, home.model_url) as client:
            assert (await client.ask("chat", "question")).done
            statistics = await client.statistics()
            status = (await client.http.get("/search", params={"query": "question"})).status_code
        assert program.end() == 0, program.errors
    assert (len(statistics["plugins"]), status) == ((3, 200) if plugins == "--plugins" else (0, 501))
