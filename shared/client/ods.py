"""An ODS workbook weighed before it is opened: its cells, with every repeat written out."""

import re
import zipfile
from collections.abc import Iterator
from html import unescape
from io import BytesIO
from pathlib import Path
from typing import Final

from shared.client.cells import BadTable
from shared.client.said import say
from shared.client.scale import Sheets, TablePassword, pieces

MIMETYPE: Final = b"application/vnd.oasis.opendocument.spreadsheet"
_TAG: Final = re.compile(
    rb"<(/?)table:(table|table-row|table-cell|covered-table-cell)"
    rb"((?:[\s/](?:[^>\"']|\"[^\"]*\"|'[^']*')*)?)>"
)
_LONGEST_TAG: Final = 1 << 20
_BETWEEN: Final = re.compile(rb"^\s+(?=</?table:)|(?<=>)\s+(?=</?table:)")
_ATTRIBUTE: Final = re.compile(rb"([\w:-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_MARKUP: Final = re.compile(rb"<[^>]*>")
_FAULTY: Final = ("#", "Err:")
_MACROS: Final = ("Basic/", "Scripts/")


def is_ods(packed: zipfile.ZipFile) -> bool:
    """Whether the package says that it is a spreadsheet of OpenDocument."""
    if "mimetype" not in packed.namelist():
        return False
    with packed.open("mimetype") as told:
        return told.read(len(MIMETYPE) + 1).strip() == MIMETYPE


def weigh_ods(packed: zipfile.ZipFile, file: Path) -> Sheets:
    """
    The sheets of the package with their faults; its reader takes all of them at once.

    Raises `BadTable` for more cells or text than may be held, and `TablePassword`.
    """
    names = packed.namelist()
    if "META-INF/manifest.xml" in names:
        manifest = b"".join(pieces(packed, file, "META-INF/manifest.xml", 4 << 20))
        if b"encryption-data" in manifest:
            raise TablePassword(value=file.name, remedy=say("table_password"))
    if "content.xml" not in names:
        raise BadTable(value=file.name, remedy=say("table_zip"))
    sheets = Sheets(file, macros=any(name.startswith(_MACROS) for name in names))
    _Reading(sheets).read(_tags(pieces(packed, file, "content.xml"), file))
    return sheets


def closed_up(file: Path) -> BytesIO:
    """
    The package without white space between the tags of its tables.

    Gnumeric and others lay their XML out in lines, which the reader of ODS does not pass over.
    """
    made = BytesIO()
    with zipfile.ZipFile(file) as packed, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        new.writestr("mimetype", MIMETYPE)
        new.writestr("META-INF/manifest.xml", "<manifest/>")
        with new.open("content.xml", "w", force_zip64=True) as out:
            rest = b""
            for part in pieces(packed, file, "content.xml"):
                whole, mark, rest = (rest + part).rpartition(b">")
                out.write(_BETWEEN.sub(b"", whole + mark))
            out.write(rest)
    made.seek(0)
    return made


def _tags(parts: Iterator[bytes], file: Path) -> Iterator[tuple[bool, bytes, bytes, bytes]]:
    """Whether it ends, name and attributes of every tag of a table, and what stood before it."""
    rest = b""
    for part in parts:
        rest += part
        end = 0
        for found in _TAG.finditer(rest):
            yield bool(found[1]), found[2], found[3] or b"", rest[end : found.start()]
            end = found.end()
        rest = rest[end:]
        if len(rest) > 2 * _LONGEST_TAG and b"<table:" not in rest[-_LONGEST_TAG:]:
            rest = rest[-_LONGEST_TAG:]


class _Reading:
    """Goes through the tags; *row* and *place* count from 1 and 0, repeats written out."""

    def __init__(self, sheets: Sheets) -> None:
        self.sheets = sheets
        self.row = self.place = 0
        self.rows = 1
        self.open: tuple[dict[bytes, bytes], int] | None = None

    def read(self, tags: Iterator[tuple[bool, bytes, bytes, bytes]]) -> None:
        for ends, name, written, before in tags:
            if self.open is not None:
                self._cell(*self.open, before)
                self.open = None
            if ends:
                continue
            told = {key: one or other for key, one, other in _ATTRIBUTE.findall(written)}
            match name:
                case b"table":
                    self.sheets.begin(_text(told.get(b"table:name", b"")))
                    self.row, self.rows = 0, 1
                case b"table-row":
                    self.row += self.rows if self.row else 1
                    self.rows = _count(told.get(b"table:number-rows-repeated"))
                    self.place = 0
                case _:
                    times = _count(told.get(b"table:number-columns-repeated"))
                    if b"office:value-type" in told or b"table:formula" in told:
                        self.open = (told, times)
                        if written.rstrip().endswith(b"/"):
                            self._cell(told, times, b"")
                            self.open = None
                    else:
                        self.place += times

    def _cell(self, told: dict[bytes, bytes], times: int, content: bytes) -> None:
        fault = ""
        text = _text(_MARKUP.sub(b"", content))
        counted = b"table:formula" in told
        if told.get(b"calcext:value-type") == b"error" or (counted and text.startswith(_FAULTY)):
            fault = text or "#?"
        elif b"office:value-type" not in told:
            fault = "="
        length = max(len(content), *(len(each) for each in told.values()))
        last = (self.row + self.rows - 1, self.place + times - 1)
        self.sheets.add((self.row, self.place), last, length, fault)
        down = _count(told.get(b"table:number-rows-spanned"))
        across = _count(told.get(b"table:number-columns-spanned"))
        if down > 1 or across > 1:
            self.sheets.merge((self.row, self.place), down, across)
        self.place += times


def _count(told: bytes | None) -> int:
    return max(int(told), 1) if told is not None and told.isdigit() and len(told) < 10 else 1


def _text(told: bytes) -> str:
    return unescape(told.decode("utf-8", "replace"))
