"""The cells of a table: how a file writes, and numbers and dates as people write them."""

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from math import isfinite
from types import MappingProxyType
from typing import ClassVar, Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from shared.client.said import say
from shared.vocabulary.errors import Refused

Decimal = Literal["auto", ",", "."]

_SPACES: Final = "\u0020\u00a0\u2007\u2009\u202f'’"
_NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
_PARTS: Final = {"yyyy": r"(?P<y>\d{4})", "m": r"(?P<m>\d{1,2})", "d": r"(?P<d>\d{1,2})"}


NUL: Final = "NUL"
SURROGATE: Final = "U+D800"
"""What no text holds and no database keeps, told as the fault of its cell."""


class BadTable(Refused):
    """The file {value!r} cannot be read as a table. {remedy}"""

    code: ClassVar[str] = "table_unreadable"


class MissingColumns(Refused):
    """The table has no column {value}. {remedy}"""

    code: ClassVar[str] = "columns_missing"


class BadCell(Refused):
    """{value!r} is not {wanted}. {remedy}"""

    code: ClassVar[str] = "cell_unreadable"


class Cell(str):
    """A cell's text, and the number or day itself where the file holds one."""

    __slots__ = ("value",)
    value: float | date | None

    def __new__(cls, text: str, value: float | date | None = None) -> "Cell":
        made = super().__new__(cls, text)
        made.value = value
        return made


class Row(NamedTuple):
    """
    One row of a table: its number as a spreadsheet shows it, and its cells by column.

    *beyond* are cells to the right of the last column: the row has come apart. *faults* tells by
    column what is wrong with a cell that holds no value, such as `#REF!`.
    """

    number: int
    cells: Mapping[str, str]
    beyond: tuple[str, ...] = ()
    faults: Mapping[str, str] = _NOTHING


@dataclass(frozen=True, slots=True)
class Form:
    """
    How a file writes.

    *encoding* and *delimiter* may be `auto`: UTF-8 (else UTF-16 by its mark, else Windows-1252) and
    whichever of `;`, tab and `,` finds the columns. *decimal* `auto` takes the mark that the file's
    other numbers show, and refuses a number that two readers would read differently. *dates* are
    tried in their order; `auto` stands for the usual ones. *header* is a row number, or `auto`: the
    first row that has the columns. *sheet* is a workbook's sheet by name; `auto` is the first shown
    one that has them.
    """

    encoding: str = "auto"
    delimiter: str = "auto"
    decimal: Decimal = "auto"
    dates: tuple[str, ...] = ("yyyy-mm-dd",)
    header: int | Literal["auto"] = "auto"
    time_zone: str = "UTC"
    sheet: str = "auto"


def no_text(cell: str) -> str:
    """What *cell* holds that no text does; empty for nothing."""
    if "\0" in cell:
        return NUL
    return "" if cell.isascii() or as_text(cell) == cell else SURROGATE


def as_text(told: str) -> str:
    """*told* with what no text holds written as escapes."""
    return told.replace("\0", "\\0").encode(errors="backslashreplace").decode()


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
    plain = _plain(text)
    mark = _decimal_mark(plain, text) if decimal == "auto" else decimal
    other = "." if mark == "," else ","
    grouped = rf"\d{{1,3}}(?:\{other}\d{{3}})+|\d+"
    found = re.fullmatch(
        rf"([+-]?)({grouped})(?:\{mark}(\d+))?([eE][+-]?\d{{1,3}})?", plain, re.ASCII
    )
    sign, whole, part, power = found.groups("") if found else ("", "nan", "", "")
    number = float(f"{sign}{whole.replace(other, '')}.{part or 0}{power}" if found else whole)
    if not isfinite(number):
        raise BadCell(value=text, wanted=say("wanted_number"), remedy=say("cell_number"))
    return number


def marks_of(texts: Iterable[str]) -> frozenset[str]:
    """The decimal marks that *texts* show without doubt; numbers that could be either show none."""
    return frozenset(mark for text in texts if (mark := _shown_mark(_plain(text))) is not None)


def _plain(text: str) -> str:
    written = text.strip().replace("−", "-")
    return re.sub(rf"(?<=\d)[{_SPACES}](?=\d{{3}}(?!\d))", "", written)


def _shown_mark(plain: str) -> str | None:
    comma, point = plain.rfind(","), plain.rfind(".")
    if comma >= 0 and point >= 0:
        return "," if comma > point else "."
    if max(comma, point) < 0 or not re.fullmatch(r"[+-]?[\d.,]*\d", plain, re.ASCII):
        return None
    mark, other = (",", ".") if comma >= 0 else (".", ",")
    if re.fullmatch(rf"[+-]?[1-9]\d{{0,2}}(\{mark}\d{{3}})+", plain, re.ASCII):
        return None if plain.count(mark) == 1 else other
    return mark


def _decimal_mark(plain: str, text: str) -> str:
    shown = _shown_mark(plain)
    if shown is not None:
        return shown
    if "," in plain or "." in plain:
        mark = "," if "," in plain else "."
        one, other = plain.replace(mark, ""), plain.replace(mark, ".")
        remedy = say("cell_readings", one=one, other=other)
        raise BadCell(value=text, wanted=say("wanted_one_number"), remedy=remedy)
    return "."


def date_in(text: str, forms: Collection[str], zone: ZoneInfo) -> date:
    """
    The day that *text* writes in one of *forms*; of a month, its first day.

    A form is written with `yyyy`, `m` and `d` (`d.m.yyyy`, `m/yyyy`; a leading zero may stand or
    not), or is `instant` (ISO 8601 with a time; its day is that of *zone*) or `milliseconds` since
    1970. `auto` stands for the usual ones; 3/4/2027 is then refused, since it is a day in March to
    one reader and in April to the next. Raises `BadCell`.
    """
    if "auto" in forms:
        forms = [each for form in forms for each in (USUAL_DATES if form == "auto" else (form,))]
        if not {"d/m/yyyy", "m/d/yyyy"} & set(forms):
            _one_day_only(text)
            forms = [*forms, "d/m/yyyy", "m/d/yyyy"]
    for form in forms:
        found = _instant(text, form, zone) if form in _MOMENTS else _day(text, form)
        if found is not None:
            return found
    remedy = say("cell_forms", forms=" / ".join(forms))
    raise BadCell(value=text, wanted=say("wanted_date"), remedy=remedy)


USUAL_DATES: Final = ("yyyy-mm-dd", "d.m.yyyy", "yyyy-mm", "m/yyyy", "m.yyyy", "instant")
_MOMENTS: Final = ("instant", "milliseconds")


def slashed_forms(texts: Iterable[str]) -> frozenset[str]:
    """Which of d/m/yyyy and m/d/yyyy *texts* show without doubt: a part above twelve is a day."""
    shown = set()
    for text in texts:
        day, month = (_day(text, form) for form in ("d/m/yyyy", "m/d/yyyy"))
        if (day is None) != (month is None):
            shown.add("d/m/yyyy" if month is None else "m/d/yyyy")
    return frozenset(shown)


def is_month(text: str) -> bool:
    """Whether *text* writes a month without a day."""
    return re.fullmatch(r"\d{4}-\d{1,2}|\d{1,2}[./]\d{4}", text.strip(), re.ASCII) is not None


def _one_day_only(text: str) -> None:
    first, second = _day(text, "d/m/yyyy"), _day(text, "m/d/yyyy")
    if first is not None and second is not None and first != second:
        remedy = say("cell_days", one=first, other=second)
        raise BadCell(value=text, wanted=say("wanted_one_day"), remedy=remedy)


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
        raise BadCell(value=form, wanted=say("wanted_date_form"), remedy=say("cell_date_form"))
    return re.compile(
        "".join(_PARTS.get(part if part == "yyyy" else part[:1], re.escape(part)) for part in parts)
    )
