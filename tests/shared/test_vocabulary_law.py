"""Rules with their days, storage clocks, papers, waste codes and screening."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary.clocks import (
    UnknownPurpose,
    alert_days,
    days_left,
    first_stored,
    last_day,
)
from shared.vocabulary.enumerations import codes
from shared.vocabulary.materials import (
    INVASIVE_SPECIES,
    MATERIALS,
    is_hazardous,
    waste_code_name,
    waste_codes_of,
)
from shared.vocabulary.papers import (
    PAPERS,
    UnknownPaper,
    in_words,
    needs_transfer_document,
    paper,
    paper_name,
    papers_of,
    transfer_fields,
)
from shared.vocabulary.rules import RULES, authority_at, rule_at, rules_at, rules_version
from shared.vocabulary.sulphate import suggested

STORED = date(2027, 3, 1)


# --- rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "before", "first"),
    [
        ("eow_concrete", date(2022, 8, 31), date(2022, 9, 1)),
        ("transfer_document", date(2021, 12, 31), date(2022, 1, 1)),
    ],
)
def test_a_rule_is_in_force_from_its_first_day(id, before, first):
    """Not the day before."""
    assert rule_at(id, before) is None
    assert rule_at(id, first) is not None


def test_a_new_version_takes_over_on_its_day():
    """The MARA decree of 2017 from 2018, the one of 2006 until then; authorities from 2026."""
    assert rule_at("mara", date(2017, 12, 31)).version == "591-2006"
    assert rule_at("mara", date(2018, 1, 1)).version == "843-2017"
    assert "ELY" in authority_at(date(2025, 12, 31), "fi")
    assert authority_at(date(2026, 1, 1), "sv") == "Tillstånds- och tillsynsverket"


@given(st.dates(date(1990, 1, 1), date(2100, 1, 1)))
def test_no_day_has_two_versions_of_a_rule(day):
    """And what judges that day can be named in one text."""
    ids = [rule.id for rule in rules_at(day)]
    assert len(ids) == len(set(ids))
    assert all(f"{rule.id}/{rule.version}" in rules_version(day) for rule in rules_at(day))


def test_a_chapter_that_is_awaited_is_never_in_force():
    """It has its slot, and a source that says why."""
    slot = next(rule for rule in RULES if rule.id == "ysl_14a")
    assert slot.slot
    assert not slot.in_force(date(2050, 1, 1))
    assert slot.provenance.tag == "unverified"


# --- clocks --------------------------------------------------------------------------------------


def test_a_mass_lies_under_three_years_before_recovery_and_under_one_before_disposal():
    """The day of the limit itself is one too many."""
    assert (last_day(STORED) - STORED).days == 1094
    assert (last_day(STORED, "disposal") - STORED).days == 364
    assert days_left(STORED, "disposal", STORED) == 364
    assert days_left(STORED, "disposal", last_day(STORED, "disposal")) == 0


def test_reminders_come_before_the_end():
    """At 913 and 1 034 days of 1 095, and some months before the year is over."""
    assert [(day - STORED).days for day in alert_days(STORED)] == [913, 1034]
    for purpose in ("recovery", "disposal"):
        assert all(day < last_day(STORED, purpose) for day in alert_days(STORED, purpose))
    with pytest.raises(UnknownPurpose):
        last_day(STORED, "ornament")


def test_a_moved_lot_keeps_its_first_day():
    """Moving a heap starts no new clock."""
    assert first_stored(date(2027, 5, 1), STORED, None) == STORED
    assert first_stored(None) is None


# --- papers --------------------------------------------------------------------------------------


def test_every_paper_is_named_in_three_languages():
    """And so is every field of the transfer document."""
    for one in PAPERS.values():
        assert all(one.names[lang] for lang in ("fi", "sv", "en"))
        assert all(each.names[lang] for each in one.fields for lang in ("fi", "sv", "en"))
    assert paper_name("transfer_document", "sv") == "transportdokument för avfall"
    assert in_words(["laboratory_report", "site_survey"]) == "laboratory report, site survey"
    with pytest.raises(UnknownPaper):
        paper("love_letter")


def test_every_condition_of_the_lists_asks_for_a_known_paper():
    """No condition is left without something to show."""
    for code in codes("condition"):
        assert papers_of([code]), code
        assert all(id in PAPERS for id in papers_of([code]))


@pytest.mark.parametrize(
    ("material", "status", "contamination", "expected"),
    [
        ("clay", "waste", "P0", False),
        ("clay", "waste", "P2", True),
        ("clay", "waste", "unknown", True),
        ("clay", "not_waste", "P0", False),
        ("crushed_concrete", "waste", "P0", True),
        ("crushed_concrete", "end_of_waste", "P0", False),
        ("fly_ash", "waste", "P0", False),
        ("tyre_shred", "waste", "unknown", False),
    ],
)
def test_clean_soil_is_asked_for_no_transfer_document(material, status, contamination, expected):
    """Contaminated soil and demolition waste are; ash and tyres are outside the register."""
    assert needs_transfer_document(material, status, contamination) is expected


def test_only_hazardous_waste_is_asked_for_its_hazards():
    """Composition and packing are no question for elevated soil."""
    plain = {one.id for one in transfer_fields("P2")}
    assert {"waste_code", "holder", "carrier", "receiver", "treatment"} <= plain
    assert {one.id for one in transfer_fields("P4")} - plain == {
        "composition", "physical_state", "hazard_properties", "packing"
    }  # fmt: skip


# --- waste codes ---------------------------------------------------------------------------------


def test_waste_codes_follow_the_material():
    """Soil has soil's, concrete its own and those of its MARA type, the hazardous ones last."""
    assert "17 05 04" in waste_codes_of("clay")
    assert {"17 01 01", "10 13 14"} <= set(waste_codes_of("crushed_concrete"))
    assert "17 01 01" not in waste_codes_of("clay")
    assert is_hazardous(waste_codes_of("clay")[-1])
    assert not is_hazardous("17 05 04")
    assert waste_codes_of("crushed_rock") == ()
    assert waste_code_name("17 05 04", "sv") == "annan jord och sten"


@pytest.mark.parametrize("id", sorted(MATERIALS))
def test_hazardous_codes_come_last(id):
    """So that what is shown first is the usual one."""
    told = [is_hazardous(code) for code in waste_codes_of(id)]
    assert told == sorted(told)


# --- screening and species -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("material", "sulphur", "ph", "expected"),
    [
        ("clay", 0.2, None, "potential"),
        ("clay", 0.19, None, "none"),
        ("sand", 0.06, None, "potential"),
        ("sand", 0.05, 3.9, "potential"),
        ("silt", None, 4.0, "none"),
        ("gyttja", None, 3.5, "potential"),
    ],
)
def test_screening_suggests_a_status(material, sulphur, ph, expected):
    """Coarse soils are suspect at less sulphur; a low pH is enough alone."""
    found = suggested(material, sulphur, ph)
    assert found.status == expected
    assert found.provenance.tag == "unverified"
    assert found.provenance.confidence == "low"


def test_without_a_measurement_nothing_is_suggested():
    """Silence is no result."""
    assert suggested("clay") is None


def test_invasive_species_have_names():
    """In three languages, and the scientific one."""
    assert INVASIVE_SPECIES["giant_hogweed"]["fi"] == "jättiputket"
    assert all({"fi", "sv", "en", "la"} <= names.keys() for names in INVASIVE_SPECIES.values())
