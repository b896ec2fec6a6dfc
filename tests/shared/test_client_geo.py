"""GeoJSON and GeoPackage: features become rows, and what is broken is told by its feature."""

import json
import sqlite3
import struct
from dataclasses import replace

import pytest

from shared.client import BadTable, MissingColumns, prepare, read_mapping
from shared.client.crs import from_degrees
from shared.client.geometry import BadGeometry, point_of
from shared.client.geopackage import geometry_in
from shared.client.reading import events_of, form_told, table_of
from shared.client.texts import spoken
from shared.vocabulary.regions import shipped

REGION = shipped()["01"]
LON, LAT = 24.9529, 60.1682
MAPPING = """
name: masses
region: "01"
project:
  external_id: {column: id}
  title: {column: name}
  place: {code: {column: municipality}}
forecast:
  external_id: {template: "{id}/1"}
  direction: surplus
  material: {column: material}
  quantity: {column: amount}
  unit: t
  available_from: {column: from}
  available_to: {column: until}
  contamination: P0
"""
GOOD = {
    "id": "A", "name": "Street", "municipality": "091", "material": "clay", "amount": 1200.5,
    "from": "2031-05-01", "until": "2031-09-30",
}  # fmt: skip


@pytest.fixture
def mapping(tmp_path):
    """A mapping of plain properties."""
    path = tmp_path / "masses.yaml"
    path.write_text(MAPPING, "utf-8")
    return read_mapping(path)


def read(file, mapping, sheet="auto"):
    """What *file* gives."""
    asked = replace(mapping, form=replace(mapping.form, sheet=sheet))
    table = table_of(file, asked)
    return prepare(events_of(table, asked, REGION, "1", organisation="acme"))


def feature(geometry, **properties):
    """One feature, told by what differs from `GOOD`."""
    return {"type": "Feature", "geometry": geometry, "properties": GOOD | properties}


def point(x, y):
    return {"type": "Point", "coordinates": [x, y]}


def collection(tmp_path, *features, **more):
    """A feature collection in a file."""
    path = tmp_path / "masses.geojson"
    told = {"type": "FeatureCollection", "features": list(features)} | more
    path.write_text(json.dumps(told), "utf-8")
    return path


def projects(found):
    return [event.event for event in found.events if event.name == "project-added"]


def blob(x, y, *, order="<", envelope=0, dimensions=0, head=b"GP", srs=3879):
    """A point as a GeoPackage keeps it."""
    flags = (1 if order == "<" else 0) | envelope << 1
    extra = b"\0" * (0, 32, 48, 48, 64)[envelope]
    heights = [7.0] * (0, 1, 1, 2)[dimensions]
    wkb = struct.pack(
        f"{order}BI{2 + len(heights)}d", order == "<", 1 + 1000 * dimensions, x, y, *heights
    )
    return struct.pack(f"{order}2sBBi", head, 0, flags, srs) + extra + wkb


def package(tmp_path, rows, *, epsg=3879, layer="massat", more=""):
    """A GeoPackage with one layer of *rows*: a geometry and properties each."""
    path = tmp_path / "masses.gpkg"
    path.unlink(missing_ok=True)
    opened = sqlite3.connect(path)
    quoted = '"' + layer.replace('"', '""') + '"'
    opened.executescript(f"""
        CREATE TABLE gpkg_contents (table_name TEXT, data_type TEXT);
        CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT, srs_id INTEGER);
        CREATE TABLE gpkg_spatial_ref_sys (
            srs_id INTEGER, organization TEXT, organization_coordsys_id INTEGER);
        CREATE TABLE {quoted} (fid INTEGER PRIMARY KEY, geom BLOB, id TEXT, name TEXT,
            municipality TEXT, material TEXT, amount REAL, "from" TEXT, until TEXT);
        {more}
    """)
    opened.execute("INSERT INTO gpkg_contents VALUES (?, 'features')", [layer])
    opened.execute("INSERT INTO gpkg_geometry_columns VALUES (?, 'geom', ?)", [layer, epsg])
    opened.execute("INSERT INTO gpkg_spatial_ref_sys VALUES (?, 'EPSG', ?)", [epsg, epsg])
    for geometry, properties in rows:
        values = [geometry, *(GOOD | properties).values()]
        opened.execute(f"INSERT INTO {quoted} VALUES (NULL, ?,?,?,?,?,?,?,?)", values)
    opened.commit()
    opened.close()
    return path


@pytest.mark.parametrize("epsg", [4326, 4258, 3067, 3879])
def test_a_feature_collection_comes_in_in_any_system_it_names(tmp_path, mapping, epsg):
    """RFC 7946 in degrees, or with the older `crs` member, which may stand after the features."""
    more = {} if epsg == 4326 else {"crs": {"type": "name", "properties": {
        "name": f"urn:ogc:def:crs:EPSG::{epsg}"}}}  # fmt: skip
    file = collection(tmp_path, feature(point(*from_degrees(LON, LAT, epsg))), **more)
    found = read(file, mapping)
    assert not found.errors
    (project,) = projects(found)
    assert (project.lon, project.lat) == pytest.approx((LON, LAT), abs=1e-7)
    assert project.precision == "exact"
    assert found.events[1].event.quantity == 1200.5
    assert f"EPSG:{epsg}" in form_told(table_of(file, mapping))


def test_without_a_geometry_the_municipality_stands_for_it(tmp_path, mapping):
    """A null geometry is no fault."""
    (project,) = projects(read(collection(tmp_path, feature(None)), mapping))
    assert (project.municipality, project.lat) == ("091", None)


@pytest.mark.parametrize(
    ("geometry", "code"),
    [
        (point(LAT, LON), "coordinates_swapped"),
        (point(386409.8, 6671904.1), "coordinates_mismatched"),
        (point(23.7594, 61.4979), "coordinates_outside_region"),
        (point(float("1e308"), 60), "coordinates_mismatched"),
        ({"type": "Blob", "coordinates": [1, 2]}, "geometry_unreadable"),
        ({"type": "Point", "coordinates": ["a", "b"]}, "geometry_unreadable"),
        ({"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]}, "geometry_unreadable"),
        ({"type": "MultiPolygon", "coordinates": []}, "geometry_unreadable"),
        ({"type": "Polygon", "coordinates": 7}, "geometry_unreadable"),
        ([1, 2], "geometry_unreadable"),
    ],
)
def test_a_bad_geometry_is_told_by_its_feature_and_others_come_in(
    tmp_path, mapping, geometry, code
):
    """It is never guessed, and loses no other row."""
    good, bad = feature(point(LON, LAT)), feature(geometry, id="B")
    found = read(collection(tmp_path, good, bad), mapping)
    assert [(error.code, error.cell) for error in found.errors] == [(code, "feature 2, geometry")]
    assert len(projects(found)) == 1


def test_a_bad_property_is_told_by_its_feature_and_name(tmp_path, mapping):
    """As a cell of a sheet is."""
    found = read(collection(tmp_path, feature(point(LON, LAT), amount="many")), mapping)
    assert [error.cell for error in found.errors] == ["feature 1, amount"]


def test_a_point_much_nearer_to_another_municipality_is_asked_about(tmp_path, mapping):
    """It comes in, with a note that names both."""
    found = read(collection(tmp_path, feature(point(LON, LAT), municipality="092")), mapping)
    (note,) = [each for each in found.notes if each.code == "municipality_questioned"]
    assert "Helsinki" in note.text
    assert "Vantaa" in note.text
    assert len(projects(found)) == 1


@pytest.mark.parametrize(
    "text",
    [
        "{",
        '{"type": "FeatureCollection", "features": [',
        '{"type": "FeatureCollection", "features": [{"type": "Feature"} {}]}',
        '{"type": "FeatureCollection", "features": [7]}',
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": [1]}]}',
        '{"type": "FeatureCollection", "features": [NaN]}',
        '{"type": "FeatureCollection", "features": {}}',
        '{"type": "FeatureCollection", "features": []} tail',
        '{"type": "FeatureCollection", "features": [], "features": []}',
        '{"type": "FeatureCollection"}',
        '{"type": "Feature", "geometry": null, "properties": {}}',
        '{"type": "FeatureCollection", "crs": {"type": "link"}, "features": []}',
        '{"type": "FeatureCollection", "crs": "EPSG:2154", "features": []}',
        '{"type": "FeatureCollection", "features": [' + "[" * 200_000,
        '{"type": "FeatureCollection", "features": [{"type": "Feature", "properties": {"a":'
        + "9" * 5000 + "}}]}",
        "{1: 2}",
    ],
)  # fmt: skip
def test_what_is_no_geojson_is_refused_whole(tmp_path, mapping, text):
    """With a clear word, before anything is read of it."""
    file = tmp_path / "bad.geojson"
    file.write_text(text, "utf-8")
    with pytest.raises(BadTable, match=r"bad\.geojson"):
        read(file, mapping)
    file.write_bytes(b'{"type": "\xff"}')
    with pytest.raises(BadTable, match="UTF-8"):
        read(file, mapping)


def test_a_property_that_no_feature_has_is_named(tmp_path, mapping):
    """With those that there are; one that some features lack is an empty cell."""
    file = collection(tmp_path, {"type": "Feature", "geometry": None, "properties": {"id": "A"}})
    with pytest.raises(MissingColumns, match=r"name, .*have: id"):
        read(file, mapping)
    some = feature(None, id="B")
    del some["properties"]["amount"]
    found = read(collection(tmp_path, feature(None), some), mapping)
    assert [(error.row, error.code) for error in found.errors] == [(2, "missing")]


@pytest.mark.parametrize(
    ("geometry", "wanted"),
    [
        ({"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 2], [0, 2], [0, 0]]]}, (2, 1)),
        (
            {"type": "Polygon", "coordinates": [
                [[0, 0], [9, 0], [9, 6], [0, 6], [0, 0]],
                [[1, 1], [5, 1], [5, 5], [1, 5], [1, 1]],
            ]},
            (7, 3),
        ),
        (
            {"type": "MultiPolygon", "coordinates": [
                [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]],
                [[[10, 0], [14, 0], [14, 2], [10, 2], [10, 0]]],
            ]},
            (12, 1),
        ),
        ({"type": "LineString", "coordinates": [[0, 0], [1, 1], [2, 5]]}, (1, 1)),
        ({"type": "MultiPoint", "coordinates": [[0, 0], [1, 1], [9, 9]]}, (1, 1)),
        ({"type": "MultiLineString", "coordinates": [[[0, 0], [1, 1]], [[5, 5], [6, 6], [7, 7]]]},
         (6, 6)),
    ],
)  # fmt: skip
def test_one_point_stands_for_a_geometry_and_lies_inside(geometry, wanted):
    """Inside a polygon, not in its hole; inside the largest of several."""
    assert point_of(geometry) == pytest.approx(wanted)


def test_a_bent_polygon_is_met_inside_although_its_mean_is_outside():
    """The middle of a U is no part of it."""
    u = [[0, 0], [9, 0], [9, 9], [8, 9], [8, 1], [1, 1], [1, 9], [0, 9], [0, 0]]
    x, y = point_of({"type": "Polygon", "coordinates": [u]})
    assert 0 < x < 1 or 8 < x < 9
    assert 1 < y < 9


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("envelope", [0, 1, 4])
@pytest.mark.parametrize("dimensions", [0, 1, 3])
def test_a_geopackage_comes_in_in_any_form_of_its_geometry(
    tmp_path, mapping, order, envelope, dimensions
):
    """Byte order, envelope and heights as they come; x before y always."""
    x, y = from_degrees(LON, LAT, 3879)
    told = blob(x, y, order=order, envelope=envelope, dimensions=dimensions)
    found = read(package(tmp_path, [(told, {}), (None, {"id": "B"})]), mapping)
    assert not found.errors
    first, second = projects(found)
    assert (first.lon, first.lat) == pytest.approx((LON, LAT), abs=1e-7)
    assert second.lat is None


def wkb_polygon(ring):
    """A polygon in WKB behind a GeoPackage's head."""
    numbers = [axis for pair in ring for axis in pair]
    body = struct.pack(f"<BIII{len(numbers)}d", 1, 3, 1, len(ring), *numbers)
    return struct.pack("<2sBBi", b"GP", 0, 1, 3879) + body


def test_a_polygon_of_a_geopackage_is_what_it_is_in_geojson():
    """Rings and parts in their order."""
    ring = [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 0.0)]
    told = json.loads(geometry_in(wkb_polygon(ring), 3879))
    assert told == {"type": "Polygon", "coordinates": [[list(p) for p in ring]], "crs": 3879}
    one = wkb_polygon(ring)[8:]
    many = struct.pack("<2sBBi", b"GP", 0, 1, 3879) + struct.pack("<BII", 1, 6, 2) + one + one
    told = json.loads(geometry_in(many, 3879))
    assert (told["type"], len(told["coordinates"])) == ("MultiPolygon", 2)
    assert geometry_in(struct.pack("<2sBBi", b"GP", 0, 0b1_0001, 3879), 3879) == ""


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"GP",
        blob(1, 2, head=b"XX"),
        blob(1, 2)[:-1],
        blob(1, 2)[:9],
        struct.pack("<2sBBi", b"GP", 0, 1, 3879) + struct.pack("<BII", 1, 2, 0xFFFFFFFF),
        struct.pack("<2sBBi", b"GP", 0, 1, 3879) + struct.pack("<BII", 1, 7, 1),
        struct.pack("<2sBBi", b"GP", 0, 1, 3879) + struct.pack("<BI", 1, 9001),
        struct.pack("<2sBBi", b"GP", 0, 0b10_0001, 3879) + blob(1, 2)[8:],
        struct.pack("<2sBBi", b"GP", 0, 0b1111, 3879),
        struct.pack("<2sBBi", b"GP", 0, 1, 3879) + struct.pack("<BII", 1, 6, 1) * 500,
    ],
)
def test_a_broken_geometry_is_told_by_its_feature(tmp_path, mapping, broken):
    """And costs no more than its bytes."""
    with pytest.raises(BadGeometry):
        geometry_in(broken, 3879)
    found = read(package(tmp_path, [(broken, {})]), mapping)
    assert [(error.code, error.cell) for error in found.errors] == [
        ("geometry_unreadable", "massat!feature 1, geometry")
    ]


def test_a_layer_with_an_evil_name_is_a_name_only(tmp_path, mapping):
    """Whatever stands in a name, it is never run."""
    layer = 'massat"; DROP TABLE gpkg_contents; --'
    file = package(tmp_path, [(None, {})], layer=layer)
    before = file.read_bytes()
    assert len(projects(read(file, mapping, sheet=layer))) == 1
    assert file.read_bytes() == before
    with pytest.raises(BadTable, match="no layer 'other'"):
        read(file, mapping, sheet="other")


@pytest.mark.parametrize(
    "more",
    [
        """CREATE VIEW evil AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
           SELECT i AS id FROM n; INSERT INTO gpkg_contents VALUES ('evil', 'features');""",
        """CREATE VIRTUAL TABLE evil USING fts5(id);
           INSERT INTO gpkg_contents VALUES ('evil', 'features');""",
        "INSERT INTO gpkg_contents VALUES ('sqlite_master', 'features');",
        "INSERT INTO gpkg_contents VALUES ('missing', 'features');",
        """CREATE TABLE log (a); CREATE TRIGGER t AFTER INSERT ON gpkg_contents
           BEGIN INSERT INTO log VALUES (1); END;""",
    ],
)
def test_views_virtual_tables_and_triggers_are_left_alone(tmp_path, mapping, more):
    """Only plain tables are layers; the file stays as it was."""
    file = package(tmp_path, [(None, {})], more=more)
    before = file.read_bytes()
    assert len(projects(read(file, mapping))) == 1
    assert file.read_bytes() == before


def test_what_a_computed_column_would_run_is_refused(tmp_path, mapping):
    """A file may not make the reader work for it."""
    more = """
        CREATE TABLE big (fid INTEGER PRIMARY KEY, id TEXT AS (hex(zeroblob(fid * 9000000))));
        INSERT INTO big (fid) VALUES (1);
        INSERT INTO gpkg_contents VALUES ('big', 'features');
    """
    file = package(tmp_path, [(None, {})], more=more)
    with pytest.raises((BadTable, MissingColumns)):
        read(file, mapping, sheet="big")


def test_a_broken_package_is_refused_whole(tmp_path, mapping):
    """Cut short, another database, an unknown system."""
    file = package(tmp_path, [(None, {})] * 400)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(BadTable):
        read(file, mapping)
    file.write_bytes(whole[:16] + b"\xff" * 200)
    with pytest.raises(BadTable):
        read(file, mapping)
    other = tmp_path / "other.gpkg"
    sqlite3.connect(other).execute("CREATE TABLE t (a)").connection.close()
    with pytest.raises(BadTable, match="gpkg_contents"):
        read(other, mapping)
    with pytest.raises(BadTable, match="EPSG:2154"):
        read(package(tmp_path, [(None, {})], epsg=2154), mapping)


@pytest.mark.parametrize("language", ["fi", "sv", "en"])
def test_both_readings_are_told_in_the_readers_language(tmp_path, mapping, language):
    """What was written, and where it would lie."""
    east, north = from_degrees(LON, LAT, 3067)
    rows = [feature(point(*xy), id=str(id)) for id, xy in enumerate([(LAT, LON), (east, north)])]
    swapped, other = read(collection(tmp_path, *rows), mapping).errors
    assert "60.16820 N, 24.95290 E" in spoken(swapped, language)
    assert "EPSG:3067 60.16820 N, 24.95290 E" in spoken(other, language)
    away = read(collection(tmp_path, feature(point(23.7594, 61.4979))), mapping).errors[0]
    assert "61.49790 N, 23.75940 E" in spoken(away, language)
    assert f"{REGION.bounding_box[1]:g}…{REGION.bounding_box[3]:g} N" in spoken(away, language)
