"""Uses: gate G6 by use and by material, the limits of a use, and the MARA route."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary.enumerations import codes, known
from shared.vocabulary.materials import MATERIALS, UnknownMaterial
from shared.vocabulary.tables import table
from shared.vocabulary.uses import USES, mara, suited, use_rules, ways

KNOWN = [each for each in table("gates")["tests"] if each["gate"] == "G6_material"]
WORST_FIRST = ("fail", "unknown", "conditional", "pass")
GROUPINGS = [each.id for each in MATERIALS.values() if each.group == "import_grouping"]
materials = st.sampled_from(list(MATERIALS))
uses = st.sampled_from(list(USES))


@pytest.mark.parametrize("answer", KNOWN, ids=str)
def test_the_known_answers_of_the_material_gate_hold(answer):
    need = answer["need"]
    found = suited(
        answer["surplus"]["material"], need_material=need.get("material"), use=need.get("use")
    )
    assert found.verdict == answer["expect"]


def test_sand_serves_a_filter_layer_as_it_is():
    found = suited("sand", need_material=None, use="filter_layer")
    assert (found.verdict, found.rank, found.condition, found.processing) == ("pass", 0, None, None)
    assert found.tag == "unverified"


def test_rock_serves_crushed_rock_after_crushing():
    found = suited("rock_solid", need_material="crushed_rock", use=None)
    assert (found.verdict, found.rank, found.processing) == ("conditional", 1, "crushing")
    assert found.processings == ("crushing",)


def test_crushed_concrete_serves_a_sub_base_through_mara():
    found = suited("crushed_concrete", need_material=None, use="sub_base")
    assert (found.verdict, found.condition, found.conditions) == ("conditional", "mara", ("mara",))


def test_the_two_states_of_rock_serve_each_other_directly():
    assert suited("rock_solid", need_material="blasted_rock_loose", use=None).verdict == "pass"
    assert suited("blasted_rock_loose", need_material="rock_solid", use=None).verdict == "pass"


def test_when_material_and_use_are_both_named_both_must_allow():
    assert suited("sand", need_material="friction_soil", use="filter_layer").verdict == "pass"
    assert suited("till", need_material="friction_soil", use="filter_layer").verdict == "fail"
    assert suited("sand", need_material="clay", use="filter_layer").verdict == "fail"
    met = suited("crushed_concrete", need_material="friction_soil", use="preload")
    assert (met.verdict, met.condition) == ("conditional", "mara")


def test_what_both_lists_ask_is_joined():
    found = suited("gravel", need_material="crushed_gravel", use="filter_layer")
    assert found.processings == ("crushing", "screening")


def test_an_unspecified_use_counts_as_none():
    assert suited("sand", need_material="sand", use="unspecified") == suited(
        "sand", need_material="sand", use=None
    )


def test_a_need_that_names_neither_material_nor_use_is_unknown():
    assert suited("sand", need_material=None, use=None).verdict == "unknown"
    assert suited("sand", need_material=None, use="unspecified").verdict == "unknown"


@pytest.mark.parametrize("id", GROUPINGS)
def test_import_groupings_are_unknown_until_refined(id):
    assert suited(id, need_material=None, use="landfill_structure").verdict == "unknown"
    assert suited("sand", need_material=id, use=None).verdict == "unknown"


def test_a_code_not_known_here_fits_nothing():
    assert suited("lava", need_material="sand", use=None).verdict == "fail"
    assert suited("sand", need_material="lava", use=None).verdict == "fail"
    assert suited("sand", need_material=None, use="moat").verdict == "fail"


def test_direct_use_wins_over_processing_where_a_list_names_both():
    found = suited("blasted_rock_loose", need_material=None, use="sub_base")
    assert (found.verdict, found.processing) == ("pass", None)


def test_every_way_is_told_and_the_least_to_do_comes_first():
    found = ways("clay", need_material=None, use="general_fill")
    assert [(each.condition, each.processing) for each in found] == [
        ("designer accepts", None),
        (None, "drying"),
        (None, "stabilisation"),
    ]


def test_the_star_of_a_landfill_reaches_mineral_materials_only():
    permit = "the site's permit names it"
    assert suited("gravel", need_material=None, use="landfill_structure").condition == permit
    assert suited("peat", need_material=None, use="landfill_structure").verdict == "fail"
    assert suited("clay", need_material=None, use="landfill_structure").verdict == "pass"


def test_recovered_materials_with_a_mara_id_serve_their_own_kind_through_mara_only():
    for each in MATERIALS.values():
        if each.group == "recovered" and each.mara_id:
            found = suited(each.id, need_material=each.id, use=None)
            assert (found.verdict, found.condition) == ("conditional", "mara")


def test_every_use_and_material_of_the_lists_is_a_known_code():
    rows = [*table("gates")["uses"], *table("gates")["material_substitution"]]
    for row in rows:
        worked = [each["material"] for each in (*row["after_processing"], *row["conditional"])]
        assert set(row["direct"]) | set(worked) - {"*"} <= set(MATERIALS)
        assert row.get("need_material", "clay") in MATERIALS
        assert all(known("processing", each["processing"]) for each in row["after_processing"])
        assert all(known("condition", each["condition"]) for each in row["conditional"])
    assert set(USES) == set(codes("use")) - {"unspecified"}


@given(materials, st.none() | materials, st.none() | uses)
def test_the_verdict_of_both_lists_is_the_worse_of_the_two(id, need, use):
    both = suited(id, need_material=need, use=use)
    apart = [suited(id, need_material=need, use=None)] if need else []
    apart += [suited(id, need_material=None, use=use)] if use else []
    if apart:
        assert both.verdict == min((each.verdict for each in apart), key=WORST_FIRST.index)
    assert (both.rank == 0) == (both.verdict == "pass")
    assert bool(both.condition or both.processing) == (both.verdict == "conditional")


def test_a_use_sets_the_lowest_tier_and_the_highest_frost_class():
    assert use_rules("filter_layer") == ("good", "non")
    assert use_rules("structural_fill") == ("medium", None)
    assert use_rules("sealing") == (None, None)


def test_no_use_sets_no_limit():
    assert use_rules(None) == use_rules("unspecified") == use_rules("moat") == (None, None)


def test_mara_limits_layers_by_structure_and_pieces_by_size():
    brick = mara("crushed_brick")
    assert brick.max_layer_m("valli") == 5.0
    assert brick.max_layer_m("vayla") == 1.5
    assert brick.max_particle_mm == 150
    assert not brick.allows("tuhkamursketie")
    assert mara("fly_ash").max_layer_m("tuhkamursketie") == 0.2
    assert mara("asphalt_granulate").max_t_per_site == 1000


def test_a_mara_limit_that_is_not_known_is_none_and_not_zero():
    tyres = mara("tyre_shred")
    assert tyres.allows("valli")
    assert tyres.max_layer_m("valli") is None
    assert tyres.provenance.tag == "unverified"


def test_mara_does_not_name_soil_track_ballast_or_foam_glass():
    assert mara("clay") is mara("track_ballast") is mara("foam_glass") is None
    with pytest.raises(UnknownMaterial):
        mara("lava")


def test_every_mara_id_of_a_material_is_a_row_that_names_it_back():
    rows = {row["id"]: row for row in table("mara")["materials"]}
    for each in MATERIALS.values():
        if each.mara_id:
            assert each.id in rows[each.mara_id]["product_material_ids"]
