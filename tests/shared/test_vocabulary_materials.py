"""Materials: ids, names, states, and densities that keep their source."""

import pytest

from shared.vocabulary.materials import (
    MATERIALS,
    VOCABULARY_VERSION,
    UnknownMaterial,
    material,
    needs_acid_sulphate,
    needs_invasive_status,
    one_substance,
)
from shared.vocabulary.provenance import Range
from shared.vocabulary.tables import table

NATURAL = [each for each in MATERIALS.values() if each.group == "natural"]
EVERY = list(MATERIALS.values())


def ranges(found):
    every = (found.density, found.loosening, found.structure, found.t_per_m3itd, found.t_per_m3rtr)
    return [each for each in every if each is not None]


def test_there_are_forty_materials_in_four_groups():
    groups = [each.group for each in EVERY]
    counts = {group: groups.count(group) for group in set(groups)}
    assert counts == {"natural": 17, "product": 5, "recovered": 15, "import_grouping": 3}


@pytest.mark.parametrize("found", EVERY, ids=lambda each: each.id)
def test_every_material_is_named_in_three_languages(found):
    assert all(found.names[lang] for lang in ("fi", "sv", "en"))


@pytest.mark.parametrize("found", EVERY, ids=lambda each: each.id)
def test_every_factor_is_ordered_positive_and_keeps_its_source(found):
    for each in ranges(found):
        assert isinstance(each, Range)
        assert 0 < each.low <= each.likely <= each.high
        assert each.provenance.source
        assert each.tag in {"sourced", "derived", "unverified", "product_rule"}


def test_what_is_derived_from_unverified_is_shown_as_unverified():
    loose = material("clay").t_per_m3itd
    assert loose.provenance.tag == "derived"
    assert loose.tag == "unverified"
    assert loose.provenance.confidence == "medium"


def test_a_sourced_factor_is_shown_with_its_address():
    loose = material("crushed_gravel").t_per_m3itd
    assert loose.tag == "sourced"
    assert loose.provenance.source.startswith("https://")


def test_recovered_materials_and_products_have_no_in_situ_state():
    made = [each for each in EVERY if each.group in ("product", "recovered")]
    assert not any(each.has_in_situ_state for each in made)
    assert all(each.has_in_situ_state for each in NATURAL)


def test_loose_and_placed_densities_agree_with_the_published_rounded_ones():
    for row in table("materials")["natural"]:
        found = material(row["id"])
        assert found.t_per_m3itd.likely == pytest.approx(
            row["derived_t_per_m3itd"]["value"], abs=0.0051
        )
        placed = row.get("derived_t_per_m3rtr")
        assert (found.t_per_m3rtr is None) == (placed is None)
        if placed:
            assert found.t_per_m3rtr.likely == pytest.approx(placed["value"], abs=0.0051)


def test_an_unknown_material_is_refused_with_the_closest_ids():
    with pytest.raises(UnknownMaterial) as refused:
        material("gravell")
    assert refused.value.code == "material_unknown"
    assert "gravel" in str(refused.value)


def test_a_word_far_from_any_material_is_refused_with_the_whole_list():
    with pytest.raises(UnknownMaterial, match="dredged_sediment"):
        material("xyzzy")


def test_rock_in_place_and_blasted_rock_are_one_substance():
    assert one_substance("rock_solid") == one_substance("blasted_rock_loose") == "rock_solid"


def test_every_other_material_is_a_substance_of_its_own():
    others = set(MATERIALS) - {"rock_solid", "blasted_rock_loose"}
    assert all(one_substance(id) == id for id in others)
    assert one_substance("from_a_newer_release") == "from_a_newer_release"


def test_clays_silt_gyttja_and_sediment_must_say_their_acid_sulphate_status():
    assert {id for id in MATERIALS if needs_acid_sulphate(id)} == {
        "clay",
        "sulphide_clay",
        "silt",
        "gyttja",
        "dredged_sediment",
    }


def test_topsoil_growing_medium_and_made_ground_must_say_their_invasive_status():
    asked = {id for id in MATERIALS if needs_invasive_status(id)}
    assert asked == {"topsoil", "growing_medium", "made_ground"}


def test_the_members_of_a_grouping_are_materials():
    for each in EVERY:
        assert all(member in MATERIALS for member in each.members)
        assert bool(each.members) == (each.group == "import_grouping")


def test_till_has_three_subtypes_and_sa_means_clay_only_in_its_own_system():
    assert [each.id for each in material("till").subtypes] == [
        "silty_till",
        "sandy_till",
        "gravelly_till",
    ]
    clay = {each.system: each.codes for each in material("clay").soil_codes}
    sand = {each.system: each.codes for each in material("sand").soil_codes}
    assert clay["GEO"] == sand["EN ISO 14688"] == ("Sa",)


def test_the_vocabulary_version_is_a_date():
    assert VOCABULARY_VERSION == "2026-11-24"


def test_a_material_can_be_hashed_and_is_frozen():
    assert hash(material("clay")) == hash(material("clay"))
    with pytest.raises(AttributeError):
        material("clay").id = "sand"
