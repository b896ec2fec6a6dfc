"""The rules of a mapping: how one field gets its value from a row, and when a condition holds."""

from abc import ABC, abstractmethod
from calendar import monthrange
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from difflib import get_close_matches
from typing import Any, Final, NamedTuple
from unicodedata import normalize

from shared.client.cells import BadCell, Form, Row, folded, is_month
from shared.client.values import Kind, read_as


class CellError(Exception):
    """The cell cannot give the field its value."""

    def __init__(self, column: str, value: str, code: str, text: str) -> None:
        super().__init__(text)
        self.column, self.value, self.code, self.text = column, value, code, text


class Found(NamedTuple):
    """What a rule found: the value (None: not told), the assumptions behind it, and the column."""

    value: Any
    assumed: tuple[str, ...] = ()
    column: str = ""


NOTHING: Final = Found(None)


class Rule(ABC):
    """How a field gets its value from a row."""

    @abstractmethod
    def find(self, row: Row, form: Form) -> Found:
        """The value in *row*; raises `CellError`."""

    def columns(self) -> Iterator[str]:
        """The columns it reads."""
        return iter(())

    def columns_of(self, kind: Kind) -> Iterator[str]:
        """Those of them that it reads as *kind*."""
        return iter(())


@dataclass(frozen=True, slots=True)
class Constant(Rule):
    """The same for every row."""

    value: Any
    assumed: tuple[str, ...] = ()

    def find(self, row: Row, form: Form) -> Found:
        return Found(self.value, self.assumed)


@dataclass(frozen=True, slots=True)
class Column(Rule):
    """
    What a column says, read as *kind*; through *table* where there is one.

    A word that is in no table is refused unless *otherwise* says what it means; an empty cell is
    not told unless *empty* says what it means. A month is its first day, or with *month* `last` its
    last.
    """

    column: str
    kind: Kind
    table: Mapping[str, Rule] | None = None
    ranges: tuple[tuple[int, int, Rule], ...] = ()
    otherwise: Rule | None = None
    empty: Rule | None = None
    part: str | None = None
    month: str | None = None
    days: int = 0
    months: int = 0
    assumed: tuple[str, ...] = ()

    def columns(self) -> Iterator[str]:
        yield self.column
        for rule in (*(self.table or {}).values(), *(each[2] for each in self.ranges)):
            yield from rule.columns()
        for spare in (self.otherwise, self.empty):
            if spare is not None:
                yield from spare.columns()

    def columns_of(self, kind: Kind) -> Iterator[str]:
        if kind == self.kind and self.table is None and not self.ranges:
            yield self.column
        for spare in (self.otherwise, self.empty):
            if spare is not None:
                yield from spare.columns_of(kind)

    def find(self, row: Row, form: Form) -> Found:
        written = row.cells[self.column]
        if not written:
            if self.empty is None:
                return Found(None, (), self.column)
            return self._with(self.empty.find(row, form))
        rule = self._looked_up(written)
        if rule is not None:
            return self._with(rule.find(row, form))
        part = "last" if self.month == "last" and is_month(written) else self.part
        return Found(self._moved(self._read(written, form), part), self.assumed, self.column)

    def _with(self, found: Found) -> Found:
        return Found(found.value, (*self.assumed, *found.assumed), found.column or self.column)

    def _looked_up(self, written: str) -> Rule | None:
        if self.table is None and not self.ranges:
            return None
        found = (self.table or {}).get(folded(written)) or self._in_ranges(written)
        if found is None:
            found = self.otherwise
        if found is None:
            known = [*(self.table or {}), *(f"{low}..{high}" for low, high, _ in self.ranges)]
            close = get_close_matches(folded(written), known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            text = f"The mapping does not say what {written!r} means.{hint} Add it to the table."
            raise CellError(self.column, written, "code_unknown", text)
        return found

    def _in_ranges(self, written: str) -> Rule | None:
        if not written.isdecimal():
            return None
        number = int(written)
        return next((rule for low, high, rule in self.ranges if low <= number <= high), None)

    def _read(self, written: str, form: Form) -> Any:
        try:
            return read_as(self.kind, written, form)
        except BadCell as error:
            raise CellError(self.column, written, f"not_a_{self.kind}", str(error)) from error
        except ValueError as error:
            code = getattr(error, "code", "code_unknown")
            raise CellError(self.column, written, code, str(error)) from error

    def _moved(self, value: Any, part: str | None) -> Any:
        if self.kind != "date":
            return value
        try:
            moved = _months_on(value, self.months) + timedelta(days=self.days)
            if part is None:
                return moved
            first = moved.replace(day=1)
            return first if part == "first" else first.replace(day=_days_in(first))
        except (ValueError, OverflowError) as error:
            text = f"{value} is moved beyond the year 9999. Check the year."
            raise CellError(self.column, str(value), "not_a_date", text) from error


@dataclass(frozen=True, slots=True)
class Template(Rule):
    """A text with columns in braces; not told when every one of them is empty."""

    pieces: tuple[tuple[str, str | None], ...]
    assumed: tuple[str, ...] = ()
    longest: int = 200

    def columns(self) -> Iterator[str]:
        yield from (column for _, column in self.pieces if column is not None)

    def find(self, row: Row, form: Form) -> Found:
        named = list(self.columns())
        if named and not any(row.cells[column] for column in named):
            return NOTHING
        text = "".join(
            before + (row.cells[column] if column else "") for before, column in self.pieces
        )
        return Found(
            normalize("NFC", text)[: self.longest], self.assumed, named[0] if named else ""
        )


@dataclass(frozen=True, slots=True)
class Condition:
    """Whether a row is of a kind: every column named must hold."""

    tests: tuple[tuple[str, Callable[[str], bool]], ...]

    def columns(self) -> Iterator[str]:
        yield from (column for column, _ in self.tests)

    def holds(self, row: Row) -> bool:
        return all(test(folded(row.cells[column])) for column, test in self.tests)


@dataclass(frozen=True, slots=True)
class Choice(Rule):
    """The first case whose condition holds."""

    cases: tuple[tuple[Condition, Rule], ...]
    assumed: tuple[str, ...] = ()

    def columns(self) -> Iterator[str]:
        for condition, rule in self.cases:
            yield from condition.columns()
            yield from rule.columns()

    def columns_of(self, kind: Kind) -> Iterator[str]:
        for _, rule in self.cases:
            yield from rule.columns_of(kind)

    def find(self, row: Row, form: Form) -> Found:
        for condition, rule in self.cases:
            if condition.holds(row):
                found = rule.find(row, form)
                return Found(found.value, (*self.assumed, *found.assumed), found.column)
        columns = list(dict.fromkeys(self.columns()))
        told = {column: row.cells[column] for column in columns}
        text = f"No case of the mapping fits {told}. Add one, or an `else`."
        raise CellError(columns[0], row.cells[columns[0]], "no_case_fits", text)


def _months_on(day: date, months: int) -> date:
    if not months:
        return day
    month = day.year * 12 + day.month - 1 + months
    year, month = divmod(month, 12)
    first = date(year, month + 1, 1)
    return first.replace(day=min(day.day, _days_in(first)))


def _days_in(month: date) -> int:
    return monthrange(month.year, month.month)[1]
