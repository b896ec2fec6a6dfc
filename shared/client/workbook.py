"""A workbook (XLSX, ODS, XLS): weighed before it is opened, then read cell by cell."""

import re
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path, PurePosixPath
from typing import Any, Final, Literal
from xml.etree import ElementTree

from python_calamine import CalamineError, CalamineWorkbook, SheetVisibleEnum

from shared.client.cells import NUL, BadTable, Cell, normal
from shared.client.ods import closed_up, is_ods, weigh_ods
from shared.client.said import say
from shared.client.scale import (
    MOST_CELLS,
    MOST_FAULTS,
    MOST_MERGED,
    MOST_TEXT,
    MOST_UNPACKED,
    Sheets,
    letter_of,
    pieces,
    too_large,
)
from shared.client.xls import MAGIC, weigh_xls
from shared.vocabulary.errors import Refused

LARGEST_FILE: Final = 50 << 20  # bytes
MOST_ROWS: Final = 1_048_576  # of a sheet; empty ones count for nothing
_LONGEST_CELL: Final = 2 << 20  # bytes of XML; the format allows 32 767 characters in a cell
_LONGEST_TAG: Final = 200  # bytes that may be the beginning of a cell cut in two
_MOST_SHEETS: Final = 20
_NS: Final = {
    "m": "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "r": "http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    "p": "http://schemas.openxmlformats.org/package/2006/relationships",
}
_CELL: Final = re.compile(rb"<(?:\w+:)?c\b([^>]*?)(?:/>|>(.*?)</(?:\w+:)?c>)", re.DOTALL)
_MARKUP: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!--|(?:\?xml|!doctype|html|table)\b)", re.I)
_CELL_BEGINS: Final = re.compile(rb"<(?:\w+:)?c[\s/>]")
_REF: Final = re.compile(rb"""\br=["']([A-Z]{1,3})(\d{1,7})["']""")
_TYPE: Final = re.compile(rb"""\bt=["'](\w+)["']""")
_VALUE: Final = re.compile(rb"<(?:\w+:)?v\b[^>]*>([^<]*)</")
_STRING: Final = re.compile(rb"<(?:\w+:)?si\b[^>]*?(?:/>|>(.*?)</(?:\w+:)?si>)", re.DOTALL)

BROKEN: Final = (
    zipfile.BadZipFile, zlib.error, EOFError, KeyError, NotImplementedError, RuntimeError,
    ElementTree.ParseError, CalamineError, OSError, ValueError,
)  # fmt: skip
"""What the readers raise of a broken container; an offset beyond the file is an `OSError`."""
Scalar = float | int | str | bool | date | datetime | time | timedelta
Kind = Literal["workbook", "text"]


def kind_of(path: Path) -> Kind:
    """What the file is by its first bytes; raises `BadTable` for kinds that are not read."""
    with path.open("rb") as file:
        begin = file.read(512)
    if begin.startswith((b"PK\x03\x04", MAGIC)):
        return "workbook"
    if _MARKUP.match(begin):
        raise BadTable(value=path.name, remedy=say("table_markup"))
    if not begin.startswith((b"%PDF", b"\x1f\x8b", b"Rar!", b"7z\xbc\xaf", b"\x89PNG")):
        return "text"
    raise BadTable(value=path.name, remedy=say("table_kind"))


def place_of(letters: str) -> int:
    """The place of a column by its letters, from 0."""
    place = 0
    for letter in letters:
        place = place * 26 + ord(letter) - 64
    return place - 1


@dataclass(frozen=True, slots=True)
class Sheet:
    """
    One sheet that was read.

    *faults* are cells that hold an error or an uncounted formula, by row and place; *filled* says
    what a cell merged down over several rows holds in those below its first.
    """

    name: str
    table: Any
    faults: Mapping[int, Mapping[int, str]]
    filled: Mapping[tuple[int, int], tuple[int, int]]
    notes: tuple[tuple[str, str], ...] = field(default=())

    def rows(
        self, *, after: int = 0, before: int | None = None
    ) -> Iterator[tuple[int, Sequence[str], Mapping[int, str]]]:
        """Number, cells from column A and faults of each row between *after* and *before*."""
        start = self.table.start
        aside = [""] * (start[1] if start else 0)
        above: dict[tuple[int, int], str] = {}
        sources = set(self.filled.values())
        for number, told in enumerate(self.table.iter_rows(), start=1):
            if before is not None and number >= before:
                return
            cells: list[str] = [*aside, *map(_cell, told)]
            if sources:
                self._fill(number, cells, above, sources)
            if number > after:
                faults = self.faults.get(number, {})
                nuls = {at: NUL for at, each in enumerate(told, len(aside)) if _has_nul(each)}
                yield number, cells, {**faults, **nuls} if nuls else faults

    def _fill(
        self,
        number: int,
        cells: list[str],
        above: dict[tuple[int, int], str],
        sources: set[tuple[int, int]],
    ) -> None:
        for place, cell in enumerate(cells):
            here = (number, place)
            if here in sources:
                above[here] = cell
            elif here in self.filled:
                cells[place] = above.get(self.filled[here], "")


@dataclass(frozen=True, slots=True)
class Workbook:
    """
    A workbook that was weighed and may be read; *shown* are the sheets that are not hidden.

    *parts* are the sheets of an XLSX, weighed one by one; *weighed* those of an ODS or XLS, whose
    reader takes all of them at once.
    """

    file: Path
    shown: Sequence[str]
    parts: Mapping[str, str]
    reader: Any
    weighed: Sheets | None = None
    macros: bool = False

    @classmethod
    def open(cls, file: Path) -> "Workbook":
        """
        The workbook at *file*.

        Everything that the reader takes whole is unpacked once before, a piece at a time, and
        counted: a file that would not fit is refused with its measure and the limit.
        """
        size = file.stat().st_size
        if size > LARGEST_FILE:
            limit = f"{LARGEST_FILE >> 20} MB"
            raise too_large(file, say("large_size"), f"{size >> 20} MB", limit)
        parts: Mapping[str, str] = {}
        weighed: Sheets | None = None
        with _unreadable_told(file):
            if not zipfile.is_zipfile(file) and _begins(file, MAGIC):
                weighed = weigh_xls(file)
                macros = weighed.macros
            else:
                with zipfile.ZipFile(file) as packed:
                    if is_ods(packed):
                        weighed = weigh_ods(packed, file)
                        macros = weighed.macros
                    else:
                        parts = _sheets(packed, file)
                        _weigh_common(packed, file, parts.values())
                        macros = "xl/vbaProject.bin" in packed.namelist()
            reader = _reader(file, laid_out=weighed is not None and not _begins(file, MAGIC))
            hidden = {
                each.name
                for each in reader.sheets_metadata
                if each.visible != SheetVisibleEnum.Visible
            }
        there = parts if weighed is None else weighed.sheets
        shown = [name for name in reader.sheet_names if name not in hidden and name in there]
        return cls(file, shown[:_MOST_SHEETS], parts, reader, weighed, macros)

    def sheet(self, name: str) -> Sheet:
        """The sheet *name*, hidden or not; `BadTable` naming those there are."""
        there = self.parts if self.weighed is None else self.weighed.sheets
        if name not in there:
            remedy = say("table_no_sheet", sheet=name, there=", ".join(there))
            raise BadTable(value=self.file.name, remedy=remedy)
        faults: Mapping[int, Mapping[int, str]]
        filled: Mapping[tuple[int, int], tuple[int, int]]
        with _unreadable_told(self.file):
            if self.weighed is None:
                with zipfile.ZipFile(self.file) as packed:
                    faults = _weighed(packed, self.file, self.parts[name], name)
                table = self.reader.get_sheet_by_name(name)
                filled, across = _merged(table)
            else:
                table = self.reader.get_sheet_by_name(name)
                one = self.weighed.sheets[name]
                faults, filled, across = one.faults, one.filled, one.across
        notes = []
        if self.macros:
            notes.append(("macros_not_run", say("table_macros")))
        if across:
            notes.append(("cells_merged_across", say("table_merged_across")))
        return Sheet(name, table, faults, filled, tuple(notes))


@contextmanager
def _unreadable_told(file: Path) -> Iterator[None]:
    """What a reader raises of a broken *file* as one that cannot be read; what refuses it stays."""
    try:
        yield
    except Refused:
        raise
    except BaseException as error:  # a panic of the reader in Rust is no `Exception`
        if not isinstance(error, BROKEN) and type(error).__name__ != "PanicException":
            raise
        remedy = say("table_broken", why=normal(str(error))[:200])
        raise BadTable(value=file.name, remedy=remedy) from error


def _reader(file: Path, *, laid_out: bool) -> Any:
    """What reads *file*; an ODS that may be *laid_out* in lines is closed up where it must be."""
    try:
        return CalamineWorkbook.from_path(str(file))
    except CalamineError:
        if not laid_out:
            raise
        return CalamineWorkbook.from_filelike(closed_up(file))


def _begins(file: Path, mark: bytes) -> bool:
    with file.open("rb") as opened:
        return opened.read(len(mark)) == mark


def _merged(table: Any) -> tuple[dict[tuple[int, int], tuple[int, int]], bool]:
    """The cell that holds for each below it, and whether any is merged over columns."""
    filled: dict[tuple[int, int], tuple[int, int]] = {}
    across = False
    for (top, left), (bottom, right) in table.merged_cell_ranges or ():
        across = across or (left != right)
        if left == right and bottom - top <= MOST_MERGED and len(filled) < MOST_CELLS:
            below = range(top + 1, bottom + 1)
            filled |= {(row + 1, left): (top + 1, left) for row in below}
    return filled, across


def _has_nul(told: Scalar) -> bool:
    return isinstance(told, str) and "\0" in told


def _cell(told: Scalar) -> str:
    """A cell as text; a number or day is kept beside it."""
    if isinstance(told, str):
        return told.strip().replace("\0", "\ufffd")
    if isinstance(told, bool):
        return "true" if told else "false"
    if isinstance(told, int | float):
        text = str(int(told)) if float(told).is_integer() and abs(told) < 1e15 else repr(told)
        return Cell(text, float(told))
    if isinstance(told, datetime):
        return Cell(told.date().isoformat(), told.date())
    if isinstance(told, date):
        return Cell(told.isoformat(), told)
    return str(told)


# weighing


def _sheets(packed: zipfile.ZipFile, file: Path) -> dict[str, str]:
    """Sheet name → the part it is in."""
    names = packed.namelist()
    if len(set(names)) != len(names):
        raise BadTable(value=file.name, remedy=say("table_parts_twice"))
    if "xl/workbook.xml" not in names:
        raise BadTable(value=file.name, remedy=say("table_zip"))
    book = _xml(packed, file, "xl/workbook.xml")
    links = _xml(packed, file, "xl/_rels/workbook.xml.rels")
    targets = {
        link.get("Id"): str(PurePosixPath("xl", link.get("Target", "").removeprefix("/xl/")))
        for link in links.iterfind("p:Relationship", _NS)
    }
    found = {}
    for sheet in book.iterfind("m:sheets/m:sheet", _NS):
        part = targets.get(sheet.get(f"{{{_NS['r']}}}id"), "")
        if part in names:
            found[str(sheet.get("name"))] = part
    return found


def _xml(packed: zipfile.ZipFile, file: Path, part: str) -> ElementTree.Element:
    body = b"".join(pieces(packed, file, part, 4 << 20))
    return ElementTree.fromstring(body)


def _weigh_common(packed: zipfile.ZipFile, file: Path, sheets: Any) -> None:
    """Count what the reader takes at once: every part of XML that is no sheet."""
    left = MOST_UNPACKED
    for name in packed.namelist():
        if name.endswith((".xml", ".rels")) and name not in sheets and "/worksheets/" not in name:
            left -= sum(len(piece) for piece in pieces(packed, file, name, left))


def _weighed(
    packed: zipfile.ZipFile, file: Path, part: str, sheet: str
) -> dict[int, dict[int, str]]:
    """The faults of the sheet in *part*; raises `BadTable` when it is larger than may be held."""
    scale = _Scale(_text_lengths(packed, file))
    for cells in _cells(pieces(packed, file, part, MOST_UNPACKED), file):
        for attributes, content in cells:
            if content and not scale.add(attributes, content):
                raise BadTable(value=file.name, remedy=say("table_cell_without_place"))
        if scale.box > MOST_CELLS:
            measure = say("large_cells_in", many=scale.box, corners=scale.corners)
            limit = say("large_cells", many=MOST_CELLS)
            raise too_large(file, say("large_sheet", sheet=sheet), measure, limit)
        if len(scale.faults) > MOST_FAULTS:
            raise too_large(file, say("large_faults"), say("large_more"), str(MOST_FAULTS))
        if scale.text > MOST_TEXT:
            most = f"{MOST_TEXT >> 20} MB"
            raise too_large(file, say("large_text", sheet=sheet), say("large_more"), most)
    return scale.faults


@dataclass(slots=True)
class _Scale:
    """What the filled cells of a sheet come to: the box around them, their text, their faults."""

    lengths: Sequence[int]
    first_row: int = MOST_ROWS
    last_row: int = 0
    first: int = 1 << 14
    last: int = 0
    text: int = 0
    faults: dict[int, dict[int, str]] = field(default_factory=dict)
    places: dict[bytes, int] = field(default_factory=dict)

    @property
    def box(self) -> int:
        rows, columns = self.last_row - self.first_row + 1, self.last - self.first + 1
        return rows * columns if self.last_row else 0

    @property
    def corners(self) -> str:
        return f"{letter_of(self.first)}{self.first_row}:{letter_of(self.last)}{self.last_row}"

    def add(self, attributes: bytes, content: bytes) -> bool:
        """Weigh a cell; False when it does not say where it stands."""
        at = _REF.search(attributes)
        if at is None:
            return False
        value = _VALUE.search(content)
        formula = b"<f" in content
        if value is None and not formula and b"is>" not in content:
            return True
        place = self.places.get(at[1])
        if place is None:
            place = self.places[at[1]] = place_of(at[1].decode())
        row = int(at[2])
        self.first_row, self.last_row = min(self.first_row, row), max(self.last_row, row)
        self.first, self.last = min(self.first, place), max(self.last, place)
        typed = _TYPE.search(attributes)
        kind = typed[1] if typed else b""
        if kind == b"s":
            index = int(value[1]) if value and value[1].strip().isdigit() else -1
            self.text += self.lengths[index] if 0 <= index < len(self.lengths) else 0
        else:
            self.text += len(content)
        if kind == b"e":
            told = value[1].decode("utf-8", "replace") if value else "#?"
            self.faults.setdefault(row, {})[place] = told
        elif value is None and formula:
            self.faults.setdefault(row, {})[place] = "="
        return True


def _cells(pieces: Iterator[bytes], file: Path) -> Iterator[list[tuple[bytes, bytes]]]:
    """Attributes and content of every cell, a piece at a time."""
    rest = b""
    for piece in pieces:
        rest += piece
        end = 0
        cells = []
        for found in _CELL.finditer(rest):
            cells.append((found[1], found[2] or b""))
            end = found.end()
        yield cells
        rest = rest[end:]
        if _CELL_BEGINS.search(rest) is None:
            rest = rest[-_LONGEST_TAG:]
        elif len(rest) > _LONGEST_CELL:
            limit = say("large_characters", many=32767)
            raise too_large(file, say("large_cell"), say("large_more"), limit)


def _text_lengths(packed: zipfile.ZipFile, file: Path) -> list[int]:
    """The bytes of each shared text, which a sheet may name as often as it likes."""
    if "xl/sharedStrings.xml" not in packed.namelist():
        return []
    body = b"".join(pieces(packed, file, "xl/sharedStrings.xml", MOST_UNPACKED))
    return [len(found[1] or b"") for found in _STRING.finditer(body)]
