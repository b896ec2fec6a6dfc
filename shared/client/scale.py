"""What a workbook that is read whole comes to, and what it may come to at most."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Final

from shared.client.cells import BadTable
from shared.client.said import say

MOST_UNPACKED: Final = 300 << 20  # bytes of the parts that are read
MOST_CELLS: Final = 3_000_000  # of the box around all filled cells: the reader holds it whole
MOST_TEXT: Final = 200 << 20  # bytes of all cells' text together
MOST_FAULTS: Final = 100_000
MOST_MERGED: Final = 100_000  # rows of one merged cell
CHUNK: Final = 1 << 20


class TablePassword(BadTable):
    """The file {value!r} has a password. {remedy}"""

    code: ClassVar[str] = "table_password"


def too_large(file: Path, what: str, measure: str, limit: str) -> BadTable:
    """The refusal of *file* whose *what* is *measure*, more than *limit*."""
    remedy = say("table_too_large", what=what, measure=measure, limit=limit)
    return BadTable(value=file.name, remedy=remedy)


def letter_of(place: int) -> str:
    """The letters of the column at *place*, from 0: A, B, … Z, AA."""
    letters = ""
    place += 1
    while place:
        place, rest = divmod(place - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def pieces(
    packed: zipfile.ZipFile, file: Path, part: str, most: int = MOST_UNPACKED
) -> Iterator[bytes]:
    """The unpacked *part* by the megabyte, up to *most* bytes; no part may declare entities."""
    size = 0
    tail = b""
    with packed.open(part) as unpacked:
        while piece := unpacked.read(CHUNK):
            size += len(piece)
            if size > most:
                limit = f"{MOST_UNPACKED >> 20} MB"
                raise too_large(file, say("large_unpacked"), say("large_more"), limit)
            if b"<!DOCTYPE" in tail + piece or b"<!ENTITY" in tail + piece:
                raise BadTable(value=file.name, remedy=say("table_entities"))
            if b"\0" in piece:
                raise BadTable(value=file.name, remedy=say("table_xml"))
            tail = piece[-16:]
            yield piece


@dataclass(slots=True)
class _One:
    first: tuple[int, int] | None = None
    last: tuple[int, int] = (0, 0)
    faults: dict[int, dict[int, str]] = field(default_factory=dict)
    filled: dict[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    across: bool = False

    @property
    def box(self) -> int:
        if self.first is None:
            return 0
        return (self.last[0] - self.first[0] + 1) * (self.last[1] - self.first[1] + 1)


@dataclass(slots=True)
class Sheets:
    """
    The sheets of a workbook whose reader takes all at once; their boxes and texts are counted
    together. Rows count from 1, places from 0.
    """

    file: Path
    macros: bool = False
    sheets: dict[str, _One] = field(default_factory=dict)
    text: int = 0
    faults: int = 0
    others: int = 0
    name: str = ""

    def begin(self, name: str) -> None:
        """From here on cells are those of the sheet *name*."""
        self.others = sum(each.box for each in self.sheets.values())
        self.name = name
        self.sheets[name] = _One()

    def add(
        self, first: tuple[int, int], last: tuple[int, int], length: int, fault: str = ""
    ) -> None:
        """Weigh a filled cell of *length* bytes that is repeated from *first* to *last*."""
        sheet = self.sheets[self.name]
        low = sheet.first or first
        sheet.first = (min(low[0], first[0]), min(low[1], first[1]))
        sheet.last = (max(sheet.last[0], last[0]), max(sheet.last[1], last[1]))
        if self.others + sheet.box > MOST_CELLS:
            corners = f"{letter_of(sheet.first[1])}{sheet.first[0]}"
            corners += f":{letter_of(sheet.last[1])}{sheet.last[0]}"
            measure = say("large_cells_in", many=self.others + sheet.box, corners=corners)
            limit = say("large_cells", many=MOST_CELLS)
            raise too_large(self.file, say("large_sheet", sheet=self.name), measure, limit)
        times = (last[0] - first[0] + 1) * (last[1] - first[1] + 1)
        self.text += length * times
        if self.text > MOST_TEXT:
            most = f"{MOST_TEXT >> 20} MB"
            what = say("large_text", sheet=self.name)
            raise too_large(self.file, what, say("large_more"), most)
        if fault:
            self.faults += times
            if self.faults > MOST_FAULTS:
                raise too_large(self.file, say("large_faults"), say("large_more"), str(MOST_FAULTS))
            for row in range(first[0], last[0] + 1):
                for place in range(first[1], last[1] + 1):
                    sheet.faults.setdefault(row, {})[place] = fault

    def merge(self, top: tuple[int, int], down: int, across: int) -> None:
        """A cell merged down over *down* rows holds for each of them."""
        sheet = self.sheets[self.name]
        sheet.across = sheet.across or across > 1
        if across == 1 and down <= MOST_MERGED and len(sheet.filled) < MOST_CELLS:
            below = range(top[0] + 1, top[0] + down)
            sheet.filled |= {(row, top[1]): top for row in below}
