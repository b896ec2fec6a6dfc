"""Design files as designers' programs write them are read; broken ones are refused in words."""

import pytest

from shared.client.landxml import DesignRefused, read_design
from tests.designs import CORNER, landxml, sheet, surface_xml

SQUARE = sheet(lambda x, y: x + 1, (0, 10), (0, 5))
POINT = '<P id="1">'


def surface(**told):
    return surface_xml(*SQUARE, **told)


def read(tmp_path, content, **how):
    file = tmp_path / "Surface.xml"
    file.write_bytes(content)
    return read_design(file, **how)


def replaced(old, new):
    return landxml(surface().replace(old, new, 1))


def test_points_are_turned_to_easting_northing_height_once(tmp_path):
    design = read(tmp_path, landxml(surface(coding="201200")))
    (tin,) = design.tins
    assert (design.epsg, design.project, tin.coding) == (3878, "Pähkinäkatu", "201200")
    east, north = CORNER
    assert tin.points[1].tolist() == [east + 10, north, 11]
    assert len(tin.faces) == 2


def test_who_drew_it_is_not_read(tmp_path):
    assert "Drawn By" not in repr(read(tmp_path, landxml(surface())))


@pytest.mark.parametrize("told", [None, "", "{{epsg}}"])
def test_the_zone_is_seen_from_the_eastings(tmp_path, told):
    assert read(tmp_path, landxml(surface(), epsg=told)).epsg == 3878


def test_an_invisible_face_is_left_out_and_counted(tmp_path):
    hidden = '<F i="1">1 2 3</F>'
    (tin,) = read(tmp_path, landxml(surface(more_faces=hidden))).tins
    assert (len(tin.faces), tin.invisible) == (2, 1)


def test_a_file_without_a_surface_holds_none(tmp_path):
    assert read(tmp_path, landxml()).tins == ()


def test_the_same_point_again_is_the_same_point(tmp_path):
    point = surface().split("<Pnts>")[1].split("</P>")[0] + "</P>"
    (tin,) = read(tmp_path, replaced("<Pnts>", f"<Pnts>{point}")).tins
    assert len(tin.points) == 4


BOMB = '<!DOCTYPE l [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
OUTSIDE = '<!DOCTYPE l SYSTEM "file:///etc/hostname">'


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "design_unreadable"),
        (b"\x00\xff\xfe not xml", "design_unreadable"),
        (b"<gpx/>", "design_unreadable"),
        (landxml(surface())[:700], "design_unreadable"),
        (landxml(surface()).replace(b"ISO-8859-1", b"no-such-code"), "design_unreadable"),
        (landxml(surface(), before=BOMB), "design_with_entities"),
        (landxml(surface(), before=OUTSIDE), "design_with_entities"),
        (replaced("1.0000</P>", "NaN</P>"), "surface_point_invalid"),
        (replaced("1.0000</P>", "inf</P>"), "surface_point_invalid"),
        (replaced(" 1.0000</P>", "</P>"), "surface_point_invalid"),
        (replaced("1.0000</P>", "1,0</P>"), "surface_point_invalid"),
        (replaced(POINT, "<P>"), "surface_point_invalid"),
        (replaced('<P id="2">', POINT), "surface_point_repeated"),
        (replaced(POINT, '<P id="9">'), "surface_face_invalid"),
        (replaced(">1 2 3<", ">1 2 77<"), "surface_face_invalid"),
        (replaced(">1 2 3<", ">1 2 3 4<"), "surface_face_invalid"),
        (replaced(">1 2 3<", "><"), "surface_face_invalid"),
        (replaced('surfType="TIN"', 'surfType="grid"'), "surface_not_triangulated"),
        (landxml(surface(), epsg="2393"), "design_crs_unknown"),
        (landxml(surface(), epsg="GK24"), "design_crs_unknown"),
        (landxml(surface(), epsg="3879"), "design_crs_mismatch"),
        (landxml(surface(), epsg="3067"), "design_crs_mismatch"),
        (landxml(surface(), unit="foot"), "design_not_metres"),
        (landxml(surface()).replace(b"Metric", b"Imperial"), "design_not_metres"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_a_stable_code(tmp_path, content, code):
    with pytest.raises(DesignRefused) as refused:
        read(tmp_path, content)
    assert refused.value.code == code
    assert "Surface.xml" in str(refused.value)


def test_a_swapped_pair_is_told_both_ways(tmp_path):
    points, faces = SQUARE
    east, north = CORNER
    turned = points[:, [1, 0, 2]] + [north - east, east - north, 0]
    with pytest.raises(DesignRefused, match="look swapped") as refused:
        read(tmp_path, landxml(surface_xml(turned, faces)))
    assert refused.value.code == "design_crs_mismatch"


def test_a_wrong_zone_is_told_with_the_right_one(tmp_path):
    with pytest.raises(DesignRefused, match="looks like EPSG:3878"):
        read(tmp_path, landxml(surface(), epsg="3879"))


def test_a_file_beyond_the_caps_is_refused(tmp_path):
    with pytest.raises(DesignRefused, match="more than 100") as refused:
        read(tmp_path, landxml(surface()), most_bytes=100)
    assert refused.value.code == "design_too_large"
    with pytest.raises(DesignRefused, match="faces, more than 1"):
        read(tmp_path, landxml(surface()), most_faces=1)
