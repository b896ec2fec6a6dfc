"""The gates, each by itself and together."""

from datetime import date

import pytest

from services.matcher.domain import Kind, Rules, explain, is_feasible, judge, worst
from tests.matcher.builders import CLEAN, TODAY, a_need, a_surplus, lot

FILL = Kind("sand", use="general_fill", accepts_unknown_quality=True)
SAND = Kind("sand", **CLEAN)


def verdict(gate, surplus, need, **more):
    """The verdict of one *gate* on two kinds."""
    return {one.gate: one.verdict for one in judge(surplus, need, **more)}[gate]


# facts/gates.json, "tests": written out here, for the project stands alone
@pytest.mark.parametrize(
    ("surplus", "need", "gate", "expected"),
    [
        ({"material": "sand", "contamination": "P0", "contamination_basis": "site_survey"},
         {"material": "unspecified", "use": "filter_layer", "max_contamination": "P0"},
         "G6_material", "pass"),
        ({"material": "clay"}, {"material": "unspecified", "use": "filter_layer"},
         "G6_material", "fail"),
        ({"material": "rock_solid"}, {"material": "crushed_rock"}, "G6_material", "conditional"),
        ({"material": "sand", "contamination": "P1"}, {"material": "sand"},
         "G1_contamination", "fail"),
        ({"material": "sand", "contamination": "P0"},
         {"material": "sand", "max_contamination": "P2"}, "G1_contamination", "pass"),
        ({"material": "sand", "contamination": "unknown"}, {"material": "sand"},
         "G1_contamination", "unknown"),
        ({"material": "sand", "contamination": "P4"},
         {"material": "sand", "site_kind": "construction_site"}, "G1_contamination", "fail"),
        ({"material": "sand", "quality": "S2"}, {"material": "sand", "quality": "medium"},
         "G7_suitability", "pass"),
        ({"material": "sand", "quality": "S3"}, {"material": "sand", "quality": "S2"},
         "G7_suitability", "fail"),
        ({"material": "sand", "quality": "S1"}, {"material": "sand", "quality": "H4"},
         "G7_suitability", "pass"),
        ({"material": "sand", "quality": "H1"}, {"material": "sand", "quality": "S1"},
         "G7_suitability", "fail"),
        ({"material": "sand", "quality": "unknown"}, {"material": "sand", "quality": "S2"},
         "G7_suitability", "unknown"),
    ],
)  # fmt: skip
def test_the_gates_answer_as_the_facts_say(surplus, need, gate, expected):
    """Each published example of a gate has its published verdict."""
    assert verdict(gate, Kind(**surplus), Kind(**need)) == expected


def test_windows_must_overlap_and_need_not_contain_each_other():
    """A surplus of the whole year meets a need of the spring, and one that starts halfway."""
    year = lot(a_surplus(window=(date(2027, 1, 1), date(2027, 12, 31))))
    for window in ((date(2027, 3, 1), date(2027, 5, 31)), (date(2027, 12, 31), date(2028, 5, 1))):
        found = explain(year, lot(a_need(window=window)), Rules(), today=TODAY)
        assert {one.gate: one.verdict for one in found}["G9_time"] == "pass"
    after = lot(a_need(window=(date(2028, 1, 1), date(2028, 5, 1))))
    assert worst(explain(year, after, Rules(), today=TODAY)) == "fail"


@pytest.mark.parametrize(
    ("offered", "limit", "site", "expected"),
    [
        ("P1", "P1", "construction_site", "conditional"),
        ("P2", "P2", "construction_site", "fail"),
        ("P2", "P2", "disposal_site", "conditional"),
        ("P3", "P3", "processing_site", "conditional"),
        ("P3", "P2", "processing_site", "fail"),
        ("P4", "P4", "hazardous_reception", "fail"),
        ("P9", "P4", "hazardous_reception", "fail"),
    ],
)
def test_contamination_is_never_traded(offered, limit, site, expected):
    """A worse class passes only where a permit may name it, and the worst never by a proposal."""
    need = FILL._replace(max_contamination=limit, site_kind=site)
    assert verdict("G1_contamination", SAND._replace(contamination=offered), need) == expected


def test_a_suspect_origin_asks_for_a_report_before_it_is_agreed():
    """Clean by declaration is enough for a proposal; made ground needs the paper."""
    made = SAND._replace(material="made_ground", contamination_basis="declared")
    found = {one.gate: one for one in judge(made, FILL)}["G1_contamination"]
    assert found.verdict == "conditional"
    assert "laboratory report" in str(found.needed)


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"waste_status": "unknown"}, "unknown"),
        ({"waste_status": "waste"}, "unknown"),
        ({"waste_status": "waste", "legal_route": "permit"}, "conditional"),
        ({"waste_status": "waste", "legal_route": "none_needed"}, "unknown"),
        ({"waste_status": "not_waste"}, "conditional"),
        ({"waste_status": "by_product"}, "conditional"),
        ({"material": "crushed_rock"}, "pass"),
        ({"material": "crushed_concrete", "waste_status": "end_of_waste"}, "conditional"),
        ({"material": "crushed_concrete", "waste_status": "not_waste"}, "unknown"),
        ({"material": "crushed_concrete", "waste_status": "waste", "legal_route": "mara"},
         "conditional"),
    ],
)  # fmt: skip
def test_what_is_waste_needs_a_route(told, expected):
    """Silence about waste is not clean; recovered material needs a named route."""
    assert verdict("G2_waste_status", SAND._replace(**told), FILL) == expected


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"structure": "vayla", "layer_m": 1.0, "groundwater_area": False}, "conditional"),
        ({"structure": "vayla", "layer_m": 1.6, "groundwater_area": False}, "fail"),
        ({"structure": "valli", "layer_m": 1.0, "groundwater_area": False}, "fail"),
        ({"structure": "vayla", "layer_m": 1.0, "groundwater_area": True}, "fail"),
        ({"structure": "vayla", "layer_m": 1.0}, "unknown"),
        ({"structure": "vayla", "groundwater_area": False}, "unknown"),
        ({"layer_m": 1.0, "groundwater_area": False}, "unknown"),
    ],
)
def test_mara_asks_structure_layer_and_groundwater(told, expected):
    """Crushed concrete by MARA: what is not told is unknown, what is too much fails."""
    crush = SAND._replace(material="crushed_concrete", waste_status="waste", legal_route="mara")
    need = Kind("crushed_concrete", use="sub_base", **told)
    assert verdict("G3_mara", crush, need) == expected


@pytest.mark.parametrize(
    ("material", "status", "accepts", "expected"),
    [
        ("clay", "actual", False, "fail"),
        ("clay", "potential", True, "conditional"),
        ("clay", "unknown", False, "conditional"),
        ("clay", "none", False, "pass"),
        ("sand", "unknown", False, "pass"),
        ("sulphide_clay", "none", False, "fail"),
        ("sulphide_clay", "none", True, "conditional"),
    ],
)
def test_sulphide_soils_go_only_where_they_are_taken(material, status, accepts, expected):
    """Acid sulphate is a hard gate, and a sulphide clay never has none."""
    need = FILL._replace(accepts_acid_sulphate=accepts)
    offered = SAND._replace(material=material, acid_sulphate=status)
    assert verdict("G4_acid_sulphate", offered, need) == expected


@pytest.mark.parametrize(
    ("material", "status", "expected"),
    [
        ("topsoil", "present", "fail"),
        ("topsoil", "suspected", "unknown"),
        ("topsoil", "unknown", "conditional"),
        ("topsoil", "treated", "conditional"),
        ("topsoil", "none_observed", "pass"),
        ("sand", "unknown", "pass"),
    ],
)
def test_invasive_plants_stay_where_they_are(material, status, expected):
    """Topsoil with knotweed does not travel to a park."""
    need = Kind("topsoil", use="landscaping")
    offered = SAND._replace(material=material, invasive_status=status)
    assert verdict("G5_invasive", offered, need) == expected


def test_a_working_needs_somewhere_to_be_done():
    """Rock that must be crushed first is no proposal until a place that crushes is known."""
    rock = SAND._replace(material="rock_solid")
    need = Kind("crushed_rock", accepts_unknown_quality=True)
    assert verdict("G6_material", rock, need) == "conditional"
    assert not is_feasible(judge(rock, need))
    assert is_feasible(judge(rock, need, True))


def test_frost_and_size_are_asked_only_where_the_need_sets_a_limit():
    """A filter layer sets its own; a missing value names the test, too much fails."""
    assert verdict("G8_frost_and_size", SAND, FILL) == "pass"
    filter_layer = Kind("sand", use="filter_layer", max_particle_mm=16)
    assert verdict("G8_frost_and_size", SAND, filter_layer) == "conditional"
    coarse = SAND._replace(frost_class="non", max_particle_mm=32)
    assert verdict("G8_frost_and_size", coarse, filter_layer) == "fail"
    assert verdict("G8_frost_and_size", coarse._replace(max_particle_mm=8), filter_layer) == "pass"
    frosty = coarse._replace(frost_class="high", max_particle_mm=8)
    assert verdict("G8_frost_and_size", frosty, filter_layer) == "fail"


def test_a_hidden_lot_is_proposed_only_within_its_organisation():
    """What only coordinators see is shown to no other organisation, not even by a proposal."""
    hidden = lot(a_surplus(visibility="region"))
    assert worst(explain(hidden, lot(a_need()), Rules(), today=TODAY)) == "fail"
    own = lot(a_need(organisation="acme"))
    assert is_feasible(explain(hidden, own, Rules(), today=TODAY))


def test_a_refused_pair_names_both_values():
    """Too far away says how far and how far is allowed."""
    far = explain(lot(a_surplus()), lot(a_need(north_km=80)), Rules(), today=TODAY)
    place = {one.gate: one for one in far}["place"]
    assert (place.verdict, place.offered, place.wanted) == ("fail", "108.8 km by road", "≤ 60 km")


def test_regions_meet_only_when_both_say_so():
    """The sample region meets only itself, whoever would like to meet it."""
    sample, other = a_surplus(region="99", meets=("99",)), a_need(region="01", meets=("01", "99"))
    assert worst(explain(lot(sample), lot(other), Rules(), today=TODAY)) == "fail"
    both = a_surplus(region="06", meets=("01",)), a_need(region="01", meets=("06",))
    assert is_feasible(explain(*map(lot, both), Rules(), today=TODAY))


def test_masses_net_of_own_use_do_not_meet_their_own_project():
    """An amount told as what remains has its own use behind it."""
    surplus = a_surplus(net_of_own_use=True)
    need = a_need(project_id=surplus.project_id)
    assert worst(explain(lot(surplus), lot(need), Rules(), today=TODAY)) == "fail"


def test_a_weekly_rate_limits_what_the_overlap_lets_through():
    """Two weeks together at 70 t a week let 140 t through."""
    surplus = a_surplus(weekly_rate_t=70, window=(date(2027, 3, 1), date(2027, 3, 14)))
    pair = lot(surplus), lot(a_need())
    assert is_feasible(explain(*pair, Rules(), today=TODAY, tonnes=140))
    assert not is_feasible(explain(*pair, Rules(), today=TODAY, tonnes=141))
