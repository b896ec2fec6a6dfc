"""A connector as a process: its door, its pauses, its health, and how it ends."""

import asyncio
import contextlib
import random
import signal
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

import aiohttp
import structlog
from aiohttp import web

from deploy.connectors.config import (
    Common,
    LoadsConfig,
    ProgrammeConfig,
    StreetWorksConfig,
)
from deploy.connectors.cursor import Cursor
from deploy.connectors.desk import Desk
from deploy.connectors.lists import SourceAway
from deploy.connectors.loads import Loads
from deploy.connectors.loads_door import LARGEST_BODY, LoadsDoor
from deploy.connectors.programme import NothingMore, Programme, StreamEnded
from deploy.connectors.street_works import StreetWorks
from shared.client import Credentials, NotSent, Sender

AWAY: Final = (SourceAway, NotSent, aiohttp.ClientError, OSError, TimeoutError)
log = structlog.get_logger()


class Connector(Protocol):
    """What every kind does."""

    @property
    def pause_s(self) -> float | None:
        """The pause that the source itself asked for, seconds."""

    async def once(self, desk: Desk) -> None:
        """Tell what the source says now, and return."""

    async def follow(self, desk: Desk) -> None:
        """Tell what the source says until it is time to ask anew."""


@dataclass(slots=True)
class Health:
    """What `/readyz` and `/state` answer."""

    kind: str
    desk: Desk
    good_at: float | None = None
    trouble: str | None = None

    def to_json(self) -> dict[str, Any]:
        since = None if self.good_at is None else round(time.monotonic() - self.good_at, 1)
        return {
            "kind": self.kind,
            "organisation": self.desk.organisation,
            "good_s_ago": since,
            "trouble": self.trouble,
            "refused": len(self.desk.cursor.refused()),
            "counts": dict(self.desk.counts),
        }


async def connect(
    config: Common, *, once: bool = False, dry_run: bool = False, again: bool = False
) -> dict[str, Any]:
    """
    Run the connector of *config* until it is told to stop; the state at its end.

    With *once* it tells what there is now; *dry_run* sends nothing and moves nothing; *again* tells
    anew what stands refused. Raises `BadConfig`, `CursorTaken`, and with *once* whatever is away.
    """
    connector = connector_of(config)
    async with AsyncExitStack() as stack:
        cursor = stack.enter_context(Cursor(config.cursor))
        if again:
            cursor.forget_refusals()
        desk = Desk(config.organisation, config.source, cursor, None)
        health = Health(config.kind, desk)
        if config.listen is not None and not dry_run:
            await stack.enter_async_context(_answering(config, connector, desk, health))
        if dry_run:
            await connector.once(desk)
        elif once:
            await _served(config, desk, connector.once)
        else:
            await _until_stopped(config, connector, desk, health)
        return health.to_json()


def connector_of(config: Common) -> Connector:
    """The connector that a file describes; raises `BadConfig`."""
    match config:
        case ProgrammeConfig():
            return Programme(config)
        case StreetWorksConfig():
            return StreetWorks(config)
        case LoadsConfig():
            return Loads(config)
    raise AssertionError(config)


def _sender(config: Common) -> Sender:
    credentials = Credentials.read(config.credentials)
    if credentials.organisation != config.organisation:
        raise NotSent(f"the credentials are those of {credentials.organisation}")
    if config.door == "https":
        credentials = replace(credentials, nats_seed=None)
    return credentials.sender(patience_s=config.patience_s)


async def _served(config: Common, desk: Desk, work: Any) -> None:
    """Do *work* with the door open."""
    async with _sender(config) as sender:
        desk.sender = sender
        try:
            await work(desk)
        finally:
            desk.sender = None


async def _until_stopped(config: Common, connector: Connector, desk: Desk, health: Health) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stop.set)
    following = asyncio.create_task(_follow(config, connector, desk, health))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not following.done():
        following.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await following
    log.info("connector_stopped", kind=config.kind)


async def _follow(config: Common, connector: Connector, desk: Desk, health: Health) -> None:
    """Follow the source; when it or the door is away, wait longer and longer, never in step."""
    pause = config.pause_s
    while True:
        began = time.monotonic()
        try:
            async with _sender(config) as sender:
                desk.sender = sender
                while True:
                    await connector.follow(desk)
                    health.good_at, health.trouble = time.monotonic(), None
                    pause = config.pause_s
                    await asyncio.sleep(_every_s(config))
        except NothingMore:
            log.info("source_wants_no_more", kind=config.kind)
            return
        except StreamEnded as error:
            health.good_at = time.monotonic()
            log.info("stream_ended", why=str(error))
            asked = connector.pause_s
            if time.monotonic() - began > config.longest_pause_s or asked is not None:
                pause = min(asked or config.pause_s, config.longest_pause_s)
        except AWAY as error:
            health.trouble = str(error) or repr(error)
            log.warning("away", kind=config.kind, why=health.trouble, pause_s=round(pause, 2))
        finally:
            desk.sender = None
        await asyncio.sleep(pause * random.uniform(0.5, 1.0))
        pause = min(pause * 2, config.longest_pause_s)


def _every_s(config: Common) -> float:
    return config.every_s if isinstance(config, StreetWorksConfig | LoadsConfig) else 0.0


@asynccontextmanager
async def _answering(
    config: Common, connector: Connector, desk: Desk, health: Health
) -> AsyncIterator[None]:
    """Answer `/livez`, `/readyz`, `/state`, and what the connector takes in itself."""

    async def live(_request: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def ready(_request: web.Request) -> web.Response:
        good = health.trouble is None and desk.sender is not None
        told = {"status": "ready" if good else "not ready", "trouble": health.trouble}
        return web.json_response(told, status=200 if good else 503)

    async def state(_request: web.Request) -> web.Response:
        return web.json_response(health.to_json())

    app = web.Application(client_max_size=LARGEST_BODY)
    app.add_routes([web.get("/livez", live), web.get("/readyz", ready), web.get("/state", state)])
    if isinstance(connector, Loads) and isinstance(config, LoadsConfig) and config.key_file:
        app.add_routes([web.post("/loads", LoadsDoor(connector, desk, config.key_file).post)])
    host, _, port = (config.listen or "").rpartition(":")
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=5.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, host.strip("[]"), int(port)).start()
        log.info("listening", at=config.listen)
        yield
    finally:
        await runner.cleanup()
