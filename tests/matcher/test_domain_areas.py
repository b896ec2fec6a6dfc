"""Masses wait in areas and are worked there: what may, how long, and for how much."""

from datetime import date, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.domain import Rules, over, replan
from shared.vocabulary.distance import road_km
from tests.matcher.builders import TODAY, a_match, a_need, a_surplus, lot
from tests.matcher.waiting import Formulation, an_area, random_region

RULES = Rules(standing_bonus_cents_per_t=0, smallest_load_t=0)
SPRING = (date(2027, 3, 1), date(2027, 3, 20))
AUTUMN = (date(2027, 10, 5), date(2027, 11, 30))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32), st.integers(2, 60), st.integers(0, 4))
def test_the_plan_with_areas_is_the_optimum_of_another_formulation_to_the_cent(
    seed: int, lots: int, areas: int
) -> None:
    found, places = random_region(Random(seed), lots, areas)

    plan = replan(found, [], RULES.exact, today=TODAY, areas=places)

    assert plan.after_cents == Formulation(found, places, RULES.exact).best_cents()


def test_sand_of_spring_waits_for_a_need_of_autumn() -> None:
    surplus, need = lot(a_surplus(window=SPRING)), lot(a_need(window=AUTUMN, north_km=5))
    area = an_area(north_km=2)

    plan = replan([surplus, need], [], RULES, today=TODAY, areas=[area])

    (change,) = plan.changes
    assert change.tonnes == 1000 and change.area == area
    assert (change.enter, change.leave) == (57 * 12 + 2, 57 * 12 + 9)
    assert not replan([surplus, need], [], RULES, today=TODAY).changes


def test_a_depot_known_by_the_same_municipality_is_not_at_the_very_place() -> None:
    """As between two lots: who shares a centre point does not share a site."""
    blurred = {"precision": "municipality", "municipality": "092"}
    surplus = lot(a_surplus(window=SPRING, **blurred))
    need = lot(a_need(window=AUTUMN, north_km=5))
    place = {"municipality": "092", "lat": surplus.lat, "lon": surplus.lon, **blurred}

    (change,) = replan(
        [surplus, need], [], RULES, today=TODAY, areas=[an_area(place=place)]
    ).changes

    way = over(surplus, need, an_area(place=place), RULES, today=TODAY)
    assert way is not None and way.there_km == road_km(RULES.same_place_km)
    assert change.km == way.km


def test_nothing_waits_as_long_as_the_storage_clock_runs() -> None:
    """Under three years before recovery: on the last day it is a landfill already."""
    surplus, area = lot(a_surplus(window=SPRING)), an_area(storage_eur_per_t_month=0)

    def waits(days: int) -> bool:
        first = SPRING[1] + timedelta(days=days)
        need = lot(a_need(window=(first, first), north_km=5))
        return bool(replan([surplus, need], [], RULES, today=TODAY, areas=[area]).changes)

    assert waits(1094) and not waits(1095)


def test_a_way_that_stands_over_an_area_that_is_no_longer_looked_at_stays() -> None:
    """What is settled over every area is not undone where only the best few are looked at."""
    surplus, need = lot(a_surplus(window=SPRING)), lot(a_need(window=AUTUMN, north_km=5))
    near = [an_area(north_km=2 + step / 10) for step in range(3)]
    fourth = an_area(north_km=6)
    (made,) = replan([surplus, need], [], RULES, today=TODAY, areas=[fourth]).changes
    stands = a_match(
        surplus, need, route="area", via=fourth.id, tonnes=made.tonnes,
        cents_per_t=made.cents_per_t, km=made.km, stays_from=made.stays_from,
        stays_to=made.stays_to,
    )  # fmt: skip
    calm = Rules(standing_bonus_cents_per_t=500, area_choices=3)

    assert not replan([surplus, need], [stands], calm, today=TODAY, areas=[*near, fourth]).changes
