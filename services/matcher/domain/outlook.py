"""The plan by month: what moves where and when, and what is left on either side."""

from collections.abc import Callable, Iterable, Sequence
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


class Outlook(NamedTuple):
    """The plan: amounts of each row, what is left, and both by month; onsite stands apart."""

    rows: dict[RowKey, Amounts]
    left: dict[LeftKey, Unmatched]

    @property
    def months(self) -> list[str]:
        """Every month in which something moves or is left."""
        return sorted({key[0] for key in (*self.rows, *self.left)})

    def moved(self, month: str | None = None, *, onsite: bool = False) -> Amounts:
        """What moves in *month*, or in all of them: between projects, or on their own sites."""
        return _sum(
            Amounts(),
            (
                amounts
                for key, amounts in self.rows.items()
                if month in (None, key[0]) and (key[4] == ONSITE) == onsite
            ),
        )

    def left_over(self, direction: str, month: str | None = None) -> Unmatched:
        """What is left in *direction* in *month*, or in all of them."""
        return _sum(
            Unmatched(),
            (
                amounts
                for key, amounts in self.left.items()
                if month in (None, key[0]) and key[1] == direction
            ),
        )


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
    rows: dict[RowKey, Amounts] = {}
    for one in movements:
        months, days = month_days(one.first, one.last)
        where = (one.material, one.origin, one.target, one.route, one.via or "", one.state)
        sizes = _sizes(one, days)
        others = (apportion(part, days) for part in (one.kg_km, one.cents, one.grams))
        for month, *amounts in zip(months, *sizes, *others, strict=True):
            if _within(month, first, last):
                _add(rows, (month, *where), Amounts(1, *amounts))
    rest: dict[LeftKey, Unmatched] = {}
    for lot in left:
        months, days = month_days(lot.first, lot.last)
        for month, *tonnes in zip(months, *_sizes(lot, days), strict=True):
            if _within(month, first, last) and any(tonnes):
                _add(rest, (month, lot.direction, lot.material), Unmatched(1, *tonnes))
    return Outlook(dict(sorted(rows.items())), dict(sorted(rest.items())))


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


T = TypeVar("T", Amounts, Unmatched)
K = TypeVar("K")


def _add(known: dict[K, T], key: K, more: T) -> None:
    was = known.get(key)
    known[key] = more if was is None else _sum(was, (more,))


def _sum(first: T, others: Iterable[T]) -> T:
    make: Callable[..., T] = type(first)
    return make(*map(sum, zip(first, *others, strict=True)))


def unmatched(likely: int, low: int, high: int, taken: int) -> tuple[int, int, int]:
    """Low, likely and high tonnes of a lot that are left when *taken* are held by matches."""
    left = max(0, likely - taken)
    return min(left, max(0, low - taken)), left, max(left, high - taken)
