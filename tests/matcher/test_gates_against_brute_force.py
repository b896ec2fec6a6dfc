"""Exactly the feasible pairs: the matcher's arrays against a brute force from the design's text."""

import csv
import random
from collections.abc import Sequence
from datetime import UTC, date, datetime
from itertools import product
from math import ceil
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.domain import (
    Lot,
    Rules,
    explain,
    judge,
    kind_of,
    replan,
    road_km_between,
    value_of,
)
from services.matcher.domain.cost import arcs
from services.registry.domain.fields import read_fields
from services.registry.domain.states import forecast_state, project_state
from services.registry.domain.values import Thing, canonical_id
from shared.client import prepare, read_events, read_mapping, region_from_csv
from shared.contracts import ForecastUpdated
from tests.matcher.builders import TODAY, a_need, a_surplus, lot, some_id
from tests.matcher.regions import (
    BOTH_ODDS,
    MATERIALS,
    NEED_ODDS,
    QUALITIES,
    SERVING,
    SURPLUS_ODDS,
    asking,
    codes,
    fitting,
    regions,
)
from tests.oracle import gates as oracle

HOLDS = ("pass", "conditional")
SOME_RULES = [
    Rules(),
    Rules(reach_km=25.0, reach_by_material=(("sand", 12.5), ("clay", 40.0))),
    Rules(processing_on_site=True, worth_cents_per_t=2000),
    Rules(closes_past_windows=True, co2e_cents_per_t=9_000, same_place_km=8.0),
]


def pairs_of(
    told: Sequence[ForecastUpdated],
) -> tuple[list[ForecastUpdated], list[ForecastUpdated]]:
    """Surpluses and needs."""
    surpluses = [one for one in told if one.direction == "surplus"]
    return surpluses, [one for one in told if one.direction == "need"]


def arcs_of(
    surpluses: Sequence[ForecastUpdated], needs: Sequence[ForecastUpdated], rules: Rules,
    today: date = TODAY, **more: Any,
) -> dict[tuple[int, int], tuple[int, int, float, bool]]:  # fmt: skip
    """The matcher's feasible pairs by their places in the lists: most tonnes, cents, km, own."""
    found = arcs(
        [lot(one) for one in surpluses], [lot(one) for one in needs], rules, today=today, **more
    )
    parts = (found.surplus, found.need, found.most, found.cents, found.km, found.onsite)
    return {
        (s, n): (most, cents, km, own)
        for s, n, most, cents, km, own in zip(*(one.tolist() for one in parts), strict=True)
    }


def named(surplus: Lot, need: Lot, rules: Rules, today: date, **more: Any) -> dict[str, str]:
    """What the matcher tells people of a pair: each gate with its verdict."""
    return {one.gate: one.verdict for one in explain(surplus, need, rules, today=today, **more)}


def compared(told: Sequence[ForecastUpdated], rules: Rules, today: date = TODAY) -> int:
    """Compare every pair of *told*, in both of the matcher's answers; how many are feasible."""
    surpluses, needs = pairs_of([one for one in told if one.status == "offered"])
    found = arcs_of(surpluses, needs, rules, today)
    wanted = 0
    for s, n in product(range(len(surpluses)), range(len(needs))):
        surplus, need = surpluses[s], needs[n]
        verdicts = oracle.gates(surplus, need, rules, today=today)
        assert named(lot(surplus), lot(need), rules, today) == verdicts, (surplus, need)
        if oracle.failing(verdicts):
            assert (s, n) not in found, (surplus, need, verdicts)
            continue
        wanted += 1
        assert (s, n) in found, (surplus, need, verdicts)
        most, cents, km, own = found[s, n]
        assert most == oracle.most_tonnes(surplus, need, rules, today)
        assert cents == oracle.cents_per_t(surplus, need, rules)
        assert km == float(oracle.road_km(surplus, need, rules))
        assert own == (surplus.project_id == need.project_id)
    return wanted


@settings(deadline=None, max_examples=400)
@given(regions(), st.sampled_from(SOME_RULES))
def test_the_feasible_pairs_are_exactly_those_of_the_design(told, rules):
    """Recall and precision 1: the same pairs, tonnes, cents and kilometres; the same reasons."""
    today = date(2027, 3, 20) if rules.closes_past_windows else TODAY
    compared(told, rules, today)


@settings(deadline=None, max_examples=150)
@given(regions(most=5, odds=1), st.booleans(), st.booleans())
def test_a_refused_pair_names_every_gate_that_refuses_it(told, excluded, closed):
    """No longer offered or declined before is a reason like any other."""
    surpluses, needs = pairs_of(told)
    for surplus, need in product(surpluses, needs):
        shown = need.model_copy(update={"status": "cancelled"}) if closed else need
        wanted = oracle.gates(surplus, shown, Rules(), today=TODAY, excluded=excluded)
        found = named(lot(surplus), lot(shown), Rules(), TODAY, excluded=excluded)
        refused = {gate for gate, verdict in found.items() if verdict not in HOLDS}
        assert refused == oracle.failing(wanted)


@settings(deadline=None, max_examples=60)
@given(regions(odds=0))
def test_a_declined_pair_is_left_out_and_no_other(told):
    """What one side declined is missing, the rest is there."""
    surpluses, needs = pairs_of(told)
    every = arcs_of(surpluses, needs, Rules())
    for s, n in list(every)[:3]:
        pair = surpluses[s].forecast_id, needs[n].forecast_id
        left = arcs_of(surpluses, needs, Rules(), excluded=[pair])
        assert left == {at: arc for at, arc in every.items() if at != (s, n)}


def at_random(count: int, seed: int) -> list[ForecastUpdated]:
    """*count* forecasts in and around a town; of each a tenth, a third or all facts are any."""
    chance = random.Random(seed)
    some_that_serve = chance.sample(SERVING, 4)
    told = []
    for _ in range(count):
        make, share = chance.choice([a_surplus, a_need]), chance.choice([0.1, 0.3, 1.0])
        some = (SURPLUS_ODDS if make is a_surplus else NEED_ODDS) | BOTH_ODDS
        material, wanted, use = chance.choice(some_that_serve)
        facts = fitting(material) if make is a_surplus else asking(wanted, use)
        odd = {name: chance.choice(all) for name, all in some.items() if chance.random() < share}
        told.append(make(**facts | {"north_km": chance.uniform(0, 40)} | odd))
    return told


@pytest.mark.parametrize("seed", range(4))
def test_whatever_is_told_at_once_is_judged_as_the_design_says(seed):
    """Fields at random: what fits is the same, and so are all the reasons where it does not."""
    assert compared(at_random(140, seed), SOME_RULES[seed]) > 20


# one gate after the other: every value of what it reads, against every value of what it is asked
EVERY = {
    "G1_contamination": (
        {"contamination": codes("contamination", "P9"),
         "contamination_basis": codes("contamination_basis"),
         "site_kind": ["construction_site", "contaminated_site"],
         "material": ["sand", "made_ground"]},
        {"max_contamination": codes("contamination", "P9"), "site_kind": codes("site_kind")}),
    "G2_waste_status": (
        {"waste_status": codes("waste_status", "beyond"), "legal_route": codes("legal_route", None),
         "material": MATERIALS},
        {"site_kind": ["construction_site"]}),
    "G3_mara": (
        {"material": ["sand", "crushed_concrete", "asphalt_granulate", "bottom_ash", "whole_tyres",
                      "crushed_brick", "foam_glass"],
         "legal_route": ["mara", "permit"], "max_particle_mm": [None, 90.0, 90.1, 150.1]},
        {"structure": [None, "vayla", "valli", "tuhkamursketie"],
         "layer_m": [None, 0.2, 0.3, 1.5, 1.51, 5.0, 5.1],
         "groundwater_area": [None, True, False]}),
    "G4_acid_sulphate": (
        {"material": MATERIALS, "acid_sulphate": codes("acid_sulphate", "beyond")},
        {"accepts_acid_sulphate": [True, False], "use": codes("use", None)}),
    "G5_invasive": (
        {"material": MATERIALS, "invasive_status": codes("invasive_status", "beyond")},
        {"use": ["growing_medium", "landscaping", "general_fill", None],
         "site_kind": codes("site_kind")}),
    "G6_material": (
        {"material": [*MATERIALS, "beyond"]},
        {"material": [*MATERIALS, "beyond", "unspecified"], "use": codes("use", None, "beyond")}),
    "G7_suitability": (
        {"quality": [*QUALITIES, "Z9"]},
        {"quality": [*QUALITIES, "Z9"], "accepts_unknown_quality": [True, False],
         "use": codes("use", None)}),
    "G8_frost_and_size": (
        {"frost_class": codes("frost_class", None, "beyond"),
         "max_particle_mm": [None, 16.0, 16.5]},
        {"max_frost_class": codes("frost_class", None), "use": codes("use", None),
         "max_particle_mm": [None, 16.0]}),
}  # fmt: skip


@pytest.mark.parametrize("gate", EVERY)
def test_every_value_of_a_gate_has_the_verdict_of_the_design(gate):
    """Not a sample: all that it reads, and what must be worked first as well."""
    offered, asked = EVERY[gate]
    shown = (gate, "processing")
    lots = [[(one, kind_of(lot(one).kind)) for one in every_of(make, told)]
            for make, told in ((a_surplus, offered), (a_need, asked))]  # fmt: skip
    for (surplus, giver), (need, taker) in product(*lots):
        verdicts = {one.gate: one.verdict for one in judge(giver, taker)}
        wanted = oracle.of_kinds(surplus, need, Rules())
        assert [verdicts.get(one) for one in shown] == [wanted.get(one) for one in shown], (
            offered_of(surplus, offered), offered_of(need, asked),
        )  # fmt: skip


@pytest.mark.parametrize("own", [False, True])
def test_what_is_hidden_is_hidden_from_others_alone(own):
    """Every visibility of both sides, of one organisation and of two."""
    told = {"visibility": codes("visibility"), "organisation": ["acme", "bolt"]}
    site = {"project_id": [some_id(1)]} if own else {}
    lots = [*every_of(a_surplus, told | site), *every_of(a_need, told | site)]
    assert compared(lots, Rules())


def every_of(make: Any, told: dict[str, list[Any]]) -> list[ForecastUpdated]:
    """A forecast for every combination of *told*."""
    return [make(**dict(zip(told, values, strict=True))) for values in product(*told.values())]


def offered_of(one: ForecastUpdated, told: dict[str, list[Any]]) -> dict[str, Any]:
    """What of *one* a gate read."""
    return {name: getattr(one, name) for name in told}


@settings(deadline=None, max_examples=200)
@given(st.floats(0, 60), st.floats(-30, 30), st.sampled_from([0.0, -0.001, 0.001]))
def test_reach_ends_at_the_metre(north_km, east_km, beyond):
    """Exactly as far as allowed is near enough, a metre beyond is not."""
    surplus, need = a_surplus(), a_need(north_km=north_km, lon=24.9 + east_km / 55.6)
    km = float(oracle.road_km(surplus, need, Rules()))
    rules = Rules(reach_km=round(km + beyond, 3), worth_cents_per_t=-10_000)
    assert compared([surplus, need], rules) == (beyond >= 0)


@settings(deadline=None, max_examples=100)
@given(st.floats(0, 60), st.sampled_from([-1, 0]))
def test_worth_ends_at_the_cent(north_km, less):
    """A pair is worth more than what is asked, not as much."""
    surplus, need = a_surplus(), a_need(north_km=north_km)
    cents = oracle.cents_per_t(surplus, need, Rules())
    rules = Rules(reach_km=1000, worth_cents_per_t=cents + less)
    assert compared([surplus, need], rules) == (less < 0)
    told = value_of(lot(surplus), lot(need), road_km_between(lot(surplus), lot(need), rules), rules)
    assert told.cents == cents


@settings(deadline=None, max_examples=200)
@given(regions(most=12, odds=4), st.sampled_from([Rules(), Rules().exact, *SOME_RULES[1:]]))
def test_no_proposal_is_ever_unlawful(told, rules):
    """Whatever goes in: no price and no distance buys its way through a law."""
    by_id = {one.forecast_id: one for one in told}
    plan = replan([lot(one) for one in told], [], rules, today=TODAY)
    for change in plan.changes:
        surplus, need = by_id[change.surplus.id], by_id[change.need.id]
        assert oracle.unlawful(surplus, need) == [], (surplus, need)
        assert {surplus.status, need.status} == {"offered"}


@pytest.mark.parametrize("seed", range(4))
def test_no_proposal_is_unlawful_where_most_of_what_is_told_would_be(seed):
    """Every field at random, everything in one place, no value asked: only the gates stand."""
    told = [
        one.model_copy(update={"status": "offered", "region": "99", "visibility": "public"})
        for one in at_random(300, 100 + seed)
    ]
    by_id = {one.forecast_id: one for one in told}
    rules = Rules(reach_km=1000, worth_cents_per_t=-100_000, processing_on_site=True).exact
    plan = replan([lot(one) for one in told], [], rules, today=TODAY)
    assert plan.changes
    for change in plan.changes:
        broken = oracle.unlawful(by_id[change.surplus.id], by_id[change.need.id])
        assert broken == [], (by_id[change.surplus.id], by_id[change.need.id])


# -- the real file ----------------------------------------------------------------------------

REAL_LOTS = 2000


@pytest.fixture(scope="module")
def lettings(shared_data):
    """The file of planned earthwork as forecasts, by the product's mapping and registry."""
    folder = shared_data / "indot_earthwork_items"
    items = folder / "earthwork_items_2022_2024.csv"
    if not items.exists():
        pytest.skip("development data is absent: no indot_earthwork_items")
    with items.open(encoding="utf-8", newline="") as file:
        assert next(csv.reader(file))
    region = region_from_csv(folder / "indiana_counties.csv", "indiana-counties")
    projects: dict[str, Thing] = {}
    told = []
    for event in prepare(read_events(items, read_mapping("indot"), region)).events:
        body = event.event.model_dump(mode="json", exclude_none=True)
        said, refused = read_fields(event.name, body)
        assert not refused, refused
        thing = _thing(event, said, region)
        if event.name == "project-added":
            projects[thing.external_id] = _with_state(thing, project_state(thing, region))
            continue
        state = forecast_state(thing, projects[said["project"]], region)
        told.append(ForecastUpdated(revision=1, **state))
    return told


def _thing(event: Any, said: dict[str, Any], region: Any) -> Thing:
    kind = "project" if event.name == "project-added" else "forecast"
    return Thing(
        id=canonical_id(event.organisation, kind, said["external_id"]),
        kind=kind,
        organisation=event.organisation,
        reporter=event.organisation,
        external_id=said["external_id"],
        external_revision=None,
        told_at=datetime(2026, 11, 2, tzinfo=UTC),
        region=region.code,
        revision=1,
        told=said,
        state={},
    )


def _with_state(thing: Thing, state: dict[str, Any]) -> Thing:
    return Thing(**{name: getattr(thing, name) for name in Thing.__slots__} | {"state": state})


def test_the_pairs_of_the_real_file_are_those_of_the_design(lettings, capsys):
    """Real lettings, by the mapping that a company would use: recall 1, precision 1."""
    chance = random.Random(1)
    some = chance.sample(lettings, min(REAL_LOTS, len(lettings)))
    surpluses, needs = pairs_of(some)
    found = arcs_of(surpluses, needs, Rules())
    by_kind: dict[tuple[str, str], bool] = {}
    wanted = set()
    for s, surplus in enumerate(surpluses):
        for n, need in enumerate(needs):
            if surplus.window.last < need.window.first or need.window.last < surplus.window.first:
                continue
            kinds = _kind(surplus), _kind(need)
            if kinds not in by_kind:
                by_kind[kinds] = not oracle.failing(oracle.of_kinds(surplus, need, Rules()))
            if by_kind[kinds] and not oracle.failing(
                oracle.of_the_pair(surplus, need, Rules(), today=TODAY)
            ):
                wanted.add((s, n))
    assert found.keys() == wanted
    assert all(
        cents == oracle.cents_per_t(surpluses[s], needs[n], Rules())
        for (s, n), (_, cents, _, _) in list(found.items())[:: max(1, len(found) // 2000)]
    )
    for _ in range(2000):
        surplus, need = chance.choice(surpluses), chance.choice(needs)
        assert named(lot(surplus), lot(need), Rules(), TODAY) == oracle.gates(
            surplus, need, Rules(), today=TODAY
        )


def _kind(one: ForecastUpdated) -> str:
    beside = {"forecast_id", "project_id", "organisation", "reporter", "quantity", "window",
              "place", "source", "id", "at", "contacts"}  # fmt: skip
    return one.model_dump_json(exclude=beside)


def test_whole_tonnes_never_round_up(lettings):
    """What a lot has is never more than what was told."""
    for one in lettings[:500]:
        kept = lot(one)
        assert kept.likely <= one.quantity.likely_t + 1e-6 < kept.likely + 1.001
        assert kept.high == ceil(one.quantity.high_t - 1e-9)
