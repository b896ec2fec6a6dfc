"""From laboratory values to a class: the worst substance decides, silence is never clean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary.contamination import (
    REQUIRED_FOR_CLEAN,
    SUBSTANCES,
    BadConcentration,
    NoNaturalBackground,
    UnknownSubstance,
    classify,
    classify_lot,
    is_better,
)

CLEAN = dict.fromkeys(REQUIRED_FOR_CLEAN, 0.01)


@pytest.mark.parametrize(
    ("as_mg_per_kg", "expected", "limit"),
    [
        (5, "P0", ("threshold", 5)),
        (5.001, "P1", ("threshold", 5)),
        (50, "P1", ("threshold", 5)),
        (50.1, "P2", ("lower", 50)),
        (100, "P2", ("lower", 50)),
        (100.1, "P3", ("upper", 100)),
    ],
)
def test_equality_does_not_exceed_a_limit(as_mg_per_kg, expected, limit):
    """Arsenic at 5, 50 and 100 mg/kg is still the class below."""
    found = classify({"As": as_mg_per_kg})
    assert (found.contamination, found.worst, found.limit) == (expected, "As", limit)


def test_the_worst_substance_decides_and_is_named():
    """Lead above its upper guideline outweighs arsenic above its lower one."""
    found = classify({"As": 60, "Pb": 800, "Zn": 10})
    assert (found.contamination, found.worst, found.mg_per_kg) == ("P3", "Pb", 800)
    assert found.limit == ("upper", 750)


def test_of_two_in_one_class_the_one_farther_above_its_limit_is_named():
    """Zinc three times over its threshold is named before copper just above."""
    assert classify({"Cu": 101, "Zn": 249}).worst == "Zn"


def test_a_limit_that_is_not_set_is_skipped():
    """Middle distillates have no threshold, oil as a whole has nothing else."""
    assert classify({"C10_C21": 250}).contamination == "P0"
    assert classify({"C10_C40": 5000}).contamination == "P1"


def test_a_sum_is_at_least_what_its_parts_are():
    """Toluene has no threshold of its own; above that of TEX, it exceeds it alone."""
    found = classify({"toluene": 3})
    assert (found.contamination, found.worst) == ("P1", "TEX")
    assert classify({"toluene": 0.9}).contamination == "P0"
    oil = classify({"C10_C21": 200, "C21_C40": 200}, required=["C10_C40"])
    assert (oil.contamination, oil.worst, oil.missing) == ("P1", "C10_C40", ())


def test_a_natural_background_above_the_threshold_takes_its_place():
    """Arsenic of 7 mg/kg is natural where the rock has 10; a lower background changes nothing."""
    found = classify({"As": 7}, {"As": 10})
    assert (found.contamination, found.limit) == ("P0", ("background", 10))
    assert classify({"As": 7}, {"As": 2}).contamination == "P1"
    assert classify({"As": 60}, {"As": 80}).contamination == "P2"


def test_a_required_substance_without_a_result_leaves_the_lot_unknown():
    """What was analysed is at least P2, but nothing is said until mercury is known."""
    found = classify({"As": 60}, required=["As", "Hg"])
    assert (found.contamination, found.at_least, found.missing) == ("unknown", "P2", ("Hg",))
    assert classify({"As": 600}, required=["Hg"]).contamination == "P3"
    assert classify({}, required=["Hg"]).contamination == "unknown"
    assert classify({}).contamination == "unknown"


def test_a_lot_is_clean_only_by_a_usual_analysis():
    """One clean metal is no clean lot, and a suspected substance comes on top."""
    assert classify_lot({"As": 3}).contamination == "unknown"
    assert classify_lot(CLEAN).contamination == "P0"
    found = classify_lot(CLEAN, suspected=["PCB7"])
    assert (found.contamination, found.missing) == ("unknown", ("PCB7",))
    assert classify_lot({"Pb": 100}).contamination == "P1"


@given(
    st.dictionaries(
        st.sampled_from(sorted(SUBSTANCES)), st.floats(0, 1e6, allow_nan=False), min_size=1
    )
)
def test_no_value_makes_hazardous_waste(results):
    """P4 is told by a person, whatever stands in a report."""
    assert classify(results).contamination in ("P0", "P1", "P2", "P3")


@given(
    st.dictionaries(
        st.sampled_from(sorted(SUBSTANCES)), st.floats(0, 1e6, allow_nan=False), min_size=1
    ),
    st.sampled_from(sorted(SUBSTANCES)),
    st.floats(0, 1e6, allow_nan=False),
)
def test_one_more_result_never_makes_a_lot_cleaner(results, id, value):
    """More is known, and it is the same or worse."""
    before = classify(results).contamination
    after = classify({**results, id: max(value, results.get(id, 0.0))}).contamination
    assert not is_better(after, before)


def test_what_cannot_be_read_is_refused_with_its_name():
    """A misspelt substance, a negative value and a background of benzene have their errors."""
    with pytest.raises(UnknownSubstance, match="Did you mean"):
        classify({"benzen": 1})
    with pytest.raises(BadConcentration, match="Pb"):
        classify({"Pb": -1})
    with pytest.raises(BadConcentration):
        classify({"Pb": float("nan")})
    with pytest.raises(NoNaturalBackground):
        classify({"benzene": 1}, {"benzene": 1})


def test_a_class_says_how_far_its_limits_are_verified():
    """Arsenic was read at its source; the others are unverified, and say so."""
    assert classify({"As": 60}).provenance.tag == "sourced"
    assert classify({"Pb": 800}).provenance.tag == "unverified"


def test_unknown_is_neither_better_nor_worse():
    """Only classes compare."""
    assert is_better("P0", "P1")
    assert not is_better("P1", "P1")
    assert not is_better("unknown", "P4")
    assert not is_better("P0", "unknown")
