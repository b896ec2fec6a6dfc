"""The settled region is worth what an independent integer program finds, to the cent."""

import random
from collections import defaultdict
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.matcher.domain import Rules, replan
from tests.matcher.builders import TODAY, a_match, a_need, a_surplus, lot, some_id
from tests.matcher.regions import ASKED, DUG, START, asking, fitting, many, regions

pytest.importorskip("highspy", reason="highspy is not installed: no solver to compare with")

from tests.oracle.optimum import optimum, optimum_cents


def settled(told, rules, matches=()):
    """Tonnes on the own site, and cents, of the plan in which nothing is left to gain."""
    plan = replan([lot(one) for one in told], list(matches), rules, today=TODAY)
    return sum(one.tonnes for one in plan.changes if one.onsite), plan.after_cents


@settings(deadline=None, max_examples=200, suppress_health_check=list(HealthCheck))
@given(many(), st.sampled_from([Rules(), Rules(reach_km=30.0, co2e_cents_per_t=8_000)]))
def test_the_settled_region_is_the_optimum_to_the_cent(told, rules):
    """Own site first, then the most cents: the same as an integer program of its own."""
    onsite, cents, _ = optimum(told, rules, today=TODAY)
    assert settled(told, rules.exact) == (onsite, cents)
    assert optimum_cents(told, rules, today=TODAY) == cents


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 2), st.integers(1, 900),
                          st.integers(0, 40)), min_size=4, max_size=14))  # fmt: skip
def test_a_site_gets_the_best_of_the_asphalt_that_the_law_lets_in(drawn):
    """A thousand tonnes of it, from the lots and to the needs that are worth most together."""
    told = []
    for number, (gives, project, tonnes, north_km) in enumerate(drawn):
        facts = fitting("asphalt_granulate") if gives else asking("asphalt_granulate", "base")
        facts |= {"forecast_id": some_id(number), "project_id": some_id(100 + project)}
        told.append((a_surplus if gives else a_need)(**facts, tonnes=tonnes, north_km=north_km))
    assert settled(told, Rules().exact) == optimum(told, Rules(), today=TODAY)[:2]


@settings(deadline=None, max_examples=100)
@given(regions(most=14, odds=2))
def test_the_optimum_holds_among_odd_forecasts_too(told):
    """Hidden, unknown, contaminated or closed: what is left is still settled at its best."""
    assert settled(told, Rules().exact) == optimum(told, Rules(), today=TODAY)[:2]


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(many(most=30), st.data())
def test_around_what_is_decided_the_rest_is_the_optimum(told, data):
    """Agreed tonnes are gone, a declined pair is closed; of all else the best is made."""
    best = optimum(told, Rules(), today=TODAY)
    lots = {one.forecast_id: lot(one) for one in told}
    direct = [pair for pair in sorted(best.tonnes)
              if lots[pair[0]].project_id != lots[pair[1]].project_id]  # fmt: skip
    taken, declined, matches = defaultdict(int), set(), []
    for pair in direct:
        surplus, need = lots[pair[0]], lots[pair[1]]
        word = data.draw(st.sampled_from(["agreed", "declined", "accepted", "left"]))
        if word == "declined":
            declined.add(pair)
            matches.append(a_match(surplus, need, state="declined", standing=2))
        elif word != "left":
            tonnes = data.draw(st.integers(1, best.tonnes[pair]))
            matches.append(a_match(surplus, need, state=word, tonnes=tonnes))
            for id in pair:
                taken[id] += tonnes
            if word == "accepted":  # it waits for an answer: nothing is proposed beside it
                declined.add(pair)
    rest = optimum(told, Rules(), today=TODAY, excluded=declined, taken=taken)
    assert settled(told, Rules().exact, matches) == rest[:2]


async def test_what_the_matcher_keeps_is_the_optimum_of_what_it_heard(matcher):
    """Through the database, change by change: in the end the integer program's cents."""
    chance = random.Random(11)
    told = {}
    for number in range(70):
        kind = chance.randrange(9)
        make, kinds = (a_need, ASKED) if number % 2 else (a_surplus, DUG)
        first = START + timedelta(days=chance.randrange(90))
        one = make(
            forecast_id=some_id(number),
            project_id=some_id(1000 + number // 3),
            tonnes=chance.randrange(60, 3000),
            north_km=chance.uniform(0, 50),
            lon=24.9 + chance.uniform(0, 0.9),
            window=(first, first + timedelta(days=60)),
            weekly_rate_t=chance.choice([None, 120.0]),
            **kinds[kind],
        )
        told[number] = one
        await matcher.hears_and_settles(one)
    figures = await matcher.settles_all(standing_bonus=0, smallest_load=0)
    best = optimum(told.values(), matcher.rules, today=TODAY)
    assert figures["value_cents"] == figures["optimum_cents"] == best.cents
