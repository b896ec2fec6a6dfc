"""Quality: the order of contamination, suitability and frost, gates G1 and G7."""

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary.enumerations import codes
from shared.vocabulary.quality import (
    better_or_equal,
    contamination_rank,
    frost_rank,
    one_class_short,
    same_tier_other_family,
    tier_of,
)
from shared.vocabulary.tables import table

KNOWN = table("gates")["tests"]
CLASSES = codes("suitability_class")
TIERS = ("good", "medium", "poor")


def at_least(offered, wanted):
    return better_or_equal(offered, wanted, accepts_unknown=False) == "pass"


@pytest.mark.parametrize(
    "known", [each for each in KNOWN if each["gate"] == "G7_suitability"], ids=str
)
def test_the_known_answers_of_the_suitability_gate_hold(known):
    need = known["need"]
    wanted = need.get("suitability_class") or need["min_suitability_tier"]
    offered = known["surplus"]["suitability_class"]
    assert better_or_equal(offered, wanted, accepts_unknown=False) == known["expect"]


@pytest.mark.parametrize(
    "known", [each for each in KNOWN if each["gate"] == "G1_contamination"], ids=str
)
def test_the_order_of_contamination_gives_the_known_answers_of_its_gate(known):
    offered = contamination_rank(known["surplus"]["contamination"])
    most = contamination_rank(known["need"].get("max_contamination", "P0"))
    if offered is None:
        assert known["expect"] == "unknown"
    else:
        assert known["expect"] == ("pass" if offered <= most else "fail")


def test_every_gate_with_known_answers_is_met_in_a_test():
    assert {each["gate"] for each in KNOWN} == {
        "G1_contamination",
        "G6_material",
        "G7_suitability",
        "G9_time",
    }


def test_contamination_rises_from_p0_to_p4():
    assert [contamination_rank(code) for code in ("P0", "P1", "P2", "P3", "P4")] == [0, 1, 2, 3, 4]


def test_silence_about_contamination_has_no_rank():
    assert contamination_rank("unknown") is None
    assert contamination_rank("P9") is None


def test_frost_rises_from_non_to_high():
    assert [frost_rank(code) for code in ("non", "slight", "medium", "high")] == [0, 1, 2, 3]
    assert frost_rank("unknown") is None


def test_tiers_are_those_of_seutumassa():
    assert {tier: [code for code in CLASSES if tier_of(code) == tier] for tier in TIERS} == {
        "good": ["S1", "S2", "S3", "H1", "H2"],
        "medium": ["S4", "H3", "H4"],
        "poor": ["U1", "U2", "U3", "U4", "TV"],
    }


@pytest.mark.parametrize("word", ["unknown", "any", "S9", ""])
def test_what_is_no_class_and_no_tier_has_an_unknown_tier(word):
    assert tier_of(word) == "unknown"


@pytest.mark.parametrize("offered", [*CLASSES, *TIERS, "unknown"])
@pytest.mark.parametrize("wanted", ["any", "unknown"])
def test_a_need_that_asks_nothing_takes_everything(offered, wanted):
    assert at_least(offered, wanted)


@pytest.mark.parametrize("wanted", [*CLASSES, *TIERS])
def test_unknown_quality_passes_only_where_it_is_accepted(wanted):
    assert better_or_equal("unknown", wanted, accepts_unknown=False) == "unknown"
    assert better_or_equal("unknown", wanted, accepts_unknown=True) == "pass"


def test_a_code_not_known_here_fits_nothing():
    assert better_or_equal("S9", "good", accepts_unknown=True) == "fail"
    assert better_or_equal("S1", "S9", accepts_unknown=True) == "fail"


def test_a_tier_offered_where_a_class_of_that_tier_is_wanted_lacks_the_class():
    assert better_or_equal("good", "S2", accepts_unknown=False) == "unknown"
    assert better_or_equal("good", "S2", accepts_unknown=True) == "pass"
    assert better_or_equal("good", "S4", accepts_unknown=False) == "pass"
    assert better_or_equal("poor", "S4", accepts_unknown=True) == "fail"


def test_accepting_unknown_quality_lowers_no_demand_on_what_is_known():
    for offered, wanted in product(CLASSES, (*CLASSES, *TIERS)):
        strict, lenient = (better_or_equal(offered, wanted, accepts_unknown=x) for x in (0, 1))
        assert strict == lenient


def test_tiers_are_totally_ordered():
    for one, other in product(TIERS, TIERS):
        assert at_least(one, other) or at_least(other, one)


def test_classes_of_one_family_are_totally_ordered():
    for one, other in product(CLASSES, CLASSES):
        if one.rstrip("1234") == other.rstrip("1234"):
            assert at_least(one, other) or at_least(other, one)
            assert not (at_least(one, other) and at_least(other, one)) or one == other


def test_classes_of_one_tier_in_two_families_are_not_comparable_and_a_near_miss():
    for one, other in product(CLASSES, CLASSES):
        near = same_tier_other_family(one, other)
        assert near == same_tier_other_family(other, one)
        if near:
            assert not at_least(one, other)
            assert not at_least(other, one)
    assert same_tier_other_family("H1", "S1")
    assert not same_tier_other_family("H1", "good")


@given(*(st.sampled_from(CLASSES),) * 3)
def test_at_least_as_good_is_an_order_among_classes(one, other, third):
    assert at_least(one, one)
    if at_least(one, other) and at_least(other, third):
        assert at_least(one, third)
    if at_least(one, other) and at_least(other, one):
        assert one == other


@given(st.sampled_from(CLASSES), st.sampled_from(CLASSES), st.sampled_from(TIERS))
def test_a_better_class_meets_every_tier_that_a_worse_one_meets(better, worse, tier):
    if at_least(better, worse) and at_least(worse, tier):
        assert at_least(better, tier)


def test_the_next_class_below_in_the_family_is_one_class_short():
    assert one_class_short("S3", "S2")
    assert not one_class_short("S4", "S2")
    assert not one_class_short("S2", "S3")
    assert not one_class_short("H3", "S2")
    assert not one_class_short("TV", "TV")
    assert not one_class_short("unknown", "S2")
