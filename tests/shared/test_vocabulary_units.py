"""Units: what was told becomes tonnes with honest bounds, or is refused with a remedy."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary.materials import MATERIALS, UnknownMaterial
from shared.vocabulary.tables import table
from shared.vocabulary.units import (
    CUBIC_YARD_M3,
    SHORT_TON_T,
    UNITS,
    BadQuantity,
    BadUnit,
    NoFactor,
    NoInSituState,
    UnitWithoutState,
    si,
    to_tonnes,
)

KNOWN = table("units")["tests"]
CONVERTIBLE = [
    (id, unit)
    for id, found in MATERIALS.items()
    for unit, factor in (
        ("t", True),
        ("m3ktr", found.density),
        ("m3ktd", found.density),
        ("m3itd", found.t_per_m3itd),
        ("m3rtr", found.t_per_m3rtr),
        ("m3rtd", found.t_per_m3rtr),
    )
    if factor
]
amounts = st.floats(min_value=0, max_value=1e8)


@pytest.mark.parametrize("known", [each for each in KNOWN if "t" in each], ids=str)
def test_known_amounts_weigh_what_the_table_says(known):
    value, unit = known["in"]
    assert to_tonnes(value, unit, known["material"]).likely == known["t"]


@pytest.mark.parametrize("known", [each for each in KNOWN if "m3itd" in each], ids=str)
def test_the_same_mass_told_in_another_state_weighs_the_same(known):
    for unit in ("m3itd", "m3rtr"):
        assert to_tonnes(known[unit], unit, known["material"]).likely == pytest.approx(known["t"])


def test_a_thousand_cubic_metres_of_clay_in_place_are_1600_tonnes():
    clay = to_tonnes(1000, "m3ktr", "clay")
    assert clay.likely == 1600.0
    assert (clay.factor, clay.factor_version) == ("clay.t_per_m3ktr", "2026-11-24")
    assert clay.tag == "unverified"


def test_rock_weighs_much_less_loose_than_in_place():
    assert to_tonnes(1000, "m3ktr", "rock_solid").likely == 2700.0
    assert to_tonnes(1000, "m3itd", "blasted_rock_loose").likely == 1640.0


@pytest.mark.parametrize(
    "id", [each.id for each in MATERIALS.values() if each.group in ("product", "recovered")]
)
@pytest.mark.parametrize("unit", ["m3ktr", "m3ktd"])
def test_recovered_materials_have_no_in_situ_state(id, unit):
    with pytest.raises(NoInSituState) as refused:
        to_tonnes(1000, unit, id)
    assert refused.value.code == "no_in_situ_state"
    assert "t (tonnes)" in str(refused.value)


def test_bare_cubic_metres_are_refused_and_the_states_are_named():
    with pytest.raises(UnitWithoutState) as refused:
        to_tonnes(10, "m3", "till")
    assert refused.value.code == "unit_without_state"
    assert all(unit in str(refused.value) for unit in ("m3ktr", "m3itd", "m3rtr"))


def test_bare_cubic_metres_of_a_product_are_not_sent_to_a_state_it_lacks():
    with pytest.raises(UnitWithoutState) as refused:
        to_tonnes(10, "m3", "crushed_concrete")
    assert "m3ktr" not in str(refused.value)


@pytest.mark.parametrize("unit", ["m", "kg", "", "T", "m3KTR"])
def test_other_units_are_refused(unit):
    with pytest.raises(BadUnit) as refused:
        to_tonnes(10, unit, "till")
    assert refused.value.code == "unit_refused"


def test_a_state_without_a_factor_is_refused_and_never_guessed():
    for unit, id in (("m3rtr", "peat"), ("m3itd", "whole_tyres"), ("m3rtr", "lime")):
        with pytest.raises(NoFactor, match=r"t \(tonnes\)") as refused:
            to_tonnes(10, unit, id)
        assert isinstance(refused.value, BadUnit)


def test_an_unknown_material_is_refused_before_its_unit():
    with pytest.raises(UnknownMaterial):
        to_tonnes(10, "m3", "claay")


@pytest.mark.parametrize("value", [-1, math.nan, math.inf])
def test_what_is_not_a_quantity_is_refused(value):
    with pytest.raises(BadQuantity):
        to_tonnes(value, "t", "clay")


def test_bounds_on_the_wrong_side_are_refused():
    with pytest.raises(BadQuantity, match="low"):
        to_tonnes(10, "t", "clay", low=11)
    with pytest.raises(BadQuantity, match="high"):
        to_tonnes(10, "t", "clay", high=9)


def test_the_likely_value_does_not_depend_on_the_bounds():
    likely = {
        to_tonnes(100, "m3ktr", "clay", reliability=grade).likely for grade in ("A", "B", "C")
    }
    assert likely == {160.0}


def test_both_the_factor_and_the_reliability_widen_the_bounds():
    clay = to_tonnes(100, "m3ktr", "clay", reliability="A")
    assert (clay.low, clay.high) == (135.0, 198.0)


@pytest.mark.parametrize(
    ("grade", "off"), [("A", 10), ("B", 25), ("C", 50), ("unknown", 50), ("?", 50)]
)
def test_tonnes_are_widened_by_reliability_alone(grade, off):
    told = to_tonnes(100, "t", "clay", reliability=grade)
    assert (told.low, told.likely, told.high) == (100 - off, 100, 100 + off)
    assert told.factor == "none"


def test_given_bounds_win_over_both_ranges():
    told = to_tonnes(1000, "m3ktr", "clay", low=900, high=1100)
    assert (told.low, told.likely, told.high) == (1440.0, 1600.0, 1760.0)


def test_one_given_bound_leaves_the_other_widened():
    told = to_tonnes(1000, "m3ktr", "clay", reliability="A", low=1000)
    assert (told.low, told.high) == (1600.0, 1980.0)


@given(
    value=amounts,
    pair=st.sampled_from(CONVERTIBLE),
    grade=st.sampled_from(["A", "B", "C", "unknown"]),
    below=st.none() | st.floats(0, 1),
    above=st.none() | st.floats(1, 10),
)
def test_low_is_at_most_likely_and_likely_at_most_high(value, pair, grade, below, above):
    told = to_tonnes(
        value,
        pair[1],
        pair[0],
        reliability=grade,
        low=None if below is None else value * below,
        high=None if above is None else value * above,
    )
    assert 0 <= told.low <= told.likely <= told.high


@given(value=amounts, pair=st.sampled_from(CONVERTIBLE))
def test_twice_as_much_weighs_twice_as_much(value, pair):
    once, twice = (to_tonnes(times * value, pair[1], pair[0]).likely for times in (1, 2))
    assert twice == pytest.approx(2 * once, abs=2e-6)


@pytest.mark.parametrize("pair", CONVERTIBLE, ids=str)
def test_every_conversion_names_a_factor_that_can_be_found(pair):
    told = to_tonnes(1, pair[1], pair[0])
    if pair[1] != "t":
        id, name = told.factor.split(".")
        found = MATERIALS[id]
        factor = found.density if name == "t_per_m3ktr" else getattr(found, name)
        assert told.likely == pytest.approx(factor.likely, abs=1e-6)
        assert told.tag == factor.tag


def test_there_are_six_units_and_bare_cubic_metres_are_not_one():
    assert set(UNITS) == {"m3ktr", "m3ktd", "m3itd", "m3rtr", "m3rtd", "t"}


def test_yards_and_short_tons_are_exact():
    assert abs(CUBIC_YARD_M3 - 0.9144**3) < 1e-15
    assert abs(SHORT_TON_T - 2000 * 0.45359237 / 1000) < 1e-15


@pytest.mark.parametrize("word", ["yd3", "CYD", "CYS", "C.Y.", "cubic_yard"])
def test_cubic_yards_become_cubic_metres(word):
    assert si(1000, word) == (pytest.approx(764.554857984), "m3")


def test_short_tons_become_tonnes_and_a_bare_ton_is_refused():
    assert si(1, "short_ton") == (0.90718474, "t")
    assert si(5, "t") == (5, "t")
    with pytest.raises(BadUnit):
        si(1, "ton")
