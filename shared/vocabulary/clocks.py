"""How long a mass may lie in storage, and when to be reminded."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from types import MappingProxyType
from typing import ClassVar, Final

from shared.vocabulary.errors import Refused
from shared.vocabulary.provenance import Provenance, provenance_of
from shared.vocabulary.tables import table, version_of

CLOCKS_VERSION: Final = version_of("clocks")
"""The version kept beside every day computed here, as text."""


class UnknownPurpose(Refused):
    """There is no storage clock for {value!r}. {remedy}"""

    code: ClassVar[str] = "storage_purpose_unknown"


@dataclass(frozen=True, slots=True)
class Clock:
    """
    The clock of storage before *purpose*: under *limit_days*, reminders after *alert_days*.

    Days, not months, so that no leap year makes it longer. Unverified, high confidence.
    """

    purpose: str
    limit_days: int
    alert_days: tuple[int, ...]
    provenance: Provenance


def clock(purpose: str) -> Clock:
    """The clock before `recovery` or `disposal`; `UnknownPurpose` for another."""
    try:
        return CLOCKS[purpose]
    except KeyError:
        remedy = f"Use one of: {', '.join(CLOCKS)}."
        raise UnknownPurpose(value=purpose, remedy=remedy) from None


def last_day(stored_since: date, purpose: str = "recovery") -> date:
    """The last day a mass stored since *stored_since* may lie there: under the limit, not on it."""
    return stored_since + timedelta(clock(purpose).limit_days - 1)


def alert_days(stored_since: date, purpose: str = "recovery") -> tuple[date, ...]:
    """The days on which to be reminded that the storage runs out."""
    return tuple(stored_since + timedelta(days) for days in clock(purpose).alert_days)


def days_left(stored_since: date, purpose: str, today: date) -> int:
    """The days that *today* leaves, the last day included; negative when it is over."""
    return (last_day(stored_since, purpose) - today).days


def first_stored(*days: date | None) -> date | None:
    """The day that counts for a lot that was moved or joined: the first of *days*."""
    return min((day for day in days if day is not None), default=None)


def _clocks() -> dict[str, Clock]:
    told = table("clocks")
    where = provenance_of(told["meta"])
    return {
        row["purpose"]: Clock(row["purpose"], row["limit_days"], tuple(row["alert_days"]), where)
        for row in told["clocks"]
    }


CLOCKS: Final[Mapping[str, Clock]] = MappingProxyType(_clocks())
"""The clocks by purpose."""
