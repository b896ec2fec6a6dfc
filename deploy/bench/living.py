"""A year of forecasts and people, the same for every way to match."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random
from typing import Final, Literal, NamedTuple, Protocol
from uuid import UUID

from deploy.bench.driven import Pair
from deploy.bench.lots import lots
from services.matcher.domain.values import Lot
from shared.contracts import ForecastUpdated

NOISE: Final = 0.2
DECLINED: Final = 0.4
LATE: Final = 0.25
KNOWN_AT_FIRST: Final = 0.6
FIRST_DAY: Final = date(2027, 1, 4)
DAYS: Final = 365


class Calendar:
    """
    When each forecast is told, and what it says then.

    Six in ten are known on the first day, the others come month by month. On the first of each
    month those whose work has not begun are told with other tonnes, 20 % around what they were at
    first; of those that would begin in that month, one in four says that it is four to eight weeks
    late. What has begun is what it was last told.
    """

    def __init__(self, count: int, *, seed: int, days: int = DAYS) -> None:
        self.days = [FIRST_DAY + timedelta(days=number) for number in range(days)]
        self.news: dict[date, list[ForecastUpdated]] = {}
        firsts = [FIRST_DAY, *(day for day in self.days[1:] if day.day == 1)]
        random = Random(f"calendar {seed}")
        for one in lots(count, seed=seed):
            known = random.random() < KNOWN_AT_FIRST
            from_on = firsts[0] if known else random.choice(firsts)
            self._tell(from_on, one)
            self._told_again(one, [day for day in firsts if day > from_on], seed)

    def _told_again(self, one: ForecastUpdated, firsts: Sequence[date], seed: int) -> None:
        now, is_late = one, False
        for day in firsts:
            if now.window.first <= day:
                return
            random = Random(f"{seed} {one.forecast_id} {day}")
            share = max(0.3, 1 + NOISE * random.gauss(0, 1))
            tonnes = max(60, round(one.quantity.likely_t * share))
            amount = one.quantity.model_copy(
                update={"value": tonnes, "low_t": round(tonnes * 0.8), "likely_t": tonnes,
                        "high_t": round(tonnes * 1.25)}
            )  # fmt: skip
            window = now.window
            begins = window.first < day + timedelta(days=31)
            if begins and not is_late and random.random() < LATE:
                late = timedelta(weeks=random.randint(4, 8))
                window = window.model_copy(
                    update={"first": window.first + late, "last": window.last + late}
                )
                is_late = True
            now = ForecastUpdated(
                **{
                    **now.__dict__,
                    "id": UUID(int=random.getrandbits(128), version=4),
                    "revision": now.revision + 1,
                    "quantity": amount,
                    "window": window,
                }
            )
            self._tell(day, now)

    def _tell(self, day: date, one: ForecastUpdated) -> None:
        self.news.setdefault(day, []).append(one)


class Answer(NamedTuple):
    """What the two sides of a pair say: after so many days one of them, after more the other."""

    declines: bool
    giver_first: bool
    first_after: int
    second_after: int


def answer_of(pair: Pair, day: date, *, seed: int) -> Answer:
    """What the people of *pair* say to a proposal of the month of *day*, whoever proposes it."""
    random = Random(f"{seed} {pair[0]} {pair[1]} {day:%Y-%m}")
    declines = random.random() < DECLINED
    return Answer(declines, random.random() < 0.5, random.randint(2, 10), random.randint(1, 10))


Became = Literal["waits", "agreed", "declined"]


class Way(Protocol):
    """One way to match, living through the year; *lots* as they are told by now."""

    notices: Counter[tuple[str, date]]
    lots: dict[UUID, Lot]

    async def morning(self, day: date) -> None:
        """It is *day*, and what is told that day is told."""
        ...

    async def proposals(self) -> dict[Pair, int]:
        """What waits for an answer of one side or both, in tonnes."""
        ...

    async def accept(self, pair: Pair, *, giver: bool, first: bool) -> Became:
        """One side accepts, or offers what is left where a forecast fell below what is proposed."""
        ...

    async def decline(self, pair: Pair, *, giver: bool) -> None: ...

    async def onsite(self) -> dict[Pair, int]:
        """What is to stay on its own site."""
        ...

    async def moved(self, moves: Mapping[Pair, int]) -> None:
        """What stayed on its own site, in tonnes, is told as moved: today its window is over."""
        ...

    async def evening(self) -> None:
        """All that was said today is said."""
        ...


@dataclass
class _Waits:
    since: date
    answer: Answer
    giver_next: bool
    said_on: date | None = None


class Agreement(NamedTuple):
    """Tonnes that both sides of a pair said yes to, on a day."""

    pair: Pair
    tonnes: int
    day: date


@dataclass
class Lived:
    """What came of a year: *onsite* are the tonnes that stayed on their own sites."""

    agreements: list[Agreement] = field(default_factory=list)
    onsite: Counter[Pair] = field(default_factory=Counter)
    withdrawn: int = 0
    declined: int = 0
    proposed: int = 0


async def live(way: Way, calendar: Calendar, *, seed: int, advance: Callable[[int], None]) -> Lived:
    """
    Let *way* live through *calendar*.

    A proposal counts as withdrawn when it is gone one morning, undecided and in time. What stays on
    its own site has moved on the last day of its window, or will have.
    """
    lived, waits = Lived(), dict[Pair, _Waits]()
    for number, day in enumerate(calendar.days, start=1):
        await way.morning(day)
        known = way.lots
        shown = {
            pair: tonnes
            for pair, tonnes in (await way.proposals()).items()
            if last_day(pair, known) >= day
        }
        for pair in [pair for pair in waits if pair not in shown]:
            del waits[pair]
            lived.withdrawn += last_day(pair, known) >= day
        for pair in shown:
            if pair not in waits:
                answer = answer_of(pair, day, seed=seed)
                waits[pair] = _Waits(day, answer, answer.giver_first)
                lived.proposed += 1
        for pair in sorted(waits):
            if await _said(way, pair, waits[pair], shown[pair], day, lived):
                del waits[pair]
        stay = await way.onsite()
        moves = {pair: tonnes for pair, tonnes in stay.items() if last_day(pair, known) == day}
        if moves:
            await way.moved(moves)
            lived.onsite.update(moves)
        await way.evening()
        advance(number)
    to_come = (await way.onsite()).items()
    lived.onsite.update(
        {pair: tonnes for pair, tonnes in to_come if last_day(pair, way.lots) > day}
    )
    return lived


def last_day(pair: Pair, lots: Mapping[UUID, Lot]) -> date:
    """The last day on which both lots of *pair* are at work."""
    return min(lots[id].last for id in pair)


async def _said(way: Way, pair: Pair, waits: _Waits, tonnes: int, day: date, lived: Lived) -> bool:
    """What the two sides say on *day*; whether that ends it."""
    answer, first = waits.answer, waits.said_on is None
    after = answer.first_after if first else answer.second_after
    if (day - (waits.said_on or waits.since)).days < after:
        return False
    if first and answer.declines:
        await way.decline(pair, giver=waits.giver_next)
        lived.declined += 1
        return True
    became = await way.accept(pair, giver=waits.giver_next, first=first)
    waits.said_on, waits.giver_next = day, not waits.giver_next
    lived.declined += became == "declined"
    if became == "agreed":
        lived.agreements.append(Agreement(pair, tonnes, day))
    return became != "waits"
