"""Starting waits for what is away; stopping ends in time and leaves nothing held."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nats
import pytest
from sqlalchemy import text

from deploy.servers import Nats, free_port
from shared.service import Due
from shared.service.bus import take
from shared.service.run import Running
from shared.work import Work
from tests.conftest import eventually
from tests.shared.listener import (
    DURABLE,
    EchoTold,
    MakeDatabase,
    ThingTold,
    World,
    as_process,
    ended,
    listener,
    listening,
    settings_for,
    streams,
)
from tests.shared.test_laws import is_ready, ready


@pytest.fixture
def own_nats(tmp_path: Path) -> Any:
    """A server that a test may stop and start; `start(jetstream=False)` is one without streams."""
    server = Nats(tmp_path, free_port())

    def start(*, jetstream: bool = True) -> Nats:
        store = f'jetstream {{ store_dir: "{tmp_path}/store" }}\n' if jetstream else ""
        (tmp_path / "nats.conf").write_text(f'listen: "127.0.0.1:{server.port}"\n{store}')
        server.start()
        return server

    yield start
    server.stop()


async def test_a_start_waits_for_a_server_that_has_no_answer_yet(
    own_nats: Any, database_for: MakeDatabase
) -> None:
    """NATS listens and its streams are not there yet: no process ends over that."""
    server = own_nats()
    url = f"nats://127.0.0.1:{server.port}"
    settings = settings_for(url, await database_for(listener), http_port=free_port())
    async with streams(url):
        server.stop()
        own_nats(jetstream=False)
        process = as_process(settings)

        async def connected() -> bool:
            return (await ready(settings.http_port))[1] == ["starting"]

        await eventually(connected)
        await asyncio.sleep(1)  # its question finds nobody meanwhile
        assert process.poll() is None
        server.stop()
        own_nats()
        await eventually(lambda: is_ready(settings))
        process.terminate()
        assert (await ended(process))[0] == 0


@pytest.mark.parametrize("away", ["NATS", "PostgreSQL"])
async def test_a_process_told_to_stop_while_it_waits_stops_at_once(
    nats_server: Nats, database_for: MakeDatabase, away: str
) -> None:
    """Exit 0 within a moment, whichever server it waits for."""
    port = free_port() if away == "NATS" else nats_server.port
    settings = settings_for(
        f"nats://127.0.0.1:{port}", await database_for(listener), http_port=free_port()
    )
    if away == "PostgreSQL":
        url = f"postgresql://postgres@127.0.0.1:{free_port()}/nowhere"
        settings = settings.model_copy(update={"database_url": url})
    process = as_process(settings)

    async def waits() -> bool:
        return "starting" in (await ready(settings.http_port))[1]

    await eventually(waits)
    process.terminate()

    assert (await ended(process, within_s=4))[0] == 0


async def test_a_service_begins_again_when_a_server_goes_while_it_begins(
    nats_server: Nats, database_for: MakeDatabase
) -> None:
    """Its own beginning meets an outage: tried again. A fault of its own ends the start."""
    tries: list[Exception] = [ConnectionResetError(), TimeoutError()]

    async def begin(_: Any) -> None:
        if tries:
            raise tries.pop()

    database = await database_for(listener)
    async with listening(nats_server, database, on_start=begin) as world:
        assert (world.live.started, tries) == (True, [])
        live = Running(replace(world.live.service, on_start=_fail))
        with pytest.raises(ValueError, match="fault"):
            await live.start()
        await live.stop()


async def _fail(_: Any) -> None:
    raise ValueError("a fault of its own")


async def test_a_handler_that_never_ends_is_cancelled_and_its_event_goes_to_another(
    nats_server: Nats, database_for: MakeDatabase
) -> None:
    """The grace is over: rolled back, given back, and the stop ends."""
    begun = asyncio.Event()

    async def stuck(event: ThingTold, work: Work) -> None:
        begun.set()
        await asyncio.sleep(3600)

    database = await database_for(listener)
    card = {"reacts_to": {ThingTold: stuck}, "settings": {"stop_grace_s": 0.5}}
    async with listening(nats_server, database, **card) as world:
        await world.tell(ThingTold(region="99", word="x"))
        await begun.wait()
        await asyncio.wait_for(world.live.stop(), 5)

        assert await again(world) == 1


async def again(world: World) -> int:
    """How many events another reader of the durable gets within two seconds."""
    reader = await world.js.pull_subscribe_bind(durable=DURABLE, stream="events-teller")
    found = 0
    with contextlib.suppress(TimeoutError):
        while True:
            found += len(await reader.fetch(100, timeout=2))
    return found


async def test_what_is_worked_off_while_stopping_is_still_told(
    nats_server: Nats, database_for: MakeDatabase
) -> None:
    """The relay stops last: a scale to zero leaves the outbox empty."""
    begun, gate = asyncio.Event(), asyncio.Event()

    async def run_errand(row: Any, work: Work) -> None:
        begun.set()
        await gate.wait()
        await work.session.execute(text("DELETE FROM errand WHERE word = :w"), {"w": row.word})
        work.announce(EchoTold(region="99", word=row.word))

    database = await database_for(listener)
    errands = {Due("errand", ("word",)): run_errand}
    async with listening(nats_server, database, works_off=errands) as world:
        await world.ask("INSERT INTO errand (word) VALUES ('x')")
        await begun.wait()
        stopping = asyncio.create_task(world.live.stop())
        await asyncio.sleep(0.7)  # longer than an idle relay looks
        gate.set()
        await stopping
        other = nats_server.port
        client = await nats.connect(f"nats://127.0.0.1:{other}")
        told = (await client.jetstream().stream_info("events-listener")).state.messages
        await client.close()

        assert told == 1


async def test_a_fetch_that_is_cut_off_gives_back_what_it_has(world: World) -> None:
    """Whenever it is cut off, no message waits for its time to be answered."""
    await world.live.bus.stop_reading(1)
    for number in range(400):
        await world.tell(ThingTold(region="99", word=f"word {number}"))
    reader = await world.js.pull_subscribe_bind(durable=DURABLE, stream="events-teller")
    for part in range(1, 9):
        fetch = asyncio.create_task(take(reader, 400))
        await asyncio.sleep(part * 0.002)
        fetch.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            for message in await fetch:
                await message.nak(delay=0.01)
    await reader.unsubscribe()

    assert await again(world) == 400


@pytest.fixture
async def many(nats_server: Nats, database_for: MakeDatabase) -> AsyncIterator[World]:
    """A listener that takes its time."""

    async def slowly(event: ThingTold, work: Work) -> None:
        await asyncio.sleep(0.02)

    card = {"reacts_to": {ThingTold: slowly}}
    async with listening(nats_server, await database_for(listener), **card) as made:
        yield made


async def test_a_stop_in_the_midst_of_work_leaves_nothing_held(many: World) -> None:
    """Stopped under load: every event not applied is there for another at once."""
    for number in range(50):
        await many.tell(ThingTold(region="99", word=f"word {number}"))

    async def begun() -> Any:
        return await many.ask("SELECT 1 FROM inbox")

    await eventually(begun)
    await many.live.stop()
    counted = await nats.connect(many.live.settings.nats_url)
    about = await counted.jetstream().consumer_info("events-teller", DURABLE)
    await counted.close()
    left = await again(many)
    async with many.database.engine.connect() as connection:
        applied = (await connection.execute(text("SELECT count(*) FROM inbox"))).scalar_one()

    assert 0 < applied < 50
    assert left == 50 - applied
    assert about.num_ack_pending <= 1
