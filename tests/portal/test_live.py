"""Streams: a beat, signals for whom they concern, and an end that nobody waits for."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from services.portal.api.streams import Client, EventStream, Streams
from services.portal.gateways import Seen
from shared.work import Signal
from tests.portal.conftest import Portal, Services, sign_in


class Heard:
    """The events of one stream, as a browser hears them."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self.answer = answer

    async def next(self, *wanted: str) -> tuple[str, dict[str, Any]]:
        """The next event, or the next of one of the *wanted* kinds; `end` when it is over."""
        async with asyncio.timeout(5):
            name = ""
            async for line in self.answer.content:
                text = line.decode().strip()
                if text.startswith("event: "):
                    name = text.removeprefix("event: ")
                elif text.startswith("data: ") and (not wanted or name in wanted):
                    return name, json.loads(text.removeprefix("data: "))
        return "end", {}


@asynccontextmanager
async def listening(
    browser: aiohttp.ClientSession, portal: Portal, region: str = "99"
) -> AsyncIterator[Heard]:
    """An open stream, after its first event."""
    async with browser.get(f"{portal.url}/events?region={region}") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Accel-Buffering"] == "no"
        heard = Heard(answer)
        assert (await heard.next())[0] == "hello"
        yield heard


async def test_a_stream_beats_so_that_the_page_can_hear(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """A named event, not a comment, again and again."""
    async with listening(browser, portal) as heard:
        assert (await heard.next())[0] == "beat"
        assert (await heard.next())[0] == "beat"


async def test_a_signal_says_only_who_has_news(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """No id, no revision: the page asks for itself, with its own rights."""
    async with listening(browser, portal) as heard:
        await portal.hears("matcher", "match", id="secret", origin="tab1")
        assert await heard.next("signal") == ("signal", {"from": "matcher", "origin": "tab1"})


async def test_what_came_while_a_page_was_on_its_way_is_told_when_it_listens(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """Between the page and its stream nothing is missed; what was before the page is old."""
    await portal.hears("matcher", "delivery")
    await portal.hears("indicators", "figure", "01")
    await portal.hears("notifier", "inbox", organisation="soraset")
    now = time.time()
    async with browser.get(f"{portal.url}/events?region=99&drawn={now}") as answer:
        heard = Heard(answer)
        assert await heard.next("signal", "beat") == ("signal", {"from": "matcher", "origin": ""})
        assert (await heard.next("signal", "beat"))[0] == "beat"
    async with browser.get(f"{portal.url}/events?region=99&drawn={now + 60}") as answer:
        assert (await Heard(answer).next("signal", "beat"))[0] == "beat"


async def test_a_stream_hears_its_own_region_only(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """News of another region pass by; so do messages that are no signals."""
    async with listening(browser, portal, "01") as heard:
        await portal.hears("matcher", "match", "99")
        await portal.service.listens(portal.app, "signals.x", b"no json")
        await portal.service.listens(portal.app, "signals.matcher.match.01.-", b"{}")
        await portal.hears("indicators", "figure", "01")
        assert (await heard.next("signal"))[1]["from"] == "indicators"


async def test_inbox_news_go_to_those_they_concern(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """Of one's own organisation yes, of another no; a regional coordinator hears both."""
    await sign_in(browser, portal, "aino")
    async with listening(browser, portal) as heard:
        await portal.hears("notifier", "inbox", organisation="soraset", origin="other")
        await portal.hears("notifier", "inbox", organisation="kiviset", origin="mine")
        assert (await heard.next("signal"))[1]["origin"] == "mine"
    await sign_in(browser, portal, "elsa")
    async with listening(browser, portal) as heard:
        await portal.hears("notifier", "inbox", organisation="soraset", origin="other")
        assert (await heard.next("signal"))[1]["origin"] == "other"


async def test_a_reconnected_broker_makes_pages_fetch_again(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """Signals may have been lost meanwhile."""
    async with listening(browser, portal) as heard:
        await portal.service.listens(portal.app, "resync", b"")
        assert (await heard.next("resync"))[0] == "resync"


async def test_streams_end_when_the_portal_stops(
    portal: Portal, browser: aiohttp.ClientSession
) -> None:
    """Each hears a farewell and ends within a second; new ones are refused."""
    async with listening(browser, portal) as heard:
        await portal.service.on_stop(portal.app)
        assert (await heard.next("bye"))[0] == "bye"
        assert (await heard.next())[0] == "end"
    assert not portal.app.state.desk.streams.clients
    async with browser.get(f"{portal.url}/events") as answer:
        assert answer.status == 503


async def test_a_removed_persons_stream_ends(
    portal: Portal, services: Services, browser: aiohttp.ClientSession
) -> None:
    """The registry refuses at a beat: the page is told, and hears no more."""
    await sign_in(browser, portal)
    async with listening(browser, portal) as heard:
        services.removed.add("aino")
        assert (await heard.next("signed-out"))[0] == "signed-out"
        assert (await heard.next())[0] == "bye"
        assert (await heard.next())[0] == "end"


async def forever() -> bool:
    """Everybody stays known."""
    return True


async def test_a_slow_reader_is_dropped_not_buffered() -> None:
    """Who takes nothing is let go after the set time, whatever waits for it."""
    streams = Streams(beat_s=0.05, slow_s=0.2, room=10)
    client = Client("99", None)
    taken: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        taken.append(message)
        if len(taken) > 2:
            await asyncio.Event().wait()  # a browser that reads no more

    async def receive() -> Any:
        await asyncio.Event().wait()

    stream = EventStream(streams, client, forever)
    running = asyncio.create_task(stream({"type": "http"}, receive, send))  # type: ignore[arg-type]
    for number in range(5000):
        streams.publish("matcher", Signal("match", "99", "-", str(number), number, ""))
        assert len(client.pending) <= 1
        if number % 500 == 0:
            await asyncio.sleep(0)
    async with asyncio.timeout(2):
        await running
    assert len(taken) == 3
    assert not streams.clients


@pytest.mark.parametrize(
    ("origins", "told"), [(("a", "a"), "a"), (("a", "b"), ""), (("", "b"), "")]
)
def test_many_signals_of_a_service_are_one(origins: tuple[str, str], told: str) -> None:
    """Of one origin it is named, so that its tab may drop the echo; of several it is not."""
    client = Client("99", None)
    for origin in origins:
        client.hear("matcher", Signal("match", "99", "-", "x", 1, origin))
    assert [("matcher", told)] == client.due(1000.0)[0]
    client.hear("matcher", Signal("match", "99", "-", "y", 2, ""))
    ready, wait = client.due(1000.1)
    assert ready == []
    assert 0.3 < wait <= 0.4


def test_a_full_portal_takes_no_more_streams() -> None:
    """The number of open pages is bounded by a setting."""
    streams = Streams(beat_s=1, slow_s=1, room=1)
    streams.clients.add(Client("99", Seen("", "p", {}, (), 1, "fi", 0)))
    assert streams.full
