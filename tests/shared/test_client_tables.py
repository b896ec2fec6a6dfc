"""A CSV as it comes: its form is found, or what two would read differently is told."""

import csv
import io
from zoneinfo import ZoneInfo

import pytest

from shared.client import BadTable, Form, Prepared, RowError, open_table, prepare, read_mapping
from shared.client.cells import date_in, marks_of
from shared.client.errors_table import errors_csv, errors_xlsx
from shared.client.reading import events_of, form_told, table_of
from shared.client.template import NoSuchLanguage, headings, template
from shared.client.texts import spoken
from shared.client.words import LANGUAGES, labels, words_of
from shared.vocabulary.regions import shipped

REGION = shipped()["99"]
GOOD = {
    "Project ID": "P1", "Project name": "Katu", "Municipality": "49", "Mass ID": "1",
    "Surplus or need": "surplus", "Material": "clay", "Quality class": "U2",
    "Contamination": "P0", "Quantity": 1200.5, "Unit": "m3ktr", "From": "1.5.2027",
    "Until": "9/2027",
}  # fmt: skip


def written(file, rows, *, encoding="utf-8", delimiter=";", language="en"):
    """*rows* as CSV under the template's headings."""
    titles = headings(language)
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter)
    writer.writerow(titles.values())
    writer.writerows([row.get(column, "") for column in titles] for row in rows)
    file.write_text(text.getvalue(), encoding, newline="")
    return file


def read(file, **options) -> Prepared:
    """What *file* gives by the template's mapping."""
    mapping = read_mapping("template")
    table = table_of(file, mapping)
    return prepare(events_of(table, mapping, REGION, "1", organisation="acme", **options))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_usual_export_is_read_and_its_form_told(tmp_path, encoding, delimiter, language):
    """Encoding, delimiter, header row, decimal mark and dates, as they were found."""
    row = GOOD | {"Quantity": "1\u00a0200,5", "Project name": "Mäkikatu, länsi"}
    file = written(tmp_path / "m.csv", [row], encoding=encoding, delimiter=delimiter,
                   language=language)  # fmt: skip
    found = read(file)
    assert found.errors == []
    assert found.events[1].event.quantity == 1200.5
    told = form_told(table_of(file, read_mapping("template")))
    mark = "tab" if delimiter == "\t" else delimiter
    assert f"cells parted by {mark}, header in row 1, decimal comma" in told


@pytest.mark.parametrize(
    ("others", "read_as"),
    [(["12,5"], 1.234), (["12.5"], 1234.0), (["1.234,5"], 1.234), (["2 000"], None), ([], None),
     (["12,5", "12.5"], None)],
)  # fmt: skip
def test_the_other_numbers_of_the_file_say_what_the_comma_means(tmp_path, others, read_as):
    """1,234 is 1.234 in a file that writes 12,5; with no sign, or both, it is refused."""
    told = ["1,234", *others]
    rows = [GOOD | {"Mass ID": str(n), "Quantity": one} for n, one in enumerate(told)]
    found = read(written(tmp_path / "m.csv", rows))
    if read_as is None:
        assert found.errors[0].code == "not_a_number"
        assert "1234 or 1.234" in found.errors[0].text
        assert found.errors[0].cell == "R2"
    else:
        assert found.events[1].event.quantity == read_as


@pytest.mark.parametrize(
    ("others", "day"),
    [(["31/5/2027"], "2027-04-03"), (["5/31/2027"], "2027-03-04"), (["31.5.2027"], None)],
)
def test_the_other_days_of_the_file_say_which_part_is_the_month(tmp_path, others, day):
    """3/4/2027 is a day in April beside 31/5/2027; with no sign it is refused, both ways told."""
    told = ["3/4/2027", *others]
    rows = [
        GOOD | {"Mass ID": str(n), "From": one, "Until": "2028-01-01"} for n, one in enumerate(told)
    ]
    found = read(written(tmp_path / "m.csv", rows))
    if day is None:
        assert found.errors[0].code == "not_a_date"
        assert "2027-04-03 or 2027-03-04" in found.errors[0].text
    else:
        assert found.events[1].event.available_from.isoformat() == day


@pytest.mark.parametrize(
    ("text", "day"),
    [("31.5.2027", "2027-05-31"), ("2027-05-31", "2027-05-31"), ("5/2027", "2027-05-01"),
     ("5.2027", "2027-05-01"), ("2027-05", "2027-05-01"), ("4/4/2027", "2027-04-04"),
     ("31/5/2027", "2027-05-31")],
)  # fmt: skip
def test_usual_days_need_no_telling(text, day):
    """Where only one reading is possible."""
    assert date_in(text, ("auto",), ZoneInfo("Europe/Helsinki")).isoformat() == day


def test_a_number_shows_a_mark_only_where_it_can_be_no_other():
    """Thousands and words show nothing."""
    assert marks_of(["1,234", "1.234", "12 000", "n/a", ""]) == set()
    assert marks_of(["0,764"]) == {","}
    assert marks_of(["1.234.567"]) == {","}
    assert marks_of(["1,234.5"]) == {"."}


def test_bytes_of_two_encodings_are_read_as_the_older_and_told(tmp_path):
    """UTF-8 with a line of Windows-1252: the form says what it was taken for."""
    file = tmp_path / "m.csv"
    file.write_bytes("Määrä;b\n1;2\n".encode() + "Mäki;2\n".encode("cp1252"))
    assert "cp1252" in form_told(open_table(file, Form()))
    with pytest.raises(BadTable, match="not utf-8 throughout"):
        list(open_table(file, Form(encoding="utf-8")).rows())


def test_a_nul_or_a_huge_cell_is_no_crash(tmp_path):
    """A NUL far down is an error of its cell; a cell of 20 MB of the file."""
    rows = [GOOD | {"Mass ID": str(n), "Note": "x" * 1000} for n in range(100)]
    rows.append(GOOD | {"Mass ID": "last", "Project name": "Ka\0tu"})
    found = read(written(tmp_path / "m.csv", rows))
    assert [(one.code, one.cell) for one in found.errors] == [("cell_error", "B102")]
    huge = written(tmp_path / "h.csv", [GOOD, GOOD | {"Note": "x" * 20_000_000}])
    with pytest.raises(BadTable, match="field larger than field limit"):
        read(huge)


@pytest.mark.parametrize(
    ("change", "code", "cell"),
    [
        ({"Quantity": "-5"}, "invalid", "Masses!R2"),
        ({"Quantity": "many"}, "not_a_number", "Masses!R2"),
        ({"From": "soon"}, "not_a_date", "Masses!W2"),
        ({"From": 46508}, "not_a_date", "Masses!W2"),
        ({"Municipality": "Atlantis"}, "place_unknown", "Masses!C2"),
        ({"Municipality": ""}, "place_missing", "Masses!C2"),
        ({"Material": "mud"}, "code_unknown", "Masses!J2"),
        ({"Unit": "m3"}, "code_unknown", "Masses!U2"),
        ({"Project name": ""}, "missing", "Masses!B2"),
        ({"Until": "4/2027"}, "window_reversed", "Masses!X2"),
    ],
)
def test_each_fault_of_a_workbook_bears_its_cell(tmp_path, change, code, cell):
    """As the spreadsheet calls it, with words in each language."""
    file = tmp_path / "m.xlsx"
    file.write_bytes(template("en", REGION, [GOOD | change]))
    (error,) = read(file).errors
    assert (error.code, error.cell) == (code, cell)
    assert len({spoken(error, language) for language in LANGUAGES}) == 3


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_template_is_filled_and_read_back_as_events(tmp_path, language):
    """In whichever language its header is; words of the lists and codes alike."""
    need = GOOD | {
        "Mass ID": "b", "Surplus or need": "need", "Material": "till", "Use": "noise_bund",
        "Quality class": "poor", "Unit": "t", "Lowest": 1000, "Highest": 1500,
        "Reliability": "B", "Visibility": "forum", "Price EUR/t": -2.5, "Phase": "construction",
        "Note": "=HYPERLINK(1)", "Municipality": REGION.places[0].name(language),
    }  # fmt: skip
    file = tmp_path / "m.xlsx"
    file.write_bytes(template(language, REGION, [GOOD, need]))
    found = read(file)
    assert found.errors == []
    assert [event.name for event in found.events] == [
        "project-added", "forecast-updated", "forecast-updated",
    ]  # fmt: skip
    project, surplus, wanted = (event.event for event in found.events)
    assert (project.external_id, project.title, project.municipality) == ("P1", "Katu", "049")
    assert (surplus.external_id, surplus.direction, surplus.material) == ("P1/1", "surplus", "clay")
    assert (surplus.quantity, surplus.unit, surplus.contamination) == (1200.5, "m3ktr", "P0")
    assert (surplus.available_from.isoformat(), surplus.available_to.isoformat()) == (
        "2027-05-01", "2027-09-30",
    )  # fmt: skip
    assert (wanted.direction, wanted.use, wanted.quality) == ("need", "noise_bund", "poor")
    assert (wanted.max_contamination, wanted.contamination) == ("P0", "unknown")
    assert (wanted.low, wanted.high, wanted.price_eur_per_t) == (1000, 1500, -2.5)
    assert wanted.note == "=HYPERLINK(1)"


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_examples_of_the_template_are_left_out(tmp_path, language):
    """An untouched template brings nothing in, and nothing is wrong with it."""
    file = tmp_path / "m.xlsx"
    file.write_bytes(template(language, REGION))
    found = read(file)
    assert (found.events, found.errors) == ([], [])
    assert found.skipped == {"an example row of the template": 2}


def test_there_is_no_template_in_another_language():
    """The refusal names those there are."""
    with pytest.raises(NoSuchLanguage, match="fi, sv, en"):
        template("de", REGION)


@pytest.mark.parametrize("kind", ["material", "unit", "use", "direction", "contamination",
                                  "quality", "site_kind", "phase", "visibility"])  # fmt: skip
def test_every_label_of_a_list_means_one_code(kind):
    """In each language, so that what was chosen is what is read."""
    words = words_of(kind)
    for language in LANGUAGES:
        for code, label in labels(kind, language).items():
            assert words[" ".join(label.split()).casefold()] == code


def test_what_looks_like_a_formula_stays_text_in_the_table_of_errors(tmp_path):
    """A cell of a hostile file is not run by whoever mends it."""
    error = RowError(2, "Note", "=cmd|' /C calc'!A0", "invalid", "x", "Massat!A2")
    line = errors_csv([error], "fi").splitlines()[1]
    assert line.startswith("Massat!A2;2;Note;'=cmd")
    file = tmp_path / "errors.xlsx"
    file.write_bytes(errors_xlsx([error], "fi"))
    (row,) = open_table(file, Form()).rows()
    assert (row.cells["Arvo"], row.faults) == ("=cmd|' /C calc'!A0", {})
