"""ODS and XLS are read as XLSX is, within the same bounds, and what cannot be read is told why."""

import struct
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from deploy.bench.workbooks import OTHERS, biff, ods_cell, ods_row, write_ods, write_xls
from shared.client import scale
from shared.client.cells import BadTable, Form
from shared.client.said import said, spoken
from shared.client.scale import TablePassword
from shared.client.tables import open_table

ROWS = [["Erä", "Määrä"], ["a", 1200.5], ["b", 3], ["", ""], ["c", "1 234,5"]]
CELLS = {2: ("a", "1200.5"), 3: ("b", "3"), 5: ("c", "1 234,5")}


def read(file: Path) -> dict[int, tuple[str, ...]]:
    table = open_table(file, Form(dates=("auto",)), columns=["Erä", "Määrä"])
    return {row.number: tuple(row.cells.values()) for row in table.rows()}


def ods(folder: Path, rows: list[Any], **parts: str) -> Path:
    told = [row if isinstance(row, str) else ods_row(map(ods_cell, row)) for row in rows]
    return write_ods(folder / "massat.ods", [*told, OTHERS], parts)


def xls(folder: Path, rows: list[Any], **told: Any) -> Path:
    return write_xls(folder / "massat.xls", biff(rows, **told))


@pytest.mark.parametrize("write", [ods, xls])
def test_cells_are_read_with_their_rows(tmp_path: Path, write: Any) -> None:
    """Numbers stay numbers, empty rows are left out, and the others keep their numbers."""
    assert read(write(tmp_path, ROWS)) == CELLS


@pytest.mark.parametrize("lost", [5, 43, 127, 200])
def test_an_xls_that_lost_its_end_is_told_as_broken(tmp_path: Path, lost: int) -> None:
    """Its reader in Rust panics at some of these cuts, which is no `Exception` in Python."""
    file = xls(tmp_path, ROWS)
    file.write_bytes(file.read_bytes()[:-lost])
    with pytest.raises(BadTable, match="broken or cut short"):
        read(file)


def test_repeats_of_a_table_are_written_out(tmp_path: Path) -> None:
    row = ods_row([ods_cell("a"), ods_cell(7)], 'table:number-rows-repeated="3"')
    assert read(ods(tmp_path, [ROWS[0], row])) == {each: ("a", "7") for each in (2, 3, 4)}


def test_an_ods_that_is_laid_out_in_lines_is_read(tmp_path: Path) -> None:
    """As Gnumeric writes it: white space between the tags of a table is no content."""
    rows = [ods_row(map(ods_cell, row)) for row in ROWS]
    laid_out = [row.replace("><table:", ">\n     <table:").replace("></table:", ">\n  </table:")
                for row in rows]  # fmt: skip
    assert read(ods(tmp_path, [f"\n  {row}\n" for row in laid_out])) == CELLS


def test_faults_and_merged_cells_of_a_table_are_told(tmp_path: Path) -> None:
    """An error of a formula has its cell; a cell merged down holds for every row of it."""
    down = ods_row([ods_cell("a", 'table:number-rows-spanned="2"'), ods_cell(1)])
    bad = ods_cell("#REF!", 'table:formula="of:=[.Z1]" calcext:value-type="error"')
    under = f"<table:table-row><table:covered-table-cell/>{bad}</table:table-row>"
    table = open_table(ods(tmp_path, [ROWS[0], down, under]), Form(), columns=["Erä"])
    first, second = table.rows()
    assert second.cells["Erä"] == "a"
    assert second.faults == {"Määrä": "#REF!"}
    assert table.address("Määrä", second.number) == "Massat!B3"
    assert not first.faults


def test_an_error_and_a_merged_cell_of_an_old_workbook_are_told(tmp_path: Path) -> None:
    error = struct.pack("<HHHHH", 0x0205, 8, 2, 1, 0) + b"\x17\x01"
    merged = struct.pack("<HHHHHHH", 0x00E5, 10, 1, 1, 2, 0, 0)
    file = xls(tmp_path, [ROWS[0], ["a", 1]], after=error + merged)
    table = open_table(file, Form(), columns=["Erä"])
    *_, last = table.rows()
    assert last.faults == {"Määrä": "#REF!"}
    assert last.cells["Erä"] == "a"


@pytest.mark.parametrize("write", [ods, xls])
def test_a_far_cell_makes_a_box_that_is_refused(tmp_path: Path, write: Any) -> None:
    """One cell far away makes the reader hold everything between: told before it is opened."""
    if write is ods:
        far = ods_row([ods_cell("")] * 60 + [ods_cell("x")])
        gap = '<table:table-row table:number-rows-repeated="60000"><table:table-cell/>'
        file = ods(tmp_path, [ROWS[0], f"{gap}</table:table-row>", far])
    else:
        cell = struct.pack("<HHHHHd", 0x0203, 14, 65_000, 60, 0, 1.0)
        file = xls(tmp_path, [ROWS[0]], after=cell)
    with pytest.raises(BadTable, match=r"cells in A1:BI6"):
        read(file)


def test_a_row_that_is_repeated_without_end_is_refused(tmp_path: Path) -> None:
    """A bomb of a few bytes: one row that stands for a million."""
    bomb = ods_row([ods_cell("x", 'table:number-columns-repeated="900"')],
                   'table:number-rows-repeated="1000000"')  # fmt: skip
    with pytest.raises(BadTable, match="at most 3000000 cells"):
        read(ods(tmp_path, [ROWS[0], bomb]))


@pytest.mark.parametrize("write", [ods, xls])
def test_one_long_text_named_often_is_counted_each_time(
    tmp_path: Path, write: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr(scale, "MOST_TEXT", 100_000)
    with pytest.raises(BadTable, match="text of sheet"):
        read(write(tmp_path, [ROWS[0], *([["x" * 3000, 1]] * 50)]))


def test_a_zip_bomb_is_refused_while_it_is_unpacked(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(scale, "MOST_UNPACKED", 1 << 20)
    monkeypatch.setattr(scale.pieces, "__defaults__", (1 << 20,))
    with pytest.raises(BadTable, match="unpacked size"):
        read(ods(tmp_path, [ROWS[0], " " * (3 << 20)]))


def test_xml_that_declares_entities_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadTable, match="entities"):
        read(ods(tmp_path, [ROWS[0], "<!ENTITY a 'b'>"]))


LOCKED = {"META-INF/manifest.xml": "<manifest:encryption-data/>"}


def test_a_password_is_told_under_its_code(tmp_path: Path) -> None:
    """In every format: OpenDocument, Excel 97, and a new workbook that was encrypted whole."""
    whole = write_xls(tmp_path / "massat.xlsx", b"x" * 5000, "EncryptedPackage")
    locked = struct.pack("<HH", 0x002F, 6) + bytes(6)
    for file in (ods(tmp_path, ROWS, **LOCKED), xls(tmp_path, ROWS, before=locked), whole):
        with pytest.raises(TablePassword) as error:
            read(file)
        assert error.value.code == "table_password"
        assert "ilman salasanaa" in spoken(said(error.value), "fi")


def test_macros_are_not_run_and_the_file_is_read(tmp_path: Path) -> None:
    """A note says so, in whichever format they stand."""
    old = write_xls(tmp_path / "m.xls", biff(ROWS), also="_VBA_PROJECT_CUR")
    open_ = ods(tmp_path, ROWS, **{"Basic/Standard/Module1.xml": "<x/>"})
    for file in (old, open_):
        table = open_table(file, Form(), columns=["Erä"])
        assert [code for code, _ in table.notes] == ["macros_not_run"]
        assert len(list(table.rows())) == 3


def test_a_word_document_of_either_family_is_no_workbook(tmp_path: Path) -> None:
    text = tmp_path / "x.odt"
    with zipfile.ZipFile(text, "w") as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.text")
    for file in (text, write_xls(tmp_path / "x.doc", b"x" * 5000, "WordDocument")):
        with pytest.raises(BadTable, match="Save it as XLSX"):
            read(file)


@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.97])
@pytest.mark.parametrize("write", [ods, xls])
def test_a_file_cut_short_is_told_as_broken(tmp_path: Path, write: Any, share: float) -> None:
    file = write(tmp_path, [ROWS[0], *([["erä", 1]] * 500)])
    body = file.read_bytes()
    file.write_bytes(body[: int(len(body) * share)])
    with pytest.raises(BadTable):
        read(file)


def test_a_container_that_goes_round_ends(tmp_path: Path) -> None:
    """A chain of sectors that leads to itself is read once."""
    file = xls(tmp_path, ROWS)
    body = bytearray(file.read_bytes())
    struct.pack_into("<I", body, 512 + 4 * 3, 3)
    file.write_bytes(body)
    with suppress(BadTable):
        assert set(read(file)) <= set(CELLS)
