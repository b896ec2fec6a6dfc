"""Enumerations: every code has a name in three languages; the tables agree with each other."""

import pytest

from shared.vocabulary.enumerations import UnknownEnumeration, codes, entry, known, names, rank
from shared.vocabulary.materials import MATERIALS
from shared.vocabulary.tables import table

EVERY = list(table("enumerations")["enumerations"])
TABLES = [
    "materials",
    "units",
    "enumerations",
    "gates",
    "mara",
    "factors",
    "counterfactual",
    "distance_ratio",
    "kpi",
    "glossary",
    "identifiers",
    "crs",
    "seutumassa",
    "provenance",
]


@pytest.mark.parametrize("name", EVERY)
def test_every_code_stands_once_and_is_named_in_three_languages(name):
    assert len(set(codes(name))) == len(codes(name)) > 0
    for code in codes(name):
        assert known(name, code)
        if name != "suitability_class":
            assert set(entry(name, code)["names"]) == {"fi", "sv", "en"}
        assert all(names(name, code, lang) for lang in ("fi", "sv", "en"))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("direction", "surplus need"),
        ("method", "weighed measured model estimate"),
        ("contamination", "P0 P1 P2 P3 P4 unknown"),
        ("contamination_basis", "lab_report site_survey declared imported none"),
        ("waste_status", "not_waste by_product waste end_of_waste unknown"),
        ("acid_sulphate", "none potential actual unknown"),
        ("invasive_status", "none_observed suspected present treated unknown"),
        ("lot_status", "draft offered reserved agreed moving done cancelled"),
        ("match_state", "proposed accepted agreed moving done declined withdrawn expired"),
        ("energy", "diesel hvo biogas electric hydrogen"),
        ("visibility", "region parties forum public"),
    ],
)
def test_the_codes_are_those_agreed(name, expected):
    assert codes(name) == tuple(expected.split())


def test_a_code_is_named_in_the_language_asked_for():
    assert names("use", "noise_bund", "fi") == "meluvalli"
    assert names("use", "noise_bund", "sv") == "bullervall"


def test_what_has_no_name_is_shown_as_its_code():
    assert names("suitability_class", "S1", "fi") == "S1"
    assert names("use", "moat", "fi") == "moat"
    assert names("use", "base", "de") == "base"


def test_an_unknown_code_is_not_known_and_has_no_rank():
    assert not known("use", "moat")
    assert entry("use", "moat") is None
    assert rank("phase", "moat") is None
    assert rank("phase", "general_plan") == 1


def test_an_unknown_enumeration_is_refused_with_the_list():
    with pytest.raises(UnknownEnumeration, match="direction"):
        codes("colour")


@pytest.mark.parametrize("name", TABLES)
def test_every_table_tells_its_version(name):
    assert table(name)["meta"]["version"] == "2026-11-24"


def test_a_table_that_does_not_exist_is_not_found():
    with pytest.raises(FileNotFoundError):
        table("colours")


@pytest.mark.parametrize("name", TABLES)
def test_every_tag_is_one_of_the_four(name):
    tags = set(table("provenance")["tags"])

    def walk(node):
        if isinstance(node, dict):
            for key, value in node.items():
                if (key == "tag" or key.endswith("_tag")) and value is not None:
                    assert value in tags, (key, value)
                walk(value)
        elif isinstance(node, list):
            for each in node:
                walk(each)

    walk(table(name))


def test_seutumassa_maps_into_known_materials_classes_and_codes():
    every = table("seutumassa")["map"]
    for laji, row in every["maamassan_laji"].items():
        if laji != "(empty)":
            assert row["material"] in MATERIALS
            assert row.get("need_material", "clay") in MATERIALS
    groups = {k: v for k, v in every["maamassan_ryhma"].items() if k not in ("used", "note")}
    assert set(groups.values()) <= set(MATERIALS)
    assert all(known("site_kind", code) for code in every["kohdetyyppi"].values())
    assert all(known("phase", code) for code in every["vaihe"].values())
    assert all(
        known("contamination", row["contamination"]) for row in every["pilaantuneisuus"].values()
    )
    assert all(
        known("suitability_class", row["suitability_class"])
        for row in every["kelpoisuusluokka"].values()
    )
