"""Open pages and the signals that concern them: coalesced, never queued without end."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from services.portal.gateways import Seen
from shared.work import Signal

PAUSE_S = {"matcher": 0.5, "indicators": 2.0}  # between two signals of one service to one page
ALL_S = 0.3
CLOSING_S = 1.0
HEARD_KEPT = 5000
SLACK_S = 1.0  # replicas' clocks differ


@dataclass(eq=False)
class Client:
    """One open page: what it shows, who reads it, and what it has yet to be told."""

    region: str
    seen: Seen | None
    pending: dict[str, str] = field(default_factory=dict)
    told_at: dict[str, float] = field(default_factory=dict)
    resync: bool = False
    over: bool = False
    news: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def concerned(self, service: str, signal: Signal) -> bool:
        """Whether this page shows something that *signal* may have changed for its reader."""
        if signal.region not in ("-", self.region):
            return False
        if service != "notifier":
            return True
        return self.seen is not None and self.seen.concerns(self.region, signal.organisation)

    def hear(self, service: str, signal: Signal) -> None:
        """Remember that *service* has news; of several origins none is named."""
        known = self.pending.get(service)
        origin = signal.origin if known in (None, signal.origin) else ""
        self.pending[service] = origin
        self.news.set()

    def due(self, now: float) -> tuple[list[tuple[str, str]], float]:
        """The services whose news may be told *now*, and the seconds until the next may."""
        ready, wait = [], float("inf")
        for service, origin in list(self.pending.items()):
            left = self.told_at.get(service, 0.0) + PAUSE_S.get(service, ALL_S) - now
            if left > 0:
                wait = min(wait, left)
                continue
            ready.append((service, origin))
            del self.pending[service]
            self.told_at[service] = now
        return ready, wait

    def end(self) -> None:
        """Let the stream end at its next step."""
        self.over = True
        self.news.set()


class Streams:
    """
    Every open page of this process.

    What waits for a page is one entry a service, so a slow reader cannot fill memory; one that
    takes nothing for *slow_s* seconds is dropped, and fetches all again when it comes back.
    """

    def __init__(self, *, beat_s: float, slow_s: float, room: int) -> None:
        self.beat_s, self.slow_s, self.room = beat_s, slow_s, room
        self.clients: set[Client] = set()
        self.heard: dict[tuple[str, str, str], tuple[float, Signal]] = {}
        self.closed = False

    @property
    def full(self) -> bool:
        return self.closed or len(self.clients) >= self.room

    def publish(self, service: str, signal: Signal) -> None:
        """Tell every page that *signal* concerns."""
        self.heard.pop(key := (service, signal.region, signal.organisation), None)
        self.heard[key] = (time.time(), signal)  # the latest at the end
        if len(self.heard) > HEARD_KEPT:
            del self.heard[next(iter(self.heard))]
        for client in self.clients:
            if client.concerned(service, signal):
                client.hear(service, signal)

    def catch_up(self, client: Client, drawn: float) -> None:
        """Tell *client* what came between *drawn*, when its page was begun, and its stream."""
        for (service, _, _), (at, signal) in self.heard.items():
            if at >= drawn - SLACK_S and client.concerned(service, signal):
                client.hear(service, signal)

    def resync(self) -> None:
        """Signals may have been lost: every page is to fetch again."""
        for client in self.clients:
            client.resync = True
            client.news.set()

    async def close(self) -> None:
        """End every stream, and wait until they have ended, a second at most."""
        self.closed = True
        open_now = list(self.clients)
        for client in open_now:
            client.end()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                for client in open_now:
                    await client.ended.wait()


class EventStream(Response):
    """The server-sent events of one page, until it goes, is too slow, or the portal stops."""

    media_type = "text/event-stream"

    def __init__(
        self, streams: Streams, client: Client, still_known: Callable[[], Awaitable[bool]]
    ) -> None:
        self.streams, self.client, self.still_known = streams, client, still_known
        self.status_code = 200
        self.background = None
        self.init_headers({"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.streams.clients.add(self.client)
        watcher = asyncio.create_task(self._watch(receive))
        try:
            await self._run(send)
        except (TimeoutError, OSError):
            pass  # too slow or gone; it comes back by itself and fetches again
        finally:
            self.streams.clients.discard(self.client)
            self.client.ended.set()
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher

    async def _run(self, send: Send) -> None:
        start: Message = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await self._give(send, start)
        await self._say(send, "retry: 1000\n" + event("hello"))
        beat_at = time.monotonic() + self.streams.beat_s
        while not self.client.over:
            ready, wait = self.client.due(time.monotonic())
            text = "".join(event("signal", {"from": one, "origin": tab}) for one, tab in ready)
            if self.client.resync:
                self.client.resync = False
                text += event("resync")
            if time.monotonic() >= beat_at:
                beat_at = time.monotonic() + self.streams.beat_s
                text += event("beat")
                if not await self.still_known():
                    text += event("signed-out")
                    self.client.over = True
            if text:
                await self._say(send, text)
                continue
            self.client.news.clear()
            with contextlib.suppress(TimeoutError):
                pause = max(min(wait, beat_at - time.monotonic()), 0.001)
                await asyncio.wait_for(self.client.news.wait(), pause)
        await self._say(send, event("bye"))
        await self._give(send, {"type": "http.response.body", "body": b"", "more_body": False})

    async def _say(self, send: Send, text: str) -> None:
        body = text.encode()
        await self._give(send, {"type": "http.response.body", "body": body, "more_body": True})

    async def _give(self, send: Send, message: Message) -> None:
        await asyncio.wait_for(send(message), self.streams.slow_s)

    async def _watch(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.client.end()


def event(name: str, data: dict[str, str] | None = None) -> str:
    """One server-sent event; never a comment, which a page cannot see."""
    return f"event: {name}\ndata: {json.dumps(data or {})}\n\n"
