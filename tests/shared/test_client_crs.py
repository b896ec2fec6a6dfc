"""Coordinates: known answers, and pairs that are told wrongly are questioned with both readings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.client.crs import (
    BadPosition,
    OutsideRegion,
    Position,
    Swapped,
    UnknownCrs,
    epsg_of,
    from_degrees,
    question_outside,
    read_position,
    systems_of,
    to_degrees,
)
from shared.vocabulary.regions import shipped

HELSINKI, TAMPERE = (24.9529, 60.1682), (23.7594, 61.4979)
GRIDS = (3067, *range(3873, 3886))


@pytest.mark.parametrize(
    ("degrees", "epsg", "metres"),
    [
        (HELSINKI, 3067, (386409.813, 6671904.081)),
        (HELSINKI, 3879, (25497385.173, 6672813.539)),
        (TAMPERE, 3067, (327529.609, 6822535.681)),
        (TAMPERE, 3878, (24487186.024, 6820999.801)),
    ],
)
def test_known_points_are_met_within_a_centimetre(degrees, epsg, metres):
    """Both ways, x before y whatever the registry of systems says."""
    assert from_degrees(*degrees, epsg) == pytest.approx(metres, abs=0.01)
    assert to_degrees(*metres, epsg) == pytest.approx(degrees, abs=1e-7)
    assert read_position(*metres, epsg) == pytest.approx(degrees, abs=1e-7)


@given(st.sampled_from(GRIDS), st.floats(19, 32), st.floats(59, 71))
def test_there_and_back_is_the_same_point(epsg, lon, lat):
    """Anywhere in the country, in any zone."""
    assert to_degrees(*from_degrees(lon, lat, epsg), epsg) == pytest.approx((lon, lat), abs=1e-9)


@given(st.floats(59.8, 70), st.integers(19, 31), st.floats(-0.9, 0.9))
def test_a_pair_lies_in_one_system_only(lat, zone, off):
    """So its size can say which."""
    epsg = 3873 + zone - 19
    assert systems_of(*from_degrees(zone + off, lat, epsg)) == (epsg,)


@pytest.mark.parametrize("epsg", [3067, 3879, 4326, 4258])
def test_a_swapped_pair_is_refused_with_both_readings(epsg):
    """Never turned in silence."""
    x, y = from_degrees(*HELSINKI, epsg)
    with pytest.raises(Swapped, match=r"60\.16820 N, 24\.95290 E") as told:
        read_position(y, x, epsg)
    assert told.value.code == "coordinates_swapped"


def test_a_pair_of_another_system_is_refused_with_both_readings():
    """A file that says one and means another is mended by a person."""
    with pytest.raises(BadPosition, match=r"in EPSG:3879.*EPSG:3067 60\.16820 N"):
        read_position(386409.813, 6671904.081, 3879)
    with pytest.raises(BadPosition, match=r"in EPSG:4326.*EPSG:3879"):
        read_position(25497385.173, 6672813.539, 4326)
    with pytest.raises(BadPosition, match="any system"):
        read_position(1.0, 2.0, 3067)
    with pytest.raises(BadPosition):
        read_position(float("nan"), 60.0, 4326)


def test_a_point_outside_of_its_region_is_questioned_with_the_box():
    """Point and box are both told."""
    region = shipped()["01"]
    question_outside(Position(*HELSINKI), region)
    with pytest.raises(OutsideRegion, match=r"61\.49790 N, 23\.75940 E.*….* N, .*….* E"):
        question_outside(Position(*TAMPERE), region)


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("EPSG:3879", 3879),
        ("urn:ogc:def:crs:EPSG::3067", 3067),
        ("urn:ogc:def:crs:OGC:1.3:CRS84", 4326),
        ("http://www.opengis.net/def/crs/EPSG/0/3879", 3879),
        ("3878", 3878),
        ("EPSG:2154", None),
        ("", None),
    ],
)
def test_a_system_is_known_by_its_usual_names_or_refused(name, code):
    """What is not read here is named, with what is."""
    if code is not None:
        assert epsg_of(name) == code
        return
    with pytest.raises(UnknownCrs, match="EPSG:3067"):
        epsg_of(name)
