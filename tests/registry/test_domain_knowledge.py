"""What the door knows of soils, waste, laboratory values and storage."""

from typing import Any

import pytest

from services.registry.domain import Accepted, Rejected, spoken
from shared.contracts import ForecastUpdated
from shared.vocabulary.contamination import REQUIRED_FOR_CLEAN
from tests.registry.builders import a_forecast, a_project, an_area
from tests.registry.test_domain import a_register, tell

CLEAN = dict.fromkeys(REQUIRED_FOR_CLEAN, 0.01)


def state(**told: Any) -> ForecastUpdated:
    """What is announced of a forecast that was taken."""
    register = a_register()
    tell(register, "project-added", a_project())
    verdict = tell(register, "forecast-updated", a_forecast(**told))
    assert isinstance(verdict, Accepted), verdict
    return ForecastUpdated.model_validate({**verdict.thing.state, "revision": 1})


def refused(**told: Any) -> Any:
    """The one reason against a forecast."""
    register = a_register()
    tell(register, "project-added", a_project())
    verdict = tell(register, "forecast-updated", a_forecast(**told))
    assert isinstance(verdict, Rejected), verdict
    (reason,) = verdict.reasons
    return reason


# --- contamination -------------------------------------------------------------------------------


def test_laboratory_values_make_the_class_and_its_basis():
    """Lead above the upper guideline: P3, by a report, and lead is named with its limit."""
    report = {"number": "L-77", "date": "2027-01-05", "link": "https://lab.example/L-77.pdf"}
    told = state(lab_results={"Pb": 800, "As": 60}, lab_report=report)
    assert (told.contamination, told.contamination_basis) == ("P3", "lab_report")
    assert told.worst_substance == "Pb"
    assert told.laboratory is not None
    assert (told.laboratory.limit, told.laboratory.limit_mg_per_kg) == ("upper", 750)
    assert told.laboratory.report is not None
    assert told.laboratory.report.number == "L-77"
    assert told.laboratory.results == {"Pb": 800, "As": 60}
    assert told.laboratory.tag == "unverified"


def test_a_class_that_is_better_than_the_values_is_refused():
    """With the substance, its value, the limit and the class that they make."""
    reason = refused(contamination="P0", lab_results={**CLEAN, "As": 60})
    assert (reason.code, reason.pointer) == (
        "contamination_better_than_results", "/contamination")  # fmt: skip
    text = spoken(reason, "en")
    assert all(part in text for part in ("P0", "As", "60", "lower guideline", "50", "P2"))
    assert "alempi ohjearvo" in spoken(reason, "fi")


def test_a_class_that_is_worse_than_the_values_stays():
    """Hazardous waste is told by a person, whatever one sample says."""
    told = state(contamination="P4", contamination_basis="site_survey", lab_results={"As": 60})
    assert (told.contamination, told.contamination_basis) == ("P4", "site_survey")
    assert told.worst_substance == "As"
    assert state(contamination="P3", lab_results={"As": 60}).contamination_basis == "declared"


def test_a_lot_is_not_clean_by_what_was_not_analysed():
    """Arsenic alone leaves the lot unknown; P0 told beside it is refused and says what lacks."""
    told = state(lab_results={"As": 3})
    assert told.contamination == "unknown"
    assert told.laboratory is not None
    assert "Hg" in told.laboratory.missing
    reason = refused(contamination="P0", lab_results={"As": 3})
    assert (reason.code, reason.pointer) == ("lab_results_incomplete", "/lab_results")
    assert "Hg" in spoken(reason, "en")
    assert state(contamination="P0", lab_results=CLEAN).contamination_basis == "lab_report"


def test_a_suspected_substance_must_have_a_result():
    """What the history of the place gives reason to look for comes on top."""
    told = state(lab_results=CLEAN, suspected_substances=["PCB7"])
    assert told.contamination == "unknown"
    assert told.laboratory is not None
    assert told.laboratory.missing == ("PCB7",)


def test_a_documented_background_takes_the_place_of_the_threshold():
    """Natural arsenic does not make a lot elevated; a background of benzene is no such thing."""
    values = {**CLEAN, "As": 9}
    assert state(lab_results=values).contamination == "P1"
    assert state(lab_results=values, background_values={"As": 12}).contamination == "P0"
    reason = refused(lab_results=values, background_values={"benzene": 1})
    assert (reason.code, reason.pointer) == ("background_not_natural", "/background_values/benzene")


@pytest.mark.parametrize(
    ("code", "pointer", "told"),
    [
        ("code_unknown", "/lab_results/Pg", {"lab_results": {"Pg": 1}}),
        ("number_negative", "/lab_results/Pb", {"lab_results": {"Pb": -1}}),
        ("number_too_large", "/lab_results/Pb", {"lab_results": {"Pb": 2e6}}),
        ("type_wrong", "/lab_results/Pb", {"lab_results": {"Pb": "<0.5"}}),
        ("type_wrong", "/lab_results", {"lab_results": [1]}),
        ("code_unknown", "/suspected_substances/0", {"suspected_substances": ["dirt"]}),
        ("field_missing", "/lab_report/number", {"lab_report": {"date": "2027-01-05"}}),
        ("field_unknown", "/lab_report/by", {"lab_report": {"number": "1", "by": "me"}}),
        ("date_invalid", "/lab_report/date", {"lab_report": {"number": "1", "date": "5.1."}}),
        ("link_invalid", "/lab_report/link",
         {"lab_report": {"number": "1", "link": "javascript:alert(1)"}}),
    ],
)  # fmt: skip
def test_a_bad_laboratory_value_is_refused_where_it_is_bad(code, pointer, told):
    """Each substance has a pointer of its own."""
    reason = refused(**told)
    assert (reason.code, reason.pointer) == (code, pointer)


# --- soils and waste -----------------------------------------------------------------------------


def test_a_soil_code_says_its_system():
    """Clay as GEO Sa is kept as told."""
    told = state(material="clay", soil_code={"system": "GEO", "code": "Sa"})
    assert told.soil_code is not None
    assert (told.soil_code.system, told.soil_code.code) == ("GEO", "Sa")


@pytest.mark.parametrize("soil_code", ["Sa", {"code": "Sa"}])
def test_a_soil_code_without_a_system_is_refused_with_both_readings(soil_code):
    """It would be clay for one reader and sand for another."""
    reason = refused(soil_code=soil_code)
    assert (reason.code, reason.pointer) == ("soil_code_without_system", "/soil_code")
    text = spoken(reason, "fi")
    assert "clay" in text
    assert "sand" in text
    assert "{system, code}" in text


def test_a_soil_code_that_contradicts_the_material_is_refused_with_both_readings():
    """The material says clay, the code says sand, and the other system is named."""
    reason = refused(material="clay", soil_code={"system": "ISO14688", "code": "Sa"})
    assert (reason.code, reason.pointer) == ("soil_code_contradicts", "/soil_code/code")
    text = spoken(reason, "sv")
    assert "clay" in text
    assert "GEO" in text
    assert "sand" in text
    unknown = refused(material="clay", soil_code={"system": "GEO", "code": "Zz"})
    assert (unknown.code, unknown.pointer) == ("soil_code_unknown", "/soil_code/code")
    other = refused(material="clay", soil_code={"system": "USCS", "code": "CL"})
    assert (other.code, other.pointer) == ("code_unknown", "/soil_code/system")


def test_a_waste_code_belongs_to_its_material():
    """Concrete's code on clay is refused with those of clay; a hazardous one of clay is taken."""
    reason = refused(waste_code="17 01 01")
    assert (reason.code, reason.pointer) == ("waste_code_contradicts", "/waste_code")
    assert "17 05 04" in spoken(reason, "en")
    assert state(waste_code="17 05 03*").waste_code == "17 05 03*"


# --- the rest of the field -----------------------------------------------------------------------


def test_what_is_known_of_a_mass_reaches_the_event():
    """Stones, moisture, waste content, sulphur, lime, species and the day of the survey."""
    told = state(
        material="made_ground", stones_percent=10, moisture_percent=20, waste_content_percent=5,
        vertical_position_m=12.5, total_S_percent=0.3, nag_ph=3.1, lime_need_kg_per_t=7,
        invasive_status="present", invasive_species=["knotweed"],
        invasive_surveyed_on="2026-08-01", quantity=10, unit="t",
    )  # fmt: skip
    assert (told.stones_percent, told.moisture_percent, told.waste_content_percent) == (10, 20, 5)
    assert told.invasive_species == ("knotweed",)
    assert told.total_S_percent == 0.3


def test_screening_suggests_and_never_decides():
    """The status told stays; the suggestion stands beside it."""
    told = state(material="clay", acid_sulphate="none", total_S_percent=0.5)
    assert (told.acid_sulphate, told.acid_sulphate_suggested) == ("none", "potential")
    assert state(material="clay").acid_sulphate_suggested is None


def test_the_class_of_a_groundwater_area_decides_whether_it_bars():
    """Class 1 and 2 do; two answers that differ are refused."""
    assert state(groundwater_class="2").groundwater_area is True
    assert state(groundwater_class="other").groundwater_area is False
    assert state(groundwater_class="none", groundwater_area=False).groundwater_area is False
    reason = refused(groundwater_class="1", groundwater_area=False)
    assert (reason.code, reason.pointer) == ("groundwater_contradicts", "/groundwater_area")


def test_a_stored_mass_has_a_last_day():
    """Three years less a day before recovery, one before disposal; a purpose needs a first day."""
    told = state(stored_since="2026-01-01")
    assert str(told.stored_until) == "2028-12-30"
    assert len(told.storage_alerts) == 2
    short = state(stored_since="2026-01-01", storage_purpose="disposal")
    assert str(short.stored_until) == "2026-12-31"
    assert refused(storage_purpose="recovery").code == "storage_day_missing"


@pytest.mark.parametrize(
    ("code", "pointer", "told"),
    [
        ("number_too_large", "/stones_percent", {"stones_percent": 101}),
        ("number_too_large", "/nag_ph", {"nag_ph": 15}),
        ("code_unknown", "/invasive_species/0", {"invasive_species": ["triffid"]}),
        ("invasive_contradicts", "/invasive_status",
         {"invasive_status": "none_observed", "invasive_species": ["knotweed"]}),
        ("code_unknown", "/cover", {"cover": "leaves"}),
        ("code_unknown", "/max_contamination_basis", {"max_contamination_basis": "hope"}),
        ("code_unknown", "/storage_purpose", {"storage_purpose": "ornament"}),
        ("code_unknown", "/groundwater_class", {"groundwater_class": "3"}),
        ("number_negative", "/well_distance_m", {"well_distance_m": -1}),
    ],
)  # fmt: skip
def test_a_bad_fact_is_refused_where_it_is_bad(code, pointer, told):
    """Each with its code and its field."""
    reason = refused(**told)
    assert (reason.code, reason.pointer) == (code, pointer)


def test_only_a_hazardous_reception_takes_hazardous_waste():
    """An area of another kind that says P4 is refused."""
    register = a_register()
    bad = tell(register, "area-updated", an_area(max_contamination="P4"))
    assert [one.code for one in bad.reasons] == ["contamination_above_site"]
    good = an_area(max_contamination="P4", site_kind="hazardous_reception",
                   max_contamination_basis="permit")  # fmt: skip
    assert isinstance(tell(register, "area-updated", good), Accepted)


@pytest.mark.parametrize(
    ("material", "unit", "factor"),
    [
        ("clay", "m3ktr", "clay.t_per_m3ktr"),
        ("clay", "m3ktd", "clay.t_per_m3ktr"),
        ("crushed_rock", "m3itd", "crushed_rock.t_per_m3itd"),
        ("crushed_concrete", "m3rtr", "crushed_concrete.t_per_m3rtr"),
        ("clay", "t", "none"),
    ],
)
def test_a_converted_amount_keeps_its_factor_and_version(material, unit, factor):
    """What was told stands beside the tonnes, with the factor between and its tag."""
    quantity = state(material=material, unit=unit, quantity=100).quantity
    assert (quantity.value, quantity.unit, quantity.factor) == (100, unit, factor)
    assert quantity.factor_version
    assert quantity.tag == ("product_rule" if unit == "t" else "unverified")
    assert quantity.source
    assert (quantity.confidence is None) == (unit == "t")


@pytest.mark.parametrize("material", ["crushed_rock", "crushed_concrete", "growing_medium"])
def test_a_product_has_no_state_in_place(material):
    """Neither the theoretical nor the actual cubic metre in place."""
    for unit in ("m3ktr", "m3ktd"):
        assert refused(material=material, unit=unit).code == "no_in_situ_state"
