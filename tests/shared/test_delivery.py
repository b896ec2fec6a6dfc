"""What delivery promises: applied once, or a dead letter with its reason; never both."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from sqlalchemy import Column, Integer, Table, Text, text

from deploy.provision import durable_config
from deploy.servers import Nats
from shared.contracts.base import Event
from shared.http import Problem
from shared.service import Due, Refused, Service, batch, durable_of
from shared.service.consume import is_outage
from shared.service.run import Running, running
from shared.settings import SharedSettings
from shared.work import Database, Ledger, Work
from tests.conftest import eventually

MakeDatabase = Callable[..., Awaitable[Database]]


class ThingTold(Event):
    """A thing, for these tests."""

    name: ClassVar[str] = "teller.thing-told.v1"
    word: str
    revision: int = 1


class EchoTold(Event):
    """What the listener tells of a thing."""

    name: ClassVar[str] = "listener.echo-told.v1"
    word: str


teller = Ledger("teller")
listener = Ledger("listener")
Table("heard", listener.metadata, Column("word", Text, primary_key=True), Column("times", Integer))
HEAR = text(
    "INSERT INTO heard VALUES (:word, 1) ON CONFLICT (word) DO UPDATE SET times = heard.times + 1"
)
trouble: dict[str, int] = {}


async def hear_one(work: Work, event: ThingTold) -> None:
    if trouble.get(event.word, 0) > 0:
        trouble[event.word] -= 1
        raise RuntimeError(f"cannot bear {event.word}")
    if event.word == "never":
        raise Refused("not this one, ever")
    await work.session.execute(HEAR, {"word": event.word})
    work.announce(EchoTold(region="99", word=event.word))


async def hear(events: Sequence[ThingTold], work: Work) -> None:
    for event in events:
        await hear_one(work, event)


class World:
    """A stream that somebody tells into and one service that listens, on real servers."""

    def __init__(self, js: JetStreamContext, live: Running, database: Database) -> None:
        self.js, self.live, self.database = js, live, database

    async def tell(self, event: Event, **changed: Any) -> None:
        headers = {**event.headers(), **changed.get("headers", {})}
        await self.js.publish(
            changed.get("subject", event.subject),
            changed.get("body", event.body()),
            headers=headers,
        )

    async def ask(self, question: str) -> list[Any]:
        async with self.database.engine.connect() as connection:
            return list(await connection.execute(text(question)))

    async def heard(self) -> dict[str, int]:
        return {row.word: row.times for row in await self.ask("SELECT * FROM heard")}

    async def quiet(self) -> bool:
        about = await self.js.consumer_info("events-teller", "listener-thing-told-v1")
        return not about.num_pending and not about.num_ack_pending


@pytest.fixture
async def world(nats_server: Nats, database_for: MakeDatabase) -> Any:
    trouble.clear()
    database = await database_for(listener)
    settings = SharedSettings(
        nats_url=f"nats://127.0.0.1:{nats_server.port}",
        database_url=str(database.engine.url.render_as_string(hide_password=False)).replace(
            "postgresql+asyncpg", "postgresql"
        ),
        failures_until_dead=3,
        retry_first_s=0.05,
        retry_cap_s=0.2,
        log_level="ERROR",
    )
    client = await nats.connect(settings.nats_url)
    js = client.jetstream()
    for name in ("teller", "listener"):
        await js.add_stream(StreamConfig(name=f"events-{name}", subjects=[f"events.{name}.>"]))
    service = Service(
        name="listener",
        settings=settings,
        ledger=listener,
        reacts_to={ThingTold: batch(hear, size=20)},
        announces=(EchoTold,),
    )
    durable = durable_of("listener", ThingTold)
    await js.add_consumer("events-teller", durable_config(durable, ThingTold.subjects(), batch=20))
    async with running(service) as live:
        yield World(js, live, database)
    for name in ("teller", "listener"):
        await js.delete_stream(f"events-{name}")
    await client.close()


async def test_an_event_is_applied_once_however_often_it_comes(world: World) -> None:
    """Five copies of one event: one effect, one announcement."""
    event = ThingTold(region="99", word="savi")
    for _ in range(5):
        await world.tell(event)

    await eventually(world.quiet)

    assert await world.heard() == {"savi": 1}
    assert len(await world.ask("SELECT * FROM outbox")) == 1


async def test_copies_in_one_batch_are_one(world: World) -> None:
    """A batch of twenty copies, fetched together: still one effect."""
    event = ThingTold(region="99", word="sora")
    consumer = world.live.consumers["listener-thing-told-v1"]

    class Copy:
        subject, headers, body = event.subject, event.headers(), event.body()
        stream, stream_seq, deliveries = "events-teller", 1, 1

        async def ack(self) -> None: ...
        async def nak(self, delay_s: float) -> None: ...
        async def term(self) -> None: ...

    await consumer.receive([Copy() for _ in range(20)])

    assert await world.heard() == {"sora": 1}


async def test_what_is_announced_reaches_the_stream_under_its_own_id(world: World) -> None:
    """The outbox row is published and marked with its place in the stream."""
    await world.tell(ThingTold(region="99", word="louhe"))

    async def published() -> list[Any]:
        return await world.ask("SELECT * FROM outbox WHERE published_at IS NOT NULL")

    (row,) = await eventually(published)
    message = await world.js.get_msg("events-listener", row.stream_seq)

    assert (message.headers or {})["ce-id"] == str(row.id)
    assert (message.headers or {})["Nats-Msg-Id"] == str(row.id)


async def test_one_bad_event_does_not_hold_its_neighbours(world: World) -> None:
    """Of forty events one always fails: thirty-nine are applied, one is a dead letter."""
    trouble["poison"] = 10_000
    for number in range(40):
        word = "poison" if number == 20 else f"word {number}"
        await world.tell(ThingTold(region="99", word=word))

    await eventually(world.quiet)

    assert len(await world.heard()) == 39
    (dead,) = await world.ask("SELECT * FROM dead_letter")
    assert (dead.reason, dead.failures) == ("gave_up", 3)
    assert "cannot bear poison" in dead.error


async def test_an_event_that_fails_twice_and_then_works_is_applied_once(world: World) -> None:
    """Failures are counted in the database and the event comes back after a delay."""
    trouble["later"] = 2
    await world.tell(ThingTold(region="99", word="later"))

    await eventually(world.quiet)

    assert await world.heard() == {"later": 1}
    assert await world.ask("SELECT * FROM dead_letter") == []


async def test_a_handler_that_says_never_is_believed_at_once(world: World) -> None:
    """No retry for a refusal."""
    await world.tell(ThingTold(region="99", word="never"))

    await eventually(world.quiet)

    (dead,) = await world.ask("SELECT * FROM dead_letter")
    assert (dead.reason, dead.failures) == ("refused", 1)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"body": b"{"}, "json"),
        ({"body": b"\xff\xfe"}, "json"),
        ({"body": b'{"region": "99"}'}, "word"),
        ({"headers": {"ce-type": "teller.other.v1"}}, "ce-type"),
        ({"headers": {"ce-id": ""}}, "ce-id missing"),
    ],
)
async def test_what_is_no_such_event_becomes_a_dead_letter(
    world: World, changed: dict[str, Any], said: str
) -> None:
    """Malformed once, dead once, and the next event goes on."""
    await world.tell(ThingTold(region="99", word="bad"), **changed)
    await world.tell(ThingTold(region="99", word="good"))

    await eventually(world.quiet)

    (dead,) = await world.ask("SELECT * FROM dead_letter")
    assert dead.reason == "malformed"
    assert said in dead.error.lower()
    assert await world.heard() == {"good": 1}


async def test_an_outage_of_the_database_uses_up_no_tries(world: World) -> None:
    """While every session is thrown out nothing is counted; afterwards everything is applied."""
    stop = asyncio.Event()

    async def throw_out() -> None:
        while not stop.is_set():
            async with world.database.engine.connect() as connection:
                await connection.execute(
                    text(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
                    )
                )
            await asyncio.sleep(0.02)

    throwing = asyncio.create_task(throw_out())
    for number in range(30):
        await world.tell(ThingTold(region="99", word=f"word {number}"))
    await asyncio.sleep(0.5)
    stop.set()
    await throwing

    await eventually(world.quiet)

    assert set((await world.heard()).values()) == {1}
    assert len(await world.heard()) == 30
    assert await world.ask("SELECT * FROM dead_letter") == []


async def test_a_service_without_its_durable_does_not_start(world: World, tmp_path: Path) -> None:
    """It says which one is missing and what to run."""
    card = world.live.service
    await world.js.delete_consumer("events-teller", "listener-thing-told-v1")
    other = Service(
        name=card.name, settings=card.settings, ledger=card.ledger, reacts_to=card.reacts_to
    )
    live = Running(other)
    with pytest.raises(SystemExit, match=r"listener-thing-told-v1.*massakoppi provision"):
        await live.start()
    await live.stop()
    await world.js.add_consumer(
        "events-teller",
        durable_config("listener-thing-told-v1", ThingTold.subjects(), batch=20),
    )


def test_what_is_an_outage_and_what_is_not() -> None:
    """A connection that breaks is one; a rule that is broken is not."""
    assert is_outage(ConnectionResetError())
    assert is_outage(TimeoutError())
    assert is_outage(OSError(28, "no space left"))
    assert not is_outage(ValueError("negative tonnes"))
    assert not is_outage(Problem(422, "x", "y"))


def test_the_due_of_a_card_is_told_by_its_table() -> None:
    """Defaults of a due are gentle."""
    due = Due("errand", ("word",))
    assert (due.size, due.at_once) == (4, 1)
