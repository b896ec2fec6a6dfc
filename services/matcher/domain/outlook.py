"""The plan by month: what moves where and when, and what is left on either side."""

from collections.abc import Iterable, Sequence
from datetime import date
from typing import NamedTuple, TypeVar

from services.matcher.domain.values import ONSITE
from shared.vocabulary.months import apportion, month_days


class Movement(NamedTuple):
    """
    A standing match as the plan reads it, from municipality to municipality.

    Whole tonnes; *expected* are the likely ones times the likelihood that both sides come about.
    *kg_km* are thousandths of a tonne-kilometre, *grams* the CO2e saved.
    """

    material: str
    origin: str
    target: str
    route: str
    via: str | None
    state: str
    first: date
    last: date
    low: int
    tonnes: int
    high: int
    expected: int
    kg_km: int
    cents: int
    grams: int


class Left(NamedTuple):
    """What no match takes of a lot yet: whole tonnes, over its window."""

    direction: str
    material: str
    first: date
    last: date
    low: int
    tonnes: int
    high: int
    expected: int


class Amounts(NamedTuple):
    """What moves: how many matches, tonnes, thousandths of tkm, cents, and grams of CO2e saved."""

    matches: int = 0
    low: int = 0
    tonnes: int = 0
    high: int = 0
    expected: int = 0
    kg_km: int = 0
    cents: int = 0
    grams: int = 0


class Unmatched(NamedTuple):
    """What is left: of how many lots, and tonnes."""

    lots: int = 0
    low: int = 0
    tonnes: int = 0
    high: int = 0
    expected: int = 0


RowKey = tuple[str, str, str, str, str, str, str]
"""Month, material, from and to municipality, route, via, state; via is empty where direct."""
LeftKey = tuple[str, str, str]
"""Month, direction, material."""


class Month(NamedTuple):
    """One month, or all of them: what moves between projects, on their own sites, and is left."""

    moved: Amounts
    onsite: Amounts
    surplus: Unmatched
    need: Unmatched


class Outlook(NamedTuple):
    """The plan: the amounts of each row, what is left, both by month, and all in all."""

    rows: dict[RowKey, Amounts]
    left: dict[LeftKey, Unmatched]
    months: dict[str, Month]
    total: Month


def outlook(
    movements: Iterable[Movement],
    left: Iterable[Left],
    *,
    first: str | None = None,
    last: str | None = None,
) -> Outlook:
    """
    *movements* and what is *left*, spread evenly over the days of their windows.

    Every amount falls on months in whole parts that sum to it exactly. Only months from *first* to
    *last* (`YYYY-MM`, both included; None is open) are kept. A match counts in each month it
    touches.
    """
    rows: dict[RowKey, list[int]] = {}
    for one in movements:
        months, days = month_days(one.first, one.last)
        where = (one.material, one.origin, one.target, one.route, one.via or "", one.state)
        sizes = _sizes(one, days)
        others = (apportion(part, days) for part in (one.kg_km, one.cents, one.grams))
        for month, *amounts in zip(months, *sizes, *others, strict=True):
            if _within(month, first, last):
                _add(rows, (month, *where), (1, *amounts))
    rest: dict[LeftKey, list[int]] = {}
    for lot in left:
        months, days = month_days(lot.first, lot.last)
        for month, *tonnes in zip(months, *_sizes(lot, days), strict=True):
            if any(tonnes) and _within(month, first, last):
                _add(rest, (month, lot.direction, lot.material), (1, *tonnes))
    return _summed(
        {key: Amounts(*rows[key]) for key in sorted(rows)},
        {key: Unmatched(*rest[key]) for key in sorted(rest)},
    )


def _summed(rows: dict[RowKey, Amounts], rest: dict[LeftKey, Unmatched]) -> Outlook:
    moved: dict[tuple[str, bool], list[int]] = {}
    left: dict[tuple[str, str], list[int]] = {}
    for row, amounts in rows.items():
        _add(moved, (row[0], row[4] == ONSITE), amounts)
    for of, tonnes in rest.items():
        _add(left, of[:2], tonnes)
    names = sorted({month for month, _ in (*moved, *left)})
    months = {
        name: Month(
            Amounts(*moved.get((name, False), ())),
            Amounts(*moved.get((name, True), ())),
            Unmatched(*left.get((name, "surplus"), ())),
            Unmatched(*left.get((name, "need"), ())),
        )
        for name in names
    }
    none = Month(Amounts(), Amounts(), Unmatched(), Unmatched())
    columns = zip(none, *months.values(), strict=True)
    total = Month(*(type(parts[0])(*map(sum, zip(*parts, strict=True))) for parts in columns))
    return Outlook(rows, rest, months, total)


def _sizes(one: Movement | Left, days: Sequence[int]) -> tuple[list[int], ...]:
    """Low, likely, high and expected tonnes by month, in this order in every month."""
    tonnes = apportion(one.tonnes, days)
    fewer = apportion(one.tonnes - min(one.low, one.tonnes), tonnes)
    more = apportion(max(0, one.high - one.tonnes), days)
    expected = apportion(min(one.expected, one.tonnes), tonnes)
    return (
        [part - less for part, less in zip(tonnes, fewer, strict=True)],
        tonnes,
        [part + plus for part, plus in zip(tonnes, more, strict=True)],
        expected,
    )


def _within(month: str, first: str | None, last: str | None) -> bool:
    return (first is None or first <= month) and (last is None or month <= last)


K = TypeVar("K")


def _add(known: dict[K, list[int]], key: K, more: Sequence[int]) -> None:
    was = known.get(key)
    if was is None:
        known[key] = list(more)
        return
    for at, part in enumerate(more):
        was[at] += part


def unmatched(likely: int, low: int, high: int, taken: int) -> tuple[int, int, int]:
    """Low, likely and high tonnes of a lot that are left when *taken* are held by matches."""
    left = max(0, likely - taken)
    return min(left, max(0, low - taken)), left, max(left, high - taken)
