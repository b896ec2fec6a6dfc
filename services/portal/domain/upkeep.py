"""What keeps the register true: forecasts to confirm, masses told twice, projects to call about."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

REPORTS = {"coordinator", "reporter"}
COMPARED = ("owner", "reporter", "material", "tonnes", "window", "municipality", "status")


@dataclass(frozen=True)
class Mass:
    """One forecast as its reader may see it; *asked_on* when its owner was asked about it."""

    id: str
    organisation: str
    reporter: str
    direction: str
    material: str
    tonnes: int
    municipality: str
    first: date
    last: date
    status: str
    asked_on: date | None = None
    stale: bool = False
    low: int = 0
    high: int = 0


@dataclass(frozen=True)
class Twice:
    """
    Two forecasts that may be the same mass, and *why*; *counts* is the id of the one that counts
    where they are linked, *by* and *on* who decided and when.
    """

    one: Mass
    other: Mass
    why: Mapping[str, Any]
    state: str
    counts: str | None
    by: str | None
    on: date | None

    @property
    def key(self) -> str:
        return f"{self.one.id}-{self.other.id}"

    @property
    def both(self) -> tuple[Mass, Mass]:
        return self.one, self.other

    @property
    def differs(self) -> frozenset[str]:
        """
        Which of the facts compared are not the same on both sides; that one of a linked pair is a
        draft comes of the link.
        """
        one, other = (_facts(each) for each in self.both)
        compared = one.keys() - ({"status"} if self.state == "linked" else set())
        return frozenset(name for name in compared if one[name] != other[name])

    @property
    def meet(self) -> bool:
        """Whether the least to the most of one meets that of the other."""
        return max(each.low for each in self.both) <= min(each.high for each in self.both)

    @property
    def drifted(self) -> bool:
        """Whether a linked pair tells amounts by now that cannot be one."""
        return self.state == "linked" and not self.meet


def _facts(mass: Mass) -> dict[str, Any]:
    """What is compared of *mass*."""
    return {
        "owner": mass.organisation,
        "reporter": mass.reporter,
        "material": mass.material,
        "tonnes": mass.tonnes,
        "window": (mass.first, mass.last),
        "municipality": mass.municipality,
        "status": mass.status,
    }


@dataclass(frozen=True)
class Early:
    """What a project seen coming would bring by its type and size: an estimate, never a measure."""

    direction: str
    material: str
    tonnes: int


@dataclass(frozen=True)
class Coming:
    """A project seen coming that nobody has told any masses of."""

    id: str
    title: str
    organisation: str
    municipality: str
    phase: str
    first: date | None
    last: date | None
    programme: str
    early: tuple[Early, ...]


@dataclass(frozen=True)
class Wanted:
    """Which projects to call about are asked for; empty: any."""

    municipality: str = ""
    phase: str = ""
    year: str = ""

    @classmethod
    def read(cls, told: str) -> "Wanted":
        """What `049.detailed_plan.2027` asks for, as a part of the page carries it."""
        parts = [*told.split("."), "", "", ""]
        return cls(*parts[:3])

    def __str__(self) -> str:
        return f"{self.municipality}.{self.phase}.{self.year}"

    def of(self, every: Iterable[Coming]) -> list[Coming]:
        """Those of *every* that are asked for, soonest first."""
        found = [one for one in every if self._wants(one)]
        return sorted(found, key=lambda one: (one.first or date.max, one.title))

    def _wants(self, one: Coming) -> bool:
        years = {str(day.year) for day in (one.first, one.last) if day}
        return (
            self.municipality in ("", one.municipality)
            and self.phase in ("", one.phase)
            and (not self.year or self.year in years)
        )


def years_of(every: Sequence[Coming]) -> list[str]:
    """The years in which *every* begins or ends, in order."""
    return sorted({str(day.year) for one in every for day in (one.first, one.last) if day})
