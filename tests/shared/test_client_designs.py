"""A folder of design files becomes a project with its surplus and its needs."""

from datetime import date
from pathlib import Path

import pytest

from shared.client.designs import (
    Assumed,
    NoPlace,
    Window,
    measure,
    municipality_of,
    place_of,
    read_surfaces,
    tell,
)
from shared.client.landxml import DesignRefused
from shared.client.outgoing import prepare
from shared.client.said import said, spoken
from shared.contracts.intake import HandedProject
from shared.vocabulary.distance import straight_km
from shared.vocabulary.regions import shipped
from tests.designs import landxml, sheet, surface_xml, write_road

WINDOW = Window(date(2031, 5, 1), date(2031, 9, 30))
PROJECT = HandedProject(external_id="K1", title="Katu", region="06", municipality="837")


def told(folder, assumed=None, **how):
    model = read_surfaces([folder], **how)
    items = tell(measure(model), model, PROJECT, "acme", WINDOW, assumed or Assumed())
    return prepare(items)


def masses(prepared):
    return {event.event.external_id: event.event for event in prepared.events[1:]}


def test_a_street_is_cut_rock_fill_and_layers(tmp_path):
    """Down 2 m, up 1 m over 100 m: the known answer of each volume."""
    found = measure(read_surfaces([write_road(tmp_path)]))
    assert found.earth.above == pytest.approx(2 * (200 / 3) / 2 * 10, rel=1e-5)
    assert found.earth.below == pytest.approx(1 * (100 / 3) / 2 * 10, rel=1e-5)
    assert found.layers.above == pytest.approx(1000, rel=1e-5)
    assert found.rock[0] == pytest.approx(1.5 * 50 / 2 * 10, rel=1e-5)
    assert found.rock[3] == pytest.approx(500)


def test_the_masses_carry_state_method_reliability_and_what_was_assumed(tmp_path):
    prepared = told(write_road(tmp_path))
    project = prepared.events[0].event
    assert (project.lat, project.lon) == pytest.approx((61.498, 23.757), abs=1e-3)
    found = masses(prepared)
    assert {
        name: (each.direction, each.material, each.quantity, each.unit)
        for name, each in found.items()
    } == {
        "K1:soil": ("surplus", "till", 291.7, "m3ktr"),
        "K1:rock": ("surplus", "rock_solid", 375.0, "m3ktr"),
        "K1:fill": ("need", "friction_soil", 166.7, "m3rtr"),
        "K1:layers": ("need", "crushed_rock", 1000.0, "m3rtr"),
    }
    assert {(each.method, each.reliability) for each in found.values()} == {("model", "B")}
    soil = found["K1:soil"]
    assert soil.low < soil.quantity < soil.high
    assert any("till, as the model does not tell it" in each for each in soil.assumptions)
    assert any("no topsoil stripped" in each for each in soil.assumptions)
    assert any("surveyed on 500 m2 of 1000 m2" in each for each in soil.assumptions)


def test_what_is_told_is_no_assumption(tmp_path):
    assumed = Assumed(soil="clay", reliability="A", told=frozenset({"soil"}))
    soil = masses(told(write_road(tmp_path), assumed))["K1:soil"]
    assert (soil.material, soil.reliability) == ("clay", "A")
    assert not any("clay" in each for each in soil.assumptions)


def test_the_same_files_again_are_the_same_events_and_an_edition_is_not(tmp_path):
    first = told(write_road(tmp_path / "a"))
    again = told(write_road(tmp_path / "b"))
    later = told(write_road(tmp_path / "c", depth=3.0))
    assert [each.key for each in first.events] == [each.key for each in again.events]
    assert masses(first).keys() == masses(later).keys()
    assert {each.key for each in first.events}.isdisjoint(each.key for each in later.events)


def test_a_surface_of_another_layer_is_left_out_and_told(tmp_path):
    model = read_surfaces([write_road(tmp_path)])
    assert [note.code for note in model.left_out] == ["design_surface_unused"]
    assert sorted(one.role for one in model.named) == ["highest", "lowest", "rock", "terrain"]


def test_a_role_may_be_told_by_file(tmp_path):
    roles = {"Kallio.xml": "terrain", "Maa*": "rock"}
    found = measure(read_surfaces([write_road(tmp_path)], roles=roles))
    assert found.earth.area == pytest.approx(500)


def test_without_rock_or_highest_there_are_fewer_masses(tmp_path):
    folder = write_road(tmp_path)
    (folder / "9004 Terrain/Kallio.xml").unlink()
    (folder / "2010 Highest/Katu.xml").unlink()
    found = masses(told(folder))
    assert found.keys() == {"K1:soil", "K1:fill"}
    assert any("no rock surface" in each for each in found["K1:soil"].assumptions)


def test_ground_that_ends_too_soon_is_told_and_widens_the_bounds(tmp_path):
    folder = write_road(tmp_path)
    whole = masses(told(folder))["K1:soil"]
    narrow = surface_xml(*sheet(lambda x, y: 10, (-20, 120), (-20, 8)), "Maa", "1")
    (folder / "9004 Terrain/Maanpinta.xml").write_bytes(landxml(narrow))
    soil = masses(told(folder))["K1:soil"]
    assert soil.quantity == pytest.approx(whole.quantity * 0.8, abs=0.1)
    assert soil.high == pytest.approx(whole.high, abs=0.1)
    assert any("no terrain under 200 m2" in each for each in soil.assumptions)


def change(name, content):
    def go(folder):
        (folder / name).write_bytes(content)

    return go


def remove(name):
    return lambda folder: (folder / name).unlink()


STRIP = sheet(lambda x, y: 9, (0, 100), (0, 10))
FAR = surface_xml(*sheet(lambda x, y: 10, (5000, 5100), (0, 10)), "Maa", "1")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (remove("2012 Lowest/Katu.xml"), "design_surface_missing"),
        (remove("9004 Terrain/Maanpinta.xml"), "design_surface_missing"),
        (
            change("2012 Lowest/Katu_rev1.xml", landxml(surface_xml(*STRIP, "Katu", "201200"))),
            "design_surfaces_overlap",
        ),
        (change("9004 Terrain/Maanpinta.xml", landxml(FAR)), "design_surfaces_apart"),
        (
            change(
                "9004 Terrain/Maanpinta.xml",
                landxml(FAR, epsg=None).replace(b"> 24", b">").replace(b" 2449", b" 2549"),
            ),
            "design_crs_differs",
        ),
    ],
)
def test_surfaces_that_do_not_belong_together_are_refused(tmp_path, spoil, code):
    folder = write_road(tmp_path)
    spoil(folder)
    with pytest.raises(DesignRefused) as refused:
        measure(read_surfaces([folder]))
    assert refused.value.code == code


def test_a_folder_without_design_files_says_so(tmp_path):
    with pytest.raises(DesignRefused, match=r"Give \.xml files"):
        read_surfaces([tmp_path])


def test_the_municipality_is_the_nearest_unless_it_is_told(tmp_path):
    """It is derived with a note; one told that lies much farther is kept, and asked about."""
    write_road(tmp_path)
    model, regions = read_surfaces([tmp_path]), shipped()
    home = next(each for each in regions.values() if each.contains(*place_of(model)))
    code, about = municipality_of(model, home, None)
    assert about.code == "municipality_derived"
    assert code in spoken(about.text, "sv")
    assert municipality_of(model, home, code) == (code, None)
    lat, lon = place_of(model)
    far = max(home.places, key=lambda each: straight_km(lat, lon, each.lat, each.lon))
    told, about = municipality_of(model, home, far.code)
    assert (told, about.code) == (far.code, "municipality_questioned")
    assert "tarkista" in spoken(about.text, "fi")


@pytest.mark.parametrize("told", [None, "837"])
def test_a_design_outside_of_its_region_is_refused_before_it_is_sent(tmp_path, told):
    """With what to do, in the reader's language; the registry would refuse it."""
    write_road(tmp_path)
    model = read_surfaces([tmp_path])
    away = next(each for each in shipped().values() if not each.contains(*place_of(model)))
    with pytest.raises(NoPlace) as error:
        municipality_of(model, away, told)
    assert "massakoppi region" in spoken(said(error.value), "fi")


@pytest.fixture(scope="module")
def road(shared_data: Path):
    """The surfaces of a real road and its side roads."""
    folder = shared_data / "inframodel_M3_road" / "M3_Road"
    if not folder.is_dir():
        pytest.skip("development data is absent: inframodel_M3_road")
    return read_surfaces([folder])


def test_a_real_road_measures_as_the_reference(road):
    """Cut and layers within 1 % of what was sampled on a grid, and all else as well."""
    found = measure(road)
    assert found.earth.above == pytest.approx(7870, rel=0.01)
    assert found.rock[0] == pytest.approx(442, rel=0.01)
    assert found.earth.below == pytest.approx(844, rel=0.01)
    assert found.layers.above == pytest.approx(10_088, rel=0.01)
    assert found.lowest_m2 == pytest.approx(22_816, rel=0.001)
    assert found.uncovered_m2 == pytest.approx(160, abs=5)


def test_a_real_road_lies_where_it_lies(road):
    lat, lon = place_of(road)
    assert 61.152 < lat < 61.158
    assert 21.561 < lon < 21.583
    assert road.epsg == 3875
