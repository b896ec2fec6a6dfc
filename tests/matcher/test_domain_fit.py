"""The gates, each by itself and together."""

from datetime import date

import pytest

from services.matcher.domain import Kind, Rules, explain, is_feasible, judge, replan, worst
from services.matcher.domain.cost import arcs
from shared.vocabulary.papers import PAPERS, in_words
from tests.matcher.builders import CLEAN, TODAY, a_match, a_need, a_surplus, lot, some_id

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


# --- what each gate asks of the fields around it ------------------------------------------------


def finding(gate, surplus, need, **more):
    """The finding of one *gate* on two kinds."""
    return {one.gate: one for one in judge(surplus, need, **more)}[gate]


@pytest.mark.parametrize(
    ("offered", "basis", "expected", "paper"),
    [
        ("P1", "none", "conditional", "acceptance_of_class"),
        ("P1", "site_assessment", "conditional", "acceptance_site_assessment"),
        ("P2", "none", "fail", None),
        ("P2", "site_assessment", "fail", None),
        ("P2", "permit", "conditional", "acceptance_permit"),
        ("P3", "ysl136", "conditional", "acceptance_ysl136"),
        ("P4", "permit", "fail", "hazardous_waste_task"),
    ],
)
def test_a_site_takes_a_worse_class_only_by_what_names_it(offered, basis, expected, paper):
    """P2 and P3 go to no plain site; a permit or decision makes it none, an assessment does not."""
    need = FILL._replace(max_contamination="P4", max_contamination_basis=basis)
    found = finding("G1_contamination", SAND._replace(contamination=offered), need)
    assert found.verdict == expected
    assert found.papers == ((paper,) if paper else ())


@pytest.mark.parametrize(
    "told",
    [{"material": "made_ground"}, {"site_kind": "contaminated_site"}, {"suspected_place": True},
     {"contamination_basis": "imported"}],
)  # fmt: skip
def test_a_basis_is_asked_for_where_there_is_reason_to(told):
    """Made ground, a contaminated or suspected place, or news of others: a report is asked for."""
    asked = finding("G1_contamination", SAND._replace(**told), FILL)
    assert asked.papers == ("laboratory_report_or_site_survey",)
    shown = SAND._replace(**{**told, "contamination_basis": "lab_report"})
    assert finding("G1_contamination", shown, FILL).verdict == "pass"


def test_a_worse_class_of_a_suspect_place_needs_both():
    """The receiver's permit and the report are two papers."""
    made = SAND._replace(material="made_ground", contamination="P2")
    need = FILL._replace(max_contamination="P2", site_kind="disposal_site")
    assert len(finding("G1_contamination", made, need).papers) == 2


def test_hazardous_waste_is_never_matched():
    """By its code, whatever its class and route."""
    hazardous = SAND._replace(waste_status="waste", legal_route="permit", waste_code="17 05 03*")
    assert verdict("G2_waste_status", hazardous, FILL) == "fail"
    assert verdict("G2_waste_status", hazardous._replace(waste_code="17 05 04"), FILL) == (
        "conditional"
    )


@pytest.mark.parametrize(
    ("told", "papers"),
    [
        ({"waste_status": "not_waste"}, ("planned_use",)),
        ({"waste_status": "waste", "legal_route": "permit"}, ("environmental_permit",)),
        ({"waste_status": "waste", "legal_route": "ysl136", "contamination": "P2"},
         ("ysl136_decision", "transfer_document")),
        ({"material": "crushed_concrete", "waste_status": "waste", "legal_route": "mara"},
         ("mara_notification", "transfer_document")),
        ({"material": "crushed_concrete", "waste_status": "end_of_waste"},
         ("concrete_makers_approval",)),
        ({"material": "crushed_brick", "waste_status": "end_of_waste"},
         ("end_of_waste_conformity",)),
        ({"material": "bf_steel_slag", "waste_status": "by_product"}, ("by_product_decision",)),
    ],
)  # fmt: skip
def test_each_route_names_its_papers(told, papers):
    """Clean soil is asked for no transfer document, contaminated soil and recovered waste are."""
    found = finding("G2_waste_status", SAND._replace(**told), FILL)
    assert (found.verdict, found.papers) == ("conditional", papers)


def test_elevated_soil_is_not_no_waste_without_a_route():
    """Only clean soil may be called no waste; above the threshold a route is named."""
    soiled = SAND._replace(contamination="P1", waste_status="not_waste")
    assert finding("G2_waste_status", soiled, FILL).papers == ("legal_route",)
    assert verdict("G2_waste_status", soiled._replace(legal_route="permit"), FILL) == "conditional"


def test_concrete_crushed_where_it_stood_stays_waste():
    """End of waste is for an approved maker only."""
    crush = SAND._replace(material="crushed_concrete", waste_status="end_of_waste",
                          made_at_demolition_site=True)  # fmt: skip
    assert verdict("G2_waste_status", crush, FILL) == "fail"
    by_route = crush._replace(waste_status="waste", legal_route="end_of_waste")
    assert verdict("G2_waste_status", by_route, FILL) == "fail"
    assert verdict("G2_waste_status", by_route._replace(legal_route="mara"), FILL) == "conditional"


ROAD = {"structure": "vayla", "layer_m": 1.0, "groundwater_area": False}


@pytest.mark.parametrize(
    ("material", "told", "expected"),
    [
        ("crushed_concrete", {"play_area": True}, "fail"),
        ("crushed_brick", {"play_area": True}, "fail"),
        ("crushed_concrete", {"housing_area": True}, "fail"),
        ("crushed_brick", {"housing_area": True}, "conditional"),
        ("crushed_concrete", {"above_groundwater_m": 0.9}, "fail"),
        ("crushed_concrete", {"above_groundwater_m": 1.0, "well_distance_m": 30}, "conditional"),
        ("crushed_concrete", {"well_distance_m": 29}, "fail"),
        ("tyre_shred", {}, "unknown"),
        ("fly_ash", {"structure": "tuhkamursketie", "layer_m": 0.3}, "fail"),
        ("asphalt_granulate", {"structure": "pohjarakenne"}, "fail"),
        ("clay", {}, "fail"),
    ],
)
def test_mara_bars_places_and_thick_layers(material, told, expected):
    """A limit that is not known stays unknown; a place that is barred fails."""
    offered = SAND._replace(material=material, waste_status="waste", legal_route="mara")
    assert verdict("G3_mara", offered, Kind(material, use="sub_base", **{**ROAD, **told})) == (
        expected
    )


def test_what_is_barred_fails_even_where_facts_are_missing():
    """A play area does not become unknown because nobody told the structure."""
    crush = SAND._replace(material="crushed_concrete", waste_status="waste", legal_route="mara")
    need = Kind("crushed_concrete", use="sub_base", play_area=True)
    assert verdict("G3_mara", crush, need) == "fail"
    silent = finding("G3_mara", crush, need._replace(play_area=None))
    assert silent.verdict == "unknown"
    assert silent.papers == ("structure", "groundwater_area", "layer_thickness")


def test_mara_asks_what_was_not_told():
    """Told in full, only the laboratory report is left."""
    crush = SAND._replace(material="crushed_concrete", waste_status="waste", legal_route="mara")
    need = Kind("crushed_concrete", use="sub_base", **ROAD)
    assert set(finding("G3_mara", crush, need).papers) == {
        "laboratory_report", "particle_size_test", "cover", "no_play_area", "no_housing_area",
        "groundwater_and_well",
    }  # fmt: skip
    told = need._replace(cover="paallystetty", play_area=False, housing_area=False,
                         above_groundwater_m=2, well_distance_m=200)  # fmt: skip
    assert finding("G3_mara", crush._replace(max_particle_mm=45), told).papers == (
        "laboratory_report",
    )


ASPHALT = {
    "material": "asphalt_granulate", "waste_status": "waste", "legal_route": "mara",
    "max_particle_mm": 16, "quality": "S1", "frost_class": "non",
}  # fmt: skip


def test_asphalt_is_limited_to_a_thousand_tonnes_of_a_site():
    """The plan draws no more than that between two lots, and says so."""
    pair = (
        lot(a_surplus(**ASPHALT, tonnes=5000)),
        lot(a_need(material="asphalt_granulate", use="base", tonnes=5000, **ROAD)),
    )
    found = arcs([pair[0]], [pair[1]], Rules(), today=TODAY)
    assert found.most.tolist() == [1000]
    assert is_feasible(explain(*pair, Rules(), today=TODAY, tonnes=1000))
    assert not is_feasible(explain(*pair, Rules(), today=TODAY, tonnes=1001))


def test_a_site_gets_a_thousand_tonnes_of_asphalt_however_many_give_it():
    """Two givers, two needs of one project, and what was agreed already: together no more."""
    wants = {"material": "asphalt_granulate", "use": "base", "tonnes": 900, **ROAD}
    givers = [lot(a_surplus(**ASPHALT, tonnes=700, north_km=km)) for km in (1, 2, 3)]
    needs = [
        lot(a_need(**wants, project_id=some_id(7))),
        lot(a_need(**wants, project_id=some_id(7))),
    ]
    elsewhere = lot(a_need(**wants, project_id=some_id(8)))
    rules = Rules(standing_bonus_cents_per_t=0, smallest_load_t=0)

    def given(matches, *needs):
        plan = replan([*givers, *needs], matches, rules, today=TODAY)
        return sum(one.tonnes for one in plan.changes)

    assert given([], *needs) == 1000
    assert given([], *needs, elsewhere) == 1900
    agreed = a_match(givers[0], needs[0], state="agreed", tonnes=400)
    assert given([agreed], *needs) == 600


def test_what_a_site_got_from_lots_that_are_not_at_hand_counts_too():
    """900 t of asphalt lie there already, by matches of other needs of the project."""
    giver = lot(a_surplus(**ASPHALT, tonnes=700))
    need = lot(a_need(material="asphalt_granulate", use="base", tonnes=900, **ROAD))
    site = need.project_id, "asphalt_granulate"
    rules = Rules(standing_bonus_cents_per_t=0, smallest_load_t=0)
    (change,) = replan([giver, need], [], rules, today=TODAY, at_sites={site: 900}).changes
    assert change.tonnes == 100
    assert not replan([giver, need], [], rules, today=TODAY, at_sites={site: 1000}).changes


def test_screening_that_suggests_sulphide_asks_for_a_test():
    """Told as none, measured as suspect: the test is named, on any material."""
    suspect = SAND._replace(acid_sulphate="none", acid_sulphate_suggested="potential")
    assert finding("G4_acid_sulphate", suspect, FILL).papers == ("acid_sulphate_test",)
    calm = suspect._replace(acid_sulphate_suggested="none")
    assert verdict("G4_acid_sulphate", calm, FILL) == "pass"


def test_sulphide_clay_may_stay_under_water_with_a_permit():
    """Potential acid sulphate soil goes under water, or to who accepts it."""
    clay = SAND._replace(material="sulphide_clay", acid_sulphate="potential")
    under = Kind("sulphide_clay", use="underwater_fill")
    assert finding("G4_acid_sulphate", clay, under).papers == ("water_permit",)


@pytest.mark.parametrize(
    ("told", "same_site", "expected"),
    [
        ({"use": "general_fill"}, False, "fail"),
        ({"use": "general_fill"}, True, "conditional"),
        ({"use": "landscaping"}, True, "fail"),
        ({"use": "growing_medium"}, True, "fail"),
        ({"use": "general_fill", "deep_cover": True}, False, "conditional"),
        ({"use": "landscaping", "deep_cover": True}, False, "fail"),
        ({"use": "general_fill", "site_kind": "disposal_site"}, False, "conditional"),
    ],
)
def test_invasive_plants_are_buried_at_home_or_deep(told, same_site, expected):
    """Only the same site, a deep cover or a permitted reception; never where things grow."""
    offered = SAND._replace(material="topsoil", invasive_status="present")
    found = finding("G5_invasive", offered, Kind("topsoil", **told), same_site=same_site)
    assert found.verdict == expected


def test_the_plan_buries_on_the_own_site_what_may_go_nowhere_else():
    """One arc to the project's own need, none to the neighbour's."""
    told = {"invasive_status": "present", "material": "till"}
    surplus = a_surplus(**told)
    own = a_need(project_id=surplus.project_id, material="till")
    other = a_need(material="till")
    found = arcs([lot(surplus)], [lot(own), lot(other)], Rules(), today=TODAY)
    assert (found.need.tolist(), found.onsite.tolist()) == ([0], [True])
    assert is_feasible(explain(lot(surplus), lot(own), Rules(), today=TODAY))
    assert not is_feasible(explain(lot(surplus), lot(other), Rules(), today=TODAY))


@pytest.mark.parametrize("grouping", ["organic_soil", "ash_and_slag", "recovered_unspecified"])
def test_an_import_grouping_is_unknown_until_it_is_refined(grouping):
    """As an offer and as a wish."""
    offered = SAND._replace(material=grouping, waste_status="by_product")
    assert verdict("G6_material", offered, FILL) == "unknown"
    assert verdict("G6_material", SAND, Kind(grouping)) == "unknown"


def test_another_route_than_mara_is_not_asked_for_its_notification():
    """Concrete that is no waste any more needs no MARA paper."""
    crush = SAND._replace(material="crushed_concrete", waste_status="end_of_waste")
    need = Kind("crushed_concrete", use="sub_base")
    assert finding("G6_material", crush, need).papers == ()
    waste = crush._replace(waste_status="waste", legal_route="mara")
    assert finding("G6_material", waste, need).papers == ("mara_notification",)


def test_every_paper_that_a_finding_names_has_a_name():
    """In the three languages of the pages, and its English is what is told in words."""
    crush = SAND._replace(material="crushed_concrete", waste_status="waste", legal_route="mara")
    for one in judge(crush, Kind("crushed_concrete", use="sub_base", **ROAD)):
        assert all(id in PAPERS for id in one.papers)
        if one.papers and one.gate != "G6_material":
            assert one.needed == in_words(one.papers)


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
