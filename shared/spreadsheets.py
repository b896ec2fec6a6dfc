"""Rows as CSV that spreadsheets open as they are meant."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal

FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a cell begins with that a spreadsheet runs."""


def csv_of(
    rows: Iterable[Sequence[Any]], *, decimal: Literal[".", ","] = ".", delimiter: str = ""
) -> str:
    """
    *rows* as CSV (RFC 4180), numbers as numbers, text as text whatever it begins with.

    With a *decimal* comma as a Finnish spreadsheet reads it: `;` between cells, at most three
    decimals, and a mark of UTF-8. Another *delimiter* changes nothing else.
    """
    kept = io.StringIO(newline="")
    if decimal == ",":
        kept.write("\ufeff")
    writer = csv.writer(kept, delimiter=delimiter or (";" if decimal == "," else ","))
    writer.writerows([_cell(value, decimal) for value in row] for row in rows)
    return kept.getvalue()


def escaped(value: str) -> str:
    """*value* so that no spreadsheet takes it for a formula; a number below zero stays one."""
    if not value.startswith(FORMULA) or value.removeprefix("-").isdecimal():
        return value
    return "'" + value


def _cell(value: Any, decimal: str) -> Any:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, float) and decimal == ",":
        return f"{value:.3f}".rstrip("0").rstrip(".").replace(".", ",")
    return value
