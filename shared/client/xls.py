"""
An XLS workbook of Excel 97 and later weighed before it is opened: its cells, counted as they stand.

Format: [MS-CFB] for the container, [MS-XLS] for the records in it.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from shared.client.cells import BadTable
from shared.client.said import say
from shared.client.scale import Sheets, TablePassword

MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_END: Final = 0xFFFFFFFA  # sectors from here on are marks
_ENTRY: Final = 128
_STREAM: Final = 2
_ROOT: Final = 5
_BIFF8: Final = 0x0600
_BOF, _EOF, _FILEPASS, _BOUNDSHEET = 0x0809, 0x000A, 0x002F, 0x0085
_SST, _CONTINUE, _STRING, _MERGED = 0x00FC, 0x003C, 0x0207, 0x00E5
_FORMULA, _BOOLERR, _LABEL, _LABELSST = 0x0006, 0x0205, 0x0204, 0x00FD
_NUMBER, _RK, _MULRK = 0x0203, 0x027E, 0x00BD
_CELLS: Final = (_FORMULA, _BOOLERR, _LABEL, _LABELSST, _NUMBER, _RK, _MULRK)
_WORKSHEET: Final = 0
_ERRORS: Final = {
    0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?",
    0x24: "#NUM!", 0x2A: "#N/A",
}  # fmt: skip


def weigh_xls(file: Path) -> Sheets:
    """
    The sheets of the workbook with their faults; its reader takes all of them at once.

    Raises `BadTable` for more cells or text than may be held, and `TablePassword`.
    """
    body = file.read_bytes()
    try:
        streams = _streams(body)
        if "EncryptedPackage" in streams:
            raise TablePassword(value=file.name, remedy=say("table_password"))
        book = streams.get("Workbook")
        if book is None or book.kind != _STREAM:
            raise BadTable(value=file.name, remedy=say("table_old_excel"))
        sheets = Sheets(file, macros="_VBA_PROJECT_CUR" in streams)
        _Book(book.read(), sheets).weigh()
    except (struct.error, IndexError) as error:
        remedy = say("table_broken", why=error)
        raise BadTable(value=file.name, remedy=remedy) from error
    return sheets


# the container


@dataclass(frozen=True, slots=True)
class _Container:
    body: bytes
    size: int
    table: tuple[int, ...]

    def chain(self, first: int) -> Iterator[bytes]:
        """The sectors from *first* on; a chain that goes round ends where it met itself."""
        seen: set[int] = set()
        while first < _END and first not in seen:
            seen.add(first)
            at = first * self.size
            yield self.body[at : at + self.size]
            first = self.table[first]


@dataclass(frozen=True, slots=True)
class _Stream:
    container: _Container
    first: int
    length: int
    kind: int

    def read(self) -> bytes:
        return b"".join(self.container.chain(self.first))[: self.length]


def _streams(body: bytes) -> dict[str, _Stream]:
    """The streams and storages by name, those of the top and below alike."""
    (shift,) = struct.unpack_from("<H", body, 30)
    (small_shift,) = struct.unpack_from("<H", body, 32)
    if not (7 <= shift <= 16 and 4 <= small_shift <= shift):
        raise struct.error("sectors of no usual size")
    size = 1 << shift
    directory, least, small_table, further = struct.unpack_from("<I4xII4xI", body, 48)
    sectors = body[size:]
    listed = list(struct.unpack_from("<109I", body, 76))
    seen: set[int] = set()
    while further < _END and further not in seen:
        seen.add(further)
        part = struct.unpack_from(f"<{size // 4}I", sectors, further * size)
        listed += part[:-1]
        further = part[-1]
    table: list[int] = []
    for sector in listed:
        if sector < _END:
            table += struct.unpack_from(f"<{size // 4}I", sectors, sector * size)
        if len(table) * size > len(body) + size * size:
            break
    whole = _Container(sectors, size, tuple(table))
    entries = b"".join(whole.chain(directory))
    small_entries = b"".join(whole.chain(small_table))
    small = struct.unpack(f"<{len(small_entries) // 4}I", small_entries)
    found: dict[str, _Stream] = {}
    within: _Container | None = None
    for at in range(0, len(entries) - _ENTRY + 1, _ENTRY):
        (letters,) = struct.unpack_from("<H", entries, at + 64)
        name = entries[at : at + max(letters - 2, 0)].decode("utf-16-le", "replace")
        kind = entries[at + 66]
        first, length = struct.unpack_from("<II", entries, at + 116)
        stream = _Stream(whole, first, length, kind)
        if kind == _ROOT:
            within = _Container(stream.read(), 1 << small_shift, small)
        elif kind == _STREAM and length < least and within is not None:
            stream = _Stream(within, first, length, kind)
        found.setdefault(name, stream)
    return found


# the records


class _Book:
    def __init__(self, body: bytes, sheets: Sheets) -> None:
        self.body, self.sheets = body, sheets
        self.lengths: list[int] = []

    def weigh(self) -> None:
        named: list[tuple[int, str]] = []
        shared: list[bytes] = []
        last = 0
        version = 0
        for kind, told in self._records(0):
            if kind == _BOF and not version:
                (version,) = struct.unpack_from("<H", told)
                if version != _BIFF8:
                    remedy = say("table_old_excel")
                    raise BadTable(value=self.sheets.file.name, remedy=remedy)
            elif kind == _FILEPASS:
                raise TablePassword(value=self.sheets.file.name, remedy=say("table_password"))
            elif kind == _BOUNDSHEET:
                at, _, sort, letters, wide = struct.unpack_from("<IBBBB", told)
                coding = "utf-16-le" if wide & 1 else "latin-1"
                name = told[8 : 8 + letters * (2 if wide & 1 else 1)].decode(coding, "replace")
                if sort == _WORKSHEET:
                    named.append((at, name))
            elif kind == _SST or (kind == _CONTINUE and last == _SST):
                shared.append(told)
                kind = _SST  # noqa: PLW2901
            last = kind
        self.lengths = list(_lengths(shared))
        for at, name in named:
            self.sheets.begin(name)
            self._sheet(at)

    def _records(self, at: int) -> Iterator[tuple[int, bytes]]:
        """Kind and body of each record from *at* to the end of its part of the stream."""
        depth = 0
        while at + 4 <= len(self.body):
            kind, length = struct.unpack_from("<HH", self.body, at)
            told = self.body[at + 4 : at + 4 + length]
            yield kind, told
            depth += (kind == _BOF) - (kind == _EOF)
            if depth <= 0:
                return
            at += 4 + length

    def _sheet(self, at: int) -> None:
        here = (1, 0)
        for kind, told in self._records(at):
            if kind in _CELLS:
                row, place = struct.unpack_from("<HH", told)
                here = (row + 1, place)
                last = here
                length, fault = 8, ""
                if kind == _MULRK:
                    last = (row + 1, struct.unpack_from("<H", told, len(told) - 2)[0])
                elif kind == _LABELSST:
                    (index,) = struct.unpack_from("<I", told, 6)
                    length = self.lengths[index] if index < len(self.lengths) else 0
                elif kind == _BOOLERR and told[7]:
                    fault = _ERRORS.get(told[6], "#?")
                elif kind == _FORMULA and told[12:14] == b"\xff\xff" and told[6] == 2:
                    fault = _ERRORS.get(told[8], "#?")
                elif kind == _LABEL:
                    length = len(told)
                self.sheets.add(here, last, length, fault)
            elif kind == _STRING:
                self.sheets.add(here, here, len(told))
            elif kind == _MERGED:
                for number in range(struct.unpack_from("<H", told)[0]):
                    top, bottom, left, right = struct.unpack_from("<HHHH", told, 2 + 8 * number)
                    self.sheets.merge((top + 1, left), bottom - top + 1, right - left + 1)


def _lengths(shared: list[bytes]) -> Iterator[int]:
    """The bytes of each shared text; one may go on from one record to the next."""
    if not shared:
        return
    part, at = 0, 8
    (many,) = struct.unpack_from("<I", shared[0], 4)
    for _ in range(many):
        if at >= len(shared[part]):
            part, at = part + 1, 0
        if part >= len(shared):
            return
        letters, flags = struct.unpack_from("<HB", shared[part], at)
        at += 3
        runs = beside = 0
        if flags & 8:
            (runs,) = struct.unpack_from("<H", shared[part], at)
            at += 2
        if flags & 4:
            (beside,) = struct.unpack_from("<I", shared[part], at)
            at += 4
        yield letters * 2
        while letters:
            wide = 2 if flags & 1 else 1
            here = min(letters, (len(shared[part]) - at) // wide)
            letters -= here
            at += here * wide
            if letters:
                part, at = part + 1, 1
                if part >= len(shared):
                    return
                flags = shared[part][0]
        left = runs * 4 + beside
        while left > len(shared[part]) - at:
            left -= len(shared[part]) - at
            part, at = part + 1, 0
            if part >= len(shared):
                return
        at += left
