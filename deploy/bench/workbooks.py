"""Workbooks written by hand, to be measured, or broken by a test: XLSX, ODS, Excel 97 (BIFF8)."""

import struct
import zipfile
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path
from typing import Any, Final

from shared.client.ods import MIMETYPE
from shared.client.xls import MAGIC

OTHERS = (
    '<table:table-row table:number-rows-repeated="1048000">'
    '<table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
)
"""What a spreadsheet writes for all the empty rows below."""


_XLSX: Final = {
    "[Content_Types].xml": (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.'
        'relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.'
        'openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/>'
        '<Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.'
        'openxmlformats-officedocument.spreadsheetml.worksheet+xml"/></Types>'
    ),
    "_rels/.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>'
    ),
    "xl/workbook.xml": (
        '<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http:'
        '//schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>'
        '<sheet name="Massat" sheetId="1" r:id="r1"/></sheets></workbook>'
    ),
    "xl/_rels/workbook.xml.rels": (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        '<Relationship Id="r1" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        'relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>'
    ),
}  # fmt: skip


def xlsx_cell(at: str, value: Any) -> str:
    """The cell *at* of XLSX."""
    if value in ("", None):
        return f'<c r="{at}" s="0"/>'
    if isinstance(value, int | float):
        return f'<c r="{at}"><v>{value}</v></c>'
    return f'<c r="{at}" t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def write_xlsx(
    file: Path, cells: Iterable[str], after: str = "", parts: dict[str, str] | None = None
) -> Path:
    """Rows of *cells*, each row one text, as the one sheet `Massat`."""
    rows = "".join(f'<row r="{at}">{row}</row>' for at, row in enumerate(cells, start=1))
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
        f"{rows}</sheetData>{after}</worksheet>"
    )
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in {**_XLSX, "xl/worksheets/sheet1.xml": sheet, **(parts or {})}.items():
            packed.writestr(name, text)
    return file


def ods_cell(value: Any, more: str = "") -> str:
    """A cell of OpenDocument."""
    if value in ("", None):
        return f"<table:table-cell {more}/>"
    if isinstance(value, int | float):
        told = f'office:value-type="float" office:value="{value}"'
    else:
        told = 'office:value-type="string"'
    text = escape(str(value))
    return f"<table:table-cell {told} {more}><text:p>{text}</text:p></table:table-cell>"


def ods_row(cells: Iterable[str], more: str = "") -> str:
    return f"<table:table-row {more}>{''.join(cells)}</table:table-row>"


def write_ods(file: Path, rows: Iterable[str], parts: dict[str, str] | None = None) -> Path:
    """*rows* as the one sheet `Massat`."""
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
        for name in ("office", "table", "text")
    )
    calc = 'xmlns:calcext="urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0"'
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("mimetype", MIMETYPE)
        with packed.open("content.xml", "w", force_zip64=True) as out:
            head = f'<?xml version="1.0"?><office:document-content {spaces} {calc}><office:body>'
            out.write(f'{head}<office:spreadsheet><table:table table:name="Massat">'.encode())
            for row in rows:
                out.write(row.encode())
            end = "</table:table></office:spreadsheet></office:body></office:document-content>"
            out.write(end.encode())
        manifest = {"META-INF/manifest.xml": "<manifest/>"}
        for name, text in (manifest | (parts or {})).items():
            packed.writestr(name, text)
    return file


def _record(kind: int, body: bytes) -> bytes:
    return struct.pack("<HH", kind, len(body)) + body


def _text(text: str) -> bytes:
    return struct.pack("<HB", len(text), 1) + text.encode("utf-16-le")


def _bof(kind: int) -> bytes:
    return _record(0x0809, struct.pack("<HHHHII", 0x0600, kind, 0x0DBB, 0x07CC, 0, 0x0606))


def biff(rows: Iterable[Sequence[Any]], before: bytes = b"", after: bytes = b"") -> bytes:
    """The stream of a workbook with the one sheet `Massat`; each text is shared."""
    texts: dict[str, int] = {}
    named = 0
    cells = bytearray()
    for row, values in enumerate(rows):
        for place, value in enumerate(values):
            at = struct.pack("<HHH", row, place, 0)
            if isinstance(value, str) and value:
                named += 1
                index = texts.setdefault(value, len(texts))
                cells += _record(0x00FD, at + struct.pack("<I", index))
            elif isinstance(value, int | float):
                cells += _record(0x0203, at + struct.pack("<d", value))
    parts = [struct.pack("<II", named, len(texts))]
    for text in texts:
        told = _text(text)
        if len(parts[-1]) + len(told) > 8000:
            parts.append(b"")
        parts[-1] += told
    shared = b"".join(_record(0x00FC if not at else 0x003C, part) for at, part in enumerate(parts))
    name = "Massat"
    sheet = struct.pack("<BBBB", 0, 0, len(name), 0) + name.encode()
    head = len(_bof(5)) + len(before) + 8 + len(sheet) + len(shared) + 4
    globals_ = _bof(5) + before + _record(0x0085, struct.pack("<I", head) + sheet) + shared
    globals_ += _record(0x000A, b"")
    return globals_ + _bof(0x10) + bytes(cells) + after + _record(0x000A, b"")


def write_xls(file: Path, stream: bytes, name: str = "Workbook", also: str = "") -> Path:
    """*stream* in the container of Excel 97, with an empty storage *also* beside it."""
    size = 512 if len(stream) < 6_000_000 else 4096  # the head names at most 109 tables of sectors
    body = stream.ljust(-(-max(len(stream), 4096) // size) * size, b"\0")
    sectors = len(body) // size
    tables = -(-(sectors + 1) // (size // 4 - 1)) + 1
    directory = tables + sectors
    marks = [0xFFFFFFFD] * tables
    marks += [*range(tables + 1, tables + sectors), 0xFFFFFFFE, 0xFFFFFFFE]
    marks += [0xFFFFFFFF] * (tables * size // 4 - len(marks))

    def entry(called: str, kind: int, first: int, length: int, child: int, right: int) -> bytes:
        written = called.encode("utf-16-le") + b"\0\0"
        links = struct.pack("<III", 0xFFFFFFFF, right, child)
        return (written.ljust(64, b"\0") + struct.pack("<HBB", len(written), kind, 1) + links
                + bytes(36) + struct.pack("<III", first, length, 0))  # fmt: skip

    none = 0xFFFFFFFF
    # large sectors without a chain of small streams are no container to calamine
    small = 0xFFFFFFFE if size == 512 else directory
    entries = entry("Root Entry", 5, small, 0, 1, none)
    entries += entry(name, 2, tables, max(len(stream), 4096), none, 2 if also else none)
    entries += entry(also, 1, 0, 0, none, none) if also else bytes(128)
    entries += bytes(128)
    listed = [*range(min(tables, 109)), *[none] * max(109 - tables, 0)]
    assert tables <= 109, "a larger container lists its tables in sectors of their own"
    version, shift = (3, 9) if size == 512 else (4, 12)
    head = MAGIC + bytes(16) + struct.pack("<HHHHH", 0x3E, version, 0xFFFE, shift, 6) + bytes(6)
    head += struct.pack("<IIIIIIIII", 0, tables, directory, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0)
    head += struct.pack("<109I", *listed)
    table = struct.pack(f"<{len(marks)}I", *marks)
    file.write_bytes(head.ljust(size, b"\0") + table + body + entries.ljust(size, b"\0"))
    return file
