"""Parts of a plan that share no lot have no say in each other, and the whole is still the best."""

from datetime import date, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.domain import Rules, replan
from services.matcher.domain.what_if import stands_after
from tests.matcher.builders import TODAY, a_need, a_surplus, lot, some_id
from tests.matcher.waiting import an_area

EXACT = Rules(standing_bonus_cents_per_t=0, smallest_load_t=0)
OPEN = {"materials": ["sand"], "window": (date(2027, 1, 1), date(2029, 12, 31))}
"""An area where a mass of spring may wait for a need of autumn."""


def some_lots(draw, numbers, organisation, **told):
    """Lots of sand, of round amounts on one line, where many plans are worth the same."""
    lots = []
    for number in numbers:
        first = draw.choice((date(2027, 3, 1), date(2027, 9, 1)))
        lots.append(lot(draw.choice((a_surplus, a_need))(
            forecast_id=some_id(number), project_id=some_id(10_000 + number),
            organisation=organisation, reporter=organisation,
            tonnes=draw.randint(1, 6) * 100, north_km=draw.randint(0, 30),
            window=(first, first + timedelta(days=40)), **told,
        )))  # fmt: skip
    return lots


def of(organisation, changes):
    """The changes between two lots of *organisation*."""
    return [
        one for one in changes
        if {one.surplus.organisation, one.need.organisation} == {organisation}
    ]  # fmt: skip


def two_worlds(draw, **told):
    """Lots of acme and, among them by number, as many or more of dune that meet only each other."""
    numbers = draw.sample(range(1000), 40)
    visible = some_lots(draw, numbers[: draw.randint(6, 14)], "acme", **told)
    return visible, some_lots(draw, numbers[20:], "dune", visibility="region", **told)


RULES = pytest.mark.parametrize("rules", [EXACT, Rules(), Rules().of_sweeps])


@RULES
@settings(deadline=None, max_examples=60)
@given(draw=st.randoms(use_true_random=False))
def test_lots_that_pair_among_themselves_choose_none_of_several_best_plans(draw, rules):
    """Nor do they at the next settle, when matches of both stand and the lots are others."""
    visible, hidden = two_worlds(draw)
    without = replan(visible, [], rules, today=TODAY)
    with_them = replan([*visible, *hidden], [], rules, today=TODAY)
    assert of("acme", with_them.changes) == without.changes

    later = [one._replace(likely=draw.randint(1, 6) * 100) for one in (*visible, *hidden)]
    known = {one.id: one for one in later}
    stands = stands_after(known, [], with_them)
    mine = [one for one in stands if known[one.surplus_id].organisation == "acme"]
    without = replan(later[: len(visible)], mine, rules, today=TODAY)
    with_them = replan(later, stands, rules, today=TODAY)
    assert of("acme", with_them.changes) == without.changes


@RULES
@pytest.mark.parametrize("capacity_t", [None, 100_000])
@settings(deadline=None, max_examples=40)
@given(draw=st.randoms(use_true_random=False))
def test_nor_do_they_where_masses_wait_in_areas_with_room_for_all(draw, rules, capacity_t):
    """Ways over areas are chosen as if the others were not there."""
    visible, hidden = two_worlds(draw)
    areas = [
        an_area(area_id=str(some_id(1)), north_km=5, capacity_t=capacity_t, **OPEN),
        an_area(area_id=str(some_id(2)), north_km=20, capacity_t=capacity_t, **OPEN),
    ]
    without = replan(visible, [], rules, today=TODAY, areas=areas)
    with_them = replan([*visible, *hidden], [], rules, today=TODAY, areas=areas)
    assert of("acme", with_them.changes) == without.changes


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_the_room_of_a_full_area_goes_to_whom_it_is_worth_most(seed):
    """Two organisations' lots meet in nothing but an area: together never too much, never less."""
    draw = Random(seed)
    visible, hidden = two_worlds(draw)
    areas = [an_area(area_id=str(some_id(1)), north_km=5, capacity_t=300, **OPEN)]
    plan = replan([*visible, *hidden], [], EXACT, today=TODAY, areas=areas)
    waiting = sum(one.tonnes for one in plan.changes if one.area is not None)
    assert waiting <= 300
    apart = [replan(ones, [], EXACT, today=TODAY, areas=areas) for ones in (visible, hidden)]
    straight = replan([*visible, *hidden], [], EXACT, today=TODAY)
    most = sum(one.after_cents for one in apart)
    assert max(straight.after_cents, *(one.after_cents for one in apart)) <= plan.after_cents
    assert plan.after_cents <= most
