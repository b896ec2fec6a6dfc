"""Read models are made again from the journals, also after the streams were lost."""

from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from deploy.allinone import Platform
from deploy.journal import rebuild, reconcile
from deploy.provision import connected
from tests.conftest import eventually
from tests.platform import a_forecast, a_need, a_project, company, first_match, settled


async def rows(platform: Platform, service: str, question: str) -> list[tuple[Any, ...]]:
    url = platform.system.postgres_url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(f"{url}/massakoppi_{service}")
    async with engine.connect() as connection:
        found = [tuple(row) for row in await connection.execute(text(question))]
    await engine.dispose()
    return found


LOTS = "SELECT id, revision, direction, cell FROM lot ORDER BY id"
CELLS = "SELECT * FROM cell ORDER BY 1, 2, 3, 4, 5, 6, 7"


async def test_what_was_heard_is_made_again_from_the_journals(platform: Platform) -> None:
    """Streams purged, lots thrown away: a rebuild gives the same rows; matches stay."""
    giver = await company(platform, "muisti")
    taker = await company(platform, "paikka")
    place = {"region": "06", "municipality": "887"}
    await giver.hand_in(a_project("p", **place), a_forecast("s", "p"))
    await taker.hand_in(a_project("p", **place), a_need("n", "p"))
    match = await first_match(giver, state="proposed")
    await settled(platform)
    lots = await rows(platform, "matcher", LOTS)
    cells = await rows(platform, "indicators", CELLS)
    assert lots
    assert cells
    seed = platform.ring.nats_seed("admin").read_text()
    async with connected(platform.system.nats_url, seed, "test") as client:
        await client.jetstream().purge_stream("events-registry")
    url = platform.system.postgres_url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(f"{url}/massakoppi_matcher")
    async with engine.begin() as connection:
        await connection.execute(text("TRUNCATE lot"))
    await engine.dispose()

    applied = await rebuild(platform.system, "matcher")
    applied_too = await rebuild(platform.system, "indicators")

    assert min(applied, applied_too) >= len(lots)
    assert await rows(platform, "matcher", LOTS) == lots
    assert await rows(platform, "indicators", CELLS) == cells
    await settled(platform)
    status, still = await giver.ask("matcher", "GET", f"/matches/{match['match_id']}")
    assert (status, still["state"], still["revision"]) == (200, "proposed", match["revision"])


async def test_a_lost_stream_is_filled_again_under_the_same_ids(platform: Platform) -> None:
    """`reconcile` resends what the journal says was published; readers that know it drop it."""
    who = await company(platform, "virta")
    await who.hand_in(a_project("p"), a_forecast("s", "p"))
    await settled(platform)
    seed = platform.ring.nats_seed("admin").read_text()
    async with connected(platform.system.nats_url, seed, "test") as client:
        await client.jetstream().purge_stream("events-registry")
    before = await rows(platform, "matcher", "SELECT count(*) FROM inbox")

    missing = await reconcile(platform.system, check=True)
    sent = await reconcile(platform.system)
    again = await reconcile(platform.system, check=True)

    assert missing["events-registry"]["resent"] == sent["events-registry"]["resent"] > 0
    assert again["events-registry"]["resent"] == 0
    noted = await rows(
        platform, "registry",
        "SELECT subject, object, (what ->> 'events')::int FROM trail WHERE action = "
        "'journal-resent' AND object = 'events-registry'",
    )  # fmt: skip
    assert [tuple(one) for one in noted] == [
        ("operator/operator", "events-registry", sent["events-registry"]["resent"])
    ]

    async def read() -> bool:
        async with connected(platform.system.nats_url, seed, "test") as client:
            js = client.jetstream()
            told = await js.consumer_info("events-registry", "matcher-forecast-updated-v1")
        return not told.num_pending and not told.num_ack_pending

    await eventually(read)
    assert await rows(platform, "matcher", "SELECT count(*) FROM inbox") == before
