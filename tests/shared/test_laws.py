"""The laws of the bus that we lean on, each as we observed it; red when a dependency moves."""

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import nats
import pytest
from nats.js.api import ConsumerConfig, StreamConfig

from deploy.keyring import new_nats_key
from deploy.provision import provision_platform, stream_of
from deploy.servers import Nats, free_port
from shared.service import Service
from shared.service.run import Running
from shared.settings import SharedSettings
from tests.conftest import eventually
from tests.shared.listener import (
    DURABLE,
    MakeDatabase,
    ThingTold,
    World,
    a_listener,
    add_durable,
    as_process,
    ended,
    listener,
    settings_for,
    streams,
)


@pytest.fixture
async def settings(nats_server: Nats, database_for: MakeDatabase) -> SharedSettings:
    """Settings of a listener that nobody has started yet."""
    url = f"nats://127.0.0.1:{nats_server.port}"
    return settings_for(url, await database_for(listener), http_port=free_port())


async def ready(port: int) -> tuple[int, list[str]]:
    """What `/readyz` answers: its status and its problems; (0, []) while nobody does."""
    with contextlib.suppress(aiohttp.ClientError, TimeoutError):
        async with (
            aiohttp.ClientSession() as session,
            session.get(f"http://127.0.0.1:{port}/readyz") as answer,
        ):
            return answer.status, (await answer.json())["problems"]
    return 0, []


async def is_ready(settings: SharedSettings) -> bool:
    return (await ready(settings.http_port))[0] == 200


# -- laws 6 and 9: durables -------------------------------------------------------------------


async def test_a_process_without_its_durable_ends_and_says_what_to_run(
    settings: SharedSettings,
) -> None:
    """Non-zero, with the durable's name; none is made on the way."""
    async with streams(settings.nats_url) as client:
        await client.jetstream().delete_consumer("events-teller", DURABLE)

        code, said = await ended(as_process(settings))

        assert code not in (0, -9)
        assert DURABLE in said
        assert "massakoppi provision" in said
        assert await client.jetstream().consumers_info("events-teller") == []


@pytest.mark.parametrize("what", ["durable", "stream"])
async def test_a_durable_deleted_while_it_is_read_ends_the_process(
    settings: SharedSettings, what: str
) -> None:
    """A healthy looking reader of nothing would be worse."""
    async with streams(settings.nats_url) as client:
        process = as_process(settings)
        await eventually(lambda: is_ready(settings))
        if what == "durable":
            await client.jetstream().delete_consumer("events-teller", DURABLE)
        else:
            await client.jetstream().delete_stream("events-teller")

        code, said = await ended(process)

        assert code == 70
        assert f"durable {DURABLE} is gone" in said
        if what == "stream":
            await client.jetstream().add_stream(stream_of("events-teller", ["events.teller.>"]))


# -- law 8: what exists is not what was asked for ---------------------------------------------


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"max_deliver": 7}, "max_deliver is 7"),
        ({"ack_wait": 1.0}, "ack_wait is 1"),
        ({"max_ack_pending": 5}, "max_ack_pending is 5, needs 20"),
        ({"filter_subject": "events.teller.>"}, "filter_subject is events.teller.>"),
    ],
)
async def test_a_durable_that_would_lose_or_repeat_events_is_not_read(
    settings: SharedSettings, changed: dict[str, Any], said: str
) -> None:
    """A need that is not met ends the start, and says which."""
    async with streams(settings.nats_url) as client:
        await client.jetstream().delete_consumer("events-teller", DURABLE)
        await add_durable(client.jetstream(), **changed)
        live = Running(a_listener(settings))
        with pytest.raises(SystemExit, match=said):
            await live.start()
        await live.stop()


async def test_a_durable_with_more_room_than_needed_is_read(settings: SharedSettings) -> None:
    """Bounds, not equality: a rolling deployment passes."""
    async with streams(settings.nats_url) as client:
        await client.jetstream().delete_consumer("events-teller", DURABLE)
        await add_durable(client.jetstream(), ack_wait=120.0, max_ack_pending=50_000)
        live = Running(a_listener(settings))
        await live.start()
        await live.stop()


# -- law 7: streams are the operator's --------------------------------------------------------


async def test_a_service_that_starts_changes_no_stream_and_no_durable(
    settings: SharedSettings,
) -> None:
    """What an operator set stays set."""
    async with streams(settings.nats_url) as client:
        js = client.jetstream()
        await js.update_stream(
            StreamConfig(name="events-teller", subjects=["events.teller.>"], max_age=3600,
                         max_msg_size=65_536)
        )  # fmt: skip
        before = (await js.stream_info("events-teller")).config
        reader = (await js.consumer_info("events-teller", DURABLE)).config
        live = Running(a_listener(settings))
        await live.start()
        await live.stop()

        assert (await js.stream_info("events-teller")).config == before
        assert (await js.consumer_info("events-teller", DURABLE)).config == reader


def cards(settings: SharedSettings) -> list[Service]:
    teller = Service(name="teller", settings=settings, announces=(ThingTold,))
    return [teller, a_listener(settings)]


async def test_provisioning_shows_a_difference_and_leaves_it_unless_told(
    settings: SharedSettings,
) -> None:
    """Drift is told each time; only *overwrite* changes it."""
    client = await nats.connect(settings.nats_url)
    js = client.jetstream()
    await provision_platform(js, cards(settings))
    await js.update_stream(stream_of("events-teller", ["events.teller.>"], age_s=3600))
    await js.add_consumer(
        "events-teller", ConsumerConfig(**{**vars(await _config(js)), "max_ack_pending": 77})
    )

    shown = await provision_platform(js, cards(settings), check=True, overwrite=True)
    again = await provision_platform(js, cards(settings))

    assert shown.to_json() == again.to_json()
    assert "max_age is 3600" in " ".join(again.left)
    assert "max_ack_pending is 77" in " ".join(again.left)
    assert (await js.stream_info("events-teller")).config.max_age == 3600

    done = await provision_platform(js, cards(settings), overwrite=True)
    clean = await provision_platform(js, cards(settings))
    for name in ("teller", "listener"):
        await js.delete_stream(f"events-{name}")
    await client.close()

    assert len(done.changed) == 2
    assert clean.clean


async def _config(js: Any) -> ConsumerConfig:
    found: ConsumerConfig = (await js.consumer_info("events-teller", DURABLE)).config
    return found


# -- laws 5 and 10: a connection that will not come back, a right that is missing -------------


async def test_a_connection_closed_for_good_ends_the_process(settings: SharedSettings) -> None:
    """Its own close is no such thing; any other ends it at once."""
    async with streams(settings.nats_url):
        program = (
            "import asyncio\n"
            "from shared.service.bus import Bus\n"
            "from shared.settings import SharedSettings\n"
            "async def go():\n"
            "    bus = Bus('x', SharedSettings())\n"
            "    await bus.connect(intake=False)\n"
            "    await bus.platform.close()\n"
            "    await asyncio.sleep(30)\n"
            "asyncio.run(go())\n"
        )
        code, said = await _run(program, NATS_URL=settings.nats_url)
    assert code == 70
    assert "closed for good" in said


async def _run(program: str, **environment: str) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env={**os.environ, **environment},
        stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), 20)
    except TimeoutError:
        process.kill()
        out, err = await process.communicate()
    return process.returncode or 0, (out + err).decode()


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[tuple[str, Path, Path]]:
    """A server with two users: one may all, the other is the listener without a right to tell."""
    operator, reader = new_nats_key(), new_nats_key()
    server = Nats(tmp_path, free_port())
    may = {
        "publish": ["$JS.ACK.>", f"$JS.API.CONSUMER.INFO.events-teller.{DURABLE}",
                    f"$JS.API.CONSUMER.MSG.NEXT.events-teller.{DURABLE}"],
        "subscribe": ["_INBOX_listener.>"],
    }  # fmt: skip
    (tmp_path / "nats.conf").write_text(
        f'listen: "127.0.0.1:{server.port}"\n'
        f'jetstream {{ store_dir: "{tmp_path}/store" }}\n'
        f"accounts {{ A {{ jetstream: enabled, users: [ {{ nkey: {operator.public} }},\n"
        f" {{ nkey: {reader.public}, permissions: {{ publish: {{ allow: "
        f"{json.dumps(may['publish'])} }}, subscribe: {{ allow: "
        f"{json.dumps(may['subscribe'])} }} }} }} ] }} }}\n"
    )
    for name, key in (("operator", operator), ("reader", reader)):
        (tmp_path / f"{name}.nk").write_text(key.seed)
    server.start()
    yield f"nats://127.0.0.1:{server.port}", tmp_path / "operator.nk", tmp_path / "reader.nk"
    server.stop()


async def test_a_right_that_is_missing_ends_the_process(
    guarded: tuple[str, Path, Path], settings: SharedSettings
) -> None:
    """It reads with rights on its durable alone; told to tell without the right, it ends."""
    url, operator, reader = guarded
    client = await nats.connect(url, nkeys_seed_str=operator.read_text())
    js = client.jetstream()
    for name in ("teller", "listener"):
        await js.add_stream(StreamConfig(name=f"events-{name}", subjects=[f"events.{name}.>"]))
    await add_durable(js)
    here = settings.model_copy(update={"nats_url": url})
    process = as_process(here, NATS_SEED_FILE=str(reader))
    await eventually(lambda: is_ready(here))
    event = ThingTold(region="99", word="x")
    await js.publish(event.subject, event.body(), headers=event.headers())

    code, said = await ended(process)
    await client.close()

    assert code == 70
    assert "NATS refused" in said
    assert "events.listener.echo-told" in said


async def test_a_key_that_the_server_does_not_know_ends_the_process(
    guarded: tuple[str, Path, Path], settings: SharedSettings, tmp_path: Path
) -> None:
    """At once, and not after a row of attempts."""
    wrong = tmp_path / "wrong.nk"
    wrong.write_text(new_nats_key().seed)
    here = settings.model_copy(update={"nats_url": guarded[0]})

    code, said = await ended(as_process(here, NATS_SEED_FILE=str(wrong)))

    assert code == 70
    assert "refuse" in said


# -- laws 1, 2, 4 and 12 ----------------------------------------------------------------------


async def test_of_a_batch_the_malformed_one_alone_is_answered_for_good(world: World) -> None:
    """Bytes that are no event among twenty: buried by themselves, the others applied."""
    world.live.consumers[DURABLE].database = world.database
    for number in range(20):
        event = ThingTold(region="99", word=f"word {number}")
        await world.tell(event, **({"body": b"\xff{"} if number == 7 else {}))

    await eventually(world.quiet)

    (dead,) = await world.ask("SELECT * FROM dead_letter")
    assert (dead.reason, bytes(dead.payload)) == ("malformed", b"\xff{")
    assert len(await world.heard()) == 19


async def test_what_nobody_stores_is_not_marked_as_published(world: World) -> None:
    """A publish into a stream that is not there raises; the row waits, and goes when it is."""
    await world.js.delete_stream("events-listener")
    await world.tell(ThingTold(region="99", word="unheard"))

    async def tried() -> Any:
        return await world.ask("SELECT 1 FROM outbox WHERE attempts > 0 AND published_at IS NULL")

    await eventually(tried)
    subjects = ["events.listener.>"]
    await world.js.add_stream(StreamConfig(name="events-listener", subjects=subjects))

    async def told() -> Any:
        return await world.ask("SELECT 1 FROM outbox WHERE published_at IS NOT NULL")

    await eventually(told)
    assert (await world.js.stream_info("events-listener")).state.messages == 1


# -- readiness --------------------------------------------------------------------------------


async def test_readiness_says_what_is_missing(settings: SharedSettings) -> None:
    """While NATS is away it starts and waits, alive and not ready; then it is ready."""
    port = free_port()
    away = settings.model_copy(update={"nats_url": f"nats://127.0.0.1:{port}"})
    process = as_process(away)

    async def problems() -> Any:
        return (await ready(away.http_port))[1]

    assert await eventually(problems) == ["starting", "not connected to NATS"]
    process.terminate()
    code, _ = await ended(process)
    assert code == 0


async def test_readiness_names_the_database(world: World) -> None:
    """Its tables gone, the service is alive and not ready, and ends nothing."""
    await world.ask("ALTER TABLE outbox RENAME TO elsewhere")
    port = int(world.live.url.rsplit(":", 1)[1])

    status, problems = await ready(port)
    await world.ask("ALTER TABLE elsewhere RENAME TO outbox")

    assert (status, problems) == (503, ["database: ProgrammingError"])
    assert (await ready(port))[0] == 200


def test_only_the_bus_knows_the_broker() -> None:
    """The relay publishes, the wrapper subscribes: no other module has the means."""
    root = Path(__file__).parents[2]
    knows = {
        str(path.relative_to(root))
        for part in ("shared", "services")
        for path in (root / part).rglob("*.py")
        if "faststream" in path.read_text()
    }
    assert knows == {"shared/service/bus.py"}
