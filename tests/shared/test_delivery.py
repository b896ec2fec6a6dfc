"""What delivery promises: applied once, or a dead letter with its reason; never both."""

import asyncio
from typing import Any

import pytest
from asyncpg import InternalClientError
from sqlalchemy import text

from shared.http import Problem
from shared.service import Due
from shared.service.consume import Consumer, set_aside
from shared.service.run import Running
from shared.work import Work, is_outage
from tests.conftest import eventually
from tests.shared.listener import DURABLE, ThingTold, World, a_listener, add_durable, hear, trouble


class Copy:
    """A delivery of *event* that no server made; it knows how it was answered."""

    def __init__(self, event: ThingTold) -> None:
        self.subject, self.headers, self.body = event.subject, event.headers(), event.body()
        self.stream, self.stream_seq, self.deliveries = "events-teller", 1, 1
        self.answer = ""

    async def ack(self) -> None:
        self.answer = "ack"

    async def nak(self, delay_s: float) -> None:
        self.answer = "nak"

    async def term(self) -> None:
        self.answer = "term"


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
    consumer = world.live.consumers[DURABLE]

    await consumer.receive([Copy(event) for _ in range(20)])

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


@pytest.mark.parametrize("word", ["note too large", "note \0"])
async def test_a_value_that_the_database_does_not_take_is_no_outage(
    world: World, word: str
) -> None:
    """Refused by the driver or by the server: counted, a dead letter, and its batch goes on."""
    await world.tell(ThingTold(region="99", word=word, revision=2**40))
    for number in range(5):
        await world.tell(ThingTold(region="99", word=f"word {number}"))

    await eventually(world.quiet, within_s=5)

    (dead,) = await world.ask("SELECT * FROM dead_letter")
    assert (dead.reason, dead.failures) == ("gave_up", 3)
    assert len(await world.heard()) == 5


@pytest.mark.parametrize(
    "changed",
    [
        {"headers": {"ce-id": "%00"}},
        {"headers": {"ce-source": "a%00"}},
        {"headers": {"ce-type": "%00"}},
        {"headers": {"x-note": "\0"}},
        {"body": b"{\0"},
    ],
)
async def test_a_malformed_event_is_buried_whatever_signs_it_carries(
    world: World, changed: dict[str, Any]
) -> None:
    """A sign that no database takes keeps no message from its grave."""
    await world.tell(ThingTold(region="99", word="bad"), **{"body": b"{", **changed})

    await eventually(world.quiet, within_s=5)

    (dead,) = await world.ask("SELECT * FROM dead_letter")
    assert dead.reason == "malformed"


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

    (dead,) = await eventually(lambda: world.ask("SELECT * FROM dead_letter"))
    await eventually(world.quiet)

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

    (dead,) = await eventually(lambda: world.ask("SELECT * FROM dead_letter"))
    await eventually(world.quiet)

    assert dead.reason == "malformed"
    assert said in dead.error.lower()
    assert await world.heard() == {"good": 1}


def another(world: World, handler: Any) -> Consumer:
    """A second reader of the same durable, in whose hands the first failure is the last."""
    return Consumer(world.database, DURABLE, ThingTold, handler, failures_until_dead=1)


async def test_an_event_in_work_elsewhere_is_not_buried_before_its_outcome(world: World) -> None:
    """One replica gives up while another is about to commit: applied, and no dead letter."""
    event = ThingTold(region="99", word="twice given")
    entered, gate = asyncio.Event(), asyncio.Event()

    async def slow(event: ThingTold, work: Work) -> None:
        entered.set()
        await gate.wait()
        await hear([event], work)

    async def fail(event: ThingTold, work: Work) -> None:
        raise AssertionError("never comes to this")

    first, second = Copy(event), Copy(event)
    applying = asyncio.create_task(another(world, slow).receive([first]))
    await entered.wait()
    burying = asyncio.create_task(another(world, fail).failed(second, ValueError("x"), event))

    async def waits() -> Any:
        return await world.ask("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    await eventually(waits, within_s=5)
    gate.set()
    await asyncio.gather(applying, burying)

    assert (first.answer, second.answer) == ("ack", "term")
    assert await world.heard() == {"twice given": 1}
    assert await world.ask("SELECT * FROM dead_letter") == []


async def test_an_event_buried_while_another_waited_for_it_is_not_applied(world: World) -> None:
    """The other replica's claim waited for the burial: it finds the dead letter and passes over."""
    event = ThingTold(region="99", word="buried")
    late = Copy(event)
    letter = {
        "id": event.id, "durable": DURABLE, "key": f"/massakoppi/teller {event.id}",
        "stream": "events-teller", "seq": 1, "subject": event.subject, "headers": "{}",
        "payload": event.body(), "reason": "gave_up", "error": "x", "failures": 8,
    }  # fmt: skip
    async with world.database.engine.begin() as connection:
        assert await set_aside(connection, event, letter)
        applying = asyncio.create_task(world.live.consumers[DURABLE].receive([late]))
        asked = text("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

        async def waits() -> Any:
            return (await connection.execute(asked)).first()

        await eventually(waits, within_s=5)
    await applying

    assert late.answer == "ack"
    assert await world.heard() == {}
    assert len(await world.ask("SELECT * FROM dead_letter")) == 1
    assert await world.ask("SELECT * FROM inbox") == []


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


async def test_a_service_without_its_durable_does_not_start(world: World) -> None:
    """It says which one is missing and what to run."""
    await world.js.delete_consumer("events-teller", DURABLE)
    live = Running(a_listener(world.live.settings))
    with pytest.raises(SystemExit, match=r"listener-thing-told-v1.*massakoppi provision"):
        await live.start()
    await live.stop()
    await add_durable(world.js)


def test_what_is_an_outage_and_what_is_not() -> None:
    """A connection that breaks is one; a rule that is broken is not."""
    assert is_outage(ConnectionResetError())
    assert is_outage(TimeoutError())
    assert is_outage(OSError(28, "no space left"))
    assert is_outage(InternalClientError("asked after the server's farewell was read"))
    assert not is_outage(ValueError("negative tonnes"))
    assert not is_outage(Problem(422, "failed"))


def test_the_due_of_a_card_is_told_by_its_table() -> None:
    """Defaults of a due are gentle."""
    due = Due("errand", ("word",))
    assert (due.size, due.at_once) == (4, 1)
