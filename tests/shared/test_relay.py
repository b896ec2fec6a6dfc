"""What committed goes out under its own id, whatever becomes of the one who told it."""

from datetime import UTC, datetime, timedelta

from prometheus_client import REGISTRY
from sqlalchemy import text

from shared.outbox import Relay
from shared.work import Letter
from tests.shared.listener import EchoTold, MakeDatabase, listener


async def test_a_lease_runs_by_the_clock_of_the_server(database_for: MakeDatabase) -> None:
    """Told by a process whose clock is an hour ahead: another may send it after ten seconds."""
    database = await database_for(listener)
    async with database.begin_work() as work:
        work.now = datetime.now(UTC) + timedelta(hours=1)
        work.announce(EchoTold(region="99", word="x"))

    async with database.engine.begin() as connection:
        held = text("SELECT claimed_until - now() FROM outbox")
        left = (await connection.execute(held)).scalar_one()

    assert timedelta(0) < left <= timedelta(seconds=database.lease_s)


async def test_what_was_not_published_is_not_counted_as_published(
    database_for: MakeDatabase,
) -> None:
    """The count of published events is of those that a stream acknowledged."""
    database = await database_for(listener)
    letters: list[Letter] = []
    database.handed = lambda work: letters.extend(work.letters)
    async with database.begin_work() as work:
        for number in range(3):
            work.announce(EchoTold(region="99", word=f"word {number}"))

    async def publish(letter: Letter) -> int:
        if letter is letters[1]:
            raise TimeoutError
        return 1

    def counted() -> float:
        told = {"stream": "events-listener"}
        return REGISTRY.get_sample_value("events_published_total", told) or 0.0

    before = counted()
    relay = Relay(database, publish)
    relay.take(letters)
    relay.stopping = True
    await relay.run()

    assert counted() - before == 2
    async with database.engine.begin() as connection:
        unsent = text("SELECT id FROM outbox WHERE published_at IS NULL AND attempts = 1")
        assert (await connection.execute(unsent)).scalars().all() == [letters[1].id]
