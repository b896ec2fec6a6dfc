"""Opening a table: what kind of file it is, its header, and the form that its cells show."""

import csv
import io
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from shared.client import workbook
from shared.client.cells import (
    NUL,
    BadTable,
    Cell,
    Form,
    MissingColumns,
    Row,
    folded,
    marks_of,
    normal,
    slashed_forms,
)
from shared.client.said import say
from shared.client.scale import letter_of

DELIMITERS: Final = (";", "\t", ",")
_CHUNK: Final = 1 << 20
_LARGEST_CELL: Final = 10_000_000  # a polygon in a cell is long
_HEADER_WITHIN: Final = 40  # rows in which a header is looked for
_SAMPLE: Final = 1 << 16

Headings = Mapping[str, Collection[str]]
"""Column → other names that it may have, such as those in another language."""


@dataclass(frozen=True, slots=True)
class Table:
    """
    A table that was opened: its *columns* with their letters, and its rows, as often as asked.

    *sheet* is empty for a file that has none; *form* says how it writes, as found; *notes* what a
    reader should know about the file.
    """

    sheet: str
    form: Form
    columns: Mapping[str, str]
    source: "Source"
    notes: tuple[tuple[str, str], ...] = field(default=())

    def rows(self) -> Iterator[Row]:
        """The rows below the header, one at a time; empty rows are left out."""
        return self.source.rows()

    def address(self, column: str, row: int) -> str:
        """Where a cell stands, as a spreadsheet says it: `Taul1!C17`, or `C17`."""
        letter = self.columns.get(column)
        place = f"row {row}" if letter is None else f"{letter}{row}"
        return f"{self.sheet}!{place}" if self.sheet else place


def open_table(
    path: str | Path,
    form: Form,
    *,
    columns: Collection[str] = (),
    headings: Headings | None = None,
    numbers: Collection[str] = (),
    dates: Collection[str] = (),
) -> Table:
    """
    Open the CSV file or XLSX workbook at *path*; its content says which it is, not its name.

    *columns* must be there, under their own name or one of *headings*; *numbers* and *dates* are
    those whose cells show how the file writes both. Raises `BadTable`, `MissingColumns` naming all
    that the header lacks.
    """
    file = Path(path)
    kind = workbook.kind_of(file)
    if kind != "text":
        table = _of_workbook(file, form, columns, headings or {})
    else:
        table = _of_text(file, form, columns, headings or {})
    if file.suffix.casefold() in (".xlsx", ".xlsm") and kind == "text":
        told = ("not_a_workbook", say("table_is_text", name=file.name))
        table = replace(table, notes=(*table.notes, told))
    return _surveyed(table, numbers, dates)


def read_rows(path: str | Path, form: Form, *, columns: Collection[str] = ()) -> Iterator[Row]:
    """
    The rows of the table at *path*, one at a time; empty rows are left out.

    Cells are stripped; a row that is too short ends in empty ones (Excel cuts them off). Raises
    `BadTable`, and `MissingColumns` naming all of *columns* that the header lacks, before the first
    row is given.
    """
    yield from open_table(path, form, columns=columns).rows()


@dataclass(frozen=True, slots=True)
class _Header:
    """The columns by their place, from 0; a place without a name is empty."""

    row: int
    titles: Sequence[str]

    @property
    def letters(self) -> dict[str, str]:
        return {title: letter_of(place) for place, title in enumerate(self.titles) if title}

    def row_of(self, number: int, cells: Sequence[str], faults: Mapping[int, str]) -> Row | None:
        """Row *number*; None when nothing stands in it."""
        width = len(self.titles)
        if not any(cells) and not faults:
            return None
        beyond = tuple(filter(None, cells[width:]))
        padded = [*cells[:width], *[""] * (width - len(cells))]
        told = {
            self.titles[place]: fault
            for place, fault in faults.items()
            if place < width and self.titles[place]
        }
        return Row(number, dict(zip(self.titles, padded, strict=True)), beyond, told)


class Source(ABC):
    """Where the rows of a table come from."""

    @abstractmethod
    def rows(self) -> Iterator[Row]:
        """The rows, from the first on, as often as asked."""


# workbooks


@dataclass(frozen=True, slots=True)
class _SheetRows(Source):
    sheet: workbook.Sheet
    header: _Header

    def rows(self) -> Iterator[Row]:
        for number, cells, faults in self.sheet.rows(after=self.header.row):
            found = self.header.row_of(number, cells, faults)
            if found is not None:
                yield found


def _of_workbook(file: Path, form: Form, columns: Collection[str], headings: Headings) -> Table:
    book = workbook.Workbook.open(file)
    names = book.shown if form.sheet == "auto" else [form.sheet]
    best: tuple[int, _Header, workbook.Sheet] | None = None
    for name in names:
        sheet = book.sheet(name)
        rows = [(number, cells) for number, cells, _ in sheet.rows(before=_HEADER_WITHIN + 1)]
        found = _header(rows, form.header, columns, headings)
        if found is not None and (best is None or found[0] > best[0]):
            best = (found[0], found[1], sheet)
        if best is not None and best[0] >= len(set(columns)):
            break
    if best is None:
        remedy = say("table_no_header_in_sheets", sheets=", ".join(names))
        raise BadTable(value=file.name, remedy=remedy)
    _, header, sheet = best
    _check(header, file.name, columns)
    found_form = replace(form, header=header.row, sheet=sheet.name)
    return Table(sheet.name, found_form, header.letters, _SheetRows(sheet, header), sheet.notes)


# text


@dataclass(frozen=True, slots=True)
class _TextRows(Source):
    file: Path
    form: Form
    header: _Header

    def rows(self) -> Iterator[Row]:
        form = self.form
        with (
            _unreadable_told(self.file, form.encoding),
            self.file.open(encoding=form.encoding, newline="") as text,
        ):
            reader = csv.reader(text, delimiter=form.delimiter)
            for number, cells in enumerate(reader, start=1):
                if number <= self.header.row:
                    continue
                stripped = [cell.strip() for cell in cells]
                faults = (
                    {place: NUL for place, cell in enumerate(stripped) if "\0" in cell}
                    if "\0" in "".join(stripped)
                    else {}
                )
                found = self.header.row_of(number, stripped, faults)
                if found is not None:
                    yield found


def _of_text(file: Path, form: Form, columns: Collection[str], headings: Headings) -> Table:
    csv.field_size_limit(_LARGEST_CELL)
    encoding = _encoding(file) if form.encoding == "auto" else form.encoding
    with _unreadable_told(file, encoding):
        with file.open(encoding=encoding, newline="") as text:
            sample = text.read(_SAMPLE)
        if "\0" in sample:
            raise BadTable(value=file.name, remedy=say("table_nul"))
        delimiters = DELIMITERS if form.delimiter == "auto" else (form.delimiter,)
        tried = []
        for delimiter in delimiters:
            found = _header(_sampled(sample, delimiter), form.header, columns, headings)
            if found is not None:
                score = (found[0], len(list(filter(None, found[1].titles))))
                tried.append((score, found[1], delimiter))
    if not tried:
        row = 1 if form.header == "auto" else form.header
        raise BadTable(value=file.name, remedy=say("table_no_header", row=row))
    _, header, delimiter = max(tried, key=lambda each: each[0])
    _check(header, file.name, columns)
    found_form = replace(form, encoding=encoding, delimiter=delimiter, header=header.row)
    return Table("", found_form, header.letters, _TextRows(file, found_form, header))


def _sampled(sample: str, delimiter: str) -> list[tuple[int, list[str]]]:
    rows: list[tuple[int, list[str]]] = []
    reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
    try:
        for number, cells in enumerate(reader, start=1):
            rows.append((number, cells))
            if number > _HEADER_WITHIN:
                break
    except csv.Error:
        pass  # the reading itself tells it, with its row
    return rows


@contextmanager
def _unreadable_told(file: Path, encoding: str) -> Iterator[None]:
    """Tells as `BadTable` why a text file cannot be read."""
    try:
        yield
    except (UnicodeError, LookupError) as error:
        remedy = say("table_encoding", encoding=encoding)
        raise BadTable(value=file.name, remedy=remedy) from error
    except csv.Error as error:
        raise BadTable(value=file.name, remedy=say("table_csv", why=error)) from error


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
    try:
        with path.open(encoding="utf-8-sig") as text:
            while text.read(_CHUNK):
                pass
    except UnicodeDecodeError:
        return "cp1252"
    return "utf-8-sig"


# headers and forms


def _header(
    rows: Sequence[tuple[int, Sequence[str]]],
    asked: int | str,
    columns: Collection[str],
    headings: Headings,
) -> tuple[int, _Header] | None:
    """The header among *rows* and how many of *columns* it has; None when all are empty."""
    names = {folded(other): column for column, others in headings.items() for other in others}
    names |= {folded(column): column for column in (*headings, *columns)}
    wanted = set(columns)
    best: tuple[int, _Header] | None = None
    for number, cells in rows:
        if asked not in ("auto", number):
            continue
        titles = [names.get(folded(cell)) or normal(cell) for cell in cells]
        while titles and not titles[-1]:
            titles.pop()
        if not titles:
            continue
        has = len(wanted & set(titles))
        if best is None or has > best[0]:
            best = (has, _Header(number, titles))
        if has == len(wanted):
            break
    return best


def _check(header: _Header, name: str, columns: Collection[str]) -> None:
    missing = [column for column in columns if column not in header.titles]
    if missing:
        remedy = say("table_columns_there", columns=", ".join(filter(None, header.titles)))
        raise MissingColumns(value=", ".join(missing), remedy=remedy)
    twice = [title for title, times in Counter(filter(None, header.titles)).items() if times > 1]
    if twice:
        remedy = say("table_column_twice", columns=", ".join(twice))
        raise BadTable(value=name, remedy=remedy)


def _surveyed(table: Table, numbers: Collection[str], dates: Collection[str]) -> Table:
    """*table* with the decimal mark and the order of slashed dates that its cells show."""
    asks_numbers = table.form.decimal == "auto" and bool(numbers)
    asks_dates = "auto" in table.form.dates and bool(dates)
    if not (asks_numbers or asks_dates):
        return table
    marks: set[str] = set()
    slashed: set[str] = set()
    for row in table.rows():
        if asks_numbers:
            marks |= marks_of(_texts(row, numbers))
        if asks_dates:
            slashed |= slashed_forms(_texts(row, dates))
    form = table.form
    if len(marks) == 1:
        form = replace(form, decimal="," if "," in marks else ".")
    if len(slashed) == 1:
        form = replace(form, dates=(*form.dates, *slashed))
    return replace(table, form=form)


def _texts(row: Row, columns: Collection[str]) -> Iterator[str]:
    for column in columns:
        cell = row.cells.get(column, "")
        if cell and not (isinstance(cell, Cell) and cell.value is not None):
            yield cell
