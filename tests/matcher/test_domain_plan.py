"""The plan: laws that hold for every set of lots, and the examples that show them."""

import random
from collections import defaultdict
from datetime import date, timedelta
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.domain import Rules, explain, is_feasible, replan, road_km_between, value_of
from services.matcher.domain.cost import arcs
from shared.vocabulary.distance import road_km, straight_km
from tests.matcher.builders import TODAY, a_match, a_need, a_surplus, lot, some_id

EXACT = Rules(standing_bonus_cents_per_t=0, smallest_load_t=0)


def tonnes_of(plan):
    """The tonnes of each planned pair, on their own site or not."""
    return {(one.surplus.id, one.need.id): one.tonnes for one in plan.changes if one.tonnes}


@st.composite
def some_lots(draw, most=9):
    """Lots of a few materials, places and windows, some of one project."""
    lots = []
    for number in range(draw(st.integers(2, most))):
        surplus = draw(st.booleans())
        start = date(2027, 3, 1) + timedelta(days=draw(st.sampled_from([0, 30, 60])))
        told = {
            "forecast_id": some_id(number),
            "project_id": some_id(draw(st.sampled_from([100, 101, 102, 200 + number]))),
            "tonnes": draw(st.integers(0, 400)),
            "north_km": draw(st.integers(0, 45)),
            "material": draw(st.sampled_from(["sand", "gravel", "clay"])),
            "window": (start, start + timedelta(days=draw(st.sampled_from([10, 40])))),
            "weekly_rate_t": draw(st.sampled_from([None, None, 100.0])),
            "net_of_own_use": draw(st.sampled_from([False, False, True])),
        }
        lots.append(lot(a_surplus(**told) if surplus else a_need(**told)))
    return lots


def best_by_hand(lots, rules):
    """
    The optimum by successive best paths, written without the solver's library.

    Values with the own site far above all, as (onsite tonnes, cents).
    """
    surpluses = sorted(one for one in lots if one.is_surplus and one.likely)
    needs = sorted(one for one in lots if not one.is_surplus and one.likely)
    pairs = arcs(surpluses, needs, rules, today=TODAY)
    count = len(surpluses) + len(needs) + 2
    source, sink = count - 2, count - 1
    graph = defaultdict(list)
    edges = []

    def edge(tail, head, room, cost):
        graph[tail].append(len(edges))
        edges.append([tail, head, room, cost])
        graph[head].append(len(edges))
        edges.append([head, tail, 0, -cost])

    for row, one in enumerate(surpluses):
        edge(source, row, one.likely, 0)
    for row, one in enumerate(needs):
        edge(len(surpluses) + row, sink, one.likely, 0)
    begun = len(edges)
    for s, n, most, cents, own in zip(
        pairs.surplus, pairs.need, pairs.most, pairs.cents, pairs.onsite, strict=True
    ):
        edge(int(s), len(surpluses) + int(n), int(most), -int(cents) - 10**9 * int(own))
    while True:
        far = [float("inf")] * count
        far[source], by = 0, [None] * count
        for _ in range(count):
            for at, (tail, head, room, cost) in enumerate(edges):
                if room and far[tail] + cost < far[head]:
                    far[head], by[head] = far[tail] + cost, at
        if far[sink] >= 0:
            break
        path, node = [], sink
        while node != source:
            path.append(by[node])
            node = edges[by[node]][0]
        room = min(edges[at][2] for at in path)
        for at in path:
            edges[at][2] -= room
            edges[at ^ 1][2] += room
    flows = [edges[at + 1][2] for at in range(begun, len(edges), 2)]
    own = sum(flow for flow, onsite in zip(flows, pairs.onsite, strict=True) if onsite)
    return int(own), int(sum(f * int(c) for f, c in zip(flows, pairs.cents, strict=True)))


@settings(deadline=None, max_examples=120)
@given(some_lots())
def test_the_plan_is_the_full_optimum_with_the_own_site_first(lots):
    """Onsite tonnes are the most there can be, and then the value is the highest, to the cent."""
    plan = replan(lots, [], EXACT, today=TODAY)
    own = sum(one.tonnes for one in plan.changes if one.onsite)
    assert (own, plan.after_cents) == best_by_hand(lots, EXACT)


@settings(deadline=None, max_examples=80)
@given(some_lots(most=14), st.sampled_from([Rules(), EXACT]))
def test_no_lot_gives_or_gets_more_than_it_has(lots, rules):
    """Whatever the rules: whole tonnes, within both amounts, and every pair passes its gates."""
    plan = replan(lots, [], rules, today=TODAY)
    moved = defaultdict(int)
    for one in plan.changes:
        moved[one.surplus.id] += one.tonnes
        moved[one.need.id] += one.tonnes
        assert one.onsite or one.tonnes >= max(1, rules.smallest_load_t)
        found = explain(one.surplus, one.need, rules, today=TODAY, tonnes=one.tonnes)
        assert is_feasible(found), found
    assert all(moved[one.id] <= one.likely for one in lots)


@settings(deadline=None, max_examples=60)
@given(some_lots(), st.randoms(use_true_random=False))
def test_the_order_of_lots_has_no_influence(lots, chance):
    """The same lots shuffled make the same plan."""
    shuffled = list(lots)
    chance.shuffle(shuffled)
    assert tonnes_of(replan(lots, [], Rules(), today=TODAY)) == tonnes_of(
        replan(shuffled, [], Rules(), today=TODAY)
    )


@settings(deadline=None, max_examples=60)
@given(some_lots(most=12))
def test_the_plan_is_never_worse_than_nearest_first(lots):
    """Taking the best pair first, again and again, never beats the plan."""
    left = {one.id: one.likely for one in lots}
    surpluses = [one for one in lots if one.is_surplus]
    needs = [one for one in lots if not one.is_surplus]
    pairs = arcs(surpluses, needs, EXACT, today=TODAY)
    worth = own = 0
    for at in np.lexsort((-pairs.cents, ~pairs.onsite)):
        surplus, need = surpluses[pairs.surplus[at]], needs[pairs.need[at]]
        tonnes = min(left[surplus.id], left[need.id], int(pairs.most[at]))
        left[surplus.id] -= tonnes
        left[need.id] -= tonnes
        worth += tonnes * int(pairs.cents[at])
        own += tonnes * int(pairs.onsite[at])
    plan = replan(lots, [], EXACT, today=TODAY)
    planned_own = sum(one.tonnes for one in plan.changes if one.onsite)
    assert (planned_own, plan.after_cents) >= (own, worth)


@settings(deadline=None, max_examples=60)
@given(some_lots(most=10))
def test_a_pair_is_an_arc_exactly_when_every_gate_holds(lots):
    """What the arrays say and what people are told are the same."""
    surpluses = [one for one in lots if one.is_surplus]
    needs = [one for one in lots if not one.is_surplus]
    found = arcs(surpluses, needs, Rules(), today=TODAY)
    drawn = set(zip(found.surplus.tolist(), found.need.tolist(), strict=True))
    for s, n in product(range(len(surpluses)), range(len(needs))):
        told = is_feasible(explain(surpluses[s], needs[n], Rules(), today=TODAY))
        assert ((s, n) in drawn) == told


def test_many_lots_in_blocks_make_the_same_arcs_as_at_once(monkeypatch):
    """The arcs of a region do not depend on how much of it is looked at at a time."""
    chance = random.Random(7)
    surpluses = [lot(a_surplus(north_km=chance.uniform(0, 150), lon=24 + chance.random() * 3))
                 for _ in range(60)]  # fmt: skip
    needs = [lot(a_need(north_km=chance.uniform(0, 150), lon=24 + chance.random() * 3))
             for _ in range(60)]  # fmt: skip
    whole = arcs(surpluses, needs, Rules(), today=TODAY)
    monkeypatch.setattr("services.matcher.domain.cost._BLOCK", 200)
    parts = arcs(surpluses, needs, Rules(), today=TODAY)
    assert all(np.array_equal(one, other) for one, other in zip(whole, parts, strict=True))


def test_own_site_comes_first_however_little_it_is():
    """Ten tonnes for the own site go there, though a neighbour's need would pay as well."""
    surplus = a_surplus(tonnes=100)
    own = a_need(tonnes=10, project_id=surplus.project_id, organisation="acme")
    other = a_need(tonnes=100, north_km=1)
    plan = replan([lot(one) for one in (surplus, own, other)], [], Rules(), today=TODAY)
    assert tonnes_of(plan) == {
        (surplus.forecast_id, own.forecast_id): 10,
        (surplus.forecast_id, other.forecast_id): 90,
    }


def test_what_is_agreed_only_reduces_what_is_left():
    """300 of 500 t are agreed: 200 are left to plan, and the agreement is not touched."""
    surplus, need, other = (
        lot(a_surplus(tonnes=500)), lot(a_need(tonnes=300)), lot(a_need(tonnes=900)),
    )  # fmt: skip
    agreed = a_match(surplus, need, state="agreed", tonnes=300)
    plan = replan([surplus, need, other], [agreed], Rules(), today=TODAY)
    assert tonnes_of(plan) == {(surplus.id, other.id): 200}


def test_a_forecast_below_what_is_agreed_is_told_not_cut():
    """The agreement of 300 t stands when the forecast falls to 200 t, and the lot is named."""
    surplus, need = lot(a_surplus(tonnes=200)), lot(a_need(tonnes=300))
    agreed = a_match(surplus, need, state="agreed", tonnes=300)
    plan = replan([surplus, need], [agreed], Rules(), today=TODAY)
    assert plan.changes == []
    assert [(one.id, tonnes) for one, tonnes in plan.short] == [(surplus.id, 300)]


def test_a_declined_pair_comes_back_only_in_other_terms():
    """After a decline the pair is not proposed, until one of its forecasts says something else."""
    surplus, need = lot(a_surplus()), lot(a_need())
    declined = a_match(surplus, need, state="declined", standing=2)
    assert replan([surplus, need], [declined], Rules(), today=TODAY).changes == []
    later = need._replace(terms=need.terms + 1)
    assert len(replan([surplus, later], [declined], Rules(), today=TODAY).changes) == 1


def after(stands, plan):
    """What stands when *plan* is carried out."""
    now = {one.pair: one for one in stands}
    for one in plan.changes:
        pair = one.surplus.id, one.need.id
        now.pop(pair, None)
        if one.tonnes:
            route, state = ("onsite", "agreed") if one.onsite else ("direct", "proposed")
            now[pair] = a_match(one.surplus, one.need, tonnes=one.tonnes, route=route, state=state,
                                cents_per_t=one.cents_per_t, km=one.km)  # fmt: skip
    return list(now.values())


@st.composite
def some_news(draw):
    """Lots, and the same lots after some of them said something else."""
    lots = draw(some_lots(most=14))
    told = list(lots)
    for at in draw(st.lists(st.integers(0, len(lots) - 1), max_size=4)):
        tonnes = draw(st.sampled_from([0, 60, 200, 500]))
        later = lots[at].first + timedelta(days=draw(st.sampled_from([0, 20])))
        is_open = draw(st.sampled_from([True, True, False]))
        terms = lots[at].terms + 1
        told[at] = lots[at]._replace(likely=tonnes, first=later, terms=terms, is_open=is_open)
    return lots, told


@settings(deadline=None, max_examples=120)
@given(some_news(), st.sampled_from([0, 5000, 100_000]), st.sampled_from([0, 20, 200]))
def test_settling_again_and_again_comes_to_rest_and_only_gains(news, worth, bonus):
    """After the first settle each brings what its changes are worth, and soon there is none."""
    rules = Rules(worth_a_change_cents=worth, standing_bonus_cents_per_t=bonus)
    lots, told = news
    stands = after([], replan(lots, [], rules, today=TODAY))
    stands = after(stands, replan(told, stands, rules, today=TODAY))
    for _ in range(20):
        plan = replan(told, stands, rules, today=TODAY)
        if not plan.changes:
            break
        own = sum((one.tonnes - (one.match.tonnes if one.match else 0)) * one.onsite
                  for one in plan.changes)  # fmt: skip
        gain = plan.after_cents - plan.before_cents
        assert own > 0 or gain >= max(1, worth)
        stands = after(stands, plan)
    assert not plan.changes


@settings(deadline=None, max_examples=120)
@given(some_news(), st.sampled_from([0, 5000, 10**9]))
def test_calm_never_over_commits_whatever_the_news(news, worth):
    """However much a change must bring, what must go goes, and every load is a sensible one."""
    rules = Rules(worth_a_change_cents=worth)
    lots, told = news
    stands = after([], replan(lots, [], Rules(), today=TODAY))
    stands = after(stands, replan(told, stands, rules, today=TODAY))
    by_id = {one.id: one for one in told}
    moved = defaultdict(int)
    for one in stands:
        surplus, need = by_id[one.surplus_id], by_id[one.need_id]
        found = explain(surplus, need, rules, today=TODAY, tonnes=one.tonnes)
        assert is_feasible(found), found
        assert one.route == "onsite" or one.tonnes >= rules.smallest_load_t
        for end in one.pair:
            moved[end] += one.tonnes
    assert all(moved[one.id] <= one.likely for one in told)


def test_a_change_that_brings_little_for_each_proposal_it_moves_is_left():
    """40 EUR more by moving one proposal to another need: not at 50 EUR a change, but at 10."""
    surplus, need = lot(a_surplus(tonnes=100)), lot(a_need(tonnes=100, north_km=12))
    first = replan([surplus, need], [], Rules(), today=TODAY).changes[0]
    stands = a_match(surplus, need, tonnes=100, cents_per_t=first.cents_per_t)
    nearer = lot(a_need(tonnes=100, north_km=10))
    for worth, changes in ((5000, 0), (1000, 2)):
        rules = Rules(standing_bonus_cents_per_t=20, worth_a_change_cents=worth)
        plan = replan([surplus, need, nearer], [stands], rules, today=TODAY)
        assert len(plan.changes) == changes


def test_a_standing_proposal_does_not_flicker_for_cents():
    """A need a kilometre nearer does not take away what was proposed; one much nearer does."""
    surplus, need = lot(a_surplus(tonnes=100)), lot(a_need(tonnes=100, north_km=12))
    first = replan([surplus, need], [], Rules(), today=TODAY).changes[0]
    stands = a_match(surplus, need, tonnes=100, cents_per_t=first.cents_per_t)
    nearer = lot(a_need(tonnes=100, north_km=11))
    assert replan([surplus, need, nearer], [stands], Rules(), today=TODAY).changes == []
    much = lot(a_need(tonnes=100, north_km=0))
    moved = replan([surplus, need, much], [stands], Rules(), today=TODAY)
    assert {one.need.id: one.tonnes for one in moved.changes} == {need.id: 0, much.id: 100}
    exact = replan([surplus, need, nearer], [stands], EXACT, today=TODAY)
    assert len(exact.changes) == 2


def test_loads_that_are_too_small_are_not_proposed():
    """Of 520 t to two needs the 20 t are left, unless any load may go."""
    surplus = lot(a_surplus(tonnes=520))
    lots = [surplus, lot(a_need(tonnes=500)), lot(a_need(tonnes=500, north_km=5))]
    assert list(tonnes_of(replan(lots, [], Rules(), today=TODAY)).values()) == [500]
    assert sorted(tonnes_of(replan(lots, [], EXACT, today=TODAY)).values()) == [20, 500]


def test_a_lot_that_is_no_longer_offered_takes_part_in_nothing():
    """A cancelled surplus ends its proposal."""
    surplus, need = lot(a_surplus(status="cancelled")), lot(a_need())
    plan = replan([surplus, need], [a_match(surplus, need)], Rules(), today=TODAY)
    assert [one.tonnes for one in plan.changes] == [0]


@pytest.mark.parametrize("payer", ["giver", "taker", "shared", None])
@pytest.mark.parametrize("km", [1.0, 30.0, 59.0])
@pytest.mark.parametrize("material", ["sand", "clay", "blasted_rock_loose"])
def test_where_the_region_gains_nobody_loses(payer, km, material):
    """With its compensation each side is at least as well off as without the match."""
    surplus = lot(a_surplus(transport_payer=payer, material=material))
    worth = value_of(surplus, lot(a_need(material=material)), km, Rules())
    assert worth.cents == worth.giver_cents + worth.taker_cents
    if worth.cents > 0:
        assert worth.giver_cents + worth.compensation_cents >= 0
        assert worth.taker_cents - worth.compensation_cents >= 0


def test_a_saving_is_the_counterfactual_minus_the_haul():
    """Sand for sand, 10 km of road: 8 and 11 EUR and two hauls of 20 km avoided, one paid."""
    worth = value_of(lot(a_surplus()), lot(a_need()), 10.0, Rules())
    assert (worth.disposal_cents, worth.purchase_cents, worth.haul_cents) == (1140, 1440, 170)
    assert worth.cents == 2410
    assert (worth.counterfactual_g, worth.proposed_g) == (2684 + 4684, 1092)


@given(st.floats(0, 60), st.floats(-1, 1))
@settings(deadline=None, max_examples=60)
def test_arrays_measure_a_road_as_the_vocabulary_does(north_km, east):
    """The same great circle and the same ratio by its length."""
    surplus, need = lot(a_surplus()), lot(a_need(north_km=north_km, lon=24.9 + east))
    by_hand = road_km(straight_km(surplus.lat, surplus.lon, need.lat, need.lon))
    assert road_km_between(surplus, need, Rules()) == pytest.approx(by_hand, abs=0.002)


@given(st.randoms(use_true_random=False), st.sampled_from([EXACT, Rules().of_sweeps]))
@settings(deadline=None, max_examples=150)
def test_a_lot_that_meets_nobody_chooses_none_of_several_best_plans(draw, rules):
    """On one line many plans are worth the same; the same one is found with it and without."""

    def some(number, **told):
        return lot(draw.choice((a_surplus, a_need))(
            forecast_id=some_id(number), project_id=some_id(100 + number), **told
        ))  # fmt: skip

    lots = [
        some(number, organisation="acme", tonnes=draw.randint(1, 6) * 100,
             north_km=draw.randint(0, 30))
        for number in range(draw.randint(6, 12))
    ]  # fmt: skip
    hidden = some(draw.randint(20, 40), organisation="dune", visibility="region")
    without = replan(lots, [], rules, today=TODAY)
    assert replan([*lots, hidden], [], rules, today=TODAY).changes == without.changes


def test_two_lots_known_by_one_municipality_are_never_in_one_place():
    """Their common centre point is no distance; 5 km straight are taken."""
    surplus, need = (lot(one(precision="municipality")) for one in (a_surplus, a_need))
    assert road_km_between(surplus, need, Rules()) == pytest.approx(road_km(5.0), abs=0.001)


def test_a_price_of_carbon_counts_in_the_value():
    """At 100 EUR a tonne of CO2e the 6.276 kg saved are worth 63 cents."""
    priced = value_of(lot(a_surplus()), lot(a_need()), 10.0, Rules(co2e_cents_per_t=10_000))
    assert priced.cents - 2410 == 63
