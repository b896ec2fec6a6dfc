"""
Lots: in which state each kilogram of a lot stands, month by month, and which cells that fills.

A kilogram stands in one state, the furthest it has reached. What was moved since the day that the
lot's amount was told for is taken off it first and counts as delivered, in the month it moved (see
`loads`). Of the rest, what is matched is taken off from the furthest state down (on site, agreed,
proposed) and never beyond it; what remains is forecast. So the states of a lot add up to what is
left of it, in every month and at each of low, likely and high.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Protocol, TypeVar
from uuid import UUID

from shared.vocabulary.months import apportion, month_days

STATES = ("forecast", "proposed", "agreed", "delivered")
NOT_TOLD = "-"
"""The code of a scope that the lot does not tell, so that its siblings still sum to the region."""

CellKey = tuple[str, str, str, str, str, str, str, bool]
"""Scope, code, region, side, material, state, month, sample."""
Cells = dict[CellKey, tuple[int, ...]]
ByMonth = dict[tuple[str, str], tuple[int, ...]]
"""By state and month."""
Contribution = dict[str, Any]
PLACED = ("scopes", "region", "side", "material", "sample")
"""The part of a contribution that says which cells it fills, but for state and month."""


class Revised(Protocol):
    """Something told whole, with a revision."""

    @property
    def id(self) -> UUID: ...
    @property
    def revision(self) -> int: ...


R = TypeVar("R", bound=Revised)


@dataclass(frozen=True, slots=True)
class Lot:
    """
    A forecast as the balance needs it; *material* is its one substance, masses in kilograms, as
    they remained on the day *as_of*.

    *unverified*: its tonnes rest on a conversion that is an unverified default.
    """

    id: UUID
    revision: int
    at: datetime
    region: str
    project: UUID
    organisation: str
    municipality: str
    sub_region: str
    direction: str
    material: str
    status: str
    first: date
    last: date
    kg_low: int
    kg: int
    kg_high: int
    unverified: bool = True
    sample: bool = False
    as_of: date = date.min


@dataclass(frozen=True, slots=True)
class Standing:
    """Kilograms of one lot that its matches hold, by the state they have reached."""

    onsite: int = 0
    agreed: int = 0
    proposed: int = 0

    def plus(self, bucket: str, kg: int) -> "Standing":
        """With *kg* more (or less) in *bucket*; an empty bucket holds nothing."""
        if not bucket:
            return self
        return replace(self, **{bucket: getattr(self, bucket) + kg})


@dataclass(slots=True)
class KeptLot:
    """
    A lot as kept: *lot* is None while only its matches or loads have been heard of.

    *moved* are the kilograms of its loads by day (`YYYY-MM-DD`).
    """

    id: UUID
    lot: Lot | None = None
    standing: Standing = field(default_factory=Standing)
    contribution: Contribution | None = None
    moved: dict[str, int] = field(default_factory=dict)

    @property
    def left(self) -> Lot | None:
        """The lot with the masses that are left of it."""
        if self.lot is None or not self.moved:
            return self.lot
        first = self.lot.as_of.isoformat()
        gone = sum(kg for day, kg in self.moved.items() if day >= first)
        return replace(
            self.lot,
            kg_low=max(0, self.lot.kg_low - gone),
            kg=max(0, self.lot.kg - gone),
            kg_high=max(0, self.lot.kg_high - gone),
        )

    def copy(self) -> "KeptLot":
        """Another of the same, to change."""
        return KeptLot(self.id, self.lot, self.standing, self.contribution, dict(self.moved))


def latest_of(news: Iterable[R]) -> list[R]:
    """The highest revision of each id, in the order of ids."""
    latest: dict[UUID, R] = {}
    for one in news:
        known = latest.get(one.id)
        if known is None or one.revision > known.revision:
            latest[one.id] = one
    return [latest[id] for id in sorted(latest)]


def contribution_of(lot: Lot | None, standing: Standing) -> Contribution | None:
    """What *lot* adds to the balance, by state and month; None when it takes part in nothing."""
    if lot is None or lot.status != "offered" or not (lot.kg or lot.kg_high):
        return None
    months, days = month_days(lot.first, lot.last)
    low = _by_state(lot.kg_low, standing, days)
    likely = _by_state(lot.kg, standing, days)
    high = _by_state(lot.kg_high, standing, days)
    states = {
        state: [low[state], likely[state], high[state]]
        for state in ("forecast", "proposed", "agreed")
        if any(high[state]) or any(likely[state]) or any(low[state])
    }
    return {
        "scopes": _scopes(lot),
        "region": lot.region,
        "side": lot.direction,
        "material": lot.material,
        "sample": lot.sample,
        "unverified": lot.unverified,
        "months": list(months),
        "states": states,
        "onsite": likely["onsite"] if any(likely["onsite"]) else [],
    }


def cells_of(contribution: Contribution | None) -> Cells:
    """The cells that *contribution* fills: kg low, likely, high, on site, unverified."""
    return spread_over(contribution, by_month(contribution))


def by_month(told: Contribution | None) -> ByMonth:
    """What *told* adds in each state and month, in any of its scopes."""
    if told is None:
        return {}
    unverified = told["unverified"]
    found: ByMonth = {}
    for state, (low, likely, high) in told["states"].items():
        on_site = told["onsite"] if state == "agreed" and told["onsite"] else [0] * len(low)
        columns = (low, likely, high, on_site, likely if unverified else [0] * len(low))
        for month, *amounts in zip(told["months"], *columns, strict=True):
            if any(amounts):
                found[state, month] = tuple(amounts)
    return found


def spread_over(told: Contribution | None, amounts: ByMonth) -> Cells:
    """*amounts* in every scope of *told*."""
    if told is None:
        return {}
    region, side, material, sample = (told[name] for name in PLACED[1:])
    return {
        (scope, code, region, side, material, state, month, sample): adds
        for scope, code in told["scopes"]
        for (state, month), adds in amounts.items()
    }


def lot_cells(kept: Iterable[KeptLot]) -> Cells:
    """The balance from nothing: the sum of what *kept* add. The proof of the increments."""
    total: Cells = {}
    for one in kept:
        add_to(total, cells_of(contribution_of(one.left, one.standing)))
    return without_empty(total)


def take_lots(kept: Mapping[UUID, KeptLot], news: Sequence[Lot]) -> tuple[list[KeptLot], Cells]:
    """
    The lots of *kept* that *news* renews, and what that changes in the cells.

    News of a revision that is known already, or older, renews nothing.
    """
    renewed: list[KeptLot] = []
    changes: Cells = {}
    for lot in latest_of(news):
        known = kept[lot.id]
        if known.lot is not None and known.lot.revision >= lot.revision:
            continue
        renewed.append(renew(replace(known, lot=lot), changes))
    return renewed, without_empty(changes)


def renew(lot: KeptLot, changes: Cells) -> KeptLot:
    """*lot* with its contribution made anew; the difference goes into *changes*."""
    contribution = contribution_of(lot.left, lot.standing)
    if contribution != lot.contribution:
        add_to(changes, difference_of(lot.contribution, contribution))
    return replace(lot, contribution=contribution)


def difference_of(was: Contribution | None, now: Contribution | None) -> Cells:
    """What has to be added to the cells so that they hold *now* where they held *was*."""
    before, after = by_month(was), by_month(now)
    if was is None or now is None or any(was[name] != now[name] for name in PLACED):
        cells = spread_over(now, after)
        add_to(cells, spread_over(was, before), sign=-1)
        return without_empty(cells)
    # most changes leave the place alone: then only the months and states that moved are spread
    nothing = (0,) * 5
    moved = {
        key: tuple(
            a - b for a, b in zip(after.get(key, nothing), before.get(key, nothing), strict=True)
        )
        for key in before.keys() | after.keys()
        if before.get(key) != after.get(key)
    }
    return spread_over(now, moved)


def add_to(total: Cells, cells: Cells, *, sign: int = 1) -> None:
    """Add *cells* (or, with *sign* -1, take them) into *total*."""
    for key, amounts in cells.items():
        known = total.get(key)
        if known is None:
            total[key] = amounts if sign == 1 else tuple(-amount for amount in amounts)
        else:
            total[key] = tuple(a + sign * b for a, b in zip(known, amounts, strict=True))


def without_empty(cells: Cells) -> Cells:
    """*cells* without those that hold or change nothing."""
    return {key: amounts for key, amounts in cells.items() if any(amounts)}


def scopes_of(
    region: str, sub_region: str, municipality: str, organisation: str | None, project: UUID
) -> list[list[str]]:
    """The scopes, with code, in which a lot of this place and owner counts."""
    return [
        ["region", region],
        ["sub_region", sub_region or NOT_TOLD],
        ["municipality", municipality or NOT_TOLD],
        ["organisation", organisation or NOT_TOLD],
        ["project", str(project)],
    ]


def _scopes(lot: Lot) -> list[list[str]]:
    return scopes_of(lot.region, lot.sub_region, lot.municipality, lot.organisation, lot.project)


def _by_state(kg: int, standing: Standing, days: Sequence[int]) -> dict[str, list[int]]:
    """*kg* by month in each state; `agreed` includes `onsite`."""
    left = apportion(kg, days)
    taken: dict[str, list[int]] = {}
    for bucket in ("onsite", "agreed", "proposed"):
        amount = min(getattr(standing, bucket), sum(left))
        taken[bucket] = apportion(amount, left) if amount else [0] * len(left)
        left = [rest - part for rest, part in zip(left, taken[bucket], strict=True)]
    agreed = [a + b for a, b in zip(taken["agreed"], taken["onsite"], strict=True)]
    return {**taken, "agreed": agreed, "forecast": left}
