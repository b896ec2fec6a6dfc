"""What-if: a copy is settled twice by one set of rules, and the difference is told."""

from dataclasses import replace
from datetime import date, timedelta
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.domain import (
    AreaChange,
    CannotChange,
    Copy,
    LotChange,
    Rules,
    area_of,
    cell_of,
    totals,
    what_if,
)
from services.matcher.domain.what_if import changed, settled, with_changes
from shared.problems import sentence
from tests.matcher.builders import TODAY, a_match, a_need, a_surplus, lot, some_id
from tests.matcher.test_handlers import amount, later, some_forecasts
from tests.matcher.test_handlers_areas import told as depot_told

RULES = Rules().of_sweeps


def a_copy(*forecasts, matches=()):
    """A copy of *forecasts* as the matcher keeps them."""
    lots = {one.id: one for one in map(lot, forecasts)}
    return Copy(lots, list(matches))


def an_area(**told):
    """The depot of sand two km north as a plan sees it."""
    event = depot_told(area_id=told.pop("area_id", some_id(7)), **told)
    return area_of(event.model_dump(mode="json"), cell_of(event.place.lat, event.place.lon))


def stands(copy):
    """What somebody would notice of what stands in *copy*."""
    return {
        (*one.pair, one.state, one.route, one.tonnes, one.cents_per_t, one.first, one.last)
        for one in copy.matches
    }


def everybody(_surplus, _need):
    return True


def test_a_need_three_weeks_earlier_need_not_be_bought():
    """A window that moves into that of a surplus: the match that would be new, and its worth."""
    surplus = a_surplus(tonnes=500)
    need = a_need(tonnes=400, north_km=5, window=(date(2027, 9, 10), date(2027, 10, 20)))
    answer = what_if(
        a_copy(surplus, need), [LotChange(need.forecast_id, days=-21)], [], RULES, today=TODAY
    )
    (effect,) = answer.effects
    assert (effect.what, effect.match.tonnes) == ("new", 400)
    assert (effect.match.first, effect.match.last) == (date(2027, 8, 20), date(2027, 8, 31))
    gained = totals(answer.after, RULES, everybody, today=TODAY).minus(
        totals(answer.before, RULES, everybody, today=TODAY)
    )
    assert gained.value_cents == effect.worth_cents > 0
    assert gained.tonnes == 400


def test_a_forecast_withdrawn_takes_its_match_along():
    """The match is gone, and what it was worth is lost."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=400)
    answer = what_if(
        a_copy(surplus, need), [LotChange(surplus.forecast_id, withdrawn=True)], [], RULES,
        today=TODAY,
    )  # fmt: skip
    (effect,) = answer.effects
    assert effect.what == "gone"
    assert effect.worth_cents < 0
    assert stands(answer.after) == set()


def test_an_agreement_that_would_break_is_named_and_stays():
    """Below what was agreed, or moved away from its days: told, never cut."""
    surplus, need = a_surplus(tonnes=500), a_need(tonnes=500)
    agreed = a_match(lot(surplus), lot(need), state="agreed", tonnes=400)
    copy = a_copy(surplus, need, matches=[agreed])
    for change, reason in (
        (LotChange(surplus.forecast_id, tonnes=300), "forecast_below_agreed"),
        (LotChange(surplus.forecast_id, days=400), "outside_window"),
        (LotChange(surplus.forecast_id, withdrawn=True), "no_longer_offered"),
    ):
        answer = what_if(copy, [change], [], RULES, today=TODAY)
        assert [(one.match, one.reason) for one in answer.broken] == [(agreed, reason)]
        assert agreed in answer.after.matches
    answer = what_if(copy, [LotChange(surplus.forecast_id, tonnes=400)], [], RULES, today=TODAY)
    assert answer.broken == []


def test_what_is_broken_already_is_not_told_again():
    """An agreement above its forecast has had its alarm; another change does not break it."""
    surplus, need = a_surplus(tonnes=300), a_need(tonnes=500)
    agreed = a_match(lot(surplus), lot(need), state="agreed", tonnes=400)
    copy = a_copy(surplus, need, matches=[agreed])
    answer = what_if(copy, [LotChange(need.forecast_id, tonnes_change=50)], [], RULES, today=TODAY)
    assert answer.broken == []


def test_an_acceptance_ends_with_a_forecast_that_is_withdrawn():
    """As the settler ends it, though nobody has agreed yet."""
    surplus, need, other = a_surplus(tonnes=400), a_need(tonnes=400), a_need(tonnes=400, north_km=3)
    accepted = a_match(lot(surplus), lot(need), state="accepted", tonnes=400)
    copy = a_copy(surplus, need, other, matches=[accepted])
    answer = what_if(copy, [LotChange(need.forecast_id, withdrawn=True)], [], RULES, today=TODAY)
    gone = [one.match.id for one in answer.effects if one.what == "gone"]
    assert gone == [accepted.id]


def test_effects_come_by_their_worth():
    """The most, gained or lost, first."""
    forecasts = some_forecasts(40)
    copy = settled(a_copy(*forecasts), RULES, today=TODAY)
    largest = max(copy.matches, key=lambda one: one.tonnes)
    answer = what_if(copy, [LotChange(largest.surplus_id, withdrawn=True)], [], RULES, today=TODAY)
    worth = [abs(one.worth_cents) for one in answer.effects]
    assert worth == sorted(worth, reverse=True)
    assert worth


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 40), st.integers(0, 39), st.sampled_from(["days", "tonnes", "gone", "new"]))
def test_the_answer_is_what_the_matcher_would_do(seed, which, kind):
    """The change really told, and the region settled: the same matches stand as were foretold."""
    forecasts = some_forecasts(40, seed=seed)
    calm = settled(a_copy(*forecasts), RULES, today=TODAY)
    event = forecasts[which]
    window = event.window
    added = []
    if kind == "days":
        change = [LotChange(event.forecast_id, days=21)]
        moved = {
            "first": window.first + timedelta(days=21),
            "last": window.last + timedelta(days=21),
        }
        real = later(event, window=window.model_copy(update=moved))
    elif kind == "tonnes":
        change = [LotChange(event.forecast_id, tonnes=1234)]
        real = amount(event, 1234)
    elif kind == "gone":
        change = [LotChange(event.forecast_id, withdrawn=True)]
        real = later(event, status="cancelled")
    else:
        change, real = [], a_need(forecast_id=some_id(9), tonnes=900, material="till")
        added = [lot(real)]

    answer = what_if(calm, change, added, RULES, today=TODAY)

    told = {**calm.lots, real.forecast_id: lot(real)}
    real_state = settled(Copy(told, calm.matches), RULES, today=TODAY)
    assert stands(answer.after) == stands(real_state)
    assert answer.after.lots[real.forecast_id].terms == lot(real).terms
    before = {one.id: one for one in answer.before.matches}
    foretold = before | {one.match.id: one.after for one in answer.effects}
    assert {(*one.pair, one.tonnes) for one in foretold.values() if one is not None} == {
        (*one.pair, one.tonnes) for one in real_state.matches
    }
    assert sum(one.worth_cents for one in answer.effects) == (
        totals(answer.after, RULES, everybody, today=TODAY).value_cents
        - totals(answer.before, RULES, everybody, today=TODAY).value_cents
    )


@given(st.integers(0, 5000), st.integers(-5000, 5000))
def test_low_and_high_keep_their_proportion(tonnes, change):
    """And their order; below nothing is refused, by name."""
    it = lot(a_surplus(tonnes=1000))
    if tonnes + change < 0:
        with pytest.raises(CannotChange) as caught:
            changed(it, LotChange(it.id, tonnes=tonnes, tonnes_change=change))
        assert caught.value.code == "tonnes_below_zero"
        assert "Take off less" in sentence(caught.value, "en")
        assert f"{tonnes + change} t" in sentence(caught.value, "fi")
        return
    now = changed(it, LotChange(it.id, tonnes=tonnes, tonnes_change=change))
    assert now.likely == tonnes + change
    assert now.low <= now.likely <= now.high
    assert now.low == now.likely // 2


def test_a_window_beyond_the_calendar_is_refused():
    it = lot(a_surplus())
    with pytest.raises(CannotChange) as caught:
        changed(it, LotChange(it.id, days=3_000_000))
    assert caught.value.code == "days_out_of_range"


def test_changes_are_applied_in_their_order_and_the_copy_stays():
    """Two changes of one forecast come on top of each other; what was given is as it was."""
    surplus = a_surplus(tonnes=500)
    copy = a_copy(surplus)
    might = with_changes(
        copy,
        [LotChange(surplus.forecast_id, tonnes=300), LotChange(surplus.forecast_id, days=7)],
        [],
        RULES,
    )
    it = might.lots[surplus.forecast_id]
    assert (it.likely, it.first) == (300, surplus.window.first + timedelta(days=7))
    assert copy.lots[surplus.forecast_id] == lot(surplus)


def test_more_room_lets_more_wait_and_its_limits_are_kept():
    """A full depot made larger by 300 t: so many more of spring wait for autumn."""
    spring, autumn = (date(2027, 3, 1), date(2027, 3, 20)), (date(2027, 10, 5), date(2027, 11, 30))
    surplus, need = a_surplus(window=spring), a_need(window=autumn, north_km=5)
    depot = an_area(capacity_t=400)
    copy = a_copy(surplus, need)._replace(areas=[depot])
    calm = settled(copy, RULES, today=TODAY)
    assert [(one.tonnes, one.via) for one in calm.matches] == [(400, depot.id)]
    larger = AreaChange(depot.id, 300)
    answer = what_if(calm, [], [], RULES, today=TODAY, area_changes=[larger])
    (effect,) = answer.effects
    assert effect.before is not None and effect.after is not None
    assert (effect.what, effect.before.tonnes, effect.after.tonnes) == ("changed", 400, 700)
    assert effect.after.stays_from is not None
    assert sum(one.tonnes for one in answer.after.stays) == 700


def test_an_area_that_cannot_change_so_is_refused():
    depot = an_area(capacity_t=400)
    endless = an_area(area_id=some_id(8))
    copy = a_copy()._replace(areas=[depot, endless])
    for change, code in (
        (AreaChange(depot.id, -500), "capacity_below_zero"),
        (AreaChange(endless.id, 500), "area_without_capacity"),
        (AreaChange(UUID(int=1), 500), "area_not_in_plans"),
    ):
        with pytest.raises(CannotChange) as caught:
            what_if(copy, [], [], RULES, today=TODAY, area_changes=[change])
        assert caught.value.code == code


def test_the_same_rules_before_and_after():
    """A larger smallest load leaves small matches out on both sides: no effect of its own."""
    surplus, need = a_surplus(tonnes=80), a_need(tonnes=80)
    rules = replace(RULES, smallest_load_t=100)
    answer = what_if(
        a_copy(surplus, need), [LotChange(surplus.forecast_id, days=1)], [], rules, today=TODAY
    )
    assert answer.effects == []
