"""A service that listens, for tests of the mechanism: on real servers, nothing of the trade."""

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from sqlalchemy import Column, Integer, Table, Text, Uuid, text

from deploy.provision import durable_config
from deploy.servers import Nats, end_with_parent
from shared.contracts.base import Event
from shared.service import Refused, Service, batch, durable_of
from shared.service.run import Running, run, running
from shared.settings import SharedSettings
from shared.work import MOMENT, Database, Ledger, Work

MakeDatabase = Callable[..., Awaitable[Database]]
DURABLE = "listener-thing-told-v1"


class ThingTold(Event):
    """A thing, for these tests."""

    name: ClassVar[str] = "teller.thing-told.v1"
    word: str
    revision: int = 1


class EchoTold(Event):
    """What the listener tells of a thing."""

    name: ClassVar[str] = "listener.echo-told.v1"
    word: str


listener = Ledger("listener")
Table("heard", listener.metadata, Column("word", Text, primary_key=True), Column("times", Integer))
Table(
    "errand",
    listener.metadata,
    Column("word", Text, primary_key=True),
    Column("due_at", MOMENT, nullable=False, server_default=text("now()")),
    Column("claimed_by", Uuid),
    Column("claimed_until", MOMENT),
    Column("attempts", Integer, nullable=False, server_default="0"),
)
HEAR = text(
    "INSERT INTO heard VALUES (:word, 1) ON CONFLICT (word) DO UPDATE SET times = heard.times + 1"
)
NOTE = text("INSERT INTO heard VALUES (:word, :revision)")
trouble: dict[str, int] = {}


async def hear_one(work: Work, event: ThingTold) -> None:
    """Count the word and echo it; unless it is in trouble, or says *never*."""
    if trouble.get(event.word, 0) > 0:
        trouble[event.word] -= 1
        raise RuntimeError(f"cannot bear {event.word}")
    if event.word == "never":
        raise Refused("not this one, ever")
    if event.word.startswith("note "):
        await work.session.execute(NOTE, {"word": event.word, "revision": event.revision})
    else:
        await work.session.execute(HEAR, {"word": event.word})
    work.announce(EchoTold(region="99", word=event.word))


async def hear(events: Sequence[ThingTold], work: Work) -> None:
    """Hear each of *events*."""
    for event in events:
        await hear_one(work, event)


class World:
    """A stream that somebody tells into and one service that listens, on real servers."""

    def __init__(self, client: Client, live: Running, database: Database) -> None:
        self.client, self.live, self.database = client, live, database
        self.js: JetStreamContext = client.jetstream()

    async def tell(self, event: Event, **changed: Any) -> None:
        """Publish *event*, with subject, body or headers *changed*."""
        headers = {**event.headers(), **changed.get("headers", {})}
        await self.js.publish(
            changed.get("subject", event.subject),
            changed.get("body", event.body()),
            headers=headers,
        )

    async def ask(self, question: str, **told: Any) -> list[Any]:
        """The rows that answer *question*."""
        async with self.database.engine.begin() as connection:
            found = await connection.execute(text(question), told)
            return list(found) if found.returns_rows else []

    async def heard(self) -> dict[str, int]:
        """How often each word had its effect."""
        return {row.word: row.times for row in await self.ask("SELECT * FROM heard")}

    async def quiet(self) -> bool:
        """Whether the listener has nothing before it and nothing in hand."""
        about = await self.js.consumer_info("events-teller", DURABLE)
        return not about.num_pending and not about.num_ack_pending


def settings_for(nats_url: str, database: Database, **more: Any) -> SharedSettings:
    """Settings of a service that keeps its things in *database* and is impatient."""
    url = database.engine.url.render_as_string(hide_password=False)
    told = {
        "nats_url": nats_url,
        "database_url": url.replace("postgresql+asyncpg", "postgresql"),
        "failures_until_dead": 3,
        "retry_first_s": 0.05,
        "retry_cap_s": 0.2,
        "log_level": "ERROR",
    }
    return SharedSettings(**{**told, **more})


def a_listener(settings: SharedSettings, **more: Any) -> Service:
    """The card of the service that listens."""
    told = {"reacts_to": {ThingTold: batch(hear, size=20)}, "announces": (EchoTold,)}
    return Service(name="listener", settings=settings, ledger=listener, **{**told, **more})


@asynccontextmanager
async def streams(url: str) -> AsyncIterator[Client]:
    """Both streams and the durable of the listener, for the block."""
    client = await nats.connect(url)
    js = client.jetstream()
    for name in ("teller", "listener"):
        await js.add_stream(StreamConfig(name=f"events-{name}", subjects=[f"events.{name}.>"]))
    await add_durable(js)
    yield client
    for name in ("teller", "listener"):
        await js.delete_stream(f"events-{name}")
    await client.close()


async def add_durable(js: JetStreamContext, **changed: Any) -> None:
    """Make the listener's durable as provisioning would, unless *changed*."""
    assert durable_of("listener", ThingTold) == DURABLE
    config = durable_config(DURABLE, ThingTold.subjects(), batch=20)
    for name, value in changed.items():
        setattr(config, name, value)
    await js.add_consumer("events-teller", config)


@asynccontextmanager
async def listening(
    server: Nats, database: Database, *, settings: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[World]:
    """A world whose listener runs until the block ends; *more* changes its card."""
    trouble.clear()
    url = f"nats://127.0.0.1:{server.port}"
    card = a_listener(settings_for(url, database, **(settings or {})), **more)
    async with streams(url) as client, running(card) as live:
        yield World(client, live, database)


def as_process(settings: SharedSettings, **more: str) -> subprocess.Popen[str]:
    """The listener as a process of its own; its log on standard error."""
    told = {
        "NATS_URL": settings.nats_url,
        "DATABASE_URL": settings.database_url or "",
        "WATCH_EVERY_S": "0.2",
        "STOP_GRACE_S": "2",
        "HTTP_PORT": str(settings.http_port),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "tests.shared.listener"],
        cwd=Path(__file__).parents[2],
        env={**os.environ, **told, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=end_with_parent(),  # noqa: PLW1509  (one system call)
    )


async def ended(process: subprocess.Popen[str], *, within_s: float = 20) -> tuple[int, str]:
    """How *process* ended, and what it said; it is killed when it does not end by itself."""
    try:
        _, said = await asyncio.to_thread(process.communicate, timeout=within_s)
    except subprocess.TimeoutExpired:
        process.kill()
        _, said = process.communicate()
        raise AssertionError(f"still runs after {within_s} s: {said[-1500:]}") from None
    return process.returncode, said


if __name__ == "__main__":
    run(a_listener(SharedSettings()))
