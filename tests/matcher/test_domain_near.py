"""Near misses: the pairs that `explain` fails by one gate and by little, and what would help."""

from datetime import date, timedelta
from math import floor, inf

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.matcher.domain import Rules, explain, is_feasible, road_km_between, value_of
from services.matcher.domain.near import (
    Remedy,
    best,
    class_that_would_do,
    near_misses_of,
    near_pairs,
    openings,
    spoken_for,
    unmatched,
)
from services.matcher.domain.values import kind_of
from tests.matcher.builders import TODAY, a_match, a_need, a_surplus, lot, some_id
from tests.matcher.waiting import an_area

RULES = Rules(smallest_load_t=50, reach_km=40, closes_past_windows=True)


@st.composite
def some_lots(draw):
    """Lots that fit, nearly fit and do not fit: in time, quality, facts and place."""
    lots = []
    for number in range(draw(st.integers(2, 8))):
        start = date(2027, 1, 1) + timedelta(days=draw(st.integers(0, 150)))
        told = {
            "forecast_id": some_id(number),
            "project_id": some_id(draw(st.sampled_from([100, 200 + number]))),
            "organisation": draw(st.sampled_from(["acme", "bolt"])),
            "tonnes": draw(st.sampled_from([40, 300, 900])),
            "north_km": draw(st.sampled_from([0, 10, 26, 31, 36, 60])),
            "material": draw(st.sampled_from(["sand", "sand", "gravel", "clay"])),
            "window": (start, start + timedelta(days=draw(st.sampled_from([0, 10, 30])))),
            "weekly_rate_t": draw(st.sampled_from([None, None, 3.0, 200.0])),
            "net_of_own_use": draw(st.sampled_from([False, False, True])),
            "visibility": draw(st.sampled_from(["parties", "parties", "region"])),
            "quality": draw(st.sampled_from(["S1", "S2", "S3", "H2", "unknown"])),
            "status": draw(st.sampled_from(["offered"] * 5 + ["cancelled"])),
        }
        if draw(st.booleans()):
            told["contamination"] = draw(st.sampled_from(["P0", "P0", "P1", "unknown"]))
            told["waste_status"] = draw(st.sampled_from(["not_waste", "not_waste", "unknown"]))
            lots.append(lot(a_surplus(**told)))
        else:
            told["use"] = draw(st.sampled_from(["general_fill", "filter_layer"]))
            told["accepts_unknown_quality"] = draw(st.booleans())
            lots.append(lot(a_need(**told)))
    return lots


def moved(one, days):
    """*one* with its window *days* later."""
    step = timedelta(days=days)
    return one._replace(first=one.first + step, last=one.last + step)


def movable(surplus, need, left):
    """The tonnes that the common days of two lots let through."""
    first, last = max(surplus.first, need.first, TODAY), min(surplus.last, need.last)
    rate = min(surplus.weekly_t or inf, need.weekly_t or inf)
    if last < first:
        return 0
    most = rate / 7 * ((last - first).days + 1)
    wanted = min(left[surplus.id], left[need.id])
    return wanted if most >= wanted else floor(most + 1e-9)


def by_hand(surplus, need, left, rules):
    """The gate, tonnes and days of a near miss by the rules as they are written; None for none."""
    findings = explain(surplus, need, rules, today=TODAY)
    failing = [one for one in findings if one.verdict in ("fail", "unknown")]
    if len(failing) != 1 or max(surplus.last, need.last) < TODAY:
        return None
    if min(surplus.last, need.last) < TODAY or min(left[surplus.id], left[need.id]) < 50:
        return None
    gate, days, tonnes = failing[0].gate, 0, movable(surplus, need, left)
    if gate == "G9_time":
        if max(surplus.first, need.first) <= min(surplus.last, need.last):
            return None  # they meet, and too little can be loaded
        early, late = sorted((surplus, need), key=lambda one: one.last)
        by_days = [
            (movable(*((moved(early, step), late) if early is surplus else
                       (late, moved(early, step))), left), -step)
            for step in range(1, rules.near_days + 1)
        ]  # fmt: skip
        tonnes, days = max(by_days)
        days = -days
    elif gate == "place":
        if road_km_between(surplus, need, rules) > rules.reach_km * 1.25:
            return None
    elif failing[0].verdict == "fail" and not (
        gate == "G7_suitability" and class_that_would_do(kind_of(surplus.kind), kind_of(need.kind))
    ):
        return None
    return (gate, tonnes, days) if tonnes >= 50 else None


@settings(max_examples=400, deadline=None)
@given(some_lots())
def test_near_misses_are_the_pairs_that_fail_one_gate_by_little(lots):
    """Arrays and `explain`, pair by pair: the same pairs, tonnes, days and value."""
    surpluses = [one for one in lots if one.is_surplus]
    needs = [one for one in lots if not one.is_surplus]
    left = unmatched(lots, [])
    pairs = near_pairs(surpluses, needs, left, RULES, today=TODAY)
    found = near_misses_of(pairs, surpluses, needs, RULES, today=TODAY)
    wanted = {
        (s.id, n.id): told
        for s in surpluses
        for n in needs
        for told in [by_hand(s, n, left, RULES)]
        if told
    }

    days = pairs.days.tolist()
    assert {
        one.pair: (one.finding.gate, one.tonnes, days[at]) for at, one in enumerate(found)
    } == wanted
    for one in found:
        assert one.cents_per_t == value_of(one.surplus, one.need, one.km, RULES).cents
        for remedy in one.remedies:
            assert is_feasible(explain(*changed(one, remedy), RULES, today=TODAY)) or (
                remedy.what in ("fact", "reach", "processing", "class")
            )


def changed(near, remedy):
    """The two lots of *near* with a window moved as *remedy* says."""
    step = remedy.days or 0
    if remedy.what == "window_earlier":
        step = -step
    if remedy.who == "surplus":
        return moved(near.surplus, step), near.need
    return near.surplus, moved(near.need, step)


def the_near_misses(*lots, rules=RULES, matches=()):
    """The near misses of *lots*, with *matches* standing."""
    surpluses = [one for one in lots if one.is_surplus]
    needs = [one for one in lots if not one.is_surplus]
    left = unmatched(lots, matches)
    excluded = spoken_for({one.id: one for one in lots}, matches, rules)
    pairs = near_pairs(surpluses, needs, left, rules, today=TODAY, excluded=excluded)
    return near_misses_of(pairs, surpluses, needs, rules, today=TODAY)


def test_three_weeks_between_two_projects_are_a_near_miss_that_says_so():
    """Either side could move: the surplus later, or the need earlier, by the same days."""
    surplus = lot(a_surplus(window=(date(2027, 3, 1), date(2027, 6, 30))))
    need = lot(a_need(window=(date(2027, 7, 21), date(2027, 10, 31))))
    (near,) = the_near_misses(surplus, need)
    assert near.finding.gate == "G9_time"
    assert [one.text for one in near.remedies] == [
        "surplus window_later 21 d", "need window_earlier 21 d",
    ]  # fmt: skip
    assert near.tonnes == 1000


def test_a_window_that_has_begun_moves_with_its_days_that_are_gone():
    """Eleven days of which one is left are eleven days when they come eleven days later."""
    surplus = lot(a_surplus(tonnes=300, weekly_rate_t=200.0,
                            window=(date(2027, 1, 16), date(2027, 1, 26))))  # fmt: skip
    need = lot(a_need(tonnes=300, window=(date(2027, 1, 5), TODAY)))
    (near,) = the_near_misses(surplus, need)
    assert (near.tonnes, near.remedies[0]) == (300, Remedy("need", "window_later", days=11))


def test_what_is_as_far_as_what_was_declined_for_its_distance_is_no_near_miss():
    """Who said that 20 km are too many is not told of a window 25 km away, but of one at 5 km."""
    surplus = lot(a_surplus(window=(date(2027, 3, 1), date(2027, 6, 30))))
    later = {"window": (date(2027, 7, 21), date(2027, 10, 31))}
    near, far = lot(a_need(**later, north_km=5)), lot(a_need(**later, north_km=25))
    other = lot(a_need(north_km=15))
    declined = a_match(surplus, other, standing=2, state="declined", decline_reason="distance",
                       km=20.0, barred=f"surplus:{surplus.material}")  # fmt: skip
    found = {one.need.id for one in the_near_misses(surplus, near, far)}
    assert found == {near.id, far.id}
    found = {one.need.id for one in the_near_misses(surplus, near, far, matches=[declined])}
    assert found == {near.id}


def test_a_window_moves_as_far_as_the_load_needs():
    """350 t at 100 t a week take 25 days of both: 20 more than the first common day."""
    surplus = lot(a_surplus(tonnes=350, weekly_rate_t=98.0,
                            window=(date(2027, 3, 1), date(2027, 6, 30))))  # fmt: skip
    need = lot(a_need(window=(date(2027, 7, 1), date(2027, 10, 31))))
    (near,) = the_near_misses(surplus, need)
    assert near.remedies[0] == Remedy("surplus", "window_later", days=25)


def test_nine_weeks_are_too_much():
    """Eight weeks to the first common day are the most."""
    surplus = lot(a_surplus(window=(date(2027, 3, 1), date(2027, 6, 30))))
    need = lot(a_need(window=(date(2027, 9, 1), date(2027, 10, 31))))
    assert the_near_misses(surplus, need) == []


@pytest.mark.parametrize(
    ("told", "remedy"),
    [
        ({"contamination": "unknown"}, Remedy("surplus", "fact", code="laboratory report")),
        ({"waste_status": "unknown"}, Remedy("surplus", "fact", code="waste status")),
        ({"waste_status": "waste"}, Remedy("surplus", "fact", code="legal route")),
        (
            {"invasive_status": "suspected"},
            Remedy("surplus", "fact", code="invasive species survey"),
        ),
        ({"material": "boulders"}, Remedy("region", "processing", code="crushing")),
    ],
)
def test_a_missing_fact_or_working_is_named(told, remedy):
    """What is unknown is asked for; what fails for good is no near miss."""
    base = {"material": "crushed_rock", "use": "sub_base"} if "material" in told else {}
    (near,) = the_near_misses(lot(a_surplus(**told)), lot(a_need(**base)))
    assert near.remedies == (remedy,)


@pytest.mark.parametrize(
    "told",
    [
        {"contamination": "P1"},
        {"contamination": "P4"},
        {"acid_sulphate": "actual"},
        {"invasive_status": "present"},
        {"material": "tyre_shred"},
        {"contamination": "unknown", "waste_status": "unknown"},
    ],
)
def test_what_fails_for_good_or_twice_is_no_near_miss(told):
    """Contamination, sulphate, invasive plants, another material; or two facts unknown."""
    assert the_near_misses(lot(a_surplus(**told)), lot(a_need())) == []


def test_one_quality_class_is_near_and_two_are_not():
    """S3 for S2 is near, S4 is not; H2 for S2 is of its tier in another family."""
    need = lot(a_need(quality="S2", accepts_unknown_quality=False))
    (near,) = the_near_misses(lot(a_surplus(quality="S3")), need)
    assert near.remedies == (
        Remedy("need", "class", code="S3"), Remedy("surplus", "class", code="S2"),
    )  # fmt: skip
    assert the_near_misses(lot(a_surplus(quality="S4")), need) == []
    (other,) = the_near_misses(lot(a_surplus(quality="H2")), need)
    assert other.remedies[0] == Remedy("need", "class", code="H2")


def test_what_only_a_coordinator_sees_is_no_near_miss_of_another():
    """Nor are regions that do not meet, a pair declined in these terms, or one with a match."""
    surplus = lot(a_surplus(contamination="unknown"))
    need = lot(a_need())
    assert len(the_near_misses(surplus, need)) == 1
    assert the_near_misses(surplus._replace(visibility="region"), need) == []
    assert the_near_misses(surplus._replace(region="01", meets="01"), need) == []
    declined = a_match(surplus, need, state="declined", standing=2, tonnes=0)
    assert the_near_misses(surplus, need, matches=[declined]) == []
    other_terms = declined._replace(surplus_terms=1)
    assert len(the_near_misses(surplus, need, matches=[other_terms])) == 1
    assert the_near_misses(surplus, need, matches=[a_match(surplus, need, tonnes=100)]) == []


def test_only_tonnes_that_nobody_holds_count():
    """900 of 1 000 t are proposed elsewhere: the near miss is about 100 t."""
    surplus, need = lot(a_surplus(contamination="unknown")), lot(a_need())
    other = a_match(lot(a_surplus()), need, tonnes=900)
    (near,) = the_near_misses(surplus, need, matches=[other])
    assert near.tonnes == 100


def chosen_of(worth, rules, standing=()):
    """The pairs that `best` chooses of *worth* by pair."""
    pairs = list(worth)
    given, taken = (np.array([pair[end] for pair in pairs], np.int64) for end in (0, 1))
    stood = np.array([pair in standing for pair in pairs], np.bool_)
    rows = best(np.array(list(worth.values()), np.int64), given, taken, stood, rules)
    return {pairs[row] for row in rows.tolist()}


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 4), st.integers(0, 4)), st.integers(1, 9), max_size=25
    ),
    st.randoms(),
)
def test_the_best_are_chosen_whatever_the_order(worth, chance):
    """At most so many of each lot; whoever is left out has better ones at one of its ends."""
    rules = Rules(near_worth_cents=2, near_per_lot=2)
    chosen = chosen_of(worth, rules)
    other = list(worth.items())
    chance.shuffle(other)
    assert chosen_of(dict(other), rules) == chosen
    for pair, cents in worth.items():
        better = [
            [one for one in chosen if one[end] == pair[end] and worth[one] >= cents]
            for end in (0, 1)
        ]
        if pair in chosen:
            assert all(sum(one[end] == pair[end] for one in chosen) <= 2 for end in (0, 1))
        else:
            assert cents < 2 or any(len(ones) == 2 for ones in better)


def test_what_stands_stays_for_a_little_less():
    """One near miss a lot: another must be worth a quarter more to take its place."""
    rules = Rules(near_worth_cents=0, near_per_lot=1)
    old, new = (0, 1), (0, 2)
    assert chosen_of({old: 100, new: 120}, rules, {old}) == {old}
    assert chosen_of({old: 100, new: 130}, rules, {old}) == {new}


def test_openings_say_what_each_change_is_worth():
    """Three weeks open one need, five weeks both; they are filled best first."""
    surplus = lot(a_surplus(tonnes=1500, window=(date(2027, 3, 1), date(2027, 6, 30))))
    near = lot(a_need(tonnes=700, window=(date(2027, 7, 21), date(2027, 10, 31))))
    far = lot(a_need(tonnes=900, window=(date(2027, 8, 4), date(2027, 10, 31)), north_km=3))
    others = [near, far]
    left = unmatched([surplus, *others], [])
    found = openings(surplus, others, left, RULES, today=TODAY)
    assert [(one.remedy.text, one.tonnes, one.partners) for one in found] == [
        ("surplus window_later 35 d", 1500, 2), ("surplus window_later 21 d", 700, 1),
    ]  # fmt: skip
    assert found[1].cents == 700 * value_of(surplus, near, 0.0, RULES).cents
    assert [one.remedy.text for one in openings(near, [surplus], left, RULES, today=TODAY)] == [
        "need window_earlier 21 d"
    ]


def test_a_gap_that_an_area_bridges_is_no_near_miss():
    """Where masses may wait until they are needed, nobody has to move."""
    surplus = lot(a_surplus(window=(date(2027, 3, 1), date(2027, 6, 30))))
    need = lot(a_need(window=(date(2027, 7, 21), date(2027, 10, 31))))
    left = unmatched([surplus, need], [])
    for areas, count in (((an_area(),), 0), ((an_area(status="closed"),), 1)):
        pairs = near_pairs([surplus], [need], left, RULES, today=TODAY, areas=areas)
        assert len(pairs.surplus) == count
