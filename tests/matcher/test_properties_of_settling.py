"""Laws of settling: what no order, no repetition and no date may change; on the plan alone."""

import random
from collections import defaultdict
from datetime import date, timedelta
from uuid import uuid4

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from services.matcher.domain import AGREED, DIRECT, HOLDS, ONSITE, PROPOSED, Rules, Stands, replan
from tests.matcher.builders import TODAY, a_match, a_need, a_surplus, lot, some_id
from tests.matcher.regions import many

LAWS = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
ANY_LOAD = Rules(smallest_load_t=0)


EXACT = Rules().exact


def settled(lots, rules=EXACT, matches=(), today=TODAY):
    """The plan of *lots*, beside *matches*."""
    return replan(lots, list(matches), rules, today=today)


def after(matches, plan):
    """What stands once *plan* was carried out."""
    kept = {one.id: one for one in matches}
    for one in plan.changes:
        id = one.match.id if one.match else uuid4()  # a pair may have one more beside an agreed one
        if one.tonnes == 0:
            del kept[id]
            continue
        kept[id] = Stands(
            id=id,
            revision=one.match.revision + 1 if one.match else 1,
            surplus_id=one.surplus.id,
            need_id=one.need.id,
            state=AGREED if one.onsite else PROPOSED,
            route=ONSITE if one.onsite else DIRECT,
            standing=HOLDS,
            tonnes=one.tonnes,
            cents_per_t=one.cents_per_t,
            km=one.km,
            first=one.first,
            last=one.last,
            surplus_terms=one.surplus.terms,
            need_terms=one.need.terms,
            alarm="",
            told_revision=0,
        )
    return list(kept.values())


def both(matches):
    """Tonnes on own sites, and cents of everything: the two things that are made most of."""
    onsite = sum(one.tonnes for one in matches if one.route == ONSITE)
    return onsite, sum(one.tonnes * one.cents_per_t for one in matches)


def within(lots, matches):
    """No lot gives or gets more than its likely tonnes."""
    used = defaultdict(int)
    for one in matches:
        used[one.surplus_id] += one.tonnes
        used[one.need_id] += one.tonnes
    return all(used[one.id] <= one.likely for one in lots)


@LAWS
@given(many(most=25), st.randoms(use_true_random=False), st.sampled_from([Rules(), ANY_LOAD]))
def test_the_order_of_arrival_does_not_change_what_the_region_is_worth(told, chance, rules):
    """One by one in any order, each settled at once, then all at its best: the same two figures."""
    lots = [lot(one) for one in told]
    chance.shuffle(lots)
    known, matches = [], []
    for one in lots:
        known.append(one)
        matches = after(matches, settled(known, rules, matches))
        assert within(known, matches)
    matches = after(matches, settled(known, matches=matches))
    assert both(matches) == both(after([], settled([lot(one) for one in told])))


@LAWS
@given(many(most=40), st.sampled_from([ANY_LOAD, EXACT]))
def test_settling_again_changes_nothing(told, rules):
    """What stands at its best is left alone, with a standing bonus and without."""
    lots = [lot(one) for one in told]
    matches = after([], settled(lots, rules))
    again = settled(lots, rules, matches)
    assert again.changes == []
    assert again.before_cents == again.after_cents


def at_rest(lots):
    """Settle *lots* again and again with small loads dropped; what stands when nothing changes."""
    matches = []
    for _ in range(8):
        plan = settled(lots, Rules(), matches)
        if not plan.changes:
            return matches
        assert both(after(matches, plan)) >= both(matches)
        matches = after(matches, plan)
    raise AssertionError("the region never comes to rest")


@settings(LAWS, phases=[Phase.generate])
@given(many(most=40))
def test_settling_comes_to_rest_with_small_loads_dropped(told):
    """Which loads are too small depends a little on what stands, but it never goes round."""
    assert within([lot(one) for one in told], at_rest([lot(one) for one in told]))


def test_two_needs_and_three_surpluses_come_to_rest():
    """Dropped loads of 40 t and 48 t made these take turns for ever, for better and for worse."""
    fill = {"material": "till", "use": "general_fill"}
    site = {"project_id": some_id(9)}
    needs = [a_need(tonnes=146, north_km=12, **fill), a_need(tonnes=94, **fill)]
    surpluses = [
        a_surplus(tonnes=105, north_km=23),
        a_surplus(tonnes=185, north_km=22, **site),
        a_surplus(tonnes=194, north_km=5, **site),
    ]
    assert at_rest([lot(one) for one in (*needs, *surpluses)])


@LAWS
@given(many(most=25), st.data())
def test_news_heard_twice_or_late_settles_to_the_same(told, data):
    """A copy of a lot beside itself, and an older revision of it, change nothing."""
    lots = [lot(one) for one in told]
    twice = [*lots, *data.draw(st.lists(st.sampled_from(lots), max_size=5))]
    assert settled(twice).changes == settled(lots).changes


@LAWS
@given(many(most=25), st.data())
def test_more_to_give_or_to_take_never_makes_less(told, data):
    """Own site first, then the cents: with more tonnes in one lot, or one more lot, never fewer."""
    lots = [lot(one) for one in told]
    at = data.draw(st.integers(0, len(lots) - 1))
    more = data.draw(st.integers(1, 2000))
    richer = [*lots]
    richer[at] = lots[at]._replace(likely=lots[at].likely + more)
    fewer = [one for one in lots if one.id != lots[at].id]
    found = [both(after([], settled(some))) for some in (fewer, lots, richer)]
    assert found == sorted(found)


@LAWS
@given(many(most=25), st.data())
def test_more_time_or_reach_never_makes_less(told, data):
    """A longer window, a faster rate or a longer reach only add to what is possible."""
    lots = [lot(one) for one in told]
    at = data.draw(st.integers(0, len(lots) - 1))
    longer = [*lots]
    longer[at] = lots[at]._replace(
        last=lots[at].last + timedelta(days=data.draw(st.integers(0, 60))), weekly_t=None
    )
    farther = Rules(reach_km=90.0).exact
    best = both(after([], settled(lots)))
    assert both(after([], settled(longer))) >= best
    assert both(after([], settled(lots, farther))) >= best


@LAWS
@given(many(most=25), st.integers(-400, 400), st.booleans())
def test_shifting_every_date_shifts_every_match_and_changes_no_tonne(told, days, closes):
    """Today moves along where days gone by count."""
    shift = timedelta(days=days)
    rules = Rules(closes_past_windows=closes)
    today = date(2027, 4, 15)
    lots = [lot(one) for one in told]
    moved = [one._replace(first=one.first + shift, last=one.last + shift) for one in lots]
    here = settled(lots, rules, today=today)
    there = settled(moved, rules, today=today + shift)
    days_of = [(one.surplus.id, one.need.id, one.tonnes, one.first + shift, one.last + shift)
               for one in here.changes]  # fmt: skip
    assert days_of == [
        (one.surplus.id, one.need.id, one.tonnes, one.first, one.last) for one in there.changes
    ]


@LAWS
@given(many(most=30), st.integers(0, 2**32), st.sampled_from([Rules(), EXACT]))
def test_agreed_tonnes_never_change_on_their_own(told, seed, rules):
    """Whatever the forecasts say next, what was decided stays, and the rest fits around it."""
    chance = random.Random(seed)
    lots = [lot(one) for one in told]
    matches = after([], settled(lots, rules))
    decided = {
        one.id: one._replace(state=chance.choice([AGREED, "accepted"]))
        for one in matches
        if one.route == DIRECT and chance.random() < 0.5
    }
    matches = [decided.get(one.id, one) for one in matches]
    news = [changed(one, chance) for one in lots]
    plan = settled(news, rules, matches)
    assert not {one.match.id for one in plan.changes if one.match} & decided.keys()

    stands = after(matches, plan)
    assert {one.id: one for one in stands if one.id in decided} == decided
    used, fixed = defaultdict(int), defaultdict(int)
    for one in stands:
        for id in one.pair:
            used[id] += one.tonnes
            fixed[id] += one.tonnes if one.id in decided else 0
    for one in news:
        has = one.likely if one.is_open else 0
        assert used[one.id] <= max(has, fixed[one.id])
    short = {(one.id, tonnes) for one, tonnes in plan.short}
    assert short == {
        (one.id, fixed[one.id])
        for one in news
        if fixed[one.id] > (one.likely if one.is_open else 0)
    }


def changed(one, chance):
    """*one* as it might be told next: other tonnes, other days, no longer offered."""
    word = chance.choice(["same", "same", "fewer", "more", "later", "closed"])
    if word == "fewer":
        return one._replace(likely=one.likely // 3)
    if word == "more":
        return one._replace(likely=one.likely * 2)
    if word == "later":
        days = timedelta(days=chance.randrange(1, 90))
        return one._replace(first=one.first + days, last=one.last + days, terms=one.terms + 1)
    return one._replace(is_open=word != "closed")


@LAWS
@given(many(most=40), st.sampled_from([Rules(), ANY_LOAD, EXACT]), st.data())
def test_no_lot_is_over_committed_beside_matches_that_lead_elsewhere(told, rules, data):
    """What a lot gives to partners that are not here counts, and is left alone."""
    lots = [lot(one) for one in told]
    matches = after([], settled(lots, rules))
    here = [one for one in lots if data.draw(st.booleans())]
    ids = {one.id for one in here}
    plan = settled(here, rules, matches)
    crossing = {one.id for one in matches if len(ids & set(one.pair)) < 2}
    assert not {one.match.id for one in plan.changes if one.match} & crossing
    assert within(lots, after(matches, plan))


@LAWS
@given(many(most=30), st.integers(0, 400), st.sampled_from([ANY_LOAD, EXACT]))
def test_settling_never_makes_the_region_worth_less(told, tonnes, rules):
    """Whatever stands, what it becomes is worth as much at the least."""
    lots = [lot(one) for one in told]
    shaken = [one._replace(tonnes=min(one.tonnes, tonnes + 1))
              for one in after([], settled(lots))]  # fmt: skip
    assert both(after(shaken, settled(lots, rules, shaken))) >= both(shaken)


@LAWS
@given(many(most=25))
def test_one_match_a_pair_and_none_of_nothing(told):
    """Each pair is there once, with tonnes, from a surplus to a need."""
    lots = {one.forecast_id: lot(one) for one in told}
    plan = settled(list(lots.values()), Rules())
    pairs = [(one.surplus.id, one.need.id) for one in plan.changes]
    assert len(pairs) == len(set(pairs))
    assert all(one.tonnes > 0 and one.first <= one.last for one in plan.changes)
    assert all(lots[s].is_surplus and not lots[n].is_surplus for s, n in pairs)


def test_a_match_that_leads_nowhere_here_is_left_alone():
    """A neighbourhood without one of the lots changes nothing about their match."""
    surplus, need = lot(a_surplus()), lot(a_need())
    for here in ([], [surplus], [need]):
        plan = replan(here, [a_match(surplus, need)], Rules(), today=TODAY)
        assert (plan.changes, plan.before_cents, plan.after_cents) == ([], 0, 0)
