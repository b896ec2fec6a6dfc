"""News in batches on PostgreSQL: equal rows in any order, figures told once, replicas in peace."""

import asyncio
import json
import random
from collections.abc import Sequence
from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import text

from services.indicators import app, handlers, store
from services.indicators.domain import (
    Cells,
    KeptMatch,
    delivered_cells,
    flow_cells,
    load_cells,
    lot_cells,
)
from services.indicators.domain.lots import add_to
from services.indicators.settings import Settings
from shared.contracts import (
    Event,
    ForecastUpdated,
    IndicatorUpdated,
    MatchChanged,
    MatchFound,
    OrganisationUpdated,
    ProjectUpdated,
)
from shared.contracts.parts import Place
from shared.service.card import Due
from shared.service.due import Worker
from shared.work import Database
from tests.conftest import eventually
from tests.indicators.telling import NOON, a_delivery, a_forecast, a_match, hear, named

SECOND = timedelta(seconds=1)


async def rows(database: Database, question: str) -> list[Any]:
    """The rows that answer *question*."""
    async with database.session() as session:
        return list(await session.execute(text(question)))


async def checksum(database: Database) -> dict[str, str]:
    """The sums of the tables of others' facts."""
    async with database.session() as session:
        return await store.checksum(session)


async def told(database: Database) -> list[IndicatorUpdated]:
    """What was announced, in order."""
    found = await rows(database, "SELECT headers, payload FROM outbox ORDER BY created_at, id")
    return [IndicatorUpdated.from_message(row.headers, row.payload) for row in found]


async def tell_due(database: Database, *, pause: timedelta = timedelta(0)) -> None:
    """Tell the figures of every scope that is due."""
    for row in await rows(database, "SELECT region, scope, code FROM figure_due"):
        async with database.begin_work() as work:
            await handlers.tell_figures(row, work, pause=pause)


def a_story(seed: int, *, lots: int = 24, revisions: int = 3) -> list[Event]:
    """Forecasts and matches of several municipalities in every revision, some cancelled."""
    chance = random.Random(seed)
    story: list[Event] = []
    newest: dict[int, ForecastUpdated] = {}
    for lot in range(lots):
        for revision in range(1, revisions + 1):
            first = date(2026, 1, 1) + timedelta(days=chance.randrange(300))
            newest[lot] = a_forecast(
                f"lot{lot}",
                tonnes=chance.randrange(50, 5000) + chance.random(),
                revision=revision,
                direction="surplus" if lot % 2 else "need",
                material=chance.choice(["till", "sand", "rock_solid", "blasted_rock_loose"]),
                municipality=chance.choice(["049", "091", "092"]),
                sub_region=chance.choice(["011", "015", ""]),
                organisation=chance.choice(["muhkea", "kivikasa"]),
                window=(first, first + timedelta(days=chance.randrange(400))),
                status=chance.choice(["offered"] * 5 + ["cancelled"]),
                tag=chance.choice(["unverified", "sourced"]),
            )
            story.append(newest[lot])
    for pair in range(lots):
        surplus = newest[chance.randrange(1, lots, 2)]
        need = newest[chance.randrange(0, lots, 2)]
        for revision in range(1, revisions + 1):
            story.append(
                a_match(
                    f"pair{pair}", surplus, need,
                    tonnes=chance.randrange(0, 900),
                    revision=revision,
                    state=chance.choice(["proposed", "accepted", "agreed", "withdrawn"]),
                    km=chance.random() * 60,
                    route=chance.choice(["direct", "direct", "onsite"]),
                )
            )  # fmt: skip
    for load in range(lots):
        surplus = newest[chance.randrange(1, lots, 2)]
        need = newest[chance.randrange(0, lots, 2)]
        for revision in range(1, revisions + 1):
            ends = chance.choice([(surplus, need), (surplus, None), (None, need)])
            story.append(
                a_delivery(
                    f"load{load}", *ends, tonnes=chance.randrange(0, 400) + chance.random(),
                    revision=revision,
                    outlet=chance.choice(
                        ["need_direct", "need_via_storage", "onsite", "disposal", "unknown"]
                    ),
                    origin="virgin" if ends[0] is None and chance.random() < 0.3 else "lot",
                    moved_on=str(date(2026, 1, 1) + timedelta(days=chance.randrange(400))),
                    haul_km=chance.choice([None, chance.random() * 50]),
                    energy=chance.choice([None, "hvo", "electric"]),
                )
            )  # fmt: skip
    return story


def in_batches(story: Sequence[Event], *, size: int) -> list[list[Event]]:
    """*story* in batches of one kind each, kinds taking turns as they come."""
    found: list[list[Event]] = []
    for event in story:
        if found and type(found[-1][0]) is type(event) and len(found[-1]) < size:
            found[-1].append(event)
        else:
            found.append([event])
    return found


async def recomputed(database: Database) -> tuple[Cells, Cells]:
    """Both kinds of cells from nothing: from the lots and matches as kept."""
    async with database.session() as session:
        ids = [row.id for row in await session.execute(text("SELECT id FROM lot"))]
        lots = await store.hold_lots(session, ids)
        ids = [row.id for row in await session.execute(text("SELECT id FROM match"))]
        matches: dict[Any, KeptMatch] = await store.matches_among(session, ids)
        ids = [row.id for row in await session.execute(text("SELECT id FROM load"))]
        loads = (await store.hold_loads(session, ids)).values()
    flows: Cells = {}
    for match in matches.values():
        add_to(flows, flow_cells(match.contribution))
    balance = lot_cells(lots.values())
    for load in loads:
        add_to(balance, delivered_cells(load.contribution))
    return balance, flows


async def kept_cells(database: Database, table: str, amounts: Sequence[str]) -> Cells:
    """The cells of *table* as they stand."""
    found = await rows(database, f"SELECT {', '.join((*store.KEY, *amounts))} FROM {table}")
    return {tuple(row[:8]): tuple(row[8:]) for row in found}


async def test_any_order_repetition_and_batching_leave_equal_tables(
    database: Database, database_for: Any
) -> None:
    """The story in order one by one, and shuffled, repeated, in batches: equal checksums."""
    story = a_story(1)
    wild = await database_for(store.ledger)
    chance = random.Random(2)
    shuffled = story + chance.sample(story, 40)
    chance.shuffle(shuffled)

    await hear(database, *([event] for event in story))
    await hear(wild, *in_batches(shuffled, size=20))

    assert await checksum(wild) == await checksum(database)


async def test_increments_equal_a_recomputation(database: Database) -> None:
    """Cell by cell, to the kilogram, the cent and the gram; and no empty cell is left."""
    story = a_story(3)
    random.Random(4).shuffle(story)
    await hear(database, *in_batches(story, size=50))

    balance, flows = await recomputed(database)

    assert await kept_cells(database, "cell", store.STOCK) == balance
    assert await kept_cells(database, "flow_cell", store.FLOW) == flows
    assert balance and flows


async def test_pace_is_of_lots_and_matches_by_place(database: Database) -> None:
    """Offered on the 4th and agreed three days later; two declined, with their reasons."""
    pit, bank = a_forecast("pit"), a_forecast("bank", direction="need", municipality="091")
    late = NOON + timedelta(days=3, seconds=1)
    await hear(
        database,
        [pit, bank, a_forecast("open")],
        [a_match("pair", pit, bank)],
        [
            a_match("pair", pit, bank, revision=2, state="agreed", at=late),
            a_match("no", pit, bank, revision=2, state="declined", decline_reason="distance"),
            a_match("nor", pit, bank, revision=2, state="declined", decline_reason="price"),
        ],
        [a_match("pair", pit, bank, revision=3, state="moving", delivered_t=100,
                 at=late + timedelta(days=9))],
    )  # fmt: skip
    async with database.session() as session:
        whole = await store.pace(session, store.Asked("region", "01", "01"))
        place = await store.pace(session, store.Asked("municipality", "091", "01"))
        project = await store.pace(session, store.Asked("project", str(named("project"))))
        other = await store.pace(session, store.Asked("region", "02", "02"))
    assert (whole.median_days, whole.lots_agreed, whole.lots_open) == (3.0, 2, 1)
    assert (whole.agreed, dict(whole.declined)) == (1, {"distance": 1, "price": 1})
    assert (place.lots_agreed, place.lots_open, place.agreed) == (1, 0, 0)
    assert project == whole
    assert (other.median_days, other.lots_agreed) == (None, 0)
    kept = (await rows(database, "SELECT kg, kg_km FROM match WHERE state = 'moving'"))[0]
    assert tuple(kept) == (200_000, 2_400_000), "what is not moved yet"


async def test_cells_of_loads_are_the_sum_over_loads(database: Database) -> None:
    """Every load as it was told last, and nothing of what it was corrected from."""
    await hear(database, *in_batches(a_story(9), size=8))
    async with database.session() as session:
        ids = [row.id for row in await session.execute(text("SELECT id FROM load"))]
        loads = (await store.hold_loads(session, ids)).values()

    told: Cells = {}
    for load in loads:
        add_to(told, load_cells(load.contribution))

    assert await kept_cells(database, "load_cell", store.HAUL) == {
        key: amounts for key, amounts in told.items() if any(amounts)
    }


async def test_what_is_emptied_comes_again_from_the_journal(database: Database) -> None:
    """TRUNCATE of what others told, the story again in another order: equal checksums."""
    story = a_story(5)
    await hear(database, *in_batches(story, size=30))
    before = await checksum(database)
    async with database.begin_work() as work:
        await work.session.execute(text(f"TRUNCATE {', '.join(store.ledger.heard)}"))
    assert await checksum(database) != before

    random.Random(6).shuffle(story)
    await hear(database, *in_batches(story, size=7))

    assert await checksum(database) == before


async def test_every_scope_closes(database: Database) -> None:
    """Children sum to their parent, what is not delivered to what is left of the lots."""
    await hear(database, *in_batches(a_story(7), size=50))

    sums = await rows(
        database,
        """
        SELECT scope, sum(kg_low), sum(kg), sum(kg_high), sum(onsite_kg) FROM cell
        WHERE state <> 'delivered' GROUP BY scope ORDER BY scope
        """,
    )
    lots = await rows(
        database,
        """
        SELECT sum(greatest(kg_low - gone, 0)), sum(greatest(kg - gone, 0)),
               sum(greatest(kg_high - gone, 0)),
               sum(least(onsite_kg, greatest(kg - gone, 0)))
        FROM lot, LATERAL (
            SELECT coalesce(sum(CAST(value AS bigint)), 0) AS gone FROM jsonb_each_text(moved)
            WHERE key >= CAST(as_of AS text)
        ) AS moved_since WHERE status = 'offered'
        """,
    )
    assert {row.scope for row in sums} == {
        "region", "sub_region", "municipality", "organisation", "project"
    }  # fmt: skip
    assert {tuple(row[1:]) for row in sums} == {tuple(lots[0])}
    delivered = await rows(
        database, "SELECT scope, sum(kg) FROM cell WHERE state = 'delivered' GROUP BY scope"
    )
    assert len({row.sum for row in delivered}) == 1 and len(delivered) == 5


async def test_a_stale_revision_touches_nothing(database: Database) -> None:
    """500 t at revision 2, then 900 t heard of at revision 1: 500 t stand."""
    await hear(database, [a_forecast(tonnes=500, revision=2)])
    before = await checksum(database)

    await hear(database, [a_forecast(tonnes=900, revision=1)])

    after = await checksum(database)
    assert {**after, "lot": ""} == {**before, "lot": ""}
    kept = await rows(database, "SELECT kg, offered_at FROM lot")
    assert [tuple(row) for row in kept] == [(500_000, NOON + SECOND)], "but it was offered by then"


async def test_a_lot_that_moves_leaves_nothing_behind(database: Database) -> None:
    """The cells of the municipality it left are gone, not 0."""
    await hear(database, [a_forecast(municipality="049", revision=1)])
    await hear(database, [a_forecast(municipality="091", revision=2)])

    codes = await rows(database, "SELECT DISTINCT code FROM cell WHERE scope = 'municipality'")
    assert [row.code for row in codes] == ["091"]


async def test_replicas_that_share_the_news_end_without_a_deadlock(
    database: Database, database_for: Any
) -> None:
    """Eight workers, the same lots and places: equal to one worker that heard all in order."""
    story = a_story(8, lots=12)
    alone = await database_for(store.ledger)
    await hear(alone, *([event] for event in story))
    batches = in_batches(random.Random(9).sample(story, len(story)), size=12)

    await asyncio.gather(*(hear(database, *batches[at::8]) for at in range(8)))

    assert await checksum(database) == await checksum(alone)


async def test_rock_in_place_and_blasted_rock_are_one_row(database: Database) -> None:
    """One substance in two states is one material in the balance."""
    await hear(
        database,
        [a_forecast("a", material="rock_solid"), a_forecast("b", material="blasted_rock_loose")],
    )

    assert len(await rows(database, "SELECT DISTINCT material FROM cell")) == 1


async def test_figures_are_told_once_they_change(database: Database) -> None:
    """A forecast, then its match: revisions count up, what is equal is not told again."""
    surplus, need = a_forecast("pit"), a_forecast("bank", direction="need")
    await hear(database, [surplus, need])
    await tell_due(database)
    first = await told(database)
    await hear(database, [a_match("pair", surplus, need, tonnes=300, state="proposed")])
    await tell_due(database)
    await hear(database, [a_match("pair", surplus, need, tonnes=300, state="proposed")])
    await tell_due(database)

    later = (await told(database))[len(first) :]
    region = {(one.indicator, one.state): one for one in later if one.scope == "region"}
    assert all(one.projection for one in first + later)
    assert region["K1a", "proposed"].value == pytest.approx(0.3)
    assert region["K1a", "proposed"].revision == 2
    assert region["K5", "proposed"].value == pytest.approx(3600)
    assert region["K6", "proposed"].value == pytest.approx(12)
    assert region["K7", "proposed"].value == pytest.approx(0.93)
    assert region["K8", "proposed"].value == pytest.approx(2550)
    assert region["K8", "proposed"].counterfactual == "CF-1@2026-11-24"
    assert region["K2", "proposed"].value is None
    assert not any(state == "agreed" for _, state in region)
    assert {one.scope for one in later} == {"region", "municipality"}


async def test_a_figure_is_told_at_most_once_a_second(database: Database) -> None:
    """What changes within the second waits for its end, and is then told once."""
    await hear(database, [a_forecast("pit", tonnes=100)])
    await tell_due(database, pause=SECOND)
    many = len(await told(database))
    for revision in range(2, 6):
        await hear(database, [a_forecast("pit", tonnes=100 * revision, revision=revision)])
        await tell_due(database, pause=SECOND)

    assert len(await told(database)) == many
    waiting = await rows(database, "SELECT due_at > now() AS later FROM figure_due")
    assert waiting and all(row.later for row in waiting)

    due = Due("figure_due", ("region", "scope", "code"))

    async def tell(row: Any, work: Any) -> None:
        await handlers.tell_figures(row, work, pause=SECOND)

    worker = Worker(database, due, tell)

    async def all_told() -> bool:
        await worker.hand_over(await worker.claim())
        return not await rows(database, "SELECT 1 FROM figure_due")

    await eventually(all_told, within_s=5)
    balance = [one for one in await told(database) if one.indicator == "K3"]
    in_region = [one for one in balance if one.scope == "region" and one.state == "forecast"]
    assert [one.value for one in in_region] == [-100, -500]
    assert [one.revision for one in in_region] == [1, 2]


async def test_news_while_figures_are_told_is_not_lost(database: Database) -> None:
    """A mark set while the figures are being told survives, or comes after their end."""
    await hear(database, [a_forecast("pit", tonnes=100)])
    key = SimpleNamespace(region="01", scope="region", code="01")
    async with database.begin_work() as work:
        await handlers.tell_figures(key, work, pause=timedelta(0))
        news = asyncio.create_task(hear(database, [a_forecast("pit", tonnes=400, revision=2)]))

        async def waits() -> bool:
            found = await rows(
                database, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
            )
            return bool(found)

        await eventually(waits)
    await news

    due = await rows(database, "SELECT 1 FROM figure_due WHERE scope = 'region'")
    assert len(due) == 1


async def test_a_sample_enters_no_other_figure(database: Database) -> None:
    """The country is the sum of its regions but the sample."""
    place = Place(municipality="s01", sub_region="", lat=60.2, lon=24.8)
    await hear(
        database,
        [
            a_forecast("real", tonnes=10),
            a_forecast("invented", tonnes=1000, region="99", sample=True, place=place),
        ],
    )
    async with database.session() as session:
        country, _, sampled = await store.stocks_and_flows(session, store.Asked("country", "all"))
        own, _, marked = await store.stocks_and_flows(session, store.Asked("region", "99", "99"))

    assert country["forecast", "surplus"].kg == 10_000
    assert own["forecast", "surplus"].kg == 1_000_000
    assert (sampled, marked) == (False, True)
    await tell_due(database)
    assert {(one.region, one.sample) for one in await told(database)} == {
        ("01", False),
        ("99", True),
    }


async def test_titles_keep_the_newest(database: Database) -> None:
    """Late news about a name is no news."""
    place = Place(municipality="049", lat=60.2, lon=24.8)

    def project(title: str, revision: int) -> ProjectUpdated:
        return ProjectUpdated(
            region="01", project_id=named("project"), revision=revision, organisation="muhkea",
            reporter="muhkea", external_id="p", title=title, place=place,
            site_kind="construction_site", at=NOON,
        )  # fmt: skip

    organisation = OrganisationUpdated(
        region="01", organisation="muhkea", revision=1, title="Muhkea", at=NOON
    )
    await hear(database, [project("New", 3), project("Old", 1)], [project("Older", 2)])
    await hear(database, [organisation])

    found = await rows(database, "SELECT kind, title FROM title ORDER BY kind")
    assert [tuple(row) for row in found] == [("organisation", "Muhkea"), ("project", "New")]


async def test_the_card_reacts_in_batches_and_awaits_what_is_announced(database: Database) -> None:
    """Every awaited event has a batch handler; due figures have the key of their table."""
    card = app.build(Settings())

    assert {ForecastUpdated, MatchFound, MatchChanged} <= set(card.reacts_to)
    assert card.announces == (IndicatorUpdated,)
    (due,) = card.works_off
    columns = await rows(
        database,
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'figure_due'",
    )
    assert {*due.key, "due_at", "claimed_by", "claimed_until", "attempts"} <= {
        row.column_name for row in columns
    }
    assert set(store.ledger.heard) == set(store.HEARD)
    assert json.dumps(await checksum(database))
