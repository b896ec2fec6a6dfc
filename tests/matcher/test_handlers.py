"""What the matcher does when something happens, on a real database with real commits."""

import asyncio
import random
from datetime import date, timedelta

from sqlalchemy import text

from services.matcher import handlers, store
from services.matcher.domain import Rules, cell_of, replan, tile_of
from shared.contracts import AreaUpdated
from tests.matcher.builders import a_need, a_surplus, lot, some_id
from tests.matcher.conftest import over_committed

AS_OF_AN_IMPORT = "UPDATE dirty SET due_at = now()"


def later(event, **told):
    """The next revision of *event*, with what is *told* changed."""
    return event.model_copy(update={"revision": event.revision + 1, **told})


def amount(event, tonnes):
    """The next revision of *event*, with other tonnes."""
    told = event.quantity.model_copy(
        update={"likely_t": tonnes, "low_t": tonnes / 2, "high_t": tonnes * 1.5}
    )
    return later(event, quantity=told)


def some_forecasts(count, *, seed=1, span_km=60, **told):
    """*count* forecasts spread over a square of *span_km*, surpluses and needs in turn."""
    chance = random.Random(seed)
    events = []
    for number in range(count):
        start = date(2027, 3, 1) + timedelta(days=chance.randrange(90))
        make = a_need if number % 2 else a_surplus
        events.append(
            make(
                forecast_id=some_id(seed * 10_000 + number),
                project_id=some_id(seed * 10_000 + 5000 + chance.choice([number, number // 2])),
                tonnes=chance.randrange(60, 5000),
                north_km=chance.uniform(0, span_km),
                lon=24.9 + chance.uniform(0, span_km) / 55,
                material=chance.choice(["sand", "gravel", "till"]),
                window=(start, start + timedelta(days=120)),
                **told,
            )
        )
    return events


async def test_a_surplus_and_a_need_become_a_proposal_that_is_told(matcher):
    """Two forecasts close together: one match-found, and each side's own view of it."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=800, north_km=5)
    await matcher.hears_and_settles(surplus, need)

    found = await matcher.told("matcher.match-found")
    assert [one["tonnes"]["likely"] for one in found] == [500]
    assert found[0]["subject"] == "events.matcher.match-found.v1.99"
    assert found[0]["asks"] == ["acme", "bolt"]
    assert {one["gate"] for one in found[0]["reasons"]} >= {"G1_contamination", "G9_time", "place"}
    assert found[0]["papers"] == ["document of the certain, planned use"]
    own = await matcher.told("matches.match-found")
    assert sorted(one["subject"] for one in own) == [
        "matches.acme.match-found", "matches.bolt.match-found",
    ]  # fmt: skip


async def test_a_match_says_what_it_rests_on(matcher):
    """Which rules judged it, the versions of its value, and its papers by id."""
    await matcher.hears_and_settles(a_surplus(tonnes=500), a_need(tonnes=800, north_km=5))
    (found,) = await matcher.told("matcher.match-found")
    assert "mara/843-2017" in found["rules"]
    assert "factors/" in found["factors"]
    papers = {one["gate"]: one["papers"] for one in found["reasons"]}
    assert papers["G2_waste_status"] == ["planned_use"]


async def test_the_other_side_has_no_name_until_one_has_accepted(matcher):
    """Its own view names neither the other organisation, nor its contacts, nor its exact place."""
    surplus = a_surplus(contacts=(some_id(1),))
    await matcher.hears_and_settles(surplus, a_need(north_km=5))
    found = await matcher.told("matches.match-found")
    acme, bolt = sorted(found, key=lambda one: one["organisation"])
    assert acme["asks"] == ["acme"]
    assert "organisation" not in acme["need"]
    assert acme["surplus"]["contacts"] == [str(some_id(1))]
    assert bolt["surplus"]["contacts"] == []
    assert bolt["surplus"]["place"]["precision"] == "municipality"
    assert bolt["surplus"]["place"]["lat"] != surplus.place.lat
    assert bolt["need"]["place"]["precision"] == "exact"


async def test_news_that_comes_too_late_is_no_news(matcher):
    """500 t at revision 2, then 900 t heard of at revision 1: the match is for 500 t."""
    newer = a_surplus(tonnes=500, revision=2)
    stale = a_surplus(tonnes=900, revision=1, forecast_id=newer.forecast_id)
    await matcher.hears(newer)
    await matcher.hears_and_settles(stale, a_need(tonnes=2000))
    assert [one.tonnes for one in await matcher.standing()] == [500]


async def test_a_batch_is_heard_as_its_events_one_by_one(matcher, database_for):
    """The same events in one batch, or one by one in another order, leave the same lots."""
    events = some_forecasts(12)
    events += [amount(one, 700) for one in events[:5]]
    random.Random(3).shuffle(events)
    await matcher.hears(*events)
    other = matcher.beside()
    other.database = await database_for(store.ledger)
    for event in sorted(events, key=lambda one: one.revision):
        await other.hears(event)
    question = "SELECT * FROM lot ORDER BY id"
    assert await matcher.rows(question) == await other.rows(question)


async def test_a_change_that_changes_nothing_marks_nothing(matcher):
    """Other contacts are kept, and nobody settles because of them."""
    surplus = a_surplus()
    await matcher.hears_and_settles(surplus)
    await matcher.hears(later(surplus, contacts=(some_id(5),)))
    assert await matcher.rows("SELECT * FROM dirty") == []
    assert (await matcher.rows("SELECT revision FROM lot"))[0].revision == 2


async def test_fewer_tonnes_are_told_as_a_change(matcher):
    """The proposal follows the forecast, whole, with its revision."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=800)
    await matcher.hears_and_settles(surplus, need)
    await matcher.hears_and_settles(amount(surplus, 300))
    changed = await matcher.told("matcher.match-changed")
    assert [(one["tonnes"]["likely"], one["revision"], one["change"]) for one in changed] == [
        (300, 2, "tonnes")
    ]


async def test_a_lot_that_moves_away_takes_its_proposal_along(matcher):
    """Both the cell it left and the one it came to are settled."""
    surplus, need = a_surplus(), a_need()
    await matcher.hears_and_settles(surplus, need)
    far = surplus.place.model_copy(update={"lat": surplus.place.lat + 2})
    await matcher.hears_and_settles(later(surplus, place=far))
    assert await matcher.standing() == []
    assert [one["change"] for one in await matcher.told("matcher.match-changed")] == ["withdrawn"]


async def test_a_match_born_and_gone_before_it_was_told_is_told_to_nobody(matcher):
    """While news keeps coming around it a proposal waits; withdrawn meanwhile, it never was."""
    surplus, need = a_surplus(), a_need()
    await matcher.hears(surplus, need)
    await matcher.changes(AS_OF_AN_IMPORT)
    async with matcher.database.begin_work() as work:
        await store.mark_dirty(work.session, [cell_of(60.29, 24.9)])
    worker = matcher.beside(tell_within_s=60.0)
    rows = await matcher.rows("SELECT * FROM dirty ORDER BY cell")
    row = next(one for one in rows if one.cell == cell_of(60.2, 24.9))
    async with worker.database.begin_work() as work:
        await handlers.settle(row, work, rules=worker.rules)
    assert len(await matcher.standing()) == 1
    assert await matcher.told() == []
    assert len(await matcher.rows("SELECT * FROM tell")) == 1
    await matcher.hears(later(surplus, status="cancelled"))
    await matcher.works_off("dirty")
    await matcher.changes("UPDATE tell SET due_at = now()")
    await matcher.works_off("tell")
    assert await matcher.told() == []
    assert await matcher.rows("SELECT * FROM tell") == []


async def test_a_proposal_is_told_in_time_while_news_keeps_coming(matcher):
    """With a change waiting beside it, the proposal is told when its time has come."""
    await matcher.hears(a_surplus(), a_need())
    await matcher.changes(AS_OF_AN_IMPORT)
    async with matcher.database.begin_work() as work:
        await store.mark_dirty(work.session, [cell_of(60.29, 24.9)])
    rows = await matcher.rows("SELECT * FROM dirty WHERE cell = :cell", cell=cell_of(60.2, 24.9))
    async with matcher.database.begin_work() as work:
        await handlers.settle(rows[0], work, rules=matcher.rules)
    assert await matcher.told() == []
    await matcher.changes("UPDATE tell SET due_at = now()")
    await matcher.works_off("tell")
    assert len(await matcher.told("matcher.match-found")) == 1


async def test_what_comes_is_settled_first_and_told_while_news_keeps_coming(matcher):
    """It goes before changes that waited already, and its proposal waits for no quiet."""
    async with matcher.database.begin_work() as work:
        await store.mark_dirty(work.session, [cell_of(60.29, 24.9)])
    await matcher.hears(a_surplus(), a_need())
    row = (await matcher.rows("SELECT * FROM dirty ORDER BY due_at LIMIT 1"))[0]
    assert row.cell == cell_of(60.2, 24.9)
    async with matcher.database.begin_work() as work:
        await handlers.settle(row, work, rules=matcher.rules)
    assert len(await matcher.told("matcher.match-found")) == 1


async def test_what_a_neighbour_settled_is_told_when_the_turn_of_its_own_cell_comes(matcher):
    """A proposal found from the cell beside waits there, and is told from the cell that comes."""
    await matcher.hears(a_surplus(), a_need())
    async with matcher.database.begin_work() as work:
        await store.mark_dirty(work.session, [cell_of(60.29, 24.9)])
    for row in await matcher.rows("SELECT * FROM dirty ORDER BY due_at DESC"):
        before = await matcher.told("matcher.match-found")
        async with matcher.database.begin_work() as work:
            await handlers.settle(row, work, rules=matcher.rules)
    assert (len(before), len(await matcher.told("matcher.match-found"))) == (0, 1)


async def test_lots_of_an_import_wait_for_their_turn(matcher):
    """Many that come from one organisation at once go before nobody; another's does."""
    many = [a_surplus(forecast_id=some_id(one), organisation="import") for one in range(100, 118)]
    await matcher.hears(*many[:9])
    assert not any(map(store.is_ahead, await matcher.rows("SELECT * FROM dirty")))
    await matcher.hears(*many[9:], a_need(organisation="beside"))
    assert all(map(store.is_ahead, await matcher.rows("SELECT * FROM dirty")))


async def test_a_cell_marked_again_while_it_is_settled_goes_behind_those_that_wait(matcher):
    """Where changes never end, every cell has its turn."""
    await matcher.hears(a_surplus())
    row = (await matcher.rows("SELECT * FROM dirty"))[0]
    async with matcher.database.begin_work() as work:
        await store.mark_dirty(work.session, [cell_of(61.2, 24.9)])
    async with matcher.database.begin_work() as settling:
        marks = await store.hold(settling.session, [row.cell])
        async with matcher.database.begin_work() as other:
            await store.mark_dirty(other.session, [row.cell])
        await store.finish(
            settling.session, row, marks[row.cell], told=(), tiles=(), due=settling.now
        )
    waiting = await matcher.rows("SELECT * FROM dirty ORDER BY due_at")
    assert [one.cell for one in waiting] == [cell_of(61.2, 24.9), row.cell]


async def test_a_mark_set_while_its_cell_is_settled_survives(matcher):
    """The mark is cleared only at the generation that was read."""
    await matcher.hears(a_surplus(), a_need())
    row = (await matcher.rows("SELECT * FROM dirty"))[0]
    async with matcher.database.begin_work() as settling:
        async with matcher.database.begin_work() as other:  # commits first, after the read below
            marks = await store.hold(settling.session, [row.cell])
            await store.mark_dirty(other.session, [row.cell])
        finished = await store.finish(
            settling.session, row, marks[row.cell], told=(), tiles=(), due=settling.now
        )
        assert not finished
    assert len(await matcher.rows("SELECT * FROM dirty WHERE claimed_by IS NULL")) == 1
    await matcher.works_off("dirty")
    assert await matcher.rows("SELECT * FROM dirty") == []


async def test_own_site_is_agreed_from_the_start_and_asks_nobody(matcher):
    """It is told to the services that count, to no organisation, and follows the forecasts."""
    surplus = a_surplus(tonnes=30)
    own = a_need(tonnes=20, project_id=surplus.project_id, organisation="acme")
    await matcher.hears_and_settles(surplus, own)
    standing = await matcher.standing()
    assert [(one.state, one.route, one.tonnes) for one in standing] == [("agreed", "onsite", 20)]
    told = await matcher.told()
    assert [(one["name"], one.get("asks")) for one in told] == [("matcher.match-changed.v1", [])]
    await matcher.hears_and_settles(amount(own, 25))
    assert [one.tonnes for one in await matcher.standing()] == [25]
    await matcher.hears_and_settles(later(amount(own, 25), status="cancelled", revision=9))
    assert await matcher.standing() == []


async def test_a_partner_outside_the_neighbourhood_is_freed_with_its_own_tonnes(matcher):
    """A need 30 km away gives up its far surplus for a near one that comes beside it."""
    far, need = a_surplus(tonnes=500), a_need(tonnes=500, north_km=30)
    await matcher.hears_and_settles(far, need)
    near = a_surplus(tonnes=500, north_km=31)
    standing = await matcher.hears_and_settles(near)
    assert [(one.surplus_id, one.tonnes) for one in standing] == [(near.forecast_id, 500)]
    assert await over_committed(matcher) == []


async def test_a_site_gets_no_more_asphalt_than_the_law_lets_in_one_neighbourhood_after_another(
    matcher,
):
    """Two needs of one project 15 km apart, each with a giver beside it: 1 000 t in all."""
    giving = {
        "material": "asphalt_granulate", "waste_status": "waste", "legal_route": "mara",
        "max_particle_mm": 16, "quality": "S1", "frost_class": "non", "tonnes": 800,
    }  # fmt: skip
    taking = {
        "material": "asphalt_granulate", "use": "base", "tonnes": 800, "structure": "vayla",
        "groundwater_area": False, "layer_m": 0.5, "project_id": some_id(99),
    }  # fmt: skip
    await matcher.hears_and_settles(a_surplus(**giving), a_need(**taking, north_km=1))
    standing = await matcher.hears_and_settles(
        a_surplus(**giving, north_km=16), a_need(**taking, north_km=15)
    )
    assert sum(one.tonnes for one in standing) == 1000
    assert len({one.need_id for one in standing}) == 2


async def test_what_was_heard_in_any_order_settles_to_the_same_value(matcher, database_for):
    """With both off: the full optimum to the cent, whatever the order and the path."""
    events = some_forecasts(60)
    best = replan([lot(one) for one in events], [],
                  Rules(standing_bonus_cents_per_t=0, smallest_load_t=0),
                  today=date(2027, 1, 1)).after_cents  # fmt: skip
    random.Random(5).shuffle(events)
    for event in events:
        await matcher.hears_and_settles(event)
    assert await over_committed(matcher) == []
    local = sum(one.tonnes * one.cents_per_t for one in await matcher.standing())
    assert local >= 0.97 * best
    figures = await matcher.settles_all(standing_bonus=0, smallest_load=0)
    assert figures["value_cents"] == figures["optimum_cents"] == best
    assert figures["share"] == 1
    again = await matcher.settles_all(standing_bonus=0, smallest_load=0)
    assert again["value_cents"] == best
    assert await over_committed(matcher) == []


async def test_sweeps_come_close_to_the_optimum_by_themselves(matcher):
    """After the marks the sweeps: nothing is left to do, and little to gain."""
    await matcher.hears_and_settles(*some_forecasts(80, seed=2, span_km=90))
    await matcher.works_off()
    assert await matcher.rows("SELECT * FROM sweep") == []
    figures = (await matcher.rows("SELECT value_cents, optimum_cents FROM settled"))[0]
    assert figures.value_cents >= 0.99 * figures.optimum_cents
    assert await over_committed(matcher) == []


async def test_sweeps_come_to_rest(matcher):
    """What was swept until nothing improved stays as it is when all of it is swept again."""
    events = some_forecasts(80, seed=2, span_km=90)
    for event in events:
        await matcher.hears_and_settles(event)
    await matcher.works_off()
    stands = await matcher.standing()
    async with matcher.database.begin_work() as work:
        tiles = {tile_of(lot(event).cell) for event in events}
        await store.mark_for_sweep(work.session, tiles, work.now)
    await matcher.works_off()
    assert {one[:2] for one in await matcher.standing()} == {one[:2] for one in stands}


async def test_a_change_in_the_quiet_is_kept_and_settled_in_one_work(matcher):
    """No mark is left, and the proposal is told with the forecast kept."""
    await matcher.hears_as_it_runs(a_surplus())
    await matcher.hears_as_it_runs(a_need())
    assert await matcher.rows("SELECT * FROM dirty") == []
    assert len(await matcher.told("matcher.match-found")) == 1
    assert len(await matcher.rows("SELECT * FROM sweep")) == 1


async def test_a_change_while_others_wait_takes_its_turn(matcher):
    """With anything dirty, or somebody near at work, it is kept and marked like all others."""
    await matcher.hears(a_surplus(north_km=300))
    await matcher.hears_as_it_runs(a_surplus())
    assert len(await matcher.rows("SELECT * FROM dirty")) == 2
    await matcher.works_off("dirty")
    async with matcher.database.begin_work() as other:
        await store.hold(other.session, [cell_of(60.2, 24.9)])
        await matcher.hears_as_it_runs(a_need())
    assert await matcher.standing() == []
    assert len(await matcher.hears_and_settles()) == 1


async def test_a_settle_that_fails_leaves_the_forecast_kept_and_marked(matcher, monkeypatch):
    """What went wrong is undone alone: the forecast is not lost, and its mark comes back to it."""

    finish = store.finish_unmarked

    async def fails(*told, **more):
        await finish(*told, **more)
        raise ArithmeticError("not this time")

    await matcher.hears_as_it_runs(a_surplus())
    with monkeypatch.context() as patched:
        patched.setattr(store, "finish_unmarked", fails)
        await matcher.hears_as_it_runs(a_need())
    assert await matcher.standing() == await matcher.told() == []
    assert len(await matcher.rows("SELECT * FROM lot")) == 2
    assert len(await matcher.hears_and_settles()) == 1
    assert len(await matcher.told("matcher.match-found")) == 1


async def test_settlers_at_once_never_give_a_lot_away_twice(matcher):
    """Four settlers and a stream of changes on the same ground: nothing over-committed."""
    events = some_forecasts(40, seed=4, span_km=40)
    await matcher.hears(*events)
    chance = random.Random(9)

    async def news():
        latest = list(events)
        for _ in range(25):
            at = chance.randrange(len(latest))
            latest[at] = amount(latest[at], chance.randrange(60, 5000))
            if chance.random() < 0.3:
                place = latest[at].place.model_copy(
                    update={"lat": 60.2 + chance.random() * 0.5, "lon": 24.9 + chance.random() / 2}
                )
                latest[at] = later(latest[at], place=place)
            await matcher.hears_as_it_runs(latest[at])

    settlers = [matcher.beside() for _ in range(4)]
    await asyncio.gather(news(), *(one.works_off("dirty") for one in settlers))
    await asyncio.gather(*(one.works_off() for one in settlers))
    await matcher.works_off()
    assert await matcher.rows("SELECT * FROM dirty") == []
    assert await over_committed(matcher) == []
    figures = await matcher.settles_all(standing_bonus=0, smallest_load=0)
    assert figures["value_cents"] == figures["optimum_cents"]


async def test_a_rebuild_keeps_the_matches(matcher):
    """Lots are emptied and heard again in one transaction; matches and decisions are its own."""
    events = some_forecasts(20, seed=6)
    before = await matcher.hears_and_settles(*events)
    assert before
    async with matcher.database.begin_work() as work:
        await work.session.execute(text("TRUNCATE lot, area, inbox"))
        await handlers.keep_forecasts(events, work, rules=Rules())
    await matcher.works_off()
    after = await matcher.standing()
    assert {(one.id, one.tonnes) for one in after} == {(one.id, one.tonnes) for one in before}


async def test_an_area_is_kept_at_its_newest(matcher):
    """Areas wait for the plans that will use them."""
    told = {
        "area_id": some_id(1), "region": "99", "organisation": "acme", "reporter": "acme",
        "title": "Heap", "site_kind": "interim_storage",
        "place": {"municipality": "091", "lat": 60.2, "lon": 24.9},
    }  # fmt: skip
    events = [AreaUpdated(**told, revision=revision) for revision in (2, 1)]
    async with matcher.database.begin_work() as work:
        await handlers.keep_areas(events, work, rules=Rules())
    assert [row.revision for row in await matcher.rows("SELECT revision FROM area")] == [2]
