"""Known roads: points, tables of them, and what they change in a plan."""

import math
import random
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.matcher.domain import Rules, cell_of, explain, is_feasible, replan, road_km_between
from services.matcher.domain.cost import arcs
from services.matcher.domain.roads import (
    BY_RATIO,
    Roads,
    differs,
    place_of,
    point_of,
    points_of,
    tables_of,
    usable_km,
)
from shared.vocabulary.distance import RATIO_VERSION, road_km, straight_km
from tests.matcher.builders import TODAY, a_match, a_need, a_surplus, lot
from tests.matcher.waiting import an_area

places = st.tuples(st.floats(-90, 90), st.floats(-180, 180))
ROUTED = Rules(routed=True)
VERSION = "driving 2026-11-01"


def known(*told, asked=True):
    """Roads from *told*: (surplus, need, km)."""
    ends = [(point_of(s.lat, s.lon), point_of(n.lat, n.lon)) for s, n, _ in told]
    return Roads.of(
        [origin for origin, _ in ends], [end for _, end in ends], [km for _, _, km in told],
        [VERSION] * len(told), [asked] * len(told),
    )  # fmt: skip


@given(places)
def test_a_point_lies_within_some_ten_metres_of_its_place(place):
    lat, lon = place_of(point_of(*place))
    assert abs(lat - place[0]) <= 0.00005001
    assert abs(lon - place[1]) <= 0.00005001
    assert point_of(lat, lon) == point_of(*place)
    assert points_of(np.array([place[0]]), np.array([place[1]])).tolist() == [point_of(*place)]


def test_a_known_road_goes_before_the_ratio():
    """Distance, value, verdict and how it was measured follow the road that was told."""
    surplus, need = lot(a_surplus()), lot(a_need(north_km=10))
    roads = known((surplus, need, 21.5))
    assert road_km_between(surplus, need, ROUTED, roads) == 21.5
    assert roads.measured(surplus, need) == ("route", VERSION)
    change = replan([surplus, need], [], ROUTED, today=TODAY, roads=roads).changes[0]
    by_ratio = replan([surplus, need], [], ROUTED, today=TODAY).changes[0]
    assert (change.km, change.measured) == (21.5, ("route", VERSION))
    assert (by_ratio.km, by_ratio.measured) == (
        pytest.approx(road_km(10), abs=0.01), ("ratio", RATIO_VERSION),
    )  # fmt: skip
    assert change.cents_per_t < by_ratio.cents_per_t


def test_a_road_that_was_not_usable_leaves_the_ratio():
    """And it is not asked for again."""
    surplus, need = lot(a_surplus()), lot(a_need(north_km=10))
    roads = known((surplus, need, None))
    plan = replan([surplus, need], [], ROUTED, today=TODAY, roads=roads)
    assert plan.changes[0].measured == BY_RATIO
    assert plan.changes[0].km == pytest.approx(road_km(10), abs=0.01)
    assert plan.roads_wanted == []


def test_a_road_is_one_way():
    """The way back is another road, with a length of its own."""
    surplus, need = lot(a_surplus()), lot(a_need(north_km=10))
    roads = known((need, surplus, 21.5))
    assert road_km_between(surplus, need, ROUTED, roads) == pytest.approx(road_km(10), abs=0.01)
    assert roads.measured(surplus, need) == BY_RATIO


def test_a_pair_is_out_of_reach_by_the_road_that_is_known():
    """60 km reach: 70 km by road is too far, though 45 by the ratio; arcs and verdicts agree."""
    surplus, need = lot(a_surplus()), lot(a_need(north_km=33))
    roads = known((surplus, need, 70.0))
    assert len(arcs([surplus], [need], ROUTED, today=TODAY).surplus) == 1
    assert len(arcs([surplus], [need], ROUTED, today=TODAY, roads=roads).surplus) == 0
    km = road_km_between(surplus, need, ROUTED, roads)
    assert not is_feasible(explain(surplus, need, ROUTED, today=TODAY, km=km))


def test_own_site_and_lots_known_by_one_municipality_are_by_ratio():
    """No public road leads within a site, nor between two centre points that are the same."""
    surplus = lot(a_surplus(precision="municipality"))
    same = lot(a_need(precision="municipality"))
    own = lot(a_need(project_id=surplus.project_id, north_km=1))
    roads = known((surplus, same, 9.9), (surplus, own, 9.9))
    assert road_km_between(surplus, same, ROUTED, roads) == pytest.approx(road_km(5.0), abs=0.001)
    assert road_km_between(surplus, own, ROUTED, roads) == pytest.approx(road_km(1.0), abs=0.01)
    assert roads.measured(surplus, same) == roads.measured(surplus, own) == BY_RATIO


def test_a_standing_proposal_follows_a_road_that_became_known():
    """Other kilometres are another revision, and once they stand nothing more is to change."""
    surplus, need = lot(a_surplus(tonnes=100)), lot(a_need(tonnes=100, north_km=10))
    first = replan([surplus, need], [], ROUTED, today=TODAY).changes[0]
    stands = a_match(surplus, need, tonnes=100, cents_per_t=first.cents_per_t, km=first.km)
    roads = known((surplus, need, 14.0))
    (change,) = replan([surplus, need], [stands], ROUTED, today=TODAY, roads=roads).changes
    assert (change.km, change.measured.method) == (14.0, "route")
    stands = stands._replace(cents_per_t=change.cents_per_t, km=change.km)
    assert replan([surplus, need], [stands], ROUTED, today=TODAY, roads=roads).changes == []


def test_the_nearer_by_road_is_chosen_where_roads_are_known():
    """5 km away across the water is 24 by road; 9 km away on this side is 12."""
    surplus = lot(a_surplus(tonnes=100))
    across, here = lot(a_need(tonnes=100, north_km=5)), lot(a_need(tonnes=100, north_km=-9))
    plan = replan([surplus, across, here], [], ROUTED, today=TODAY)
    assert [one.need.id for one in plan.changes] == [across.id]
    roads = known((surplus, across, 24.0), (surplus, here, 12.0))
    plan = replan([surplus, across, here], [], ROUTED, today=TODAY, roads=roads)
    assert [one.need.id for one in plan.changes] == [here.id]


def test_roads_are_wanted_for_what_is_planned_and_for_the_best_of_its_lots():
    """The planned pair and the nearest others, not all; what is asked for is not wanted again."""
    surplus = lot(a_surplus(tonnes=100))
    needs = [lot(a_need(tonnes=100, north_km=at)) for at in range(1, 11)]
    rules = Rules(routed=True, road_candidates=3)
    plan = replan([surplus, *needs], [], rules, today=TODAY, roads=known())
    origin = point_of(surplus.lat, surplus.lon)
    wanted = {(origin, point_of(one.lat, one.lon)) for one in needs[:3]}
    assert set(plan.roads_wanted) == wanted
    asked = known(*((surplus, one, None) for one in needs[:3]))
    assert replan([surplus, *needs], [], rules, today=TODAY, roads=asked).roads_wanted == []
    old = known(*((surplus, one, 1.5 + at) for at, one in enumerate(needs[:3])), asked=False)
    again = replan([surplus, *needs], [], rules, today=TODAY, roads=old)
    assert wanted & set(again.roads_wanted)
    assert again.changes[0].measured.method == "route"


def test_without_an_engine_no_road_is_wanted():
    plan = replan([lot(a_surplus()), lot(a_need(north_km=5))], [], Rules(), today=TODAY)
    assert plan.roads_wanted == ()


def test_many_roads_are_found_each_where_it_belongs():
    """Whatever the order they came in; pairs of which only one end is known are unknown."""
    chance = random.Random(7)
    told = {
        (chance.randrange(40) * 1_000_003, chance.randrange(40) * 999_983): chance.uniform(1, 60)
        for _ in range(300)
    }
    pairs = list(told)
    chance.shuffle(pairs)
    roads = Roads.of(
        [one for one, _ in pairs], [other for _, other in pairs], [told[pair] for pair in pairs],
        [f"v {pair}" for pair in pairs], [True] * len(pairs),
    )  # fmt: skip
    every = [(one * 1_000_003, other * 999_983) for one in range(42) for other in range(42)]
    found = roads.km_of(*(np.array(side) for side in zip(*every, strict=True)))
    for pair, km in zip(every, found.tolist(), strict=True):
        assert km == told[pair] if pair in told else math.isnan(km)
    at = roads.rows_of(*(np.array(side) for side in zip(*pairs, strict=True)))
    assert [roads.versions[row] for row in at.tolist()] == [f"v {pair}" for pair in pairs]


@given(
    st.sets(st.tuples(st.integers(0, 30), st.integers(100, 130)), max_size=60), st.integers(2, 20)
)
def test_tables_hold_every_pair_once_and_never_too_many_points(pairs, points):
    tables = list(tables_of(pairs, points))
    assert sorted(pair for table in tables for pair in table) == sorted(pairs)
    for table in tables:
        assert len({one for one, _ in table}) + len({other for _, other in table}) <= points


TEN_KM = (point_of(60.0, 25.0), point_of(60.08993, 25.0))


@pytest.mark.parametrize(
    ("metres", "km"),
    [
        (14_250.4, 14.25), (9_001.0, 9.001), (8_990.0, None), (49_900.0, 49.9), (50_100.0, None),
        (0, None), (None, None), (math.nan, None), (math.inf, None), (-1.0, None),
    ],
)  # fmt: skip
def test_an_absurd_distance_is_not_usable(metres, km):
    """Ten kilometres straight: less than 0.9 or more than 5 times that is another place."""
    assert straight_km(*place_of(TEN_KM[0]), *place_of(TEN_KM[1])) == pytest.approx(10, abs=0.01)
    assert usable_km(metres, TEN_KM) == km


def test_only_more_than_a_little_is_settled_again():
    """15.3 km by the ratio: 15.1 is no news, 18 is; so is a road that is not usable any more."""
    ratio = road_km(10)
    assert not differs(TEN_KM, None, ratio + 0.2)
    assert differs(TEN_KM, None, ratio + 2)
    assert not differs(TEN_KM, None, None)
    assert differs(TEN_KM, ratio + 2, None)
    assert not differs(TEN_KM, 18.0, 18.2)


def test_the_cell_of_a_point_is_that_of_its_place_or_the_next():
    """A mark on it is a mark on the lot's neighbourhood."""
    for lat, lon in ((60.2, 24.9), (60.00004, 25.00004), (61.49999, 23.75)):
        near = place_of(point_of(lat, lon))
        assert abs(cell_of(*near) - cell_of(lat, lon)) <= 1


def test_a_way_over_an_area_is_by_ratio_and_asks_for_no_road():
    """The road that is known leads straight; what waits in an area goes another way."""
    surplus = lot(a_surplus(window=(date(2027, 3, 1), date(2027, 3, 20))))
    need = lot(a_need(window=(date(2027, 10, 5), date(2027, 11, 30)), north_km=5))
    roads = known((surplus, need, 9.0))
    plan = replan([surplus, need], [], ROUTED, today=TODAY, areas=[an_area(north_km=2)],
                  roads=roads)  # fmt: skip
    (change,) = plan.changes
    assert (change.area is not None, change.measured) == (True, BY_RATIO)
    unknown = replan([surplus, need], [], ROUTED, today=TODAY, areas=[an_area(north_km=2)],
                     roads=known())  # fmt: skip
    assert unknown.roads_wanted == []
