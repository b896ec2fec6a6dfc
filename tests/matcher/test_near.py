"""Near misses on a real database: told once, again when they differ, closed when they are gone."""

import asyncio
from datetime import date, timedelta

from services.matcher import handlers, store
from services.matcher.domain import Rules, cell_of, tile_of
from shared.contracts.parts import Window
from tests.conftest import eventually
from tests.matcher.builders import LAT, LON, a_need, a_surplus, some_id
from tests.matcher.test_handlers import amount, later, some_forecasts

SPRING = (date(2027, 3, 1), date(2027, 6, 30))
SUMMER = (date(2027, 7, 21), date(2027, 10, 31))


async def near_told(matcher):
    """Every near miss told so far: state, revision, tonnes, change needed."""
    return [
        (one["state"], one["revision"], one["tonnes"]["likely"], one["change_needed"])
        for one in await matcher.told("near-miss-found")
    ]


async def looked(matcher):
    """Work off near misses until no tile is marked: one that another holds is tried again."""

    async def quiet():
        await matcher.works_off("near")
        return not await matcher.rows("SELECT tile FROM near WHERE first_at IS NOT NULL")

    await eventually(quiet)


async def test_a_gap_of_three_weeks_is_told_and_closed_when_the_project_moves(matcher):
    """The near miss says who could move by how much; when one does, there is a match instead."""
    surplus, need = a_surplus(window=SPRING), a_need(window=SUMMER, north_km=5)
    await matcher.hears(surplus, need)
    await matcher.works_off()

    (body,) = await matcher.told("near-miss-found")
    assert body["subject"] == "events.matcher.near-miss-found.v1.99"
    assert body["gate"] == "G9_time"
    assert body["who_could"] == ["acme", "bolt"]
    assert body["remedies"] == [
        {"who": "surplus", "what": "window_later", "days": 21},
        {"who": "need", "what": "window_earlier", "days": 21},
    ]
    assert body["value"]["total_cents"] == 1000 * body["value"]["cents_per_t"]
    assert await matcher.told("match-found") == []

    moved = surplus.window.model_copy(update={"last": SPRING[1] + timedelta(days=21)})
    await matcher.hears(later(surplus, window=moved))
    await matcher.works_off()
    assert [one["tonnes"]["likely"] for one in await matcher.told("matcher.match-found")] == [1000]
    assert [one[:2] for one in await near_told(matcher)] == [("open", 1), ("closed", 2)]


async def test_it_is_told_again_only_when_it_differs_substantially(matcher):
    """A tenth more is no news, a fifth is; and so is another number of weeks."""
    surplus, need = a_surplus(window=SPRING), a_need(window=SUMMER, tonnes=5000)
    for event in (surplus, need, amount(surplus, 1100)):
        await matcher.hears(event)
        await matcher.works_off()
    assert len(await near_told(matcher)) == 1
    more = later(amount(surplus, 1200), revision=3)
    await matcher.hears(more)
    await matcher.works_off()
    window = more.window.model_copy(update={"last": SPRING[1] - timedelta(days=7)})
    await matcher.hears(later(more, window=window))
    await matcher.works_off()
    assert [one[:3] for one in await near_told(matcher)] == [
        ("open", 1, 1000), ("open", 2, 1200), ("open", 3, 1200),
    ]  # fmt: skip


async def test_a_near_miss_comes_back_under_its_id(matcher):
    """Withdrawn and offered again: the same near miss, and revisions go on."""
    surplus, need = a_surplus(window=SPRING), a_need(window=SUMMER)
    gone = later(surplus, status="cancelled")
    for event in (surplus, need, gone, later(gone, status="offered")):
        await matcher.hears(event)
        await matcher.works_off()
    told = await matcher.told("near-miss-found")
    assert [(one["state"], one["revision"]) for one in told] == [
        ("open", 1), ("closed", 2), ("open", 3),
    ]  # fmt: skip
    assert len({one["near_miss_id"] for one in told}) == 1


async def test_what_is_worth_little_is_kept_to_oneself(matcher):
    """Below the worth that is set, nobody is told."""
    await matcher.hears(a_surplus(window=SPRING, tonnes=60), a_need(window=SUMMER))
    worth = matcher.beside(near_worth_cents=10_000_000)
    await worth.works_off()
    assert await near_told(matcher) == []


async def test_tonnes_that_are_matched_are_no_near_miss(matcher):
    """Proposed elsewhere, they are spoken for; when that proposal falls away, they are near."""
    surplus = a_surplus(window=SPRING)
    other = a_need(window=SPRING, organisation="cog")
    await matcher.hears(surplus, other, a_need(window=SUMMER))
    await matcher.works_off()
    assert await near_told(matcher) == []
    await matcher.hears(later(other, status="cancelled"))
    await matcher.works_off()
    assert [one[0] for one in await near_told(matcher)] == ["open"]


async def test_each_lot_has_at_most_three(matcher):
    """One surplus and five needs three weeks late: the three worth most."""
    tonnes = (200, 300, 400, 500, 600)
    needs = [
        a_need(window=SUMMER, tonnes=each, north_km=at, project_id=some_id(at))
        for at, each in enumerate(tonnes)
    ]
    await matcher.hears(a_surplus(window=SPRING, tonnes=5000), *needs)
    await matcher.works_off()
    assert sorted(one[2] for one in await near_told(matcher)) == [400, 500, 600]


async def test_near_misses_reach_across_tiles(matcher):
    """Two lots in different tiles, heard in either order, are one near miss."""
    surplus = a_surplus(window=SPRING)
    need = a_need(window=SUMMER, north_km=28)
    assert tile_of(cell_of(LAT, LON)) != tile_of(cell_of(need.place.lat, LON))
    await matcher.hears(surplus)
    await matcher.works_off()
    await matcher.hears(need)
    await matcher.works_off()
    assert len(await near_told(matcher)) == 1
    await matcher.hears(later(surplus, status="cancelled"))
    await matcher.works_off()
    assert [one[0] for one in await near_told(matcher)] == ["open", "closed"]


async def test_it_waits_while_news_keeps_coming_but_not_for_ever(matcher):
    """A tile with dirty cells near it is put off, until its news is a minute old."""
    await matcher.hears(a_surplus(window=SPRING), a_need(window=SUMMER))
    await matcher.works_off()
    await matcher.changes("TRUNCATE near_miss, near, outbox")
    await matcher.hears(a_surplus(window=SPRING, lat=LAT + 0.2))
    tile = tile_of(cell_of(LAT, LON))
    marked = "INSERT INTO near (tile, due_at, first_at) VALUES (:tile, now(), now())"
    await matcher.changes(marked, tile=tile)
    assert await matcher._once("near") == 1
    assert await near_told(matcher) == []
    await matcher.changes("UPDATE near SET due_at = now(), first_at = now() - interval '61 s'")
    assert await matcher._once("near") == 1
    assert len(await near_told(matcher)) == 2


async def test_the_order_of_news_and_replicas_leave_the_same_near_misses(matcher, database_for):
    """Settled alone or by two at once, in one order or another: the same pairs stand open."""
    weeks = {"surplus": (0, 4), "need": (2, 6)}
    events = []
    for at, one in enumerate(some_forecasts(60, seed=5, span_km=50)):
        begin = SPRING[0] + timedelta(weeks=weeks[one.direction][at // 2 % 2])
        window = Window(first=begin, last=begin + timedelta(days=6))
        events.append(one.model_copy(update={"window": window}))
    first = matcher.beside(near_worth_cents=1000, near_per_lot=50)
    other = matcher.beside(near_worth_cents=1000, near_per_lot=50)
    other.database = await database_for(store.ledger)
    await first.hears(*events)
    await asyncio.gather(first.works_off("dirty", "sweep"), first.works_off("dirty", "sweep"))
    await first.settles_all(standing_bonus=0, smallest_load=0)
    await asyncio.gather(looked(first), looked(first))
    for event in reversed(events):
        await other.hears(event)
    await other.works_off("dirty", "sweep")
    await other.settles_all(standing_bonus=0, smallest_load=0)
    await looked(other)
    question = (
        "SELECT surplus_id, need_id, tonnes, gate FROM near_miss WHERE state = 'open' ORDER BY 1, 2"
    )
    found = await first.rows(question)
    assert len(found) > 20
    assert found == await other.rows(question)


async def test_openings_say_what_one_lot_could_change(matcher):
    """Three weeks later: 800 t; read from what stands, without telling anybody."""
    surplus = a_surplus(window=SPRING)
    await matcher.hears(surplus, a_need(window=SUMMER, tonnes=800))
    async with matcher.database.begin_work() as work:
        lot = (await store.lots_of(work.session, [surplus.forecast_id]))[surplus.forecast_id]
        (one,) = await handlers.openings_of(lot, work.session, Rules(), date(2027, 1, 1))
    assert (one.remedy.text, one.tonnes, one.partners) == ("surplus window_later 21 d", 800, 1)
