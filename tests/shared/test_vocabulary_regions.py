"""Regions: the shipped ones, the form of a region file, and making one from any table."""

import csv
import json
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.vocabulary.regions import (
    BadRegion,
    UnknownPlace,
    make_region,
    read_region,
    region_from,
    shipped,
)

NEIGHBOURLAND = {
    "code": "ee-37",
    "names": {"en": "Neighbourland"},
    "bounding_box": [23.0, 58.9, 26.2, 59.9],
    "metric_crs": "EPSG:3301",
    "sample": False,
    "meets": ["01"],
    "places": [
        {"code": "0784", "names": {"en": "Portville"}, "lat": 59.437, "lon": 24.7536},
        {
            "code": "0141",
            "names": {"en": "Bogton", "fi": "Suola"},
            "lat": 59.2,
            "lon": 25.5,
            "subregion": "East",
        },
    ],
    "source": "invented",
    "licence": "none needed",
}


def changed(**fields):
    return {**deepcopy(NEIGHBOURLAND), **fields}


def a_place(**fields):
    return {"code": "1", "names": {"en": "One"}, "lat": 59.4, "lon": 24.7, **fields}


def test_three_regions_are_shipped_and_one_is_a_sample():
    found = shipped()
    assert {code: len(each.places) for code, each in found.items()} == {
        "01": 26,
        "06": 23,
        "99": 26,
    }
    assert [code for code, each in found.items() if each.sample] == ["99"]
    assert found["99"].name("fi") == "Esimerkkiseutu"


def test_uusimaa_and_pirkanmaa_meet_each_other_and_the_sample_meets_none():
    found = shipped()
    assert (found["01"].meets, found["06"].meets, found["99"].meets) == (("06",), ("01",), ())


def test_the_sample_has_the_geography_of_uusimaa():
    found = shipped()
    assert found["99"].places == found["01"].places
    assert found["99"].bounding_box == found["01"].bounding_box
    assert "Sample" in found["99"].source


def test_places_are_named_in_two_languages_and_keep_leading_zeros():
    espoo = shipped()["01"].place("049")
    assert (espoo.name("fi"), espoo.name("sv"), espoo.subregion) == ("Espoo", "Esbo", "Helsinki")
    assert (espoo.lat, espoo.lon) == (60.2063, 24.6567)


def test_a_place_without_its_leading_zero_is_refused_with_the_code_meant():
    with pytest.raises(UnknownPlace, match="049") as refused:
        shipped()["01"].place("49")
    assert refused.value.code == "place_unknown"


def test_a_place_of_another_region_is_refused():
    with pytest.raises(UnknownPlace, match="06"):
        shipped()["06"].place("091")


def test_a_box_holds_its_region_and_not_the_next_town_far_away():
    uusimaa = shipped()["01"]
    assert uusimaa.contains(60.1682, 24.9529)
    assert not uusimaa.contains(61.4979, 23.7594)


def test_a_box_holds_the_whole_territory_of_its_region():
    # extents of the regions in the National Land Survey's division, sea areas included
    extents = {"01": (22.66, 59.61, 26.66, 60.84), "06": (22.44, 60.94, 25.54, 62.49)}
    for code, (west, south, east, north) in extents.items():
        assert shipped()[code].contains(south, west)
        assert shipped()[code].contains(north, east)


def test_swapped_coordinates_are_noticed():
    uusimaa = shipped()["01"]
    assert uusimaa.looks_swapped(24.9529, 60.1682)
    assert not uusimaa.looks_swapped(60.1682, 24.9529)
    assert not uusimaa.looks_swapped(0, 0)


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_a_point_inside_never_looks_swapped(lat, lon):
    region = shipped()["06"]
    assert not (region.contains(lat, lon) and region.looks_swapped(lat, lon))


@pytest.mark.parametrize("code", ["01", "06", "99"])
def test_a_region_survives_its_file(code, tmp_path):
    region = shipped()[code]
    file = tmp_path / "region.json"
    file.write_text(json.dumps(region.to_json()), "utf-8")
    assert read_region(file) == region


def test_a_region_elsewhere_needs_only_data():
    region = region_from(NEIGHBOURLAND)
    assert (region.code, region.metric_crs, region.meets) == ("ee-37", "EPSG:3301", ("01",))
    assert region.place("0141").subregion == "East"


def test_a_missing_language_is_filled_with_another():
    region = region_from(NEIGHBOURLAND)
    assert region.name("sv") == "Neighbourland"
    assert region.place("0141").name("fi") == "Suola"
    assert region.place("0141").name("sv") == "Bogton"


def test_reading_gives_an_equal_region_each_time():
    assert region_from(region_from(NEIGHBOURLAND).to_json()) == region_from(NEIGHBOURLAND)


def test_the_shipped_regions_cannot_be_changed_by_a_reader():
    shipped().clear()
    assert len(shipped()) == 3
    with pytest.raises(AttributeError):
        shipped()["01"].code = "02"
    assert replace(shipped()["01"], code="02").code == "02"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"code": "1"}, "code"),
        ({"code": 1}, "code"),
        ({"code": "Uusimaa"}, "code"),
        ({"code": "a.b"}, "code"),
        ({"names": {}}, "names"),
        ({"names": "Neighbourland"}, "names"),
        ({"bounding_box": [26.2, 58.9, 23.0, 59.9]}, "bounding_box"),
        ({"bounding_box": [23.0, 59.9, 26.2, 58.9]}, "bounding_box"),
        ({"bounding_box": [23.0, 58.9, 26.2]}, "bounding_box"),
        ({"bounding_box": [23.0, 58.9, 26.2, "59.9"]}, "bounding_box"),
        ({"bounding_box": [58.0, 89.0, 60.0, 91.0]}, "bounding_box"),
        ({"bounding_box": None}, "bounding_box"),
        ({"metric_crs": "3301"}, "metric_crs"),
        ({"sample": "yes"}, "sample"),
        ({"meets": "01"}, None),
        ({"meets": ["ee-37"]}, "meets"),
        ({"meets": [1]}, "meets"),
        ({"sample": True}, "meets"),
        ({"places": []}, "places"),
        ({"places": ["One"]}, "places[1]"),
        ({"places": [a_place(), a_place()]}, "places[2].code"),
        ({"places": [a_place(code=49)]}, "places[1].code"),
        ({"places": [a_place(code="a b")]}, "places[1].code"),
        ({"places": [a_place(names=None)]}, "places[1].names"),
        ({"places": [a_place(lat="59.4")]}, "places[1] lat, lon"),
        ({"places": [a_place(lat=70.0)]}, "places[1] lat, lon"),
        ({"places": [a_place(subregion=3)]}, "places[1].subregion"),
        ({"source": ""}, "source"),
        ({"licence": None}, "licence"),
    ],
)
def test_a_bad_region_file_is_refused_and_the_field_is_named(fields, named):
    if named is None:
        assert region_from(changed(**fields)).meets == ("01",)
        return
    with pytest.raises(BadRegion) as refused:
        region_from(changed(**fields))
    assert refused.value.told["field"] == named
    assert named in str(refused.value)
    assert refused.value.code == "region_invalid"


def test_a_place_with_swapped_coordinates_is_told_so():
    with pytest.raises(BadRegion, match="swapped"):
        region_from(changed(places=[a_place(lat=24.7, lon=59.4)]))


def test_a_file_that_is_no_json_object_is_refused(tmp_path):
    for text in ("[]", "code: 01", "\xff"):
        file = tmp_path / "region.json"
        file.write_text(text, "latin-1")
        with pytest.raises(BadRegion, match="file"):
            read_region(file)


def test_a_file_that_is_not_there_is_an_operating_system_error():
    with pytest.raises(FileNotFoundError):
        read_region(Path("/nowhere/region.json"))


def made(rows, **fields):
    return make_region(
        "in-us",
        {"en": "Hoosierland"},
        rows,
        code_field="fips",
        name_field="county",
        lat_field="lat",
        lon_field="lon",
        **{"metric_crs": "EPSG:26916", "source": "invented", "licence": "none needed", **fields},
    )


def test_a_region_is_made_from_any_table_of_places(tmp_path):
    file = tmp_path / "counties.csv"
    file.write_text("fips;county;lat;lon\n18001;Adams;40,74;-84,94\n18003;Allen;41,09;-85,07\n")
    with file.open() as opened:
        region = made(csv.DictReader(opened, delimiter=";"), meets=["oh-us"])
    assert [each.code for each in region.places] == ["18001", "18003"]
    assert region.bounding_box == (-85.57, 40.24, -84.44, 41.59)
    assert region.place("18003").name("fi") == "Allen"
    assert region.meets == ("oh-us",)


def test_a_made_region_survives_its_file():
    region = made([{"fips": "18001", "county": "Adams", "lat": 40.74, "lon": -84.94}])
    assert region_from(json.loads(json.dumps(region.to_json()))) == region


@pytest.mark.parametrize(
    ("row", "named"),
    [
        ({"fips": "1", "county": "Adams", "lat": "north", "lon": "2"}, "lat"),
        ({"fips": "1", "county": "Adams", "lat": "1"}, "lon"),
        ({"fips": " ", "county": "Adams", "lat": "1", "lon": "2"}, "fips"),
    ],
)
def test_a_bad_row_is_named_by_its_column_and_number(row, named):
    good = {"fips": "0", "county": "Zero", "lat": "1", "lon": "2"}
    with pytest.raises(BadRegion, match="Row 2") as refused:
        made([good, row])
    assert refused.value.told["field"] == f"column {named}"


def test_a_table_without_rows_makes_no_region():
    with pytest.raises(BadRegion, match="places"):
        made([])


@given(
    st.lists(
        st.tuples(st.floats(-90, 90), st.floats(-180, 180)), min_size=1, max_size=8, unique=True
    ),
    st.floats(0.01, 5),
)
def test_the_box_of_a_made_region_holds_all_its_places(points, margin):
    rows = [
        {"fips": str(number), "county": "Some", "lat": lat, "lon": lon}
        for number, (lat, lon) in enumerate(points)
    ]
    region = made(rows, margin_deg=margin)
    assert all(region.contains(each.lat, each.lon) for each in region.places)
