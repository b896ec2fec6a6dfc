"""What almost fits, and what one change of a forecast would open."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.portal.domain.whole import End

KINDS = {"window_later": "time", "window_earlier": "time", "class": "quality", "fact": "fact",
         "processing": "processing", "reach": "reach"}  # fmt: skip
ORDER = ("time", "quality", "fact", "processing", "reach", "other")


@dataclass(frozen=True)
class Change:
    """One thing that would do: who could change it, what, and by how much."""

    who: str
    what: str
    days: int | None = None
    km: float | None = None
    code: str | None = None

    @property
    def kind(self) -> str:
        """What it is about: time, quality, fact, processing, reach, or other."""
        return KINDS.get(self.what, "other")


@dataclass(frozen=True)
class NearRow:
    """A pair that fails one gate by little; any one of *changes* would make it fit."""

    id: str
    material: str
    surplus: End
    need: End
    tonnes: int
    worth_cents: int
    km: float | None
    changes: tuple[Change, ...]


@dataclass(frozen=True)
class Opening:
    """What one change of a forecast would open: tonnes, cents, and with how many others."""

    change: Change
    tonnes: int
    cents: int
    partners: int


def by_kind(rows: Sequence[NearRow]) -> tuple[tuple[str, tuple[NearRow, ...]], ...]:
    """*rows* under what their first change is about, in a fixed order; empty kinds are left out."""
    found: dict[str, list[NearRow]] = {}
    for row in rows:
        kind = row.changes[0].kind if row.changes else "other"
        found.setdefault(kind, []).append(row)
    return tuple((kind, tuple(found[kind])) for kind in ORDER if kind in found)


def weeks_or_days(days: int) -> tuple[str, int]:
    """*days* as whole weeks where they are: `week`, `weeks`, `day` or `days`, and how many."""
    count, unit = (days // 7, "week") if days and days % 7 == 0 else (days, "day")
    return (unit if count == 1 else f"{unit}s"), count
