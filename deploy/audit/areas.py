"""
What areas allow, take and cost, worked out again from the area-updated events and the tables.

Works on the bodies of events. A way over an area: when it lies there, over which road, for what.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from deploy.audit.pairs import (
    CENTS_PER_EUR,
    Limits,
    Worth,
    bought,
    disposal_and_grams,
    processings,
    purchase_and_grams,
    rank,
    regions_meet,
    road_km,
    straight_km,
    transport,
)
from deploy.audit.records import Row
from shared.vocabulary.tables import table

WAIT = ("interim_storage", "processing_site")
TAKE = ("disposal_site", "hazardous_reception")
DIG = ("extraction_site",)
FARTHEST_KM = 150.0
Base = tuple[int, int]


@dataclass(frozen=True)
class Way:
    """One pair's way over an area, per tonne that leaves the surplus."""

    worth: Worth
    km: float
    permille: int
    first: str
    last: str
    lies: tuple[date, date] | None


def base_of(lot: Row, areas: Mapping[str, Row], limits: Limits) -> tuple[str | None, Base]:
    """Without the platform: the nearest site that serves *lot* and its cents and grams a tonne."""
    near = sorted((straight_km(lot, area), id) for id, area in areas.items() if serves(lot, area))
    if near and near[0][0] <= FARTHEST_KM:
        return near[0][1], base_at(lot, areas[near[0][1]], limits)
    return None, fallback(lot)


def fallback(lot: Row) -> Base:
    """CF-1 where no site is told."""
    told = table("counterfactual")
    cents_km, grams_km = transport()
    if lot["direction"] == "surplus":
        (cents, grams), km = disposal_and_grams(lot), told["reception_km"]["value"]
    else:
        (cents, grams), km = purchase_and_grams(lot), told["quarry_km"]["value"]
    return round(cents + km * cents_km), round(grams + km * grams_km)


def base_at(lot: Row, area: Row, limits: Limits) -> Base:
    """At the site *area*: its own fee or price where told, else the usual one, and the haul."""
    usual = disposal_and_grams(lot) if lot["direction"] == "surplus" else purchase_and_grams(lot)
    name = "gate_fee_eur_per_t" if lot["direction"] == "surplus" else "price_eur_per_t"
    told = area.get(name)
    cents = usual[0] if told is None else round(told * CENTS_PER_EUR)
    cents_km, grams_km = transport()
    km = road_km(lot, {**area, "project_id": area["area_id"]}, limits)
    return round(cents + km * cents_km), round(usual[1] + km * grams_km)


def serves(lot: Row, area: Row) -> bool:
    """Whether *area* takes the surplus *lot* for good, or sells what the need *lot* would buy."""
    if (
        not _open(area)
        or _end(area) < lot["window"]["first"]
        or _start(area) > lot["window"]["last"]
    ):
        return False
    if lot["direction"] == "need":
        wanted = {lot["material"], bought(lot)}
        return area["site_kind"] in DIG and bool(wanted & set(area.get("materials", ())))
    have, most = _class(lot, "contamination", "unknown"), _class(area, "max_contamination", "P0")
    return (
        area["site_kind"] in TAKE
        and lot["material"] in area.get("materials", ())
        and (have is not None and most is not None and have <= most)
        and (not _sour(lot) or bool(area.get("accepts_acid_sulphate")))
        and (have < 4 or area["site_kind"] == "hazardous_reception")
    )


def way_over(
    surplus: Row, need: Row, area: Row, bases: tuple[Base, Base], limits: Limits
) -> Way | None:
    """The way of a pair over *area*; None where the area or the windows leave none."""
    asked = processings(surplus, need)
    if asked is None or not _waits(surplus, need, area):
        return None
    permille, cents = _worked(area, () if limits.processing_on_site else asked)
    if permille is None:
        return None
    start, end = _start(area), _end(area)
    come = (
        max(surplus["window"]["first"], start),
        min(surplus["window"]["last"], end, need["window"]["last"]),
    )
    go = (
        max(need["window"]["first"], start, surplus["window"]["first"]),
        min(need["window"]["last"], end),
    )
    if come[1] < come[0] or go[1] < go[0]:
        return None
    days = max(0, (date.fromisoformat(go[0]) - date.fromisoformat(come[1])).days)
    here = {**area, "project_id": area["area_id"]}
    there, onward = road_km(surplus, here, limits), road_km(need, here, limits)
    clocks = {row["purpose"]: row["limit_days"] for row in table("clocks")["clocks"]}
    too_far = max(there, onward) > limits.reach(surplus["material"]) + 0.001
    if too_far or days >= clocks["recovery"]:
        return None
    worth = _worth(area, bases, there, onward, days, permille, cents, asked, limits)
    slow = bool(area.get("weekly_rate_t"))
    lies = None
    if go[0] > come[1]:
        first = come[0] if slow or surplus.get("weekly_rate_t") else come[1]
        last = go[1] if slow or need.get("weekly_rate_t") else go[0]
        lies = date.fromisoformat(first), date.fromisoformat(last)
    return Way(worth, round(there + onward * permille / 1000, 3), permille, come[0], come[1], lies)


def _worth(
    area: Row, bases: tuple[Base, Base], there: float, onward: float, days: int, permille: int,
    cents: int, asked: tuple[str, ...], limits: Limits,
) -> Worth:  # fmt: skip
    cents_km, grams_km = transport()
    terms, share = table("area_terms"), permille / 1000
    month = _fee(area, "storage_eur_per_t_month", terms["storage_month"]["value"])
    handling = _fee(area, "handling_eur_per_t", terms["handling"]["value"])
    haul = round(there * cents_km) + round(share * round(onward * cents_km))
    disposal, purchase = bases[0][0], round(share * bases[1][0])
    costs = handling + round(month * days / 30.4375) + cents
    worked = {row["processing"]: row["kg_co2e_per_t"] for row in terms["processing"]}
    grams = round(there * grams_km) + round(share * onward * grams_km)
    grams += round(terms["handling"]["kg_co2e_per_t"] * 1000)
    grams += sum(round(worked[one] * 1000) for one in asked if not limits.processing_on_site)
    saved = bases[0][1] + round(share * bases[1][1]) - grams
    priced = round(saved * limits.co2e_cents_per_t / 1e6)
    return Worth(
        disposal + purchase - haul - costs + priced, disposal, purchase, haul, saved, costs
    )


def _worked(area: Row, asked: Iterable[str]) -> tuple[int | None, int]:
    told = {one["processing"]: one for one in area.get("processing_terms", ())}
    usual = {row["processing"]: row["value"] for row in table("area_terms")["processing"]}
    offered = {*area.get("processing", ()), *told}
    permille, cents = 1000, 0
    for one in asked:
        if one not in offered or one not in usual:
            return None, 0
        terms = told.get(one, {})
        permille = permille * round(terms.get("yield_share", 1.0) * 1000) // 1000
        cents += _fee(terms, "cost_eur_per_t", usual[one])
    return permille, cents


def _fee(told: Row, name: str, usual: float) -> int:
    value = told.get(name)
    return round((usual if value is None else value) * CENTS_PER_EUR)


def _waits(surplus: Row, need: Row, area: Row) -> bool:
    have, most = (
        _class(surplus, "contamination", "unknown"),
        _class(area, "max_contamination", "P0"),
    )
    if have is None or most is None or have > most or have >= 4:
        return False
    if _sour(surplus) and not area.get("accepts_acid_sulphate"):
        return False
    owners = {surplus["organisation"], need["organisation"]}
    if area.get("visibility") == "region" and owners != {area["organisation"]}:
        return False
    return (
        _open(area)
        and area["site_kind"] in WAIT
        and surplus["material"] in area.get("materials", ())
        and all(regions_meet(lot, {"meets": [area["region"]], **area}) for lot in (surplus, need))
    )


def crowded(
    stays: Iterable[tuple[str, int, date, date]], areas: Mapping[str, Row]
) -> Iterator[str]:
    """Months in which an area holds more than it may: of (area, tonnes, from, to)."""
    held: dict[tuple[str, int], int] = defaultdict(int)
    for id, tonnes, first, last in stays:
        for month in range(first.year * 12 + first.month, last.year * 12 + last.month + 1):
            held[id, month] += tonnes
    for (id, month), tonnes in sorted(held.items()):
        capacity = areas.get(id, {}).get("capacity_t")
        room = None if capacity is None else int(capacity) - int(areas[id].get("stock_t") or 0)
        if room is not None and tonnes > max(0, room):
            year, number = divmod(month - 1, 12)
            yield f"area {id} holds {tonnes} t of {room} t in {year}-{number + 1:02d}"


def _open(area: Row) -> bool:
    return bool(area.get("status", "open") == "open")


def _start(area: Row) -> str:
    return str((area.get("window") or {}).get("first", "0001-01-01"))


def _end(area: Row) -> str:
    told = ((area.get("window") or {}).get("last"), area.get("permit_until"))
    return min((one for one in told if one), default="9999-12-31")


def _class(told: Row, name: str, otherwise: str) -> int | None:
    return rank("contamination", told.get(name, otherwise))


def _sour(lot: Row) -> bool:
    return lot.get("acid_sulphate") in ("potential", "actual") or lot["material"] == "sulphide_clay"
