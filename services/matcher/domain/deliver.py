"""What loads do to a match: what is left of it, and the state it comes to."""

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final, NamedTuple
from uuid import UUID

from services.matcher.domain.values import (
    AGREED,
    DONE,
    HISTORY,
    HOLDS,
    MOVING,
    ONSITE,
    Lot,
    Match,
)

CARRIED: Final = (AGREED, MOVING, DONE)
"""The states in which loads count against the match."""


class Load(NamedTuple):
    """
    Loads as one report tells them, in the order of their columns.

    *reported* is the revision of the report, *revision* that of what was announced. *refused* says
    why they count for nothing; *under_match* whether they count against the agreement of
    *match_id*. Of a tonne *permille* reaches the need; the rest is lost in a working.
    """

    id: UUID
    reported: int
    revision: int
    organisation: str
    reporter: str
    region: str
    match_id: UUID | None
    forecast_id: UUID | None
    area_id: UUID | None
    surplus_id: UUID | None
    need_id: UUID | None
    outlet: str
    origin: str
    material: str
    kg: int
    tag: str
    method: str
    moved_on: date
    haul_km: float | None
    vehicle: str | None
    energy: str | None
    waybill: str | None
    under_match: bool
    refused: str | None
    at: datetime
    permille: int = 1000

    @property
    def lots(self) -> tuple[UUID, ...]:
        """The lots that they are taken off."""
        if self.refused:
            return ()
        return tuple(id for id in (self.surplus_id, self.need_id) if id is not None)

    def kg_off(self, lot: UUID) -> int:
        """What they take off *lot*, one of `lots`."""
        return self.kg if lot == self.surplus_id else self.kg * self.permille // 1000


def placed(
    load: Load,
    match: Match | None,
    direction: str | None,
    others: Iterable[Load] = (),
    was: Load | None = None,
) -> Load:
    """
    *load* with the lots that it moves between, or why it counts for nothing.

    *match* is the one it names, *direction* that of the forecast it names (None: not heard of),
    *others* are the loads of the same match, and *was* is what was told before under the same id.
    Told before the match was agreed it is taken off the lots alone: an agreement is about what was
    left then.
    """
    if load.match_id is not None:
        return _of_match(load, match, others, was)
    virgin_surplus = load.origin == "virgin" and direction == "surplus"
    return load._replace(
        surplus_id=load.forecast_id if direction == "surplus" else None,
        need_id=load.forecast_id if direction == "need" else None,
        under_match=False,
        refused="virgin_for_a_surplus" if virgin_surplus else None,
        permille=1000,
    )


def _of_match(load: Load, match: Match | None, others: Iterable[Load], was: Load | None) -> Load:
    nowhere = load._replace(surplus_id=None, need_id=None, under_match=False)
    if match is None:
        return nowhere._replace(refused="match_unknown")
    if load.organisation not in match.sides:
        return nowhere._replace(refused="not_a_side")
    same = (
        load.waybill is not None and one.waybill == load.waybill and one.reporter != load.reporter
        for one in others
        if one.id != load.id and not one.refused and one.kg
    )
    if any(same):
        return nowhere._replace(refused="waybill_told_already")
    counts = match.route != ONSITE and match.state in CARRIED
    if was is not None and was.match_id == load.match_id and not was.refused:
        counts = was.under_match
    return load._replace(
        surplus_id=match.surplus_id,
        need_id=match.need_id,
        under_match=counts,
        refused=None,
        permille=match.permille,
    )


def carried(match: Match, delivered_kg: int, now: datetime) -> Match:
    """
    *match* with *delivered_kg* of loads in all; the same when it had them already.

    All that was agreed is delivered: done. Less again, by a correction: moving, unless a side has
    closed it. Beyond it: `over_delivered`, each time it grows.
    """
    if match.state not in CARRIED or match.delivered_kg == delivered_kg:
        return match
    agreed_kg = match.tonnes * 1000
    state = MOVING if delivered_kg else AGREED
    if delivered_kg >= agreed_kg or match.closed_by:
        state = DONE
    over = delivered_kg > agreed_kg and delivered_kg > match.delivered_kg
    was = match.delivered_kg
    change = "done" if state == DONE and match.state != DONE else "delivered"
    if delivered_kg < was:
        change = "delivery_corrected"
    return match._replace(
        revision=match.revision + 1,
        state=state,
        standing=HISTORY if state == DONE else HOLDS,
        delivered_kg=delivered_kg,
        change="over_delivered" if over else change,
        changed_at=now,
    )


def left_t(match: Match) -> float | None:
    """Agreed less delivered, t; below 0 is delivered beyond it. None before it is agreed."""
    if match.state not in CARRIED:
        return None
    return match.tonnes - match.delivered_kg / 1000


def moved_kg(loads: Iterable[Load], lot: Lot) -> int:
    """What *loads* take off *lot*: those of the day its amount was told for, and after."""
    return sum(
        one.kg_off(lot.id) for one in loads if lot.id in one.lots and one.moved_on >= lot.as_of
    )


def totals_of(loads: Iterable[Load]) -> Mapping[UUID, int]:
    """Kilograms under the agreement of each match."""
    found: dict[UUID, int] = {}
    for one in loads:
        if one.under_match and not one.refused and one.match_id is not None:
            found[one.match_id] = found.get(one.match_id, 0) + one.kg
    return found
