"""Months: how a whole number of kilograms falls on them, and what a period is called."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)
_QUARTER = re.compile(r"([0-9]{4})-Q([1-4])", re.ASCII)
_YEAR = re.compile(r"[0-9]{4}", re.ASCII)


class BadPeriod(Exception):
    """The period is none that can be read; the message says which forms are."""

    def __init__(self, told: str) -> None:
        super().__init__(
            f"period is {told!r}: write all, YYYY, YYYY-Qn, YYYY-MM or YYYY-MM..YYYY-MM, "
            "the first month not after the last"
        )
        self.told = told


@dataclass(frozen=True, slots=True)
class Months:
    """From the first month to the last, both included, as `YYYY-MM`; None is open."""

    first: str | None = None
    last: str | None = None


@lru_cache(maxsize=4096)
def month_days(first: date, last: date) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The months that the days *first* to *last* touch, and how many of the days are in each."""
    months: list[str] = []
    days: list[int] = []
    begins = first
    while begins <= last:
        after = (begins.replace(day=1) + timedelta(days=32)).replace(day=1)
        months.append(f"{begins.year:04}-{begins.month:02}")
        days.append((min(after, last + timedelta(days=1)) - begins).days)
        begins = after
    return tuple(months), tuple(days)


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """
    *total* in whole parts after *weights*, by largest remainder; the parts sum to *total* exactly.

    Of equal remainders the earlier one wins. A part is never more than its exact share rounded up,
    so parts of weights that sum to at least *total* stay within their weight. A negative total is
    apportioned as its opposite. No weight at all: all parts are 0.
    """
    if total < 0:
        return [-part for part in apportion(-total, weights)]
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    shares = [divmod(total * weight, whole) for weight in weights]
    parts = [part for part, _ in shares]
    left = total - sum(parts)
    if left:
        by_rest = sorted(range(len(parts)), key=lambda at: (-shares[at][1], at))
        for at in by_rest[:left]:
            parts[at] += 1
    return parts


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
        raise BadPeriod(told)
    return Months(first, ends)


def period_label(months: Months) -> str:
    """How *months* are written; `period_of` reads it back."""
    if months.first is None and months.last is None:
        return "all"
    return f"{months.first or '0001-01'}..{months.last or '9999-12'}"
