"""
A file read by its bare library, no cell looked at: the floor of `bench formats`.

    python -m deploy.bench.bare KIND FILE

`design` is no floor but our own reading of LandXML, which has no process of its own otherwise.
"""

import csv
import json
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final
from xml.parsers import expat

from python_calamine import CalamineWorkbook


def _csv(file: Path) -> int:
    with file.open(encoding="utf-8", newline="") as text:
        return sum(1 for _ in csv.DictReader(text, delimiter=";"))


def _workbook(file: Path) -> int:
    sheet = CalamineWorkbook.from_path(str(file)).get_sheet_by_index(0)
    return sum(1 for _ in sheet.iter_rows()) - 1


def _json(file: Path) -> int:
    with file.open(encoding="utf-8") as text:
        return len(json.load(text)["features"])


def _sqlite(file: Path) -> int:
    opened = sqlite3.connect(file)
    many = sum(1 for _ in opened.execute("SELECT * FROM massat"))
    opened.close()
    return many


def _xml(file: Path) -> int:
    parser = expat.ParserCreate()
    with file.open("rb") as stream:
        parser.ParseFile(stream)
    return 0


def _design(file: Path) -> int:
    from shared.client.landxml import read_design  # noqa: PLC0415  # numpy is part of its memory

    return sum(len(tin.faces) for tin in read_design(file).tins)


KINDS: Final[dict[str, Callable[[Path], int]]] = {
    "csv.DictReader": _csv,
    "calamine": _workbook,
    "json.load": _json,
    "sqlite3": _sqlite,
    "expat": _xml,
    "design": _design,
}


if __name__ == "__main__":
    print(KINDS[sys.argv[1]](Path(sys.argv[2])))
