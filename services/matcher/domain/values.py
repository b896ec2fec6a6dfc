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
EVERY_AREA = 1_000_000
PROPOSED, ACCEPTED, AGREED = "proposed", "accepted", "agreed"
MOVING, DONE = "moving", "done"
DECLINED, WITHDRAWN, EXPIRED = "declined", "withdrawn", "expired"
DIRECT, ONSITE, AREA = "direct", "onsite", "area"
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
    suspected_place: bool = False
    max_contamination: str = "P0"
    max_contamination_basis: str = "none"
    acid_sulphate: str = "unknown"
    acid_sulphate_suggested: str | None = None
    accepts_acid_sulphate: bool = False
    invasive_status: str = "unknown"
    deep_cover: bool = False
    waste_status: str = "unknown"
    waste_code: str | None = None
    legal_route: str | None = None
    made_at_demolition_site: bool | None = None
    structure: str | None = None
    layer_m: float | None = None
    groundwater_area: bool | None = None
    play_area: bool | None = None
    housing_area: bool | None = None
    cover: str | None = None
    above_groundwater_m: float | None = None
    well_distance_m: float | None = None
    site_kind: str = "construction_site"


def kind_text(told: Mapping[str, Any]) -> str:
    """The kind in *told*, written down in one way only: equal kinds, equal texts."""
    said = {
        name: value
        for name, default in _IN_ORDER
        if (value := told.get(name, default)) is not default and value != default
    }
    return json.dumps(said, separators=(",", ":"))


@lru_cache(maxsize=65536)
def kind_of(text: str) -> Kind:
    """The kind that was written down as *text*."""
    return Kind(**json.loads(text))


_NOTHING = object()
_IN_ORDER = tuple((name, Kind._field_defaults.get(name, _NOTHING)) for name in sorted(Kind._fields))


class Lot(NamedTuple):
    """
    One forecast as the matcher keeps it, in the order of its columns.

    Whole tonnes; *weekly_t* is what can be loaded or received in a week; *meets* are the regions it
    may meet, joined by commas; *terms* changes when anything does that a match depends on, tonnes
    aside; *beside* is JSON that no rule reads (contacts, sub-region, sample, reliability, phase,
    probability). *base_…* is what a tonne of it costs and emits without the platform, at the site
    *base_area* that is *base_km* away by road; None where no site is known and the fallback of CF-1
    holds. The tonnes are what remained on the day *as_of*; *moved_kg* are the loads of that day
    and after.
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
    base_cents: int | None = None
    base_grams: int | None = None
    base_area: UUID | None = None
    base_km: float | None = None
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
    via: UUID | None = None
    permille: int = 1000
    stays_from: date | None = None
    stays_to: date | None = None
    delivered_kg: int = 0
    decline_reason: str | None = None
    barred: str = ""
    facts: int = 0

    @property
    def pair(self) -> tuple[UUID, UUID]:
        return self.surplus_id, self.need_id

    @property
    def way(self) -> tuple[UUID, UUID, UUID | None]:
        """What there may be one proposal of: the pair and the area between."""
        return self.surplus_id, self.need_id, self.via

    @property
    def arrives(self) -> int:
        """Whole tonnes that reach the need."""
        return self.tonnes * self.permille // 1000

    @property
    def held_kg(self) -> int:
        """What it still takes of its surplus: its loads are off the lots already."""
        return max(0, self.tonnes * 1000 - self.delivered_kg) if self.standing == HOLDS else 0

    @property
    def arriving_kg(self) -> int:
        """What it still takes of its need; a working may lose some."""
        there = self.delivered_kg * self.permille // 1000
        return max(0, self.arrives * 1000 - there) if self.standing == HOLDS else 0

    @property
    def held(self) -> tuple[tuple[UUID, int], tuple[UUID, int]]:
        """What it still takes of each of its lots, kg."""
        return (self.surplus_id, self.held_kg), (self.need_id, self.arriving_kg)

    @property
    def is_free(self) -> bool:
        """Whether the plan may change it: proposed, or on the own site."""
        return self.state == PROPOSED or (self.route == ONSITE and self.state == AGREED)


class Match(NamedTuple):
    """
    A movement of whole tonnes between two lots, in the order of its columns.

    *standing* says what it means for the plan (`HISTORY`, `HOLDS`, `EXCLUDES`); *judged* is the
    JSON of what was agreed on, from the first decision; *told_revision* is 0 until it was told.
    Where it waits in the area *via*, *first* to *last* is when it leaves the surplus, *stays_from*
    to *stays_to* when its room there is taken, and *permille* of a tonne comes out of a working.
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
    via: UUID | None = None
    permille: int = 1000
    stays_from: date | None = None
    stays_to: date | None = None
    distance_method: str = "ratio"
    distance_version: str = ""
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
    and a sweep are, and how long news may be kept back; and, where a routing engine is asked
    (*routed*), for how many partners of a lot, and for how long its answers are good. *near_...*
    say what is a near miss: days between two windows, the part of the reach beyond it, its least
    worth, and how many a lot has.
    """

    reach_km: float = 60.0
    reach_by_material: tuple[tuple[str, float], ...] = ()
    same_place_km: float = 5.0
    worth_cents_per_t: int = 0
    standing_bonus_cents_per_t: int = 200
    sweep_bonus_cents_per_t: int = 20
    worth_a_change_cents: int = 5000
    smallest_load_t: int = 50
    co2e_cents_per_t: int = 0
    processing_on_site: bool = False
    area_choices: int = 3
    closes_past_windows: bool = False
    radius_km: float = 14.0
    neighbourhood_lots: int = 140
    single_radius_km: float = 30.0
    single_lots: int = 60
    sweep_radius_km: float = 40.0
    sweep_lots: int = 600
    sweep_after_s: float = 3.0
    measure_every_s: float = 600.0
    measure_up_to_lots: int = 5000
    tell_within_s: float = 10.0
    calendar_every_s: float = 600.0
    near_days: int = 56
    near_beyond_reach: float = 0.25
    near_worth_cents: int = 100_000
    near_per_lot: int = 3
    near_after_s: float = 4.0
    near_within_s: float = 60.0
    routed: bool = False
    road_candidates: int = 6
    road_keep_days: float = 180.0

    @property
    def keeps_calm(self) -> bool:
        """Whether a plan changes only what is worth a change; else it is the optimum."""
        return self.standing_bonus_cents_per_t > 0 or self.smallest_load_t > 0

    @property
    def of_sweeps(self) -> "Rules":
        """The rules when it is quiet: what stands gives way to a smaller gain."""
        bonus = min(self.standing_bonus_cents_per_t, self.sweep_bonus_cents_per_t)
        return replace(self, standing_bonus_cents_per_t=bonus)

    @property
    def exact(self) -> "Rules":
        """The rules of the full optimum: no standing bonus, any load, every area."""
        return replace(
            self, standing_bonus_cents_per_t=0, smallest_load_t=0, area_choices=EVERY_AREA
        )

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


def lot_terms(lot: Lot) -> int:
    """The terms of *lot*: another number when anything changes that a match depends on."""
    return terms_of(
        lot.kind, lot.first.isoformat(), lot.last.isoformat(), lot.weekly_t, lot.lat, lot.lon,
        lot.exact, lot.municipality, lot.region, lot.meets, str(lot.project_id), lot.organisation,
        lot.net_of_own_use, lot.visibility, lot.transport_payer,
    )  # fmt: skip


def latest_of(lots: Iterable[Lot]) -> list[Lot]:
    """Of each id the highest revision, in the order of ids."""
    latest: dict[UUID, Lot] = {}
    for lot in lots:
        known = latest.get(lot.id)
        if known is None or known.revision < lot.revision:
            latest[lot.id] = lot
    return [latest[id] for id in sorted(latest)]
