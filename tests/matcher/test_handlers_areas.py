"""Areas in the running matcher: where masses wait, what is taken there, and what it changes."""

from datetime import date
from typing import Any

from services.matcher import handlers
from shared.contracts import AreaUpdated
from tests.matcher.builders import KM, LAT, LON, a_need, a_surplus, some_id

SPRING = (date(2027, 3, 1), date(2027, 3, 20))
AUTUMN = (date(2027, 10, 5), date(2027, 11, 30))


def told(**said: Any) -> AreaUpdated:
    """An interim storage for sand, two km north, of the organisation depot."""
    north = said.pop("north_km", 2)
    return AreaUpdated(
        **{
            "area_id": some_id(7),
            "revision": 1,
            "region": "99",
            "organisation": "depot",
            "reporter": "depot",
            "title": "Depot",
            "site_kind": "interim_storage",
            "materials": ("sand",),
            "meets": ("99",),
            "place": {"municipality": "092", "lat": LAT + north * KM, "lon": LON},
            **said,
        }
    )


async def hears_of(matcher: Any, *areas: AreaUpdated) -> None:
    async with matcher.database.begin_work(correlation="area") as work:
        await handlers.keep_areas(areas, work, rules=matcher.rules)


async def standing(matcher: Any) -> list[tuple[int, Any, str]]:
    return sorted((one.tonnes, one.via, one.route) for one in await matcher.standing())


async def test_sand_of_spring_waits_in_a_depot_for_a_need_of_autumn(matcher) -> None:
    await hears_of(matcher, told())
    await matcher.hears(a_surplus(window=SPRING), a_need(window=AUTUMN, north_km=5))
    await matcher.works_off("dirty", "tell")

    assert await standing(matcher) == [(1000, some_id(7), "area")]
    found = (await matcher.told("matcher.match-found"))[0]
    via, value = found["via"], found["value"]
    assert via["waits_days"] == (AUTUMN[0] - SPRING[1]).days and via["arriving_t"] == 1000
    parts = ("disposal_avoided", "purchase_avoided", "haul", "storage", "processing")
    gone, got, haul, storage, working = (value[f"{part}_cents_per_t"] for part in parts)
    assert value["cents_per_t"] == gone + got - haul - storage - working
    assert storage > 0 and working == 0
    time = next(one for one in found["reasons"] if one["gate"] == "G9_time")
    assert time["verdict"] == "conditional" and "waits" in time["offered"]
    assert "the area's acceptance" in found["papers"]


async def test_an_area_that_opens_later_is_found_without_news_of_a_forecast(matcher) -> None:
    await matcher.hears(a_surplus(window=SPRING), a_need(window=AUTUMN, north_km=5))
    await matcher.works_off("dirty")
    assert not await standing(matcher)

    await hears_of(matcher, told())
    await matcher.works_off("sweep")

    assert await standing(matcher) == [(1000, some_id(7), "area")]


async def test_what_two_neighbourhoods_put_into_an_area_stays_within_its_capacity(matcher) -> None:
    await hears_of(matcher, told(capacity_t=1200, north_km=15))
    for north in (0, 30):
        await matcher.hears(
            a_surplus(window=SPRING, north_km=north),
            a_need(window=AUTUMN, north_km=north + 1),
        )
        await matcher.works_off("dirty")

    assert sum(tonnes for tonnes, via, _ in await standing(matcher) if via) == 1200
    await matcher.settles_all(standing_bonus=0, smallest_load=0)
    assert sum(tonnes for tonnes, via, _ in await standing(matcher) if via) == 1200


async def test_an_area_that_shrinks_or_closes_gives_its_proposals_up(matcher) -> None:
    await hears_of(matcher, told())
    await matcher.hears(a_surplus(window=SPRING), a_need(window=AUTUMN, north_km=5))
    await matcher.works_off("dirty")

    await hears_of(matcher, told(revision=2, capacity_t=300))
    await matcher.works_off("sweep")
    assert await standing(matcher) == [(300, some_id(7), "area")]

    await hears_of(matcher, told(revision=3, status="closed"))
    await matcher.works_off("sweep")
    assert not await standing(matcher)


async def test_what_is_agreed_over_an_area_keeps_its_room_there(matcher) -> None:
    await hears_of(matcher, told(capacity_t=1000))
    await matcher.hears(a_surplus(window=SPRING), a_need(window=AUTUMN, north_km=5))
    await matcher.works_off("dirty")
    await matcher.changes("UPDATE match SET state = 'agreed', accepted_by = 'acme,bolt'")

    await matcher.hears(a_surplus(window=SPRING), a_need(window=AUTUMN, north_km=5))
    await matcher.works_off("dirty", "sweep")

    assert await standing(matcher) == [(1000, some_id(7), "area")]


async def test_boulders_are_crushed_on_the_way_and_less_comes_out(matcher) -> None:
    crusher = told(
        site_kind="processing_site",
        materials=("boulders",),
        processing=("crushing",),
        processing_terms=({"processing": "crushing", "cost_eur_per_t": 1, "yield_share": 0.8},),
    )
    await hears_of(matcher, crusher)
    await matcher.hears(
        a_surplus(material="boulders", quality="good", tonnes=1000),
        a_need(material="crushed_rock", use="sub_base", tonnes=600, north_km=5),
    )
    await matcher.works_off("dirty", "tell")

    found = (await matcher.told("matcher.match-found"))[0]
    assert found["tonnes"]["likely"] == 750 and found["via"]["arriving_t"] == 600
    assert found["via"]["processing"] == ["crushing"]
    assert found["value"]["processing_cents_per_t"] == 100


async def test_the_counterfactual_is_the_nearest_site_that_was_told(matcher) -> None:
    await matcher.hears(a_surplus(), a_need(north_km=5))
    await matcher.works_off("dirty", "tell")
    (before,) = await matcher.told("matcher.match-found")
    assert before["value"]["counterfactual"] == "CF-1 fallback"

    tip = told(site_kind="disposal_site", gate_fee_eur_per_t=3.0, north_km=10)
    pit = told(area_id=some_id(8), site_kind="extraction_site", price_eur_per_t=6.0, north_km=4)
    await hears_of(matcher, tip, pit)
    await matcher.works_off("dirty", "tell")

    after = (await matcher.told("matcher.match-changed"))[-1]
    assert after["value"]["counterfactual"] == "CF-1"
    assert after["value"]["reception_area"] == str(some_id(7))
    assert after["value"]["quarry_area"] == str(some_id(8))
    assert after["value"]["disposal_avoided_cents_per_t"] == 559  # 3 EUR and 15.25 km


async def test_news_of_a_lot_and_of_a_site_give_the_same_in_either_order(matcher) -> None:
    site = told(site_kind="disposal_site", gate_fee_eur_per_t=3.0)
    surplus = a_surplus()
    await hears_of(matcher, site)
    await matcher.hears(surplus)
    first = await matcher.rows("SELECT base_cents, base_area, base_km FROM lot")
    other = a_surplus()
    await matcher.hears(other)
    await hears_of(matcher, told(site_kind="disposal_site", gate_fee_eur_per_t=3.0, revision=2))
    assert set(await matcher.rows("SELECT base_cents, base_area, base_km FROM lot")) == set(first)


async def test_the_settled_optimum_uses_as_many_areas_as_it_takes(matcher) -> None:
    places = [told(area_id=some_id(number), capacity_t=200) for number in range(20, 25)]
    await hears_of(matcher, *places)
    await matcher.hears(a_surplus(window=SPRING), a_need(window=AUTUMN, north_km=5))

    await matcher.settles_all(standing_bonus=0, smallest_load=0)

    assert [tonnes for tonnes, _, _ in await standing(matcher)] == [200] * 5
