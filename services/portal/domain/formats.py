"""How numbers, weeks and moments are written: the same Finnish forms in every language."""

import re
from collections.abc import Sequence
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal

GAP = "\u00a0"
MINUS = "\u2212"
WEEK = {"fi": "vk", "sv": "v.", "en": "wk"}
CLOCK = {"fi": "klo", "sv": "kl.", "en": "at"}
MONTHS = {
    "fi": ("tammi", "helmi", "maalis", "huhti", "touko", "kesä",
           "heinä", "elo", "syys", "loka", "marras", "joulu"),
    "sv": ("jan.", "feb.", "mars", "apr.", "maj", "juni",
           "juli", "aug.", "sep.", "okt.", "nov.", "dec."),
    "en": ("Jan", "Feb", "Mar", "Apr", "May", "Jun",
           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"),
}  # fmt: skip


_GAPS = re.compile(r"\s")
_NUMBER = re.compile(r"-?[0-9]{1,12}(\.[0-9]{1,6})?", re.ASCII)
_FINNISH_DAY = re.compile(r"[0-9]{1,2}\.[0-9]{1,2}\.[0-9]{4}", re.ASCII)


def number(value: float, decimals: int = 0) -> str:
    """*value* as `12 345,6`: no-break space in thousands, comma, true minus; halves go up."""
    exact = Decimal(repr(value)).quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP)
    digits = f"{abs(exact):,f}".replace(",", GAP).replace(".", ",")
    return f"{MINUS}{digits}" if exact < 0 else digits


def tonnes(value: float) -> str:
    """Whole tonnes: `3 300 t`."""
    return f"{number(value)}{GAP}t"


def load(value: float) -> str:
    """Tonnes of loads with the decimals they have, three at most: `24,5 t`."""
    decimals = next(n for n in range(4) if n == 3 or abs(value - round(value, n)) < 5e-7)
    return f"{number(value, decimals)}{GAP}t"


def euros(cents: int) -> str:
    """Cents as whole euros: `1 234 €`."""
    return f"{number(cents / 100)}{GAP}€"


def kilometres(value: float) -> str:
    """`17,4 km`."""
    return f"{number(value, 1)}{GAP}km"


def euros_per_t(cents: int) -> str:
    """Cents per tonne as `12,34 €/t`."""
    return f"{number(cents / 100, 2)}{GAP}€/t"


def share(value: float) -> str:
    """A share of 0..1 as `43,2 %`."""
    return f"{number(value * 100, 1)}{GAP}%"


def weeks(first: date, last: date, language: str) -> str:
    """The ISO weeks from *first* to *last*: `vk 21/2026`, `vk 21–24/2026`, `vk 50/2026–3/2027`."""
    begin, end = first.isocalendar(), last.isocalendar()
    word = WEEK[language]
    if begin[:2] == end[:2]:
        return f"{word}{GAP}{begin.week}/{begin.year}"
    if begin.year == end.year:
        return f"{word}{GAP}{begin.week}–{end.week}/{end.year}"
    return f"{word}{GAP}{begin.week}/{begin.year}–{end.week}/{end.year}"


def days(first: date, last: date) -> str:
    """Both dates in full: `18.5.2026–14.6.2026`."""
    return f"{day(first)}–{day(last)}"


def day(one: date) -> str:
    """`18.5.2026`."""
    return f"{one.day}.{one.month}.{one.year}"


def clock(moment: datetime, language: str) -> str:
    """`klo 10.42`, in the zone that *moment* bears."""
    return f"{CLOCK[language]}{GAP}{moment.hour}.{moment.minute:02d}"


def day_and_clock(moment: datetime, language: str) -> str:
    """`18.5.2026 klo 10.42`, in the zone that *moment* bears."""
    return f"{day(moment.date())} {clock(moment, language)}"


def read_number(told: str) -> float | None:
    """What a person wrote as a number: `1 234,5` or `1234.5`; None when it is none."""
    text = _GAPS.sub("", told).replace(",", ".").replace(MINUS, "-")
    return float(text) if _NUMBER.fullmatch(text) else None


def read_day(told: str) -> date | None:
    """`2026-05-18`, as browsers tell it, or `18.5.2026`; None when it is no day."""
    text = told.strip()
    try:
        if _FINNISH_DAY.fullmatch(text):
            one, month_, year = (int(part) for part in text.split("."))
            return date(year, month_, one)
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def month(code: str, language: str) -> str:
    """`2026-05` as `touko 2026`."""
    year, number_ = code.split("-")
    return f"{MONTHS[language][int(number_) - 1]} {year}"


def month_short(code: str, language: str) -> str:
    """`2026-05` as `touko`."""
    return MONTHS[language][int(code.split("-")[1]) - 1]


def language_of(accepted: str, known: Sequence[str], default: str) -> str:
    """The first of *known* in an Accept-Language header by its weights, else *default*."""
    wishes: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepted.split(",")[:20]):
        tag, _, weight = part.partition(";q=")
        try:
            wishes.append((-float(weight or 1), place, tag.strip().lower()[:2]))
        except ValueError:
            continue
    return next((tag for _, _, tag in sorted(wishes) if tag in known), default)
