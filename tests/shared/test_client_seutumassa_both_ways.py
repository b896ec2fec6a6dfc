"""SeutuMassa in and out: every code of every list, what comes back the same, and what is lost."""

import csv
import io
import json
from datetime import date

import pytest

from shared.client import prepare, read_mapping
from shared.client.crs import from_degrees
from shared.client.reading import events_of, table_of
from shared.client.seutumassa import (
    FIELDS,
    features,
    full_csv,
    lost_in_result,
    mass_rows,
    result_csv,
)
from shared.vocabulary.materials import MATERIALS
from shared.vocabulary.regions import shipped
from shared.vocabulary.tables import table
from shared.vocabulary.units import to_tonnes

REGION = shipped()["01"]
FACTS = table("seutumassa")
SURPLUS, NEED = "ylijäämä/kaivettava", "alijäämä/tarvittava"
X, Y = (round(axis, 3) for axis in from_degrees(24.9529, 60.1682, 3879))
ROW = {
    "maamassakohde_id": "7", "kunta": "091", "hankealue_id": "-1", "nimi": "Kuoppa", "osoite": "",
    "kohdetyyppi": "työmaa", "vaihe": "rakennussuunnittelu", "henkilo_organisaatio": "acme",
    "alku_pvm": "2031-05-01", "loppu_pvm": "2031-12-31", "maamassatieto_id": "71",
    "maamassan_tila": SURPLUS, "maamassan_ryhma": "hienorakeiset maalajit",
    "maamassan_laji": "savi", "amount_remaining": "12500", "amount_unit": "m3",
    "vertical_position": "-3", "varattu": "false", "planned_begin_date": "2031-06-01",
    "planned_end_date": "2031-08-31", "kelpoisuusluokkaryhma": "huono (u1-u4/tv)",
    "kelpoisuusluokka": "u2", "pilaantuneisuus": "pilaantumaton maa", "tiedon_luotettavuus": "B",
    "geom": json.dumps({"type": "Point", "coordinates": [X, Y]}),
}  # fmt: skip
MAPPINGS = {name: read_mapping(name) for name in ("seutumassa", "seutumassa-full")}
LISTS = {each["id"]: [v["id"] for v in each["values"]] for each in FACTS["fields"]}


def read(file, mapping="seutumassa-full"):
    """What *file* gives by the mapping."""
    found = MAPPINGS[mapping]
    return prepare(events_of(table_of(file, found), found, REGION, "1", organisation="acme"))


@pytest.fixture
def bring_in(tmp_path):
    """Reads rows of the whole field set, each told by what differs from `ROW`."""

    def bring_in(*rows, names=None):
        path = tmp_path / "rows.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            written = csv.writer(file, delimiter=";")
            written.writerow((names or {}).get(name, name) for name in ROW)
            for number, row in enumerate(rows):
                written.writerow((ROW | {"maamassatieto_id": str(number)} | row).values())
        return read(path)

    return bring_in


def lots(found):
    return [event.event for event in found.events if event.name == "forecast-updated"]


def exported(found):
    """What the events of *found* are as mass rows, once the registry holds them."""
    projects = {
        event.event.external_id: event.event
        for event in found.events
        if event.name == "project-added"
    }
    states = {
        id: {
            "external_id": id,
            "title": each.title,
            "window": _window(each) if each.available_from else None,
        }
        for id, each in projects.items()
    }
    told = [_state(lot, projects[lot.project]) for lot in lots(found)]
    return list(mass_rows(told, states, REGION))


def _window(each):
    return {"first": str(each.available_from), "last": str(each.available_to)}


def _state(lot, project):
    place = REGION.place(project.municipality)
    exact = project.lat is not None
    tonnes = to_tonnes(lot.quantity, lot.unit, lot.material)
    return lot.model_dump(mode="json", exclude_none=True) | {
        "forecast_id": f"id-{lot.external_id}",
        "project_id": lot.project,
        "organisation": "acme",
        "quantity": {"value": lot.quantity, "unit": lot.unit, "likely_t": tonnes.likely},
        "window": _window(lot),
        "site_kind": project.site_kind,
        "phase": project.phase,
        "place": {
            "municipality": place.code,
            "lat": project.lat if exact else place.lat,
            "lon": project.lon if exact else place.lon,
            "precision": "exact" if exact else "municipality",
        },
        "source": {"system": lot.source_system, "id": lot.source_id},
    }


def test_a_row_with_every_field_comes_back_as_it_was(bring_in):
    """Whole months, the point within a millimetre, the register's own row id."""
    (row,) = exported(bring_in({"maamassatieto_id": "71"}))
    assert {name: row.fields[name] for name in FIELDS} == {name: ROW[name] for name in FIELDS}
    assert row.losses == ()


CODES = [
    (name, code)
    for name in ("kunta", "kohdetyyppi", "vaihe", "maamassan_tila", "kelpoisuusluokka",
                 "kelpoisuusluokkaryhma", "pilaantuneisuus", "tiedon_luotettavuus",
                 "maamassan_laji", "maamassan_ryhma")
    for code in LISTS[name]
]  # fmt: skip


@pytest.mark.parametrize(("name", "code"), CODES)
def test_every_code_of_every_list_is_read_and_written_back(bring_in, name, code):
    """The code list of the register is whole in both directions."""
    alone = {
        "kelpoisuusluokkaryhma": {"kelpoisuusluokka": ""},
        "maamassan_ryhma": {"maamassan_laji": ""},
    }.get(name, {})
    found = bring_in({name: code, "geom": ""} | alone)
    assert not found.errors
    (row,) = exported(found)
    assert row.fields[name] == code
    assert not [loss for loss in row.losses if loss.field != "unit"]


@pytest.mark.parametrize("tila", [SURPLUS, NEED])
@pytest.mark.parametrize("laji", LISTS["maamassan_laji"])
@pytest.mark.parametrize("kohdetyyppi", ["työmaa", "välivarasto"])
@pytest.mark.parametrize("unit", ["m3", "t"])
def test_every_kind_keeps_its_amount_and_unit_both_ways(bring_in, tila, laji, kohdetyyppi, unit):
    """The state of a cubic metre is read from the row's kind, and written into the same kind."""
    told = {"maamassan_tila": tila, "maamassan_laji": laji, "kohdetyyppi": kohdetyyppi,
            "amount_unit": unit}  # fmt: skip
    found = bring_in(told)
    if found.errors:  # it has no weight in the structure, so only tonnes are taken
        assert [error.code for error in found.errors] == ["no_conversion_factor"]
        assert (unit, tila) == ("m3", NEED)
        return
    (row,) = exported(found)
    assert {name: row.fields[name] for name in told} == told
    assert row.fields["amount_remaining"] == "12500"
    assert not row.losses


@pytest.mark.parametrize(("told", "status"), [("true", "reserved"), ("false", "offered"),
                                              ("", "offered"), ("t", "reserved")])  # fmt: skip
def test_a_reserved_row_is_reserved_and_not_offered(bring_in, told, status):
    """`varattu` is kept, both ways."""
    found = bring_in({"varattu": told})
    (lot,) = lots(found)
    assert lot.status == status
    (row,) = exported(found)
    assert row.fields["varattu"] == ("true" if status == "reserved" else "false")


def test_months_are_those_of_helsinki(bring_in):
    """An instant in UTC before midnight of Finland is of the next month; milliseconds as well."""
    ms = "1938114000000"  # 2031-05-31T21:00:00Z
    for told in ("2031-05-31T21:00:00Z", "2031-05-31T21:00:00.000Z", ms, "2031-06", "6/2031"):
        (lot,) = lots(bring_in({"planned_begin_date": told, "planned_end_date": "2031-07"}))
        assert (lot.available_from, lot.available_to) == (date(2031, 6, 1), date(2031, 7, 31))


@pytest.mark.parametrize("written", ["12 500", "12\u00a0500", "12\u202f500", "12500"])
def test_thousands_marks_are_read(bring_in, written):
    """As the register's table shows them."""
    (lot,) = lots(bring_in({"amount_remaining": written}))
    assert lot.quantity == 12500


def test_the_names_of_the_database_are_understood(bring_in):
    """`maamassalaji` and its like are the form's `maamassan_laji`."""
    names = {"maamassan_laji": "maamassalaji", "maamassan_ryhma": "maamassaryhma",
             "maamassan_tila": "MAAMASSATILA"}  # fmt: skip
    (lot,) = lots(bring_in({}, names=names))
    assert (lot.material, lot.direction) == ("clay", "surplus")


def test_a_contradicting_group_of_suitability_is_told(bring_in):
    """The class holds, and the contradiction stands with the forecast."""
    (lot,) = lots(bring_in({"kelpoisuusluokkaryhma": "hyvä (s1-s3/h1-h2)"}))
    assert lot.quality == "U2"
    assert any("contradict" in text for text in lot.assumptions)


def test_rows_without_an_id_that_collide_are_reported(bring_in):
    """Never doubled and never merged in silence."""
    found = bring_in({"maamassatieto_id": ""}, {"maamassatieto_id": ""})
    assert [error.code for error in found.errors] == ["identity_repeated"]


def test_an_empty_unit_is_cubic_metres_and_flagged_and_metres_are_refused(bring_in):
    """A metre is no amount of mass."""
    (lot,) = lots(bring_in({"amount_unit": ""}))
    assert lot.unit == "m3ktr"
    assert any("no unit told" in text for text in lot.assumptions)
    assert [error.code for error in bring_in({"amount_unit": "m"}).errors] == ["unit_refused"]


def test_a_view_may_lack_what_the_form_does_not_require(tmp_path):
    """What it lacks is told; the required columns are asked for."""
    path = tmp_path / "view.csv"
    least = ("maamassakohde_id", "kunta", "maamassan_tila", "maamassan_laji", "amount_remaining",
             "amount_unit", "planned_begin_date", "planned_end_date")  # fmt: skip
    path.write_text(";".join(least) + "\n" + ";".join(ROW[name] for name in least), "utf-8")
    found = read(path)
    assert len(lots(found)) == 1
    assert {"varattu: not in the file"} <= {note.text for note in found.notes}


def test_the_19_columns_come_back_but_for_what_they_never_held(bring_in, tmp_path):
    """Every column is the search result's own; phase, grade and reservation are told as lost."""
    (row,) = exported(bring_in({"varattu": "true"}))
    path = tmp_path / "result.csv"
    path.write_text("".join(result_csv([row])), "utf-8-sig", newline="")
    header, values = csv.reader(io.StringIO(path.read_text("utf-8-sig")), delimiter=";")
    assert header == [each["title"] for each in FACTS["csv_columns"]]
    assert values[header.index("Kunta")] == "Helsinki"
    people = [name for name in header if name.startswith("Omistajan ")]
    assert [values[header.index(name)] for name in people] == ["", "", "", "acme"]
    assert {loss.field for loss in lost_in_result(row)} == {
        "vaihe", "varattu", "tiedon_luotettavuus", "kelpoisuusluokkaryhma", "vertical_position",
    }  # fmt: skip
    again = read(path, "seutumassa")
    assert not again.errors
    (project,) = [event.event for event in again.events if event.name == "project-added"]
    assert (project.lon, project.lat) == pytest.approx((24.9529, 60.1682), abs=1e-7)
    (back,) = exported(again)
    lost = {"varattu", "vaihe", "tiedon_luotettavuus", "vertical_position", "alku_pvm",
            "loppu_pvm", "maamassatieto_id"}  # fmt: skip
    for name in set(FIELDS) - lost:
        assert back.fields[name] == row.fields[name], name


def test_the_field_set_comes_back_through_csv_and_geojson(bring_in, tmp_path):
    """In EPSG:3879, which the collection says."""
    rows = exported(bring_in({"maamassatieto_id": "71"}, {"maamassatieto_id": "72"}))
    as_csv = tmp_path / "full.csv"
    as_csv.write_text("".join(full_csv(rows)), "utf-8-sig", newline="")
    assert exported(read(as_csv)) == rows
    as_json = tmp_path / "full.geojson"
    told = {
        "type": "FeatureCollection",
        "crs": {"type": "name", "properties": {"name": "urn:ogc:def:crs:EPSG::3879"}},
        "features": list(features(rows)),
    }
    as_json.write_text(json.dumps(told), "utf-8")
    assert exported(read(as_json)) == rows


@pytest.mark.parametrize("material", MATERIALS)
def test_every_material_has_a_word_there_or_is_told_as_lost(bring_in, material):
    """What comes back is the same material, or the loss names it."""
    found = bring_in({"amount_unit": "t"})
    (lot,) = lots(found)
    state = _state(lot.model_copy(update={"material": material}), found.events[0].event)
    (row,) = mass_rows([state], {}, REGION)
    (back,) = lots(bring_in({name: row.fields[name] for name in ROW}))
    assert back.material == material or "material" in {loss.field for loss in row.losses}


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"contamination": "P1"}, "contamination"),
        ({"acid_sulphate": "actual"}, "acid_sulphate"),
        ({"use": "noise_bund"}, "use"),
        ({"price_eur_per_t": -3}, "price_eur_per_t"),
        ({"window": {"first": "2031-06-02", "last": "2031-08-31"}}, "window"),
        ({"quantity": {"value": 10.5, "unit": "m3ktr", "likely_t": 16.8}}, "quantity"),
        ({"quantity": {"value": 10, "unit": "m3itd", "likely_t": 12.3}}, "unit"),
        ({"site_kind": "hazardous_reception"}, "site_kind"),
    ],
)
def test_what_it_cannot_hold_is_told_as_lost(bring_in, told, field):
    """By the forecast, the field and its value."""
    found = bring_in({})
    (lot,) = lots(found)
    (row,) = mass_rows([_state(lot, found.events[0].event) | told], {}, REGION)
    assert field in {loss.field for loss in row.losses}


def test_what_is_not_offered_is_left_out_and_a_formula_stays_text(bring_in):
    """Drafts and cancelled ones are nobody's offer."""
    found = bring_in({"nimi": "=1+1"})
    (lot,) = lots(found)
    state = _state(lot, found.events[0].event)
    assert not list(mass_rows([state | {"status": "cancelled"}], {}, REGION))
    text = "".join(full_csv(mass_rows([state], {lot.project: {"title": "=1+1"}}, REGION)))
    assert "'=1+1" in text
    assert ";-3;" in text


def test_a_row_of_ones_own_is_written_under_ones_own_id(bring_in):
    """So that reading it back is the same mass, also where it never came from there."""
    found = bring_in({})
    (lot,) = lots(found)
    state = _state(lot, found.events[0].event) | {"source": None}
    (own,) = mass_rows([state | {"external_id": "R-1/a"}], {}, REGION)
    del state["external_id"]
    (others,) = mass_rows([state], {}, REGION)
    assert own.fields["maamassatieto_id"] == "R-1/a"
    assert others.fields["maamassatieto_id"] == state["forecast_id"]
