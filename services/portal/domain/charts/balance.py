"""The mass balance by month: surplus above zero, need below, the net as a line."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from services.portal.domain import formats

STEPS = (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10)
WIDTH, HEIGHT = 960, 320  # user units
LEFT, RIGHT, TOP, BOTTOM = 76, 8, 22, 42
MONTHS_SHOWN = 18
LEAST_T = 0.001


@dataclass(frozen=True)
class Month:
    """One month's tonnes; *need_t* is positive, too."""

    month: str
    surplus_t: float
    need_t: float

    @property
    def net_t(self) -> float:
        return self.surplus_t - self.need_t


@dataclass(frozen=True)
class Column:
    """One month drawn: x and width of the bars, their heights, the net's height; and in words."""

    x: float
    width: float
    middle: float
    surplus_y: float
    surplus_height: float
    need_height: float
    net_y: float
    past: bool
    label: str
    year: str
    month: str
    surplus: str
    need: str
    net: str


@dataclass(frozen=True)
class Tick:
    """One line of the axis."""

    y: float
    label: str


@dataclass(frozen=True)
class BalanceChart:
    """
    The chart in user units of a WIDTH × HEIGHT box, and every number as text.

    The table of the figure is made of the same texts, so the two cannot differ.
    """

    columns: tuple[Column, ...]
    ticks: tuple[Tick, ...]
    zero_y: float
    net_line: str
    now_x: float | None
    past_width: float
    surplus_total: str
    need_total: str
    net_total: str
    net_sign: str
    months_over: int
    months_all: int
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def window(months: Iterable[Month], this_month: str) -> tuple[Month, ...]:
    """
    The months to show: without gaps, at most 18, from three before *this_month* where that is in.

    Months of one name are added up.
    """
    sums: dict[str, tuple[float, float]] = {}
    for one in months:
        surplus, need = sums.get(one.month, (0.0, 0.0))
        sums[one.month] = (surplus + one.surplus_t, need + one.need_t)
    if not sums:
        return ()
    numbers = [_number(name) for name in sums]
    first, last, now = min(numbers), max(numbers), _number(this_month)
    if last - first >= MONTHS_SHOWN:
        start = max(first, now - 3) if first <= now <= last else last - MONTHS_SHOWN + 1
        first = min(start, last - MONTHS_SHOWN + 1)
        last = first + MONTHS_SHOWN - 1
    return tuple(
        Month(_name(number), *sums.get(_name(number), (0.0, 0.0)))
        for number in range(first, last + 1)
    )


def balance_chart(months: Sequence[Month], this_month: str, language: str) -> BalanceChart | None:
    """The chart of *months*, None when there are none or hold nothing to draw."""
    top_t = max((one.surplus_t for one in months), default=0.0)
    deep_t = max((one.need_t for one in months), default=0.0)
    if top_t + deep_t < LEAST_T:
        return None
    step = axis_step(top_t + deep_t)
    above, below = ceil(top_t / step), ceil(deep_t / step)
    per_t = (HEIGHT - TOP - BOTTOM) / ((above + below) * step)
    zero = TOP + above * step * per_t
    slot = (WIDTH - LEFT - RIGHT) / len(months)
    scale = _Scale(slot, zero, per_t)
    columns = tuple(
        _column(one, place, scale, past=one.month < this_month, language=language)
        for place, one in enumerate(months)
    )
    past = sum(column.past for column in columns)
    surplus, need = sum(one.surplus_t for one in months), sum(one.need_t for one in months)
    return BalanceChart(
        columns=columns,
        ticks=tuple(
            Tick(round(zero - step * number * per_t, 1), formats.number(step * number))
            for number in range(-below, above + 1)
        ),
        zero_y=round(zero, 1),
        net_line=" ".join(f"{column.middle},{column.net_y}" for column in columns),
        now_x=round(LEFT + slot * past, 1) if 0 < past < len(columns) else None,
        past_width=round(slot * past, 1),
        surplus_total=formats.tonnes(surplus),
        need_total=formats.tonnes(need),
        net_total=formats.tonnes(abs(surplus - need)),
        net_sign="over" if surplus > need else "under" if surplus < need else "even",
        months_over=sum(one.net_t > 0 for one in months),
        months_all=len(months),
    )


def axis_step(extent_t: float) -> float:
    """The step of the axis for *extent_t* from the deepest to the highest: four to six of them."""
    wished = extent_t / 5
    power = 10.0 ** floor(log10(wished))
    return next(step * power for step in STEPS if step * power >= wished * 0.999)


@dataclass(frozen=True)
class _Scale:
    slot: float
    zero: float
    per_t: float


def _column(one: Month, place: int, scale: _Scale, *, past: bool, language: str) -> Column:
    slot, zero, per_t = scale.slot, scale.zero, scale.per_t
    x = LEFT + slot * place
    width = min(slot * 0.62, 44)
    return Column(
        x=round(x + (slot - width) / 2, 1),
        width=round(width, 1),
        middle=round(x + slot / 2, 1),
        surplus_y=round(zero - one.surplus_t * per_t, 1),
        surplus_height=round(one.surplus_t * per_t, 1),
        need_height=round(one.need_t * per_t, 1),
        net_y=round(zero - one.net_t * per_t, 1),
        past=past,
        label=formats.month_short(one.month, language),
        year=one.month[:4],
        month=formats.month(one.month, language),
        surplus=formats.number(one.surplus_t),
        need=formats.number(one.need_t),
        net=formats.number(one.net_t),
    )


def _number(month: str) -> int:
    year, number = month.split("-")
    return int(year) * 12 + int(number) - 1


def _name(number: int) -> str:
    return f"{number // 12:04d}-{number % 12 + 1:02d}"
