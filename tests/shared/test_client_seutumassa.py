"""SeutuMassa's CSV by its mapping, and the sample region that comes in through it."""

import csv
from collections import Counter
from datetime import date

import pytest

from deploy.sample import drift, sample, sample_events
from deploy.sample.generator import COLUMNS
from shared.client import Outgoing, prepare, read_events, read_mapping
from shared.vocabulary.distance import SAME_PLACE_KM, road_km, straight_km
from shared.vocabulary.regions import shipped
from shared.vocabulary.tables import table
from shared.vocabulary.units import to_tonnes
from shared.vocabulary.uses import suited

TODAY = date(2031, 3, 14)
ROW = {
    "Kohteen id": "7",
    "Kohteen nimi": "Kuoppa",
    "Massan laji": "savi",
    "Massan ryhmä": "hienorakeiset maalajit",
    "Kelpoisuusluokka": "u2",
    "Pilaantuneisuus": "pilaantumaton maa",
    "Kohdetyyppi": "työmaa",
    "Maamassan tila": "ylijäämä/kaivettava",
    "Suunniteltu aikataulu (alku)": "2031-05-31T21:00:00Z",
    "Suunniteltu aikataulu (loppu)": "2031-08",
    "Massan määrä": "12\u202f500",
    "Massan yksikkö": "m3",
    "Omistajan nimi (massan)": "Veikko Virtuaalinen",
    "Omistajan sähköposti": "veikko@example.invalid",
    "Omistajan puhelinnumero": "000",
    "Omistajan organisaatio": "Kaivajat Oy",
    "Kunta": "Espoo",
}
NEED = "alijäämä/tarvittava"


@pytest.fixture
def read(tmp_path):
    """Reads rows, each told by what differs from `ROW`."""

    def read_rows(*rows):
        path = tmp_path / "export.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            written = csv.DictWriter(file, COLUMNS, delimiter=";")
            written.writeheader()
            for number, row in enumerate(rows):
                written.writerow(ROW | {"Kohteen id": str(number)} | row)
        known = {"kaivajat oy": "kaivajat"}
        mapping = read_mapping("seutumassa")
        return prepare(read_events(path, mapping, shipped()["01"], organisations=known))

    return read_rows


def forecasts(found):
    return [event.event for event in found.events if event.name == "forecast-updated"]


def test_a_mass_row_is_read_as_the_register_means_it(read):
    """Cubic metres in place, whole months of Helsinki, classes as ours, the rest not guessed."""
    found = read({})
    assert not found.errors
    (clay,) = forecasts(found)
    assert (clay.material, clay.direction, clay.quantity, clay.unit) == (
        "clay", "surplus", 12500.0, "m3ktr",
    )  # fmt: skip
    assert (clay.available_from, clay.available_to) == (date(2031, 6, 1), date(2031, 8, 31))
    assert (clay.quality, clay.contamination, clay.contamination_basis) == ("U2", "P0", "imported")
    assert (clay.acid_sulphate, clay.reliability, clay.use) == ("unknown", "unknown", None)
    assert clay.waste_status == "not_waste"
    assert any("not waste" in text for text in clay.assumptions)
    assert "savi" in (clay.note or "")


def test_no_personal_data_leaves_the_file(read):
    """Names, mail and telephone stay where they are."""
    told = b"".join(event.event.body() for event in read({}).events).decode()
    assert not any(word in told for word in ("Veikko", "veikko", "000"))


@pytest.mark.parametrize(
    ("row", "material", "unit"),
    [
        ({"Massan laji": "louhe"}, "rock_solid", "m3ktr"),
        ({"Massan laji": "Louhe", "Maamassan tila": NEED}, "blasted_rock_loose", "m3rtr"),
        ({"Massan laji": "louhe", "Kohdetyyppi": "välivarasto"}, "blasted_rock_loose", "m3itd"),
        ({"Massan laji": "betonimurske"}, "crushed_concrete", "m3itd"),
        ({"Massan laji": "betonimurske", "Maamassan tila": NEED}, "crushed_concrete", "m3rtr"),
        ({"Massan laji": "", "Massan ryhmä": "uusiomateriaalit"}, "recovered_unspecified", "m3itd"),
        ({"Massan laji": ""}, "cohesive_soil", "m3ktr"),
        ({"Massan yksikkö": "t"}, "clay", "t"),
        ({"Massan yksikkö": "Kuutio (m³)"}, "clay", "m3ktr"),
    ],
)
def test_cubic_metres_get_the_state_that_the_row_has(read, row, material, unit):
    """Surplus in place, need in the structure, recovered and stored ones loose."""
    (told,) = forecasts(read(row))
    assert (told.material, told.unit) == (material, unit)


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ({"Massan yksikkö": "m"}, "Massan yksikkö", "unit_refused"),
        ({"Massan laji": "", "Massan ryhmä": ""}, "Massan ryhmä", "missing"),
        ({"Massan laji": "hiesu"}, "Massan laji", "code_unknown"),
        ({"Pilaantuneisuus": "ehkä"}, "Pilaantuneisuus", "code_unknown"),
        ({"Kunta": "Tampere"}, "Kunta", "place_unknown"),
        ({"Omistajan organisaatio": "Muut Oy"}, "Omistajan organisaatio", "organisation_unknown"),
    ],
)
def test_what_is_not_known_is_refused_and_never_guessed(read, row, column, code):
    """Each with the cell it stands in."""
    found = read(row)
    assert [(error.column, error.code) for error in found.errors] == [(column, code)]


def test_empty_sites_are_counted_and_areas_told(read):
    """A site without mass rows is skipped; a store is an area, and what lies there a forecast."""
    empty = dict.fromkeys(
        ("Massan laji", "Massan ryhmä", "Maamassan tila", "Massan määrä", "Massan yksikkö"), ""
    )
    found = read(empty, empty | {"Kohdetyyppi": "välivarasto"}, {"Kohdetyyppi": "välivarasto"})
    assert found.skipped == {"a site without mass rows": 2}
    assert found.counts == {"area-updated": 2, "project-added": 1, "forecast-updated": 1}
    assert not found.errors


def test_the_mapping_says_what_the_vocabulary_says(read):
    """Every word of the register's lists is mapped as the facts map it."""
    for laji, meant in table("seutumassa")["map"]["maamassan_laji"].items():
        if not laji or "empty" in laji:
            continue
        for tila, wanted in (("ylijäämä/kaivettava", None), (NEED, meant.get("need_material"))):
            row = {"Massan laji": laji, "Maamassan tila": tila, "Massan yksikkö": "t"}
            (told,) = forecasts(read(row))
            assert told.material == (wanted or meant["material"]), laji
            assert told.material_subtype == meant.get("subtype"), laji


@pytest.fixture
def region_99(tmp_path):
    """The sample on a day, and its events."""
    found = sample(TODAY)
    return found, sample_events(found, tmp_path / "sample.csv")


def test_the_sample_is_the_same_for_the_same_day(region_99, tmp_path):
    """Nothing in it depends on anything but seed and day."""
    again = sample(TODAY)
    assert again.spreadsheet == region_99[0].spreadsheet
    events = sample_events(again, tmp_path / "again.csv")
    assert [event.key for event in events] == [event.key for event in region_99[1]]


def test_the_sample_comes_in_through_the_mapping_whole(region_99):
    """Every mass row of its spreadsheet is a forecast of as many cubic metres."""
    found, events = region_99
    rows = list(csv.DictReader(found.spreadsheet.splitlines(), delimiter=";"))
    masses = [row for row in rows if row["Massan määrä"]]
    told = [event.event for event in events if event.source == "import:seutumassa"]
    assert len(rows) - len(masses) == 2
    amounts = Counter(float(row["Massan määrä"].replace(" ", "")) for row in masses)
    assert Counter(event.quantity for event in told if hasattr(event, "quantity")) == amounts


def test_the_sample_is_a_region_worth_looking_at(region_99):
    """A dozen organisations and areas, sixty projects in every municipality, months to come."""
    found, events = region_99
    counts = Counter(event.name for event in events)
    assert len(found.organisations) == counts["area-updated"] == 12
    assert 55 <= counts["project-added"] <= 60
    assert 160 <= counts["forecast-updated"] <= 220
    projects = [event.event for event in events if event.name == "project-added"]
    assert {project.municipality for project in projects} == {
        place.code for place in shipped()["99"].places
    }
    assert {project.region for project in projects} == {"99"}
    lots = forecasts(prepare(events))
    assert min(lot.available_from for lot in lots) >= date(2031, 3, 1)
    assert max(lot.available_to for lot in lots) <= date(2032, 8, 31)
    tokens = {each.token for each in found.organisations}
    assert {event.organisation for event in events} <= tokens
    people = [person for each in found.organisations for person in each.members]
    assert all(person.email.endswith("@example.invalid") for person in people)
    assert sum("regional_coordinator" in person.roles for person in people) == 1
    assert all(any("coordinator" in p.roles for p in each.members) for each in found.organisations)


def test_the_sample_has_far_more_clay_than_anyone_needs(region_99):
    """As a real region has."""
    tonnes = Counter()
    for lot in forecasts(prepare(region_99[1])):
        likely = to_tonnes(lot.quantity, lot.unit, lot.material).likely
        tonnes[lot.direction, lot.material] += likely
    assert tonnes["surplus", "clay"] > 2 * tonnes["need", "clay"] > 0


def test_many_needs_of_the_sample_have_someone_who_may_serve_them(region_99):
    """Lawful material, windows that overlap, 60 km by road: at least forty needs."""
    events = region_99[1]
    where = {
        (event.organisation, event.event.external_id): shipped()["99"].place(
            event.event.municipality
        )
        for event in events
        if event.name == "project-added"
    }
    lots = [event for event in events if event.name == "forecast-updated"]

    def fits(giver: Outgoing, taker: Outgoing) -> bool:
        offered, wanted = giver.event, taker.event
        way = suited(offered.material, need_material=wanted.material, use=wanted.use)
        here, there = (where[each.organisation, each.project] for each in (giver, taker))
        straight = straight_km(here.lat, here.lon, there.lat, there.lon)
        return (
            way.verdict in ("pass", "conditional")
            and not way.processing
            and offered.contamination == "P0"
            and offered.available_from <= wanted.available_to
            and wanted.available_from <= offered.available_to
            and road_km(max(SAME_PLACE_KM, straight)) <= 60
        )

    givers = [lot for lot in lots if lot.event.direction == "surplus"]
    takers = [lot for lot in lots if lot.event.direction == "need"]
    assert sum(any(fits(giver, taker) for giver in givers) for taker in takers) >= 40


def test_drift_changes_one_forecast_a_little_at_each_step(region_99):
    """The same for the same step; always around what was told at first."""
    events = region_99[1]
    first = {event.event.external_id: event.event for event in events if event.project}
    for step in range(40):
        told = drift(events, step)
        assert told.key == drift(events, step).key
        before = first[told.event.external_id]
        assert told.event.model_copy(update={"quantity": before.quantity}) == before
        assert 0.84 * before.quantity <= told.event.quantity <= 1.16 * before.quantity
    assert len({drift(events, step).key for step in range(40)}) == 40
