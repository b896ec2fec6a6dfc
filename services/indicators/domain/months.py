"""Periods: what a span of months is called, and how it is read back."""

import re
from dataclasses import dataclass

from shared.vocabulary.errors import Coded

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])", re.ASCII)
_YEAR = re.compile(r"[0-9]{4}", re.ASCII)


class BadPeriod(Coded):
    """The period is none that can be read."""


@dataclass(frozen=True, slots=True)
class Months:
    """From the first month to the last, both included, as `YYYY-MM`; None is open."""

    first: str | None = None
    last: str | None = None


def period_of(told: str) -> Months:
    """
    The months of `all`, `2026`, `2026-Q2`, `2026-05` or `2026-01..2026-12`.

    Raises `BadPeriod` for anything else.
    """
    if told == "all":
        return Months()
    if _YEAR.fullmatch(told):
        return Months(f"{told}-01", f"{told}-12")
    if quarter := _QUARTER.fullmatch(told):
        year, last = quarter[1], int(quarter[2]) * 3
        return Months(f"{year}-{last - 2:02}", f"{year}-{last:02}")
    first, dots, after = told.partition("..")
    ends = after if dots else first
    if not _MONTH.fullmatch(first) or not _MONTH.fullmatch(ends) or ends < first:
        raise BadPeriod("period_invalid", value=told)
    return Months(first, ends)


def period_label(months: Months) -> str:
    """How *months* are written; `period_of` reads it back."""
    if months.first is None and months.last is None:
        return "all"
    return f"{months.first or '0001-01'}..{months.last or '9999-12'}"
