"""Rows as CSV: for machines with a point, for a Finnish spreadsheet with a comma."""

import csv
import io

import pytest

from shared.spreadsheets import csv_of

ROWS = [["place", "t", "sample"], ['Espoo; Otaniemi, 1\n2 "x"', 1234.5678, True], ["", None, 3]]


def test_machines_read_back_what_was_written() -> None:
    """RFC 4180, with every figure as it is."""
    read = list(csv.reader(io.StringIO(csv_of(ROWS), newline="")))
    assert read == [["place", "t", "sample"], [ROWS[1][0], "1234.5678", "true"], ["", "", "3"]]


def test_a_finnish_spreadsheet_reads_its_own_form() -> None:
    """A mark of UTF-8, `;`, a decimal comma, and no more decimals than are worth reading."""
    told = csv_of([["Määrä", 1234.5678, 100.0, 0.0, -2.5]], decimal=",")
    assert told == "\ufeffMäärä;1234,568;100;0;-2,5\r\n"


@pytest.mark.parametrize("decimal", [".", ","])
@pytest.mark.parametrize("begins", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_a_text_is_never_run_as_a_formula(begins: str, decimal: str) -> None:
    """A figure below zero stays a figure."""
    delimiter = ";" if decimal == "," else ","
    told = csv_of([[f"{begins}1+1", -1]], decimal=decimal).removeprefix("\ufeff")  # type: ignore[arg-type]
    assert list(csv.reader(io.StringIO(told, newline=""), delimiter=delimiter)) == [
        [f"'{begins}1+1", "-1"]
    ]
