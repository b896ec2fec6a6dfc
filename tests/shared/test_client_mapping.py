"""A mapping: its faults told at once, and each row answered."""

from datetime import date

import pytest
import yaml

from shared.client import (
    BadMapping,
    Note,
    Outgoing,
    RowError,
    events_from_jsonl,
    prepare,
    read_events,
    read_mapping,
    shipped_mappings,
)
from shared.vocabulary.regions import shipped

REGION = shipped()["99"]
MAPPING = """
name: little
file: {dates: [d.m.yyyy, m/yyyy]}
skip:
  - if: {amount: {is: empty}}
    because: no masses
organisation: {column: whose, table: {Us: acme, Them: brink}}
project:
  external_id: {column: site}
  title: {template: "{site} of {whose}"}
  place: {code: {column: code}, name: {column: town}, separator: "+", nowhere: [Somewhere]}
forecast:
  external_id: {template: "{site}/{soil}/{way}"}
  direction: {column: way, table: {out: surplus, in: need}}
  material:
    column: soil
    table:
      clay: clay
      sand: {value: sand, assume: "sand is sand"}
      rock:
        choose:
          - {if: {way: out}, then: rock_solid}
          - {if: {note: {contains: loose}}, then: blasted_rock_loose}
      crush: crushed_rock
  quantity: {column: amount}
  measure: {column: measure}
  unit: {column: way, table: {out: {value: m3ktr, assume: in place}, in: m3rtr}}
  available_from: {column: from, to: first of month}
  available_to: {column: to, to: last of month, plus: {months: 1}}
  quality: {column: quality, empty: unknown}
assumptions: ["all is invented", {if: {way: out}, text: "it goes out"}]
"""
HEADER = "whose;site;code;town;soil;way;amount;measure;from;to;quality;note"
GOOD = "Us;A1;;Espoo;clay;out;1 000,5;m3;3.5.2027;7/2027;u2;"


@pytest.fixture
def mapping(tmp_path):
    """The little mapping, read."""
    file = tmp_path / "little.yaml"
    file.write_text(MAPPING)
    return read_mapping(file)


@pytest.fixture
def read(tmp_path, mapping):
    """Reads rows by the little mapping."""

    def read_rows(*rows, region=REGION, **options):
        file = tmp_path / "rows.csv"
        file.write_text("\n".join((HEADER, *rows)), "utf-8")
        return list(read_events(file, mapping, region, edition="1", **options))

    return read_rows


def test_a_row_becomes_a_project_and_a_forecast(read):
    """The project is told once, before its first forecast; places, dates and units are ours."""
    project, forecast, second = read(GOOD, GOOD.replace("clay", "sand").replace("m3;", "t;"))
    assert (project.name, project.organisation, project.source) == (
        "project-added", "acme", "import:little",
    )  # fmt: skip
    assert project.event.municipality == "049"
    assert project.event.lat is None
    told = forecast.event
    assert (told.project, told.external_id) == ("A1", "A1/clay/out")
    assert (told.quantity, told.unit, told.quality) == (1000.5, "m3ktr", "U2")
    assert (told.available_from, told.available_to) == (date(2027, 5, 1), date(2027, 8, 31))
    assert told.assumptions == ("all is invented", "it goes out", "in place")
    assert second.event.unit == "t"
    assert second.event.assumptions == ("all is invented", "it goes out", "sand is sand")


@pytest.mark.parametrize(
    ("change", "column", "code"),
    [
        (("Us;", "You;"), "whose", "code_unknown"),
        (("Us;", ";"), "whose", "organisation_missing"),
        (("Espoo", "Atlantis"), "town", "place_unknown"),
        (("Espoo", "Somewhere"), "town", "place_unknown"),
        (("Espoo", ""), "town", "place_missing"),
        (("clay", "mud"), "soil", "code_unknown"),
        (("clay", ""), "soil", "missing"),
        (("clay;out", "rock;in"), "way", "no_case_fits"),
        (("out", "sideways"), "way", "code_unknown"),
        (("1 000,5", "some"), "amount", "not_a_number"),
        (("1 000,5", "1,234"), "amount", "not_a_number"),
        (("1 000,5", "-5"), "amount", "invalid"),
        ((";m3;", ";m;"), "measure", "unit_refused"),
        (("3.5.2027", "2027"), "from", "not_a_date"),
        (("7/2027", "1/2027"), "to", "window_reversed"),
        (("u2", "u9"), "quality", "not_a_quality"),
        (("clay;out", "crush;out"), "way", "no_in_situ_state"),
        ((";u2;", ";u2;;more"), "", "row_too_long"),
    ],
)
def test_a_bad_cell_is_told_with_its_place_and_remedy(read, change, column, code):
    """Row, column, value, stable code and what to do; and nothing of the row is handed in."""
    items = read(GOOD.replace(*change))
    assert all(isinstance(item, RowError) for item in items)
    (error,) = items
    assert (error.row, error.code) == (2, code)
    assert error.column == column or code == "no_case_fits"
    assert error.text


def test_every_fault_of_a_row_is_told_at_once(read):
    """A person mends a row once."""
    items = read("You;A1;;Atlantis;mud;out;some;m3;when;7/2027;u9;")
    assert {item.column for item in items} == {"whose", "town", "soil", "amount", "from", "quality"}


def test_rows_left_out_on_purpose_are_counted(read):
    """A skipped row has its reason."""
    found = prepare(read(GOOD, "Us;A2;;Espoo;clay;out;;;;;;", GOOD.replace("A1", "A3")))
    assert found.skipped == {"no masses": 1}
    assert found.counts == {"project-added": 2, "forecast-updated": 2}


def test_an_identity_that_stands_twice_is_a_collision(read):
    """The second row is refused and names the first."""
    _, _, error = read(GOOD, GOOD)
    assert (error.row, error.code) == (3, "identity_repeated")
    assert "Row 2" in error.text


def test_a_project_told_two_ways_is_told_as_first_read(read):
    """What differs is reported; the first row holds."""
    items = read(GOOD, GOOD.replace("clay", "sand").replace("Espoo", "Vantaa"))
    assert [type(item) for item in items] == [Outgoing, Outgoing, Note, Outgoing]
    assert items[2].code == "project_differs"
    assert "municipality" in items[2].text


def test_places_are_found_by_code_name_and_several(read):
    """A leading zero may be eaten; several places stand for their mean point, and say so."""
    bare, swedish, several, beside = (
        read(GOOD.replace(";;Espoo", told))
        for told in (";49;", ";;esbo", ";;Espoo+Vantaa", ";;Espoo+Somewhere")
    )
    assert bare[0].event.municipality == swedish[0].event.municipality == "049"
    project, forecast = several
    assert (project.event.municipality, project.event.precision) == ("049", "municipality")
    assert project.event.lat == pytest.approx((60.2063 + 60.2937) / 2)
    assert "mean point of 2 places" in forecast.event.assumptions[-2]
    assert "Somewhere is left out" in "".join(beside[1].event.assumptions)


def test_an_organisation_that_is_told_stands_in_for_the_column(read):
    """A company that imports its own file need not be in a table."""
    assert {item.organisation for item in read(GOOD, organisation="zeta")} == {"zeta"}


def test_the_same_file_gives_the_same_ids_and_a_changed_row_another(read):
    """A repeated import is told once; a row that changed is news."""
    first, again = read(GOOD), read(GOOD)
    changed = read(GOOD.replace("1 000,5", "900"))
    assert [event.key for event in first] == [event.key for event in again]
    assert changed[0].key == first[0].key
    assert changed[1].key != first[1].key


def test_a_value_that_changes_back_is_told_again(tmp_path, mapping):
    """A later state of a file has ids of its own, also where it equals an earlier one."""
    file = tmp_path / "rows.csv"
    file.write_text(f"{HEADER}\n{GOOD}")
    monday, wednesday = (
        [event.key for event in read_events(file, mapping, REGION, edition=day)]
        for day in ("monday", "wednesday")
    )
    assert not set(monday) & set(wednesday)


def test_a_file_is_read_as_a_stream(tmp_path, mapping):
    """The first event is there before the last row was read."""
    file = tmp_path / "rows.csv"
    rows = (GOOD.replace("A1", f"A{number}") for number in range(50_000))
    file.write_text("\n".join((HEADER, *rows)))
    events = read_events(file, mapping, REGION)
    assert next(events).event.external_id == "A0"
    events.close()


@pytest.mark.parametrize("name", sorted({*shipped_mappings()} - {"indiana-counties"}))
def test_shipped_mappings_can_be_read(name):
    """They have no fault of their own."""
    assert read_mapping(name).columns


def test_every_fault_of_a_mapping_is_told_at_once(tmp_path):
    """Each with its place, so that a data manager mends the file once."""
    told = yaml.safe_load(MAPPING)
    told["forecast"] |= {"material": "mud", "usage": "x", "unit": {"table": {}}}
    told["forecast"]["available_to"] = {"column": "to", "to": "end of month"}
    del told["forecast"]["quantity"], told["project"]["title"]
    told["project"]["place"] = {"lat": "north"}
    told["file"] = {"dates": "dd.mm", "time_zone": "Mars/North", "encodign": "x"}
    told["skip"] = [{"if": {"amount": {"is": "heavy"}}, "because": "x"}]
    told["colour"] = "blue"
    file = tmp_path / "bad.yaml"
    file.write_text(yaml.safe_dump(told))
    with pytest.raises(BadMapping) as raised:
        read_mapping(file)
    for place in (
        "forecast.material", "forecast.usage", "forecast.unit", "forecast.available_to.to",
        "forecast.quantity", "project.title", "project.place.lat", "project.place: say code",
        "file.dates", "file.time_zone", "file.encodign", "skip[1].if.amount", "mapping.colour",
    ):  # fmt: skip
        assert place in str(raised.value)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name: a\nname: b", "stands twice"),
        ("name: [", "not YAML"),
        ("- a", "names and values"),
    ],
)
def test_a_file_that_is_no_mapping_is_refused(tmp_path, text, why):
    """A key that stands twice would win in silence."""
    file = tmp_path / "bad.yaml"
    file.write_text(text)
    with pytest.raises(BadMapping, match=why):
        read_mapping(file)


def test_a_mapping_that_is_not_there_names_those_that_are():
    """The remedy is in the refusal."""
    with pytest.raises(BadMapping, match="indot, seutumassa"):
        read_mapping("indiana")


def test_events_written_one_a_line_are_read_with_their_faults(tmp_path):
    """A bad line is told with its number; the others go on."""
    file = tmp_path / "events.jsonl"
    file.write_text(
        """
{"event": "project-added", "data": {"external_id": "P1", "title": "Pit"}, "id": "mine"}
{"type": "intake.project-withdrawn.v1", "data": {"external_id": "P1"}}
{"event": "project-blessed", "data": {}}
{"event": "project-added", "data": {"external_id": "P1", "name": "Pit"}}
{"event": "project-added"
[1]
"""
    )
    items = list(events_from_jsonl(file, "acme"))
    events = [item for item in items if isinstance(item, Outgoing)]
    assert [(event.name, event.row) for event in events] == [
        ("project-added", 2),
        ("project-withdrawn", 3),
    ]
    assert (events[0].id, events[0].source) == ("mine", "emit:events.jsonl")
    errors = [(item.row, item.column, item.code) for item in items if isinstance(item, RowError)]
    assert errors == [
        (4, "event", "event_unknown"),
        (5, "/data/title", "missing"),
        (5, "/data/name", "extra_forbidden"),
        (6, "", "not_json"),
        (7, "", "not_an_object"),
    ]
