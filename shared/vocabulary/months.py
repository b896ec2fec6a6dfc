"""Months: how a whole number falls on the days of a window, month by month."""

from collections.abc import Sequence
from datetime import date, timedelta
from functools import lru_cache


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
