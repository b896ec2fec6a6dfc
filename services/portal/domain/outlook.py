"""The plan by month as its page shows it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

MONTHS_AHEAD = 11
ROWS_SHOWN = 200
_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])", re.ASCII)


@dataclass(frozen=True)
class Tonnes:
    """Low, likely, high, and what is expected: likely times the likelihood that it comes about."""

    low: int
    likely: int
    high: int
    expected: int


@dataclass(frozen=True)
class PlanMonth:
    """One month, or all of them: moved between projects, used on the own site, and left over."""

    month: str
    moved: Tonnes
    onsite: Tonnes
    surplus: Tonnes
    need: Tonnes
    tonne_km: float
    value_cents: int
    saved_kg: float


@dataclass(frozen=True)
class PlanRow:
    """What moves in one month between two municipalities; *via* is the title of an area."""

    month: str
    material: str
    origin: str
    target: str
    route: str
    via: str | None
    state: str
    matches: int
    tonnes: Tonnes
    tonne_km: float


@dataclass(frozen=True)
class Plan:
    """The plan of some months, its rows in the order of the months."""

    months: tuple[PlanMonth, ...]
    total: PlanMonth
    rows: tuple[PlanRow, ...]

    @property
    def shown(self) -> Sequence[PlanRow]:
        return self.rows[:ROWS_SHOWN]


def month_after(month: str, months: int) -> str:
    """The month *months* after *month*: `2026-11` and 3 are `2027-02`."""
    number = int(month[:4]) * 12 + int(month[5:]) - 1 + months
    return f"{number // 12:04d}-{number % 12 + 1:02d}"


def span_of(first: str, last: str, this_month: str) -> tuple[str, str] | None:
    """The months asked for, a year from *this_month* unless told; None when they are no months."""
    first = first.strip() or (this_month if not last.strip() else min(this_month, last.strip()))
    if not _MONTH.fullmatch(first):
        return None
    last = last.strip() or month_after(first, MONTHS_AHEAD)
    if not _MONTH.fullmatch(last) or last < first:
        return None
    return first, last
