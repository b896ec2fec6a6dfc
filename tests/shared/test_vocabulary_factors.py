"""Factors: emissions and prices with their source, and what a tonne meets uncoordinated."""

import pytest

from shared.vocabulary.factors import (
    DEFAULT_VEHICLE,
    FACTORS,
    FACTORS_VERSION,
    VEHICLES,
    UnknownVehicle,
    counterfactual,
    vehicle,
)
from shared.vocabulary.materials import MATERIALS, UnknownMaterial
from shared.vocabulary.tables import table


@pytest.mark.parametrize("factor", FACTORS.values(), ids=lambda each: each.id)
def test_every_factor_has_a_unit_a_source_a_tag_and_bounds_around_its_value(factor):
    assert factor.unit
    assert factor.source
    assert factor.tag in {"sourced", "derived", "unverified", "product_rule"}
    assert factor.confidence in {"high", "medium", "low", "sourced"}
    if factor.low is not None:
        assert factor.low <= factor.value <= factor.high


def test_no_two_tables_use_the_same_factor_id():
    kinds = ("costs", "unit_work", "materials_a1a3", "fuel")
    assert len(FACTORS) == sum(len(table("factors")[kind]) for kind in kinds)


def test_the_default_vehicle_is_the_earthmoving_truck():
    assert DEFAULT_VEHICLE == "truck_4ax"
    truck = vehicle()
    assert (truck.payload_t, truck.co2e_kg_per_tkm, truck.diesel_l_per_tkm) == (
        19.0,
        0.1092,
        0.0411,
    )
    assert truck.tag == "unverified"


@pytest.mark.parametrize("row", table("factors")["vehicles"], ids=lambda each: each["id"])
def test_the_empty_return_is_inside_the_factor(row):
    litres = (row["fuel_empty_l_per_100km"] + row["fuel_full_l_per_100km"]) / 100
    truck = VEHICLES[row["id"]]
    assert truck.diesel_l_per_tkm == pytest.approx(litres / truck.payload_t, abs=6e-5)
    assert truck.co2e_kg_per_tkm == pytest.approx(
        litres * FACTORS["diesel_co2_default"].value / truck.payload_t, abs=6e-5
    )
    assert truck.co2e_kg_per_tkm_loaded < truck.co2e_kg_per_tkm


def test_the_worked_example_comes_out():
    tonnes, saved_km, truck = 10_000, 25 - 8, vehicle("truck_4ax")
    known = table("factors")["worked_example"]
    cost = saved_km * FACTORS["transport_4ax"].value + FACTORS["gate_clean_clay"].value
    assert tonnes * saved_km * truck.co2e_kg_per_tkm / 1000 == pytest.approx(18.564)
    assert tonnes * saved_km * truck.diesel_l_per_tkm == pytest.approx(known["saved_diesel_l"])
    assert tonnes * cost == pytest.approx(known["saved_eur"])


def test_an_unknown_vehicle_is_refused_with_the_list():
    with pytest.raises(UnknownVehicle, match="truck_4ax") as refused:
        vehicle("moped")
    assert refused.value.code == "vehicle_unknown"


@pytest.mark.parametrize(
    ("material", "contamination", "fee", "virgin"),
    [
        ("clay", "P0", "gate_clean_clay", "virgin_sand_gravel"),
        ("sulphide_clay", "P0", "gate_sulphide_clay", "virgin_sand_gravel"),
        ("sulphide_clay", "P2", "gate_contaminated_P2", "virgin_sand_gravel"),
        ("stabilised_clay", "unknown", "gate_clean_clay", "virgin_sand_gravel"),
        ("organic_soil", "P1", "gate_clean_clay", "virgin_sand_gravel"),
        ("till", "P0", "gate_clean_friction_soil", "virgin_sand_gravel"),
        ("topsoil", "P0", "gate_clean_friction_soil", "virgin_sand_gravel"),
        ("till", "P3", "gate_contaminated_P3", "virgin_sand_gravel"),
        ("made_ground", "P4", "gate_hazardous", "virgin_sand_gravel"),
        ("rock_solid", "P0", "gate_rock", "virgin_crushed_rock"),
        ("blasted_rock_loose", "P0", "gate_rock", "virgin_crushed_rock"),
        ("crushed_rock", "P0", "gate_clean_friction_soil", "virgin_crushed_rock"),
        ("crushed_concrete", "P0", "gate_clean_friction_soil", "crushed_concrete"),
    ],
)
def test_gate_fee_and_virgin_material_follow_material_and_contamination(
    material, contamination, fee, virgin
):
    met = counterfactual(material, contamination)
    assert (met.gate_fee.id, met.virgin_co2e.id) == (fee, virgin)
    assert met.virgin_price.id == f"{virgin}_price"


@pytest.mark.parametrize("material", MATERIALS)
def test_without_told_sites_both_sides_are_twenty_kilometres_away_and_marked_unverified(material):
    met = counterfactual(material, "P0")
    assert (met.reception_km, met.quarry_km) == (20.0, 20.0)
    assert (met.tag, met.confidence) == ("unverified", "low")
    assert met.version == "CF-1/2026-11-24"


def test_the_counterfactual_of_an_unknown_material_is_refused():
    with pytest.raises(UnknownMaterial):
        counterfactual("lava", "P0")


def test_the_counterfactual_table_names_only_known_materials_and_factors():
    rules = table("counterfactual")
    for rule in (rules["gate_fee"], rules["virgin"]):
        for factor, members in rule["by_material"].items():
            assert factor in FACTORS
            assert set(members) <= set(MATERIALS)
        assert rule["otherwise"] in FACTORS


def test_the_price_of_rock_may_be_negative_and_tax_on_soil_is_zero():
    assert FACTORS["gate_rock"].value < 0
    assert FACTORS["waste_tax_soil"].value == 0
    assert FACTORS["waste_tax_soil"].low is None


def test_the_factors_version_is_a_date():
    assert FACTORS_VERSION == "2026-11-24"
