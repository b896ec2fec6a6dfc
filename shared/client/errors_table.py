"""Refused rows as a table that a spreadsheet opens: by cell, in the reader's language."""

from collections.abc import Iterable
from io import BytesIO
from itertools import chain
from typing import Final

import xlsxwriter

from shared.client.outgoing import RowError
from shared.client.texts import spoken
from shared.spreadsheets import csv_of

_HEADINGS: Final = {
    "fi": ("Solu", "Rivi", "Sarake", "Arvo", "Koodi", "Mitä tehdä"),
    "sv": ("Cell", "Rad", "Kolumn", "Värde", "Kod", "Vad du kan göra"),
    "en": ("Cell", "Row", "Column", "Value", "Code", "What to do"),
}


def errors_csv(errors: Iterable[RowError], language: str = "en", *, header: bool = True) -> str:
    """*errors* as CSV with `;`, which Excel opens here; what looks like a formula stays text."""
    head = [_HEADINGS.get(language, _HEADINGS["en"])] if header else []
    return csv_of(chain(head, (_row(error, language) for error in errors)), delimiter=";")


def errors_xlsx(errors: Iterable[RowError], language: str = "en") -> bytes:
    """*errors* as a workbook; every value is text, so none of it is counted."""
    kept = BytesIO()
    with xlsxwriter.Workbook(kept, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        bold = book.add_format({"bold": True})
        sheet.set_column(0, 5, 18)
        for place, heading in enumerate(_HEADINGS.get(language, _HEADINGS["en"])):
            sheet.write_string(0, place, heading, bold)
        for number, error in enumerate(errors, start=1):
            for place, value in enumerate(_row(error, language)):
                sheet.write_string(number, place, str(value)[:32_000])
    return kept.getvalue()


def _row(error: RowError, language: str) -> tuple[str, int, str, str, str, str]:
    text = spoken(error, language)
    return error.cell, error.row, error.column, error.value, error.code, text
