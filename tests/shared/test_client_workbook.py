"""A workbook: read cell by cell, and refused with its measure where it would not fit."""

import datetime
import zipfile

import pytest
import xlsxwriter

from shared.client import BadTable, Form, MissingColumns, open_table
from shared.client import workbook as limits
from shared.client.cells import Cell
from shared.client.template import template
from shared.client.workbook import Workbook
from shared.vocabulary.regions import shipped


@pytest.fixture
def book(tmp_path):
    """Makes a workbook of one sheet from rows; `None` leaves a cell out."""

    def make(*rows, name="Taul1", start=0, options=None, more=None):
        file = tmp_path / "masses.xlsx"
        with xlsxwriter.Workbook(file, options or {}) as made:
            day = made.add_format({"num_format": "d.m.yyyy"})
            sheet = made.add_worksheet(name)
            for number, row in enumerate(rows, start=start):
                for place, value in enumerate(row):
                    if isinstance(value, datetime.date):
                        sheet.write_datetime(number, place, value, day)
                    elif value is not None:
                        sheet.write(number, place, value)
            if more:
                more(made, sheet)
        return file

    return make


def packed(file, **parts):
    """*file* with some of its parts as told: by the last part of their name."""
    with zipfile.ZipFile(file) as old:
        kept = {name: old.read(name) for name in old.namelist()}
    for name in kept:
        short = name.rpartition("/")[2].partition(".")[0]
        if short in parts:
            kept[name] = parts[short]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name, body in kept.items():
            new.writestr(name, body)
    return file


def sheet_of(cells, dimension="A1"):
    """The XML of a sheet."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><worksheet xmlns="http://schemas.openxmlformats.org/'
        f'spreadsheetml/2006/main"><dimension ref="{dimension}"/><sheetData>{cells}</sheetData>'
        "</worksheet>"
    ).encode()


@pytest.mark.parametrize("epoch_1904", [False, True])
def test_cells_keep_their_numbers_days_and_words(book, epoch_1904):
    """A number is not read through its looks; a day is the same by either system of dates."""
    file = book(
        ["Kunta", "Määrä", "Alku", "Sana"],
        [49, 1234.5, datetime.date(2027, 5, 1), "  teksti "],
        [None, "1 234,5", "1.6.2027", True],
        options={"date_1904": epoch_1904},
    )
    first, second = open_table(file, Form()).rows()
    assert first.cells == {"Kunta": "49", "Määrä": "1234.5", "Alku": "2027-05-01", "Sana": "teksti"}
    number, day = first.cells["Määrä"], first.cells["Alku"]
    assert isinstance(number, Cell)
    assert isinstance(day, Cell)
    assert (number.value, day.value) == (1234.5, datetime.date(2027, 5, 1))
    assert second.cells == {"Kunta": "", "Määrä": "1 234,5", "Alku": "1.6.2027", "Sana": "true"}


def test_the_header_is_found_below_what_stands_above(book):
    """A title and empty rows above the header do not move the addresses."""
    file = book(["Kaupungin massat 2027"], [], ["", "a", "b"], ["", 1, 2], start=1)
    table = open_table(file, Form(), columns=["a", "b"])
    (row,) = table.rows()
    assert (table.form.header, row.number, row.cells["b"]) == (4, 5, "2")
    assert table.address("b", row.number) == "Taul1!C5"
    assert table.address("no such", 5) == "Taul1!row 5"


def test_the_sheet_that_has_the_columns_is_read(book):
    """A cover sheet before it, and a hidden one, are passed over; a name chooses another."""

    def more(made, _sheet):
        hidden = made.add_worksheet("Piilo")
        hidden.write_row(0, 0, ["a", "b"])
        hidden.hide()
        masses = made.add_worksheet("Massat")
        masses.write_row(0, 0, ["a", "b"])
        masses.write_row(1, 0, [1, 2])

    file = book(["Kansi"], more=more)
    assert open_table(file, Form(), columns=["a", "b"]).sheet == "Massat"
    assert open_table(file, Form(sheet="Piilo"), columns=["a"]).sheet == "Piilo"
    with pytest.raises(BadTable, match="it has: Taul1, Piilo, Massat"):
        open_table(file, Form(sheet="Data"), columns=["a"])
    with pytest.raises(MissingColumns, match="no column c"):
        open_table(file, Form(), columns=["a", "c"])


def test_errors_of_the_spreadsheet_are_told_with_their_cell(book):
    """#REF! is no empty cell, and neither is a formula whose result was not kept."""

    def more(_made, sheet):
        sheet.write_formula(1, 1, "=A99", None, "#REF!")
        sheet.write_formula(2, 1, "=1+1", None, 2)

    file = book(["a", "b"], ["x"], ["y"], ["z"], more=more)
    first, second, third = open_table(file, Form()).rows()
    assert (first.faults, second.faults, third.faults) == ({"b": "#REF!"}, {}, {})
    assert second.cells["b"] == "2"
    rows = "".join(
        f'<row r="{number}"><c r="A{number}" t="inlineStr"><is><t>{text}</t></is></c>'
        f"{formula}</row>"
        for number, text, formula in ((1, "a", ""), (2, "x", '<c r="B2"><f>SUM(A1)</f></c>'))
    )
    rows = rows.replace("</is></c></row><row", '</is></c><c r="B1" t="str"><v>b</v></c></row><row')
    (row,) = open_table(packed(file, sheet1=sheet_of(rows, "A1:B2")), Form()).rows()
    assert row.faults == {"b": "="}


def test_a_cell_merged_down_holds_for_every_row_of_it(book):
    """A project's name merged over its rows is the name of each; across columns it is not."""

    def more(_made, sheet):
        sheet.merge_range(1, 0, 2, 0, "Katu")
        sheet.merge_range(3, 0, 3, 1, "Väliotsikko")

    file = book(["a", "b"], [None, 1], [None, 2], [None, None], more=more)
    table = open_table(file, Form())
    assert [(row.cells["a"], row.cells["b"]) for row in table.rows()] == [
        ("Katu", "1"), ("Katu", "2"), ("Väliotsikko", ""),
    ]  # fmt: skip
    assert table.notes[0][0] == "cells_merged_across"


def test_a_merged_header_lacks_its_second_column(book):
    """Two columns under one merged title have one name: what is missing is told."""
    file = book([None, None], [1, 2], more=lambda _, sheet: sheet.merge_range(0, 0, 0, 1, "Määrä"))
    with pytest.raises(MissingColumns, match="It has: Määrä"):
        open_table(file, Form(), columns=["Määrä", "Yksikkö"])


def test_duplicate_headings_are_refused(book):
    """Which of the two was meant cannot be known."""
    with pytest.raises(BadTable, match="a stands twice"):
        open_table(book(["a", "b", "a"], [1, 2, 3]), Form(), columns=["a"])


def test_headings_are_found_under_their_other_names(book):
    """In another language, and without regard to capitals."""
    file = book(["MÄNGD", "Kommun"], [1, "Esbo"])
    headings = {"Quantity": ["Määrä", "Mängd"], "Municipality": ["Kunta", "Kommun"]}
    table = open_table(file, Form(), columns=["Quantity", "Municipality"], headings=headings)
    assert table.columns == {"Quantity": "A", "Municipality": "B"}


def test_a_million_empty_rows_cost_nothing(book):
    """Rows and cells that only have a format are not read as data."""
    empty = b"".join(b'<row r="%d"><c r="B%d" s="1"/></row>' % (n, n) for n in range(3, 1_000_003))
    rows = b'<row r="1"><c r="A1" t="str"><v>a</v></c></row><row r="2"><c r="A2"><v>1</v></c></row>'
    file = packed(
        book(["a"]), sheet1=sheet_of("").replace(b"<sheetData>", b"<sheetData>" + rows + empty)
    )
    assert [row.number for row in open_table(file, Form()).rows()] == [2]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        ('<row r="1"><c r="A1"><v>1</v></c></row>'
         '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>', r"17179869184 cells in A1:XFD"),
        ('<row r="1"><c><v>1</v></c></row>', "does not say where it stands"),
        ('<row r="1"><c r="A1" t="inlineStr"><is><t>' + "x" * 5_000_000 + "</t></is></c></row>",
         "one cell is more"),
    ],
    ids=["far apart", "nowhere", "huge"],
)  # fmt: skip
def test_a_sheet_that_would_not_fit_is_refused_before_it_is_opened(book, cells, why):
    """The reader holds the whole box of filled cells: its size is counted first."""
    with pytest.raises(BadTable, match=why):
        open_table(packed(book(["a"]), sheet1=sheet_of(cells)), Form())


def test_one_long_text_named_often_is_counted_each_time(book, monkeypatch):
    """A shared text of 32 000 letters in every cell is small in the file, and large in memory."""
    monkeypatch.setattr(limits, "MOST_TEXT", 1 << 20)
    file = book(["a"], *[["x" * 32_000]] * 100)
    with pytest.raises(BadTable, match="text of sheet 'Taul1'"):
        open_table(file, Form())


def test_a_zip_bomb_is_refused_while_it_is_unpacked(book):
    """What it says of its own size is not believed; it is counted, a megabyte at a time."""
    bomb = b'<?xml version="1.0"?><sst>' + b" " * (limits.MOST_UNPACKED + 10)
    file = packed(book(["a"]), sharedStrings=bomb)
    assert file.stat().st_size < 1 << 20
    with pytest.raises(BadTable, match="unpacked size"):
        open_table(file, Form())


@pytest.mark.parametrize("part", ["sheet1", "sharedStrings", "workbook"])
def test_xml_that_declares_entities_is_refused(book, part):
    """A billion laughs begin with a declaration that no spreadsheet needs."""
    laughs = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>'
    with pytest.raises(BadTable, match="declares entities"):
        open_table(packed(book(["a"]), **{part: laughs}), Form())


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_file_cut_short_is_told_as_broken(book, share):
    """An upload that broke off is no empty table."""
    file = book(["a"], *[[number] for number in range(1000)])
    body = file.read_bytes()
    file.write_bytes(body[: int(len(body) * share)])
    with pytest.raises(BadTable, match="broken or cut short"):
        open_table(file, Form())


@pytest.mark.parametrize(
    ("name", "body", "why"),
    [
        ("old.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "broken or cut"),
        ("masses.xlsx", b"%PDF-1.7 ...", "save it as XLSX, ODS or CSV"),
        ("web.xls", b"\n<HTML><table><tr><td>Kunta", "web page: save it as XLSX, ODS or CSV"),
        ("flat.fods", b"\xef\xbb\xbf<?xml version='1.0'?>", "XML or a web page: save it as XLSX"),
        ("masses.csv", b"a;b\n1;\x00\x00\n", "NUL bytes"),
    ],
)  # fmt: skip
def test_other_files_are_refused_with_what_to_do(tmp_path, name, body, why):
    """The content says what a file is."""
    file = tmp_path / name
    file.write_bytes(body)
    with pytest.raises(BadTable, match=why):
        open_table(file, Form())


def test_the_content_decides_and_not_the_name(book, tmp_path):
    """A CSV called .xlsx is read and told; a workbook called .csv is read as one."""
    text = tmp_path / "wrong.xlsx"
    text.write_text("a;b\n1;2\n")
    table = open_table(text, Form())
    assert (table.notes[0][0], next(table.rows()).cells) == ("not_a_workbook", {"a": "1", "b": "2"})
    named = book(["a"], [1]).rename(tmp_path / "wrong.csv")
    assert next(open_table(named, Form()).rows()).cells == {"a": "1"}


def test_a_zip_that_is_no_workbook_is_refused(tmp_path):
    """A text document, or just any zip."""
    file = tmp_path / "masses.ods"
    with zipfile.ZipFile(file, "w") as made:
        made.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        made.writestr("content.xml", "<x/>")
    with pytest.raises(BadTable, match="Save it as XLSX"):
        open_table(file, Form())


def test_a_workbook_that_lost_its_beginning_is_told(tmp_path):
    """Its directory points before its first byte: refused like any other broken workbook."""
    whole = template("fi", shipped()["01"])
    file = tmp_path / "cut.xlsx"
    file.write_bytes(b"PK\x03\x04" + whole[104:])
    with pytest.raises(BadTable) as refused:
        Workbook.open(file)
    assert "save it again" in str(refused.value)
