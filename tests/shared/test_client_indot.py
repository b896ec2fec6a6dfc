"""Real earthwork quantities by their mapping: every row answered, no tonne lost."""

import csv
from collections import Counter
from datetime import date, timedelta

import pytest

from shared.client import Outgoing, prepare, read_events, read_mapping, region_from_csv
from shared.vocabulary.units import to_tonnes

COUNTIES = "fips,county,lat,lon\n91001,Ash,40.0,-86.0\n91003,Oak,40.5,-86.5\n91005,Elm,39.5,-85.5\n"
HEADER = (
    "project_id,letting_date,county,county_fips,job_desc,pay_item,description,quantity,unit,side,"
    "material_class,quantity_si,unit_si"
)
ROWS = """\
X -1-A,2031-01-31,Ash,91001,PIT DIGGING,203-1,"EXCAVATION, COMMON",1000.0,C.Y.,supply,common_soil,764.555,m3
X -1-A,2031-01-31,Ash,91001,PIT DIGGING,203-2,"EXCAVATION, PEAT",10.0,C.Y.,supply,common_soil,7.646,m3
X -1-A,2031-01-31,Ash,91001,PIT DIGGING,203-3,BORROW,1.0,C.Y.,need,fill_soil,0.765,m3
X -2-B,2031-02-28,"Oak, Elm",,BRIDGE HUGGING,616-1,"RIPRAP, REVETMENT",200.0,TON,need,riprap,181.437,t
X -3-C,2031-02-28,Various,,SIGN POLISHING,203-3,BORROW,50.0,C.Y.,need,fill_soil,38.228,m3
X -4-D,2031-02-28,"Oak, Various",,DITCHING,207-1,"EXCAVATION, WATERWAY",50.0,C.Y.,supply,waterway,38.228,m3
X -5-E,2031-02-28,Oak,91003,MOON LANDING,999-1,REGOLITH,50.0,C.Y.,supply,regolith,38.228,m3
"""  # noqa: E501

IN_PLACE = {"common_soil": 2.1, "rock": 2.7, "foundation_excavation": 2.1, "waterway": 1.8}
IN_STRUCTURE = {
    "fill_soil": 2.1 / 0.97,
    "granular_fill_B": 1.8 / 0.92,
    "structural_backfill": 1.95 / 0.95,
    "base_aggregate": 2.15,
    "topsoil": 1.45 / 0.95,
}
PEAT = 1.05
OURS = {
    "common_soil": "till",
    "rock": "rock_solid",
    "foundation_excavation": "till",
    "waterway": "silt",
    "fill_soil": "till",
    "granular_fill_B": "sand",
    "structural_backfill": "gravel",
    "base_aggregate": "crushed_rock",
    "topsoil": "topsoil",
    "riprap": "blasted_rock_loose",
}


def own_sums(path):
    """Tonnes by side and material, from the file's own SI columns and the densities of facts."""
    sums = Counter()
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            kind = row["material_class"]
            if row["county"] == "Various" or kind not in OURS:
                continue
            peat = "PEAT" in row["description"]
            factor = 1.0
            if row["unit_si"] == "m3":
                factor = PEAT if peat else (IN_PLACE | IN_STRUCTURE)[kind]
            side = {"supply": "surplus", "need": "need"}[row["side"]]
            material = "peat" if peat else OURS[kind]
            sums[side, material] += float(row["quantity_si"]) * factor
    return sums


def told_sums(events):
    """Tonnes by side and material of the forecasts told."""
    sums = Counter()
    for event in events:
        if event.name == "forecast-updated":
            told = event.event
            tonnes = to_tonnes(told.quantity, told.unit, told.material).likely
            sums[told.direction, told.material] += tonnes
    return sums


@pytest.fixture
def files(tmp_path):
    """A generated file of the same form, and its counties."""
    (tmp_path / "counties.csv").write_text(COUNTIES)
    (tmp_path / "items.csv").write_text(f"{HEADER}\n{ROWS}")
    return tmp_path / "items.csv", tmp_path / "counties.csv"


@pytest.fixture
def real(shared_data):
    """The real file and its counties."""
    folder = shared_data / "indot_earthwork_items"
    items = folder / "earthwork_items_2022_2024.csv"
    if not items.exists():
        pytest.skip("development data is absent: no indot_earthwork_items")
    return items, folder / "indiana_counties.csv"


def read(files, **options):
    items, counties = files
    region = region_from_csv(counties, "indiana-counties")
    return prepare(read_events(items, read_mapping("indot"), region, **options))


def test_a_region_is_made_of_a_table_of_counties(files):
    """Regions are data: nothing in code knows this one."""
    region = region_from_csv(files[1], "indiana-counties")
    assert (region.code, region.metric_crs, len(region.places)) == ("indiana", "EPSG:32616", 3)
    assert region.place("91003").name("fi") == "Oak"
    assert region.contains(40.0, -86.0)
    assert not region.contains(60.0, 25.0)


def test_generated_rows_are_each_told_or_refused(files):
    """Only a lone Various is refused for its place; several counties stand for their mean point."""
    found = read(files)
    assert found.counts == {"project-added": 3, "forecast-updated": 5}
    assert [(error.row, error.column, error.code) for error in found.errors] == [
        (6, "county", "place_unknown"),
        (8, "material_class", "code_unknown"),
    ]
    by_id = {event.event.external_id: event for event in found.events}
    bridge = by_id["X -2-B"]
    assert (bridge.event.municipality, bridge.event.precision) == ("91003", "municipality")
    assert (bridge.event.lat, bridge.event.lon) == (40.0, -86.0)
    assert by_id["X -4-D"].event.municipality == "91003"
    assert by_id["X -4-D"].event.lat is None


def test_what_the_file_does_not_tell_is_assumed_in_writing(files):
    """State of the cubic yard, window, contamination, waste status and own use."""
    by_id = {event.event.external_id: event.event for event in read(files).events}
    soil = by_id["X -1-A/203-1"]
    assert (soil.unit, soil.contamination, soil.contamination_basis) == ("m3ktr", "P0", "declared")
    assert (soil.waste_status, soil.acid_sulphate) == ("not_waste", "none")
    assert soil.available_from == date(2031, 1, 31) + timedelta(days=60)
    assert soil.available_to == date(2032, 1, 31)
    assert {text.split(":")[0] for text in soil.assumptions} >= {
        "material till", "a cubic yard of excavation is in place", "contamination P0", "not waste",
        "acid sulphate none", "invasive plants",
    }  # fmt: skip
    borrow = by_id["X -1-A/203-3"]
    assert (borrow.direction, borrow.unit, borrow.net_of_own_use) == ("need", "m3rtr", True)
    assert "upper bound" in " ".join(borrow.assumptions)
    riprap = by_id["X -2-B/616-1"]
    assert (riprap.unit, riprap.quantity) == ("t", pytest.approx(200 * 0.90718474))
    assert "cubic yard" not in " ".join(riprap.assumptions)
    assert by_id["X -1-A/203-2"].material == "peat"


def test_generated_tonnes_are_the_files_own(files):
    """What is told weighs what the file's own SI columns weigh."""
    told, own = told_sums(read(files).events), own_sums(files[0])
    assert set(told) == set(own)
    for key, tonnes in own.items():
        assert told[key] == pytest.approx(tonnes, rel=5e-4, abs=0.01), key


def test_every_real_row_is_told_or_refused_for_a_lone_various(real):
    """5 760 rows of 868 projects, split over six organisations."""
    with real[0].open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    lone = [row for row in rows if row["county"] == "Various"]
    found = read(real)
    assert found.counts["forecast-updated"] + found.rejected_rows == len(rows)
    assert found.rejected_rows == len(lone)
    assert {(error.column, error.value) for error in found.errors} == {("county", "Various")}
    placed = {row["project_id"] for row in rows} - {row["project_id"] for row in lone}
    assert found.counts["project-added"] == len(placed)
    assert len(found.by_organisation()) == 6
    assert not found.notes
    assert all(isinstance(event, Outgoing) for event in found.events)
    assert len({event.key for event in found.events}) == len(found.events)


def test_real_tonnes_by_material_and_side_are_the_files_own(real):
    """Within the rounding of the file's own SI columns, which have two decimals."""
    told, own = told_sums(read(real).events), own_sums(real[0])
    assert set(told) == set(own)
    for key, tonnes in own.items():
        assert told[key] == pytest.approx(tonnes, rel=1e-5), key
