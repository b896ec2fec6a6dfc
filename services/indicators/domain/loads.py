"""
Loads: what was really moved, by outlet and month of movement, and what that saved.

A load that leaves a surplus counts at its project's gate, once; leaving a storage later it is no
surplus again. What it saved is its counterfactual less what it did (kpi.json, K7–K9), with one
vehicle class and one version of factors on both sides.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final
from uuid import UUID

from services.indicators.domain.lots import (
    Cells,
    Contribution,
    KeptLot,
    add_to,
    latest_of,
    renew,
    scopes_of,
    without_empty,
)
from services.indicators.domain.matches import End
from shared.vocabulary.factors import FACTORS, VEHICLES, vehicle

HAUL_EUR_PER_TKM: Final = FACTORS["transport_4ax"].value
ZERO_EMISSION: Final = frozenset({"electric", "biogas", "hydrogen"})
MEASURED: Final = frozenset({"weighed", "measured"})

ONSITE, INTO_STORAGE, VIA_STORAGE, VIRGIN = "onsite", "into_storage", "need_via_storage", "virgin"
REUSED: Final = ("need_direct", VIA_STORAGE)
LEAVES: Final = ("need_direct", INTO_STORAGE, "landfill_structure", "treatment", "disposal",
                 "unknown")  # fmt: skip
"""The outlets that make up the surplus off site, each counted at the project's gate."""

HAUL = (
    "kg", "matched_kg", "km_kg", "modelled_kg", "kg_km", "clean_kg_km", "known_kg_km", "grams",
    "cents", "fuel_ml", "saved_kg", "unverified_kg", "virgin_kg", "once_kg", "measured_kg",
    "cross_kg", "lone_kg",
)  # fmt: skip
"""The amounts of a cell of loads, in their order; see `Haul`."""


_ONCE, _MEASURED = HAUL.index("once_kg"), HAUL.index("measured_kg")


@dataclass(frozen=True, slots=True)
class Haul:
    """
    What loads of one side and outlet add up to.

    Kilograms: in all, under an agreed match, with a known distance, with that of the match, whose
    saving is known, whose saving rests on unverified defaults, of virgin material avoided, each
    once, those of them weighed or measured, across a municipal border, told from one end only.
    Kilogram-kilometres: in all,
    without emissions, of known energy. Grams, cents and millilitres saved.
    """

    kg: int = 0
    matched_kg: int = 0
    km_kg: int = 0
    modelled_kg: int = 0
    kg_km: int = 0
    clean_kg_km: int = 0
    known_kg_km: int = 0
    grams: int = 0
    cents: int = 0
    fuel_ml: int = 0
    saved_kg: int = 0
    unverified_kg: int = 0
    virgin_kg: int = 0
    once_kg: int = 0
    measured_kg: int = 0
    cross_kg: int = 0
    lone_kg: int = 0


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a tonne would have met: road km, cents and grams of CO2e per tonne."""

    reception_km: float = 0.0
    gate_fee_cents: float = 0.0
    gate_work_g: float = 0.0
    quarry_km: float = 0.0
    virgin_cents: float = 0.0
    virgin_g: float = 0.0
    unverified: bool = True


@dataclass(frozen=True, slots=True)
class Load:
    """
    Loads of one report: kilograms from *surplus* to *need*, as far as the two are known.

    *km* is None where nobody knows it; *modelled* that it is the match's. *unverified*: the weight
    rests on a conversion that is an unverified default.
    """

    id: UUID
    revision: int
    at: datetime
    surplus: End | None
    need: End | None
    material: str
    outlet: str
    kg: int
    moved_on: date
    virgin: bool = False
    into_storage: bool = False
    matched: bool = False
    method: str = "estimate"
    km: float | None = None
    modelled: bool = False
    vehicle: str | None = None
    energy: str | None = None
    baseline: Baseline | None = None
    unverified: bool = False
    sample: bool = False

    @property
    def lots(self) -> tuple[UUID, ...]:
        return tuple(end.lot for end in (self.surplus, self.need) if end is not None)


@dataclass(frozen=True, slots=True)
class KeptLoad:
    """A load as kept, with what it adds. Revision 0: a place held for it."""

    id: UUID
    revision: int = 0
    contribution: Contribution | None = None


def emissions_avoided_kg(
    t: float,
    *,
    d_ref: float,
    d_act: float,
    ef: float,
    gate_work: float = 0.0,
    s: float = 0.0,
    virgin: float = 0.0,
    d_virgin: float = 0.0,
    processing: float = 0.0,
) -> float:
    """K7 in kg CO2e: *ef* per tkm, work and material per tonne. Below 0 where it costs more."""
    reference = d_ref * ef + gate_work + s * (virgin + d_virgin * ef)
    return t * (reference - d_act * ef) - processing


def cost_avoided_eur(
    t: float,
    *,
    d_ref: float,
    d_act: float,
    eur_per_tkm: float,
    gate_fee: float = 0.0,
    s: float = 0.0,
    virgin: float = 0.0,
    d_virgin: float = 0.0,
    paid: float = 0.0,
) -> float:
    """K8 in euros without VAT: prices per tonne; *paid* is processing, storage and price, whole."""
    reference = d_ref * eur_per_tkm + gate_fee + s * (virgin + d_virgin * eur_per_tkm)
    return t * (reference - d_act * eur_per_tkm) - paid


def fuel_avoided_l(t: float, *, d_ref: float, d_act: float, l_per_tkm: float) -> float:
    """K9 in litres of diesel."""
    return t * (d_ref - d_act) * l_per_tkm


def load_of(load: Load) -> Contribution | None:
    """What *load* adds to the cells of loads, to the balance and to its lots; None when nothing."""
    if not load.kg:
        return None
    rows = []
    if load.surplus is not None and not load.virgin:
        rows += _of_surplus(load, load.surplus)
    if load.need is not None:
        rows += _of_need(load, load.need)
    if rows:  # at its gate, or where it came to when only that was told
        first = rows[0]["amounts"]
        first[_ONCE], first[_MEASURED] = load.kg, load.kg if load.method in MEASURED else 0
    return {
        "day": load.moved_on.isoformat(),
        "month": f"{load.moved_on:%Y-%m}",
        "sample": load.sample,
        "kg": load.kg,
        "lots": [str(id) for id in load.lots],
        "onsite": load.outlet == ONSITE,
        "unverified": load.unverified,
        "rows": rows,
    }


def _of_surplus(load: Load, end: End) -> list[Contribution]:
    """At the gate; loads of one report that went on from a storage enter a need besides."""
    gate = INTO_STORAGE if load.into_storage else load.outlet
    rows = [_row("surplus", end, gate, _amounts(load), stock=True)]
    if load.into_storage and load.need is not None:
        passed = {"kg": load.kg, "matched_kg": load.kg if load.matched else 0}
        rows.append(_row("surplus", end, VIA_STORAGE, passed))
    return rows


def _of_need(load: Load, end: End) -> list[Contribution]:
    outlet = VIRGIN if load.virgin else load.outlet
    rows = [_row("need", end, outlet, _amounts(load), stock=True)]
    if load.surplus is None and load.outlet == VIA_STORAGE and not load.virgin:
        # out of a storage: its own leg, and reuse of what was counted at a gate before
        rows.append(_row("surplus", end, VIA_STORAGE, _amounts(load)))
    return rows


def _row(
    side: str, end: End, outlet: str, amounts: Mapping[str, int], *, stock: bool = False
) -> Contribution:
    return {
        "side": side,
        "region": end.region,
        "material": end.material,
        "outlet": outlet,
        "stock": stock,
        "scopes": scopes_of(
            end.region, end.sub_region, end.municipality, end.organisation, end.project
        ),
        "amounts": [amounts.get(name, 0) for name in HAUL],
    }


def _amounts(load: Load) -> dict[str, int]:
    kg, onsite = load.kg, load.outlet == ONSITE
    told = {
        "kg": kg,
        "matched_kg": kg if load.matched else 0,
        "virgin_kg": kg if _substitutes(load) else 0,
        "cross_kg": kg if _crosses(load) else 0,
        "lone_kg": kg if _is_lone(load) else 0,
    }
    if onsite or load.km is None:
        return told
    kg_km = round(kg * load.km)
    told |= {
        "km_kg": kg,
        "modelled_kg": kg if load.modelled else 0,
        "kg_km": kg_km,
        "clean_kg_km": kg_km if load.energy in ZERO_EMISSION else 0,
        "known_kg_km": kg_km if load.energy else 0,
    }
    return told | _saved(load, load.km)


def _saved(load: Load, km: float) -> dict[str, int]:
    """What reuse saved; other outlets are the counterfactual itself and save nothing."""
    base = load.baseline
    if base is None or load.virgin or load.outlet not in REUSED:
        return {}
    t, s = load.kg / 1000, 1.0 if _substitutes(load) else 0.0
    truck = VEHICLES.get(load.vehicle or "") or vehicle()
    grams = emissions_avoided_kg(
        t, d_ref=base.reception_km, d_act=km, ef=truck.co2e_kg_per_tkm,
        gate_work=base.gate_work_g / 1000, s=s, virgin=base.virgin_g / 1000,
        d_virgin=base.quarry_km,
    )  # fmt: skip
    euros = cost_avoided_eur(
        t, d_ref=base.reception_km, d_act=km, eur_per_tkm=HAUL_EUR_PER_TKM,
        gate_fee=base.gate_fee_cents / 100, s=s, virgin=base.virgin_cents / 100,
        d_virgin=base.quarry_km,
    )  # fmt: skip
    litres = fuel_avoided_l(t, d_ref=base.reception_km, d_act=km, l_per_tkm=truck.diesel_l_per_tkm)
    return {
        "grams": round(grams * 1000),
        "cents": round(euros * 100),
        "fuel_ml": round(litres * 1000),
        "saved_kg": load.kg,
        "unverified_kg": load.kg if base.unverified else 0,
    }


def _substitutes(load: Load) -> bool:
    """Whether like virgin material would have been bought (substitution share 1, otherwise 0)."""
    if load.need is None or load.virgin or load.outlet not in REUSED:
        return False
    material = load.surplus.material if load.surplus is not None else load.material
    return material == load.need.material


def _crosses(load: Load) -> bool:
    if load.surplus is None or load.need is None:
        return False
    return (load.surplus.region, load.surplus.municipality) != (
        load.need.region, load.need.municipality,
    )  # fmt: skip


def _is_lone(load: Load) -> bool:
    """Whether it left for a need, or came to one, and nobody told the other end."""
    if load.virgin or load.outlet != "need_direct":
        return False
    return load.surplus is None or load.need is None


def load_cells(told: Contribution | None) -> Cells:
    """The cells of loads that *told* fills; the key's state is the outlet."""
    cells: Cells = {}
    for row in told["rows"] if told else ():
        amounts = tuple(row["amounts"])
        for scope, code in row["scopes"]:
            key = (scope, code, row["region"], row["side"], row["material"], row["outlet"],
                   told["month"], told["sample"])  # type: ignore[index]  # fmt: skip
            add_to(cells, {key: amounts})
    return cells


def delivered_cells(told: Contribution | None) -> Cells:
    """The cells of the balance that *told* fills: each end once, in the month of movement."""
    cells: Cells = {}
    if told is None:
        return cells
    kg = told["kg"]
    amounts = (kg, kg, kg, kg if told["onsite"] else 0, kg if told["unverified"] else 0)
    for row in told["rows"]:
        if not row["stock"]:
            continue
        for scope, code in row["scopes"]:
            key = (scope, code, row["region"], row["side"], row["material"], "delivered",
                   told["month"], told["sample"])  # fmt: skip
            add_to(cells, {key: amounts})
    return cells


def take_loads(
    lots: Mapping[UUID, KeptLot], kept: Mapping[UUID, KeptLoad], news: Sequence[Load]
) -> tuple[list[KeptLoad], list[KeptLot], Cells, Cells]:
    """
    The loads that *news* renews, their lots as they then are, and what that changes in the balance
    and in the cells of loads.

    *lots* holds every lot of the news and of the loads as kept. A known or older revision renews
    nothing.
    """
    renewed: list[KeptLoad] = []
    touched: dict[UUID, KeptLot] = {}
    balance: Cells = {}
    cells: Cells = {}
    for load in latest_of(news):
        known = kept.get(load.id)
        if known is not None and known.revision >= load.revision:
            continue
        was, now = known.contribution if known else None, load_of(load)
        renewed.append(KeptLoad(load.id, load.revision, now))
        for told, sign in ((was, -1), (now, 1)):
            add_to(cells, load_cells(told), sign=sign)
            add_to(balance, delivered_cells(told), sign=sign)
            for id in map(UUID, told["lots"] if told else ()):
                lot = touched.setdefault(id, lots[id].copy())
                lot.moved = _moved(lot.moved, told, sign)
    after = [renew(touched[id], balance) for id in sorted(touched)]
    return renewed, after, without_empty(balance), without_empty(cells)


def lots_of(kept: Iterable[KeptLoad]) -> set[UUID]:
    """The lots that *kept* were taken off."""
    return {UUID(id) for one in kept if one.contribution for id in one.contribution["lots"]}


def _moved(moved: Mapping[str, int], told: Contribution | None, sign: int) -> dict[str, int]:
    if told is None:
        return dict(moved)
    day = told["day"]
    after = {**moved, day: moved.get(day, 0) + sign * told["kg"]}
    return {day: kg for day, kg in sorted(after.items()) if kg}
