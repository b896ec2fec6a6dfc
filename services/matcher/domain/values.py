"""What the matcher judges: lots, the matches between them, and the rules it judges by."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from shared.vocabulary.distance import road_ratio

LEAST_RATIO = road_ratio(1000.0)
PROPOSED, ACCEPTED, AGREED = "proposed", "accepted", "agreed"
MOVING, DONE = "moving", "done"
DECLINED, WITHDRAWN, EXPIRED = "declined", "withdrawn", "expired"
DIRECT, ONSITE = "direct", "onsite"
HISTORY, HOLDS, EXCLUDES = 0, 1, 2
"""What a match means for the plan: nothing any more, it holds tonnes, it excludes its pair."""


class Kind(NamedTuple):
    """What a lot is made of and what it accepts, without amount, time and place."""

    material: str
    use: str | None = None
    quality: str = "unknown"
    accepts_unknown_quality: bool = False
    frost_class: str | None = None
    max_frost_class: str | None = None
    max_particle_mm: float | None = None
    contamination: str = "unknown"
    contamination_basis: str = "none"
    max_contamination: str = "P0"
    acid_sulphate: str = "unknown"
    accepts_acid_sulphate: bool = False
    invasive_status: str = "unknown"
    waste_status: str = "unknown"
    legal_route: str | None = None
    structure: str | None = None
    layer_m: float | None = None
    groundwater_area: bool | None = None
    site_kind: str = "construction_site"


def kind_text(told: Mapping[str, Any]) -> str:
    """The kind in *told*, written down in one way only: equal kinds, equal texts."""
    named = {name: told[name] for name in Kind._fields if name in told}
    said = {name: value for name, value in named.items() if value != _DEFAULTS.get(name, _NONE)}
    return json.dumps(said, separators=(",", ":"), sort_keys=True)


@lru_cache(maxsize=65536)
def kind_of(text: str) -> Kind:
    """The kind that was written down as *text*."""
    return Kind(**json.loads(text))


_NONE = object()
_DEFAULTS = Kind._field_defaults


class Lot(NamedTuple):
    """
    One forecast as the matcher keeps it, in the order of its columns.

    Whole tonnes; *weekly_t* is what can be loaded or received in a week; *meets* are the regions
    it may meet, joined by commas; *terms* changes when anything does that a match depends on,
    tonnes aside; *beside* is JSON that no rule reads (contacts, sub-region, sample). The tonnes are
    what remained on the day *as_of*; *moved_kg* are the loads of that day and after.
    """

    id: UUID
    revision: int
    direction: str
    is_open: bool
    kind: str
    low: int
    likely: int
    high: int
    first: date
    last: date
    weekly_t: float | None
    lat: float
    lon: float
    exact: bool
    municipality: str
    region: str
    meets: str
    project_id: UUID
    organisation: str
    net_of_own_use: bool
    visibility: str
    transport_payer: str | None
    cell: int
    terms: int
    beside: str
    as_of: date = date.min
    moved_kg: int = 0

    @property
    def left_kg(self) -> int:
        """What is still to be moved of it, decided on or not; nothing of a closed one."""
        return max(0, self.likely * 1000 - self.moved_kg) if self.is_open else 0

    @property
    def is_surplus(self) -> bool:
        return self.direction == "surplus"

    @property
    def material(self) -> str:
        return kind_of(self.kind).material


class Stands(NamedTuple):
    """What a plan must know of a match, in the order of its columns there."""

    id: UUID
    revision: int
    surplus_id: UUID
    need_id: UUID
    state: str
    route: str
    standing: int
    tonnes: int
    cents_per_t: int
    km: float
    first: date
    last: date
    surplus_terms: int
    need_terms: int
    alarm: str
    told_revision: int
    delivered_kg: int = 0
    decline_reason: str | None = None
    barred: str = ""
    facts: int = 0

    @property
    def pair(self) -> tuple[UUID, UUID]:
        return self.surplus_id, self.need_id

    @property
    def held_kg(self) -> int:
        """What it still takes of each of its lots: its loads are off them already."""
        return max(0, self.tonnes * 1000 - self.delivered_kg) if self.standing == HOLDS else 0

    @property
    def is_free(self) -> bool:
        """Whether the plan may change it: proposed, or on the own site."""
        return self.state == PROPOSED or (self.route == ONSITE and self.state == AGREED)


class Match(NamedTuple):
    """
    A movement of whole tonnes between two lots, in the order of its columns.

    *standing* says what it means for the plan (`HISTORY`, `HOLDS`, `EXCLUDES`); *judged* is the
    JSON of what was agreed on, from the first decision; *told_revision* is 0 until it was told.
    *delivered_kg* are its loads; *closed_by* ended it before all was moved. Of a declined one,
    *facts* are those that the reason was about, and *barred* the lots of the side that declined
    (surplus, need or both) with the material, as `need:sand`.
    """

    id: UUID
    revision: int
    surplus_id: UUID
    need_id: UUID
    state: str
    route: str
    standing: int
    tonnes: int
    cents_per_t: int
    km: float
    first: date
    last: date
    surplus_terms: int
    need_terms: int
    surplus_organisation: str
    need_organisation: str
    region: str
    accepted_by: str
    declined_by: str | None
    decline_reason: str | None
    change: str
    alternatives: int
    next_best_cents: int | None
    alarm: str
    told_revision: int
    born_at: datetime
    changed_at: datetime
    judged: str | None
    delivered_kg: int = 0
    closed_by: str | None = None
    barred: str = ""
    facts: int = 0

    @property
    def pair(self) -> tuple[UUID, UUID]:
        return self.surplus_id, self.need_id

    @property
    def sides(self) -> tuple[str, ...]:
        """The organisations of the two sides, giver first; one when they are the same."""
        return tuple(dict.fromkeys((self.surplus_organisation, self.need_organisation)))

    @property
    def accepted(self) -> tuple[str, ...]:
        return tuple(filter(None, self.accepted_by.split(",")))

    @property
    def stands(self) -> Stands:
        """What a plan must know of it."""
        return Stands(*(getattr(self, name) for name in Stands._fields))

    @property
    def asks(self) -> tuple[str, ...]:
        """Whose move it is."""
        if self.route == ONSITE or self.state not in (PROPOSED, ACCEPTED):
            return ()
        return tuple(side for side in self.sides if side not in self.accepted)


@dataclass(frozen=True)
class Rules:
    """
    What an operator may turn about gates, value, plan and pace.

    Reach in road km, by surplus material where *reach_by_material* names it; money in cents per
    tonne; *co2e_cents_per_t* prices a tonne of CO2e. The rest is the pace: how wide a neighbourhood
    and a sweep are, and how long news may be kept back.
    """

    reach_km: float = 60.0
    reach_by_material: tuple[tuple[str, float], ...] = ()
    same_place_km: float = 5.0
    worth_cents_per_t: int = 0
    standing_bonus_cents_per_t: int = 200
    sweep_bonus_cents_per_t: int = 20
    smallest_load_t: int = 50
    co2e_cents_per_t: int = 0
    processing_on_site: bool = False
    closes_past_windows: bool = False
    radius_km: float = 20.0
    neighbourhood_lots: int = 250
    sweep_radius_km: float = 40.0
    sweep_after_s: float = 3.0
    measure_every_s: float = 600.0
    measure_up_to_lots: int = 5000
    tell_within_s: float = 2.0
    calendar_every_s: float = 600.0

    @property
    def of_sweeps(self) -> "Rules":
        """The rules when it is quiet: what stands gives way to a smaller gain."""
        bonus = min(self.standing_bonus_cents_per_t, self.sweep_bonus_cents_per_t)
        return replace(self, standing_bonus_cents_per_t=bonus)

    @property
    def exact(self) -> "Rules":
        """The rules of the full optimum: no standing bonus, any load."""
        return replace(self, standing_bonus_cents_per_t=0, smallest_load_t=0)

    def reach(self, material: str) -> float:
        """How far *material* may go by road, km."""
        return dict(self.reach_by_material).get(material, self.reach_km)

    @property
    def widest_km(self) -> float:
        """In a straight line, the farthest that any mass may go."""
        return max([self.reach_km, *dict(self.reach_by_material).values()]) / LEAST_RATIO


def terms_of(*parts: object) -> int:
    """A number of 63 bits that is another one when any of *parts* is."""
    told = json.dumps(parts, default=str, separators=(",", ":")).encode()
    return int.from_bytes(hashlib.blake2b(told, digest_size=8).digest()) >> 1


def latest_of(lots: Iterable[Lot]) -> list[Lot]:
    """Of each id the highest revision, in the order of ids."""
    latest: dict[UUID, Lot] = {}
    for lot in lots:
        known = latest.get(lot.id)
        if known is None or known.revision < lot.revision:
            latest[lot.id] = lot
    return [latest[id] for id in sorted(latest)]
