"""Freshness: when an owner is asked whether a forecast still holds, and what silence leads to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta, tzinfo
from typing import Final

GRADES: Final = ("A", "B", "C")
STALE: Final = 2
"""After so many times of patience without an answer a forecast is offered no longer."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """
    When a forecast was last told or confirmed, when its owner was asked whether it holds (None: not
    since then), and how often the answer was waited for in vain.
    """

    confirmed_at: datetime
    asked_at: datetime | None = None
    lapsed: int = 0

    @property
    def is_stale(self) -> bool:
        return self.lapsed >= STALE


@dataclass(frozen=True, slots=True)
class Asking:
    """
    After how long a *silence* an owner is asked, how long *before* the window opens at the latest,
    and how long the answer may take (*patience*) before the grade drops, and then the offer.
    """

    silence: timedelta = timedelta(days=90)
    before: timedelta = timedelta(weeks=8)
    patience: timedelta = timedelta(days=14)


def due_at(
    fresh: Freshness, window: Mapping[str, str], asking: Asking, zone: tzinfo
) -> datetime | None:
    """
    When something is to be done about a forecast of a *window* (first and last day): its owner
    asked, or the answer missed. None when never: its time is over by then, or it is stale.
    """
    first, last = (date.fromisoformat(window[end]) for end in ("first", "last"))
    if fresh.is_stale:
        return None
    if fresh.asked_at is not None:
        due = fresh.asked_at + (fresh.lapsed + 1) * asking.patience
    else:
        due = fresh.confirmed_at + asking.silence
        opens_soon = _morning(first, zone) - asking.before
        if fresh.confirmed_at < opens_soon:
            due = min(due, opens_soon)
    return due if due < _morning(last, zone) + timedelta(days=1) else None


def _morning(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone)


def went_on(fresh: Freshness, now: datetime) -> Freshness:
    """*fresh* once what was due is done: its owner is asked, or one more answer was missed."""
    if fresh.asked_at is None:
        return replace(fresh, asked_at=now)
    return replace(fresh, lapsed=fresh.lapsed + 1)


def graded(reliability: str, fresh: Freshness | None) -> str:
    """What is left of a told *reliability*: one grade less once an answer was missed."""
    if fresh is None or not fresh.lapsed or reliability not in GRADES:
        return reliability
    return GRADES[min(len(GRADES) - 1, GRADES.index(reliability) + 1)]
