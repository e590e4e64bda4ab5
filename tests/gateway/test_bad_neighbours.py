"""Plugins of third parties that fail, installed next to the gateway: named, bounded, and the turn goes on."""

import time

from coordinator import Limits

from .guests import FLOOD_RECORDS
from .home import PLUGINS, Home, quiet, session_of

HOOK_SECONDS_MAX = 0.3
BRIEF = {"GATEWAY_HOOK_SECONDS_MAX": str(HOOK_SECONDS_MAX)}


async def test_scenario_34_a_plugin_that_throws_in_every_hook_fails_nobody_and_is_named(home: Home) -> None:
    """Its failures are counted under its name; the three good ones do their work beside it."""
    home.invite("Throwing")
    async with quiet(home, failing={"throwing"}) as client:
        first, second = await client.ask("chat", "first"), await client.ask("chat", "second")
        statistics = await client.statistics()
    assert statistics["plugins"]["throwing"]["failures"] >= 6
    assert statistics["hook_failures"]["throwing"] == statistics["plugins"]["throwing"]["failures"]
    assert home.said("chat") == ["first", first.reply, "second", second.reply]
    assert set(statistics["plugins"]) >= PLUGINS
    assert {"model-snapshot", "memory-index", "trajectory-sync"} <= set(home.kinds("chat"))


async def test_scenario_34_a_plugin_that_hangs_delays_a_turn_by_one_hook_at_most_and_is_named(home: Home) -> None:
    """Three turns take three times as long as a hook may, not for ever; then the gateway still ends by itself."""
    home.invite("Hanging")
    async with quiet(home, failing={"hanging"}, **BRIEF) as client:
        began = time.monotonic()
        replies = [(await client.ask("chat", f"question {number}")).reply for number in range(3)]
        seconds = time.monotonic() - began
        statistics = await client.statistics()
    assert seconds < 3 * HOOK_SECONDS_MAX + 10
    assert statistics["plugins"]["hanging"]["failures"] >= 3
    assert home.said("chat")[1::2] == replies


async def test_a_plugin_that_floods_is_bounded_and_the_turn_is_not_starved(home: Home) -> None:
    """Fifty thousand records at once do not fit: what finds no room is refused and counted."""
    home.invite("Flooding")
    async with quiet(home, GATEWAY_HOOK_SECONDS_MAX="60") as client:
        exchange = await client.ask("chat", "question")
        statistics = await client.statistics()
    kinds, records = home.kinds("chat"), home.conversations["chat"]
    (flooded,) = [record["data"] for record in records if record.get("customType") == "flooded"]
    assert flooded["queued_max"] <= Limits().writer_records_max
    assert kinds.count("flood") == FLOOD_RECORDS - flooded["refused"]
    assert statistics["plugins"]["flooding"]["records_written"] == kinds.count("flood") + 1
    assert session_of(statistics, "chat")["writers"]["flood"]["refused_records"] == flooded["refused"]
    assert home.said("chat") == ["question", exchange.reply]


async def test_a_plugin_that_appends_to_a_closed_session_writes_nothing_and_disturbs_nobody(home: Home) -> None:
    """The end of the gateway is graceful all the same, and what it said on the way names the plugin."""
    home.invite("Late")
    async with quiet(home) as client:
        exchange = await client.ask("chat", "question")
    assert "late" not in home.kinds("chat")
    assert home.said("chat") == ["question", exchange.reply]
    assert "ClosedError" in home.log
    assert "plugin=late" in home.log


async def test_a_plugin_that_cannot_be_loaded_is_left_out_and_named(home: Home) -> None:
    """A broken installation of one must not take the others with it."""
    home.invite("NoSuchPlugin")
    async with quiet(home, broken={"nosuchplugin"}) as client:
        exchange = await client.ask("chat", "question")
        statistics = await client.statistics()
    assert "NoSuchPlugin" in statistics["plugins_broken"]["nosuchplugin"]
    assert set(statistics["plugins"]) == PLUGINS
    assert home.said("chat") == ["question", exchange.reply]
