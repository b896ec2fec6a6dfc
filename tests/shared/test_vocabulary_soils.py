"""Soil codes of two systems, which mean different things by the same letters."""

import pytest

from shared.vocabulary.soils import (
    SoilCodeContradicts,
    UnknownSoilCode,
    UnknownSoilSystem,
    check_soil_code,
    materials_of,
    readings,
)


def test_sa_is_clay_in_one_system_and_sand_in_the_other():
    """The trap itself."""
    assert "clay" in materials_of("GEO", "Sa")
    assert "sand" in materials_of("ISO14688", "Sa")
    assert set(readings("Sa")) == {"GEO", "ISO14688"}


@pytest.mark.parametrize(
    ("system", "code", "material"),
    [
        ("GEO", "Hk", "sand"),
        ("GEO", "hkMr", "till"),
        ("GEO", "SiMr", "till"),
        ("GEO", "kuSa", "dry_crust_clay"),
        ("GEO", "Sa", "sulphide_clay"),
        ("ISO14688", "siSa", "sand"),
        ("ISO14688", "grSiSa", "till"),
        ("ISO14688", "LBo", "boulders"),
        ("ISO14688", "saGr", "gravel"),
        ("ISO14688", "Cl", "clay"),
    ],
)
def test_the_main_fraction_decides(system, code, material):
    """What stands before it in lower case only describes it."""
    assert material in materials_of(system, code)
    check_soil_code(material, system, code)


def test_a_contradiction_is_refused_with_both_readings():
    """Sand told as GEO Sa is clay there, and sand only in the other system."""
    with pytest.raises(SoilCodeContradicts) as refused:
        check_soil_code("sand", "GEO", "Sa")
    assert "clay" in str(refused.value)
    assert "sand or friction_soil" in str(refused.value)
    assert "ISO14688" in str(refused.value)


def test_a_code_or_a_system_that_is_none_is_refused():
    """Each with what there is."""
    with pytest.raises(UnknownSoilCode, match="Hk"):
        check_soil_code("sand", "GEO", "Zz")
    with pytest.raises(UnknownSoilCode):
        check_soil_code("sand", "ISO14688", "Hk")
    with pytest.raises(UnknownSoilSystem, match="ISO14688"):
        check_soil_code("sand", "USCS", "SW")


def test_a_material_without_a_code_there_is_not_contradicted():
    """Rock has no code of ISO 14688: nothing can be said against one."""
    check_soil_code("rock_solid", "ISO14688", "Gr")
