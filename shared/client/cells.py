"""A table as it lies in a file: its form, its rows, and numbers and dates as people write them."""

import csv
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from math import isfinite
from pathlib import Path
from typing import ClassVar, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from shared.vocabulary.errors import Refused

Decimal = Literal["auto", ",", "."]

DELIMITERS: Final = (";", "\t", ",")
_SPACES: Final = "\u0020\u00a0\u2007\u2009\u202f'’"
_CHUNK: Final = 1 << 20
_LARGEST_CELL: Final = 10_000_000  # a polygon in a cell is long
_PARTS: Final = {"yyyy": r"(?P<y>\d{4})", "m": r"(?P<m>\d{1,2})", "d": r"(?P<d>\d{1,2})"}


class BadTable(Refused):
    """The file {value!r} cannot be read as a table. {remedy}"""

    code: ClassVar[str] = "table_unreadable"


class MissingColumns(Refused):
    """The table has no column {value}. {remedy}"""

    code: ClassVar[str] = "columns_missing"


class BadCell(Refused):
    """{value!r} is not {wanted}. {remedy}"""

    code: ClassVar[str] = "cell_unreadable"


class Row(NamedTuple):
    """
    One row of a table: its number as a spreadsheet shows it, and its cells by column.

    *beyond* are cells to the right of the last column: the row has come apart.
    """

    number: int
    cells: Mapping[str, str]
    beyond: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """
    How a file writes.

    *encoding* and *delimiter* may be `auto`: UTF-8 (else UTF-16 by its mark, else Windows-1252) and
    whichever of `;`, tab and `,` the header has most of. *decimal* `auto` refuses a number that two
    readers would read differently. *dates* are tried in their order. *header* is a row number.
    """

    encoding: str = "auto"
    delimiter: str = "auto"
    decimal: Decimal = "auto"
    dates: tuple[str, ...] = ("yyyy-mm-dd",)
    header: int = 1
    time_zone: str = "UTC"


def read_rows(path: str | Path, form: Form, *, columns: Collection[str] = ()) -> Iterator[Row]:
    """
    The rows of the CSV file at *path*, one at a time; empty rows are left out.

    Cells are stripped; a row that is too short ends in empty ones (Excel cuts them off). Raises
    `BadTable`, and `MissingColumns` naming all of *columns* that the header lacks, before the first
    row is given.
    """
    csv.field_size_limit(_LARGEST_CELL)
    encoding = _encoding(Path(path)) if form.encoding == "auto" else form.encoding
    try:
        with Path(path).open(encoding=encoding, newline="") as file:
            yield from _rows(file, str(path), form, columns)
    except (UnicodeError, LookupError) as error:
        remedy = f"It is not {encoding}: say its encoding in the mapping."
        raise BadTable(value=str(path), remedy=remedy) from error
    except csv.Error as error:
        raise BadTable(value=str(path), remedy=f"{error}.") from error


def _rows(file: Iterator[str], name: str, form: Form, columns: Collection[str]) -> Iterator[Row]:
    for _ in range(form.header - 1):
        next(file, None)
    first = next(file, "")
    delimiter = _delimiter(first) if form.delimiter == "auto" else form.delimiter
    reader = csv.reader(_again(first, file), delimiter=delimiter)
    header = [normal(cell) for cell in next(reader, [])]
    if not any(header):
        raise BadTable(value=name, remedy=f"Row {form.header} has no column names.")
    twice = [title for title, times in Counter(filter(None, header)).items() if times > 1]
    if twice:
        remedy = f"Each column needs a name of its own: {', '.join(twice)} stands twice."
        raise BadTable(value=name, remedy=remedy)
    missing = [title for title in columns if title not in header]
    if missing:
        remedy = f"It has: {', '.join(filter(None, header))}."
        raise MissingColumns(value=", ".join(missing), remedy=remedy)
    for number, cells in enumerate(reader, start=form.header + 1):
        stripped = [cell.strip() for cell in cells]
        if not any(stripped):
            continue
        beyond = tuple(filter(None, stripped[len(header) :]))
        stripped += [""] * (len(header) - len(stripped))
        yield Row(number, dict(zip(header, stripped, strict=False)), beyond)


def normal(text: str) -> str:
    """*text* with its letters composed and every run of white space one space."""
    return " ".join(unicodedata.normalize("NFC", text).split())


def folded(text: str) -> str:
    """*text* as it is compared: `normal`, without regard to capitals."""
    return normal(text).casefold()


def number_in(text: str, decimal: Decimal = "auto") -> float:
    """
    The number that *text* writes: spaces, narrow spaces and apostrophes part thousands.

    With *decimal* `auto`, the last of comma and point is the decimal mark, and `1,234` or `1.234`
    is refused, since it is one number to one reader and another to the next. Raises `BadCell`.
    """
    written = text.strip().replace("−", "-")
    plain = re.sub(rf"(?<=\d)[{_SPACES}](?=\d{{3}}(?!\d))", "", written)
    mark = _decimal_mark(plain, text) if decimal == "auto" else decimal
    other = "." if mark == "," else ","
    grouped = rf"\d{{1,3}}(?:\{other}\d{{3}})+|\d+"
    found = re.fullmatch(
        rf"([+-]?)({grouped})(?:\{mark}(\d+))?([eE][+-]?\d{{1,3}})?", plain, re.ASCII
    )
    sign, whole, part, power = found.groups("") if found else ("", "nan", "", "")
    number = float(f"{sign}{whole.replace(other, '')}.{part or 0}{power}" if found else whole)
    if not isfinite(number):
        raise BadCell(value=text, wanted="a number", remedy="Write it like 1 234,5 or 1234.5.")
    return number


def _decimal_mark(plain: str, text: str) -> str:
    comma, point = plain.rfind(","), plain.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    if re.fullmatch(r"[+-]?[1-9]\d{0,2}[.,]\d{3}", plain, re.ASCII):
        remedy = "Say in the mapping which mark is the decimal one: `decimal: ','` or `'.'`."
        raise BadCell(value=text, wanted="one number only", remedy=remedy)
    return "," if comma >= 0 else "."


def date_in(text: str, forms: Collection[str], zone: ZoneInfo) -> date:
    """
    The day that *text* writes in one of *forms*; of a month, its first day.

    A form is written with `yyyy`, `m` and `d` (`d.m.yyyy`, `m/yyyy`; a leading zero may stand or
    not), or is `instant` (ISO 8601 with a time; its day is that of *zone*) or `milliseconds` since
    1970. Raises `BadCell`.
    """
    for form in forms:
        found = _instant(text, form, zone) if form in _MOMENTS else _day(text, form)
        if found is not None:
            return found
    raise BadCell(value=text, wanted="a date", remedy=f"Write it as {' or '.join(forms)}.")


_MOMENTS: Final = ("instant", "milliseconds")


def _instant(text: str, form: str, zone: ZoneInfo) -> date | None:
    try:
        if form == "milliseconds":
            return datetime.fromtimestamp(int(text) / 1000, zone).date() if len(text) > 8 else None
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError, OSError):
        return None
    return (moment.astimezone(zone) if moment.tzinfo else moment).date()


def _day(text: str, form: str) -> date | None:
    found = date_pattern(form).fullmatch(text.strip())
    if found is None:
        return None
    told = {"d": "1"} | found.groupdict()
    try:
        return date(int(told["y"]), int(told["m"]), int(told["d"]))
    except ValueError:
        return None


@cache
def date_pattern(form: str) -> re.Pattern[str]:
    """The pattern of a date form; `BadCell` when it has no year or no month."""
    parts = re.split(r"(yyyy|mm?|dd?)", form)
    if "yyyy" not in parts or not {"m", "mm"} & set(parts):
        remedy = "Use yyyy, m and d, as in d.m.yyyy, or the word instant or milliseconds."
        raise BadCell(value=form, wanted="a form of dates", remedy=remedy)
    return re.compile(
        "".join(_PARTS.get(part if part == "yyyy" else part[:1], re.escape(part)) for part in parts)
    )


def _again(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _delimiter(header: str) -> str:
    bare = re.sub(r'"[^"]*"', "", header)
    return max(DELIMITERS, key=bare.count)


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
