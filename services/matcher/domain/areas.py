"""Areas between: where a mass may wait or be worked, for how long, and what that is worth."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np

from services.matcher.domain.cost import (
    HAUL_CENTS_PER_TKM,
    HAUL_G_PER_TKM,
    NO_ARCS,
    WHOLE,
    Arcs,
    Baseline,
    Bools,
    Columns,
    Floats,
    Ints,
    Value,
    baseline_of,
    bought_for,
    climate_cents,
    disposal_terms,
    great_circle_km,
    haul_cents,
    meeting,
    pairwise,
    payer_of,
    purchase_terms,
    regions_meet,
    road_km_of,
    rows_of,
    shared_out,
    sides,
    value_of,
    visible,
    worth_findings,
)
from services.matcher.domain.fit import Finding, is_feasible, judge, workings_of
from services.matcher.domain.values import Kind, Lot, Match, Rules, Stands, kind_of
from shared.vocabulary import quality
from shared.vocabulary.areas import (
    HANDLING_EUR_PER_T,
    HANDLING_KG_CO2E_PER_T,
    LONGEST_STORAGE_DAYS,
    PROCESSING_COSTS,
    QUARRIES,
    RECEPTION_SITES,
    STORAGE_EUR_PER_T_MONTH,
    WAITING_SITES,
)
from shared.vocabulary.distance import road_km

MONTH_DAYS: Final = 30.4375
HANDLING_G_PER_T: Final = round(HANDLING_KG_CO2E_PER_T * 1000)
_UNBOUNDED: Final = 2**40


class Working(NamedTuple):
    """What a processing costs per tonne in, in cents and grams of CO2e, and what comes out."""

    cents: int
    grams: int
    permille: int


class Area(NamedTuple):
    """
    A place between or beside projects, as the plan sees it.

    *first* and *last* are the days it is open, its permit included; *capacity* and *stock* whole
    tonnes (None: no limit told); *month* cents per tonne and month; *meets* the regions it serves.
    """

    id: UUID
    organisation: str
    title: str
    region: str
    meets: tuple[str, ...]
    site_kind: str
    is_open: bool
    visibility: str
    materials: frozenset[str]
    max_contamination: str
    accepts_acid_sulphate: bool
    workings: Mapping[str, Working]
    first: date
    last: date
    capacity: int | None
    stock: int
    weekly_t: float | None
    handling: int
    month: int
    gate_fee: int | None
    price: int | None
    lat: float
    lon: float
    exact: bool
    municipality: str
    cell: int

    @property
    def waits(self) -> bool:
        """Whether masses of others may wait or be worked here."""
        return self.is_open and self.site_kind in WAITING_SITES

    @property
    def receives(self) -> bool:
        """Whether it takes surplus for good."""
        return self.is_open and self.site_kind in RECEPTION_SITES

    @property
    def sells(self) -> bool:
        """Whether virgin material is bought here."""
        return self.is_open and self.site_kind in QUARRIES


def area_of(told: Mapping[str, Any], cell: int) -> Area:
    """The area that an area-updated event *told*, as JSON; its cell is *cell*."""
    window, place = told.get("window") or {}, told["place"]
    ends = [window.get("last"), told.get("permit_until")]
    return Area(
        id=UUID(told["area_id"]),
        organisation=told["organisation"],
        title=told["title"],
        region=told["region"],
        meets=tuple(told.get("meets") or (told["region"],)),
        site_kind=told["site_kind"],
        is_open=told.get("status", "open") == "open",
        visibility=told.get("visibility", "forum"),
        materials=frozenset(told.get("materials") or ()),
        max_contamination=told.get("max_contamination", "P0"),
        accepts_acid_sulphate=bool(told.get("accepts_acid_sulphate")),
        workings=_workings(told),
        first=date.fromisoformat(window["first"]) if window else date.min,
        last=min((date.fromisoformat(day) for day in ends if day), default=date.max),
        capacity=None if told.get("capacity_t") is None else int(told["capacity_t"]),
        stock=int(told.get("stock_t") or 0),
        weekly_t=told.get("weekly_rate_t"),
        handling=_cents(told.get("handling_eur_per_t"), HANDLING_EUR_PER_T),
        month=_cents(told.get("storage_eur_per_t_month"), STORAGE_EUR_PER_T_MONTH),
        gate_fee=_told_cents(told.get("gate_fee_eur_per_t")),
        price=_told_cents(told.get("price_eur_per_t")),
        lat=place["lat"],
        lon=place["lon"],
        exact=place.get("precision", "exact") == "exact",
        municipality=place["municipality"],
        cell=cell,
    )


def _workings(told: Mapping[str, Any]) -> dict[str, Working]:
    terms = {one["processing"]: one for one in told.get("processing_terms") or ()}
    found = {}
    for code in (*(told.get("processing") or ()), *terms):
        if code not in PROCESSING_COSTS:
            continue
        said, usual = terms.get(code, {}), PROCESSING_COSTS[code]
        found[code] = Working(
            _cents(said.get("cost_eur_per_t"), usual.eur_per_t),
            round(usual.kg_co2e_per_t * 1000),
            round(said.get("yield_share", 1.0) * WHOLE),
        )
    return found


def _cents(told: float | None, usual: float) -> int:
    return round((usual if told is None else told) * 100)


def _told_cents(told: float | None) -> int | None:
    return None if told is None else round(told * 100)


@lru_cache(maxsize=65536)
def takes(kind: str, materials: frozenset[str], max_contamination: str, acid: bool) -> bool:
    """Whether an area of these terms may take the surplus *kind*, at least on condition."""
    return is_feasible(_judged(kind, materials, max_contamination, acid))


def judge_area(kind: str, area: Area) -> tuple[Finding, ...]:
    """The findings of *area* about the surplus *kind*: what it may take, without time and place."""
    return _judged(kind, area.materials, area.max_contamination, area.accepts_acid_sulphate)


def _judged(
    text: str, materials: frozenset[str], max_contamination: str, acid: bool
) -> tuple[Finding, ...]:
    kind = kind_of(text)
    named = kind.material in materials
    listed = Finding("area_material", "pass" if named else "fail", kind.material,
                     ", ".join(sorted(materials)) or "none told")  # fmt: skip
    return listed, _clean_enough(kind.contamination, max_contamination), _sulphate(kind, acid)


def _clean_enough(offered: str, limit: str) -> Finding:
    rank, most = quality.contamination_rank(offered), quality.contamination_rank(limit)
    gate, wanted = "area_contamination", f"≤ {limit}"
    if offered == "unknown":
        return Finding(gate, "unknown", offered, wanted, "laboratory report")
    if rank is None or most is None or rank > most or rank >= 4:
        return Finding(gate, "fail", offered, wanted)
    if rank:
        return Finding(gate, "conditional", offered, wanted, "the area's permit for the class")
    return Finding(gate, "pass", offered, wanted)


def _sulphate(kind: Kind, accepts: bool) -> Finding:
    wanted = "acid sulphate accepted" if accepts else "none"
    return Finding("area_acid_sulphate", "fail" if _is_sour(kind) and not accepts else "pass",
                   kind.acid_sulphate, wanted)  # fmt: skip


def _is_sour(kind: Kind) -> bool:
    return kind.acid_sulphate in ("potential", "actual") or kind.material == "sulphide_clay"


def area_arcs(
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    areas: Sequence[Area],
    rules: Rules,
    *,
    today: date,
    excluded: Collection[tuple[UUID, UUID]] = (),
    standing: Collection[tuple[UUID, UUID, UUID | None]] = (),
) -> Arcs:
    """
    Every way over one of *areas* where a pair cannot go straight: the need begins after the surplus
    has ended, or a working is needed that the sites do not have.

    It arrives on the last day and leaves on the first it can, so it lies as short as possible; a
    weekly rate makes it arrive from its first day, or leave until its last. What is worked while
    both sides go on passes through and takes no room. Of each pair the
    `area_choices` that are worth most are given, and those of the ways *standing* (surplus, need,
    area), in the order of rows.
    """
    both = sides(surpluses, needs)
    found = [
        way
        for row, area in enumerate(areas)
        if area.waits
        for way in _over(row, area, both.surpluses, both.needs, both.places, rules, today)
    ]
    if not found:
        return NO_ARCS
    every = Arcs.joined(found)
    pair = every.surplus * len(needs) + every.need
    if excluded:
        gone = rows_of(excluded, surpluses, needs)
        kept = ~np.isin(pair, np.fromiter(gone, np.int64, len(gone)))
        every, pair = every.take(kept), pair[kept]
    order = np.lexsort((every.area, -every.cents, pair))
    every, pair = every.take(order), pair[order]
    starts = np.flatnonzero(np.append(True, pair[1:] != pair[:-1])) if len(pair) else pair
    place = np.arange(len(pair)) - np.repeat(starts, np.diff(np.append(starts, len(pair))))
    kept = place < rules.area_choices
    return every.take(kept | _stand(every, surpluses, needs, areas, standing))


def _stand(
    every: Arcs,
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    areas: Sequence[Area],
    standing: Collection[tuple[UUID, UUID, UUID | None]],
) -> Bools:
    """Which of *every* are ways *standing*."""
    s = {one.id: row for row, one in enumerate(surpluses)}
    n = {one.id: row for row, one in enumerate(needs)}
    a = {one.id: row for row, one in enumerate(areas)}
    keys = [
        (s[giver] * len(needs) + n[taker]) * len(areas) + a[via]
        for giver, taker, via in standing
        if giver in s and taker in n and via in a
    ]
    return np.isin(
        (every.surplus * len(needs) + every.need) * len(areas) + every.area,
        np.array(keys, dtype=np.int64),
    )


def _over(
    row: int,
    area: Area,
    left: Columns,
    right: Columns,
    places: list[tuple[str, str]],
    rules: Rules,
    today: date,
) -> Iterator[Arcs]:
    """The ways over *area*, whose number is *row*."""
    here = area_columns(area, left, right)
    reach = np.array([rules.reach(kind_of(kind).material) for kind in left.kind_set])
    terms = area.materials, area.max_contamination, area.accepts_acid_sulphate
    taken = np.array([takes(kind, *terms) for kind in left.kind_set], dtype=np.bool_)
    opens = max(area.first, today) if rules.closes_past_windows else area.first
    rows = _able(area, left, here, places, opens, rules)
    rows = rows[taken[left.kind[rows]]] if len(rows) else rows
    some = _able(area, right, here, places, opens, rules)
    if not len(rows) or not len(some):
        return
    zero = np.zeros
    there = road_km_of(left, here, rows, zero(len(rows), np.int64), rules)
    rows, there = rows[there <= reach[left.kind[rows]]], there[there <= reach[left.kind[rows]]]
    onward = road_km_of(right, here, some, zero(len(some), np.int64), rules)
    near = onward <= (reach.max() if len(reach) else 0)
    some, onward = some[near], onward[near]
    if len(rows) and len(some):
        yield _worth(row, area, left.take(rows), right.take(some), places, rules, opens,
                     rows, some, there, onward, reach)  # fmt: skip


def area_columns(area: Area, *beside: Columns) -> Columns:
    """*area* as one row of columns, as far as the distance from those *beside* it asks."""
    one, no = np.zeros(1, np.int64), np.zeros(1, np.bool_)
    town = area.region, area.municipality
    numbers = (
        side.municipality[at : at + 1]
        for side in beside
        for at, lot in enumerate(side.lots)
        if (lot.region, lot.municipality) == town
    )
    number = next(numbers, one - 1)
    return Columns(
        lots=(), lat=np.array([area.lat]), lon=np.array([area.lon]), first=one, last=one,
        per_day=np.array([(area.weekly_t or np.inf) / 7]), kind=one, kind_set=[], place=one,
        project=one - 1, organisation=one, exact=np.array([area.exact]), municipality=number,
        hidden=no, net=no, base=np.zeros((1, 2), np.int64),
    )  # fmt: skip


def _able(
    area: Area, side: Columns, here: Columns, places: list[tuple[str, str]], opens: date,
    rules: Rules,
) -> Ints:  # fmt: skip
    """The rows of *side* that are there while *area* is open, may use it and could reach it."""
    serves = np.array([_serves(area, place) for place in places], dtype=np.bool_)
    able = (side.last >= opens.toordinal()) & (side.first <= area.last.toordinal())
    able &= serves[side.place] if len(serves) else False
    if area.visibility == "region":
        able &= np.array([lot.organisation == area.organisation for lot in side.lots], np.bool_)
    span = rules.widest_km / 111.195 + 0.01
    able &= np.abs(side.lat - here.lat[0]) <= span
    rows: Ints = np.flatnonzero(able)
    return rows


def _serves(area: Area, place: tuple[str, str]) -> bool:
    region, meets = place
    return area.region == region or (area.region in meets.split(",") and region in area.meets)


@lru_cache(maxsize=262144)
def _work_between(surplus: str, need: str) -> tuple[str, ...] | None:
    return workings_of(surplus, need)


def _worth(
    row: int, area: Area, left: Columns, right: Columns, places: list[tuple[str, str]],
    rules: Rules, opens: date, rows: Ints, some: Ints, there: Floats, onward: Floats,
    reach: Floats,
) -> Arcs:  # fmt: skip
    work, asked = _work_table(left, right, area, rules)
    own = left.project[:, None] == right.project
    same = left.organisation[:, None] == right.organisation
    may = own & ~left.net[:, None] & ~right.net
    may |= ~own & (same | ~(left.hidden[:, None] | right.hidden)) & meeting(places, left, right)
    may &= work >= 0
    late = right.first > left.last[:, None]
    may &= late | (work > 0)
    start, end = opens.toordinal(), area.last.toordinal()
    in_first, in_last = np.maximum(left.first, start), np.minimum(left.last, end)
    out_first, out_last = np.maximum(right.first, start), np.minimum(right.last, end)
    may &= onward <= reach[left.kind][:, None]
    s, n = np.nonzero(may)
    way = _times(in_first[s], in_last[s], out_first[n], out_last[n])
    able = (way.days_in >= 1) & (way.days_out >= 1) & (way.days <= LONGEST_STORAGE_DAYS)
    s, n, way = s[able], n[able], Times(*(days[able] for days in way))
    permille, cents, grams = asked[work[s, n]].T
    money, worth = value_arrays(
        left.base[s], right.base[n], there[s], onward[n], way.days, permille, cents, grams,
        area, rules,
    )  # fmt: skip
    inward, outward = left.per_day[s], right.per_day[n]
    through = np.full(len(s), (area.weekly_t or np.inf) / 7)
    most = np.minimum(inward, through) * way.days_in
    most = np.minimum(most, np.minimum(outward * WHOLE / permille, through) * way.days_out)
    most = np.minimum(np.floor(most + 1e-9), _UNBOUNDED).astype(np.int64)
    slow_in = np.isfinite(inward) | np.isfinite(through)
    slow_out = np.isfinite(outward) | np.isfinite(through)
    lies = way.first_out > way.last_in
    enter = np.where(lies, _month(np.where(slow_in, way.first_in, way.last_in)), 0)
    leave = np.where(lies, _month(np.where(slow_out, way.last_out, way.first_out)), -1)
    good = (worth > rules.worth_cents_per_t) & (money >= 0) & (most >= 1)
    s, n = s[good], n[good]
    km = np.round(there[s] + onward[n] * permille[good] / WHOLE, 3)
    return Arcs(
        rows[s], some[n], most[good], worth[good], km, np.zeros(len(s), np.bool_),
        np.full(len(s), row), enter[good], leave[good], permille[good], np.full(len(s), -1),
    )  # fmt: skip


class Times(NamedTuple):
    """Days (ordinals) of arriving and leaving, how many of each, and days of lying."""

    first_in: Ints
    last_in: Ints
    first_out: Ints
    last_out: Ints
    days_in: Ints
    days_out: Ints
    days: Ints


def _times(in_first: Ints, in_last: Ints, out_first: Ints, out_last: Ints) -> Times:
    last_in = np.minimum(in_last, out_last)
    first_out = np.maximum(out_first, in_first)
    return Times(
        in_first, last_in, first_out, out_last,
        last_in - in_first + 1, out_last - first_out + 1, np.maximum(0, first_out - last_in),
    )  # fmt: skip


def _month(days: Ints) -> Ints:
    """Months since 1970 of proleptic ordinals."""
    since = days - date(1970, 1, 1).toordinal()
    return since.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def month_of(day: date) -> int:
    """Months since 1970."""
    return (day.year - 1970) * 12 + day.month - 1


def first_day(month: int) -> date:
    """The first day of a month since 1970."""
    return date(1970 + month // 12, month % 12 + 1, 1)


def value_arrays(
    base: Ints, bought: Ints, there: Floats, onward: Floats, days: Ints, permille: Ints,
    work_cents: Ints, work_grams: Ints, area: Area, rules: Rules,
) -> tuple[Ints, Ints]:  # fmt: skip
    """
    What both sides gain together over *area*, and with the price of CO2e; cents per tonne.

    Road km there and onward, days of lying.
    """
    share = permille / WHOLE
    cents = base[:, 0] + np.rint(share * bought[:, 0]).astype(np.int64)
    cents = cents - haul_cents(there) - np.rint(share * haul_cents(onward)).astype(np.int64)
    cents = cents - area.handling - np.rint(area.month * days / MONTH_DAYS).astype(np.int64)
    money = cents - work_cents
    cents = money
    if rules.co2e_cents_per_t:
        saved = base[:, 1] + np.rint(share * bought[:, 1])
        proposed = np.rint(there * HAUL_G_PER_TKM) + np.rint(share * onward * HAUL_G_PER_TKM)
        cents = cents + climate_cents(
            saved - proposed - HANDLING_G_PER_T - work_grams, rules.co2e_cents_per_t
        )
    return np.asarray(money, np.int64), np.asarray(cents, np.int64)


def _work_table(left: Columns, right: Columns, area: Area, rules: Rules) -> tuple[Ints, Ints]:
    """Of each pair: -1 does not fit, 0 as it is, else the number of the working it needs here."""
    terms: list[tuple[int, int, int]] = [(WHOLE, 0, 0)]
    known: dict[tuple[str, ...], int] = {(): 0}

    def number(surplus: str, need: str) -> int:
        asked = _work_between(surplus, need)
        if asked is None:
            return -1
        if rules.processing_on_site:
            return 0
        if asked not in known:
            if not set(asked) <= area.workings.keys():
                return -1
            known[asked] = len(terms)
            terms.append(working_together(area, asked))
        return known[asked]

    table = pairwise(left.kind, right.kind, left.kind_set, right.kind_set, number, np.int64)
    return table, np.array(terms, dtype=np.int64)


def working_together(area: Area, asked: Sequence[str]) -> tuple[int, int, int]:
    """Permille that comes out of all workings *asked* of *area*, their cents and their grams."""
    permille, cents, grams = WHOLE, 0, 0
    for code in asked:
        working = area.workings[code]
        permille = permille * working.permille // WHOLE
        cents += working.cents
        grams += working.grams
    return permille, cents, grams


class Over(NamedTuple):
    """
    One pair's way over an area: road km of both legs, when it comes and goes, days of lying.

    Money in cents and climate in grams, both per tonne that leaves the surplus.
    """

    area: Area
    there_km: float
    onward_km: float
    comes: tuple[date, date]
    goes: tuple[date, date]
    days: int
    permille: int
    workings: tuple[str, ...]
    storage_cents: int
    processing_cents: int
    grams: int

    @property
    def km(self) -> float:
        """Road km of a tonne that leaves the surplus."""
        return round(self.there_km + self.onward_km * self.permille / WHOLE, 3)


def over(surplus: Lot, need: Lot, area: Area, rules: Rules, *, today: date) -> Over | None:
    """The way of a pair over *area*, whether it is worth it or not; None: windows leave none."""
    asked = _work_between(surplus.kind, need.kind) or ()
    work = () if rules.processing_on_site or not set(asked) <= area.workings.keys() else asked
    permille, cents, grams = working_together(area, work)
    opens = max(area.first, today) if rules.closes_past_windows else area.first
    first_in, last_in = max(surplus.first, opens), min(surplus.last, area.last, need.last)
    first_out, last_out = max(need.first, opens, surplus.first), min(need.last, area.last)
    if last_in < first_in or last_out < first_out:
        return None
    both = sides([surplus], [need])
    here = area_columns(area, both.surpluses, both.needs)
    zero = np.zeros(1, np.int64)
    there = float(road_km_of(both.surpluses, here, zero, zero, rules)[0])
    onward = float(road_km_of(both.needs, here, zero, zero, rules)[0])
    days = max(0, (first_out - last_in).days)
    storage = area.handling + int(np.rint(area.month * days / MONTH_DAYS))
    return Over(
        area, there, onward, (first_in, last_in), (first_out, last_out), days, permille, work,
        storage, cents, HANDLING_G_PER_T + grams,
    )  # fmt: skip


def value_over(surplus: Lot, need: Lot, way: Over, rules: Rules) -> Value:
    """
    What one tonne is worth over an area, and how it falls on the two sides; the area's costs are
    the taker's, as what it buys would have its cost inside.
    """
    share = way.permille / WHOLE
    haul = round(way.there_km * HAUL_CENTS_PER_TKM)
    haul += round(share * round(way.onward_km * HAUL_CENTS_PER_TKM))
    avoided, bought = baseline_of(surplus), baseline_of(need)
    bought = Baseline(round(share * bought.cents), round(share * bought.grams))
    onward = round(share * way.onward_km * HAUL_G_PER_TKM)
    grams = round(way.there_km * HAUL_G_PER_TKM) + onward + way.grams
    payer = payer_of(surplus.transport_payer, need.transport_payer)
    costs = way.storage_cents + way.processing_cents
    worth = shared_out(avoided, bought, haul, costs, grams, payer, rules)
    return worth._replace(processing_cents=way.processing_cents, storage_cents=way.storage_cents)


def way_of(
    match: Stands | Match,
    surplus: Lot,
    need: Lot,
    areas: Mapping[UUID, Area],
    rules: Rules,
    *,
    today: date,
) -> Over | None:
    """The way of *match* over its area; None where it goes straight or has none any more."""
    area = areas.get(match.via) if match.via is not None else None
    if area is None:
        return None
    return over(surplus, need, area, rules, today=min(today, match.first))


def worth_of(
    match: Stands | Match, surplus: Lot, need: Lot, way: Over | None, rules: Rules
) -> Value:
    """What a tonne of *match* is worth by *way*, or straight, as it is told."""
    if way is None:
        return value_of(surplus, need, match.km, rules)
    return value_over(surplus, need, way, rules)


def explain_over(
    surplus: Lot, need: Lot, area: Area, way: Over | None, rules: Rules
) -> tuple[Finding, ...]:
    """
    Every gate of a pair over *area*: of the pair, of the area, of time and of place; *way* is what
    `over` says of it.
    """
    kinds = judge(kind_of(surplus.kind), kind_of(need.kind), True)
    found = [*(one for one in kinds if one.gate != "processing"), *judge_area(surplus.kind, area)]
    asked = _work_between(surplus.kind, need.kind) or ()
    if asked and not rules.processing_on_site:
        offers = set(asked) <= area.workings.keys()
        found.append(Finding("processing", "conditional" if offers else "fail",
                             ", ".join(area.workings) or "none", ", ".join(asked),
                             ", ".join(asked)))  # fmt: skip
    found.append(_bridged(surplus, need, area, way))
    found.append(visible(surplus, need))
    meet = regions_meet((surplus.region, surplus.meets), (need.region, need.meets))
    serves = all(_serves(area, (one.region, one.meets)) for one in (surplus, need))
    found.append(Finding("region", "pass" if meet and serves else "fail", surplus.region,
                         need.region))  # fmt: skip
    if way is not None:
        reach = rules.reach(surplus.material)
        near = max(way.there_km, way.onward_km) <= reach
        told = f"{way.there_km:.1f} and {way.onward_km:.1f} km by road"
        found.append(Finding("place", "pass" if near else "fail", told, f"≤ {reach:g} km"))
        found += [*worth_findings(value_over(surplus, need, way, rules), rules)]
    consent = "the area's acceptance" if area.organisation not in (
        surplus.organisation, need.organisation) else None  # fmt: skip
    found.append(Finding("area_open", "conditional" if area.waits else "fail", area.title,
                         "open to wait or to be worked", consent))  # fmt: skip
    for lot, side in ((surplus, "surplus"), (need, "need")):
        if not lot.is_open:
            found.append(Finding("open", "fail", f"the {side} is no longer offered", "offered"))
    return tuple(found)


def _bridged(surplus: Lot, need: Lot, area: Area, way: Over | None) -> Finding:
    offered, wanted = f"{surplus.first}–{surplus.last}", f"{need.first}–{need.last}"
    if way is None:
        opened = f"{area.first}–{area.last}"
        return Finding("G9_time", "fail", f"{offered}, area open {opened}", wanted)
    held = f"{offered}, waits {way.days} days"
    if way.days > LONGEST_STORAGE_DAYS:
        return Finding("G9_time", "fail", held, f"≤ {LONGEST_STORAGE_DAYS} days")
    return Finding("G9_time", "conditional", held, wanted)


FARTHEST_SITE_KM: Final = 150.0
"""In a straight line; beyond, the fallback of CF-1 says more than the site."""


def with_baselines(lots: Sequence[Lot], sites: Sequence[Area], rules: Rules) -> list[Lot]:
    """
    *lots* with what a tonne meets without the platform at the nearest site told for it (CF-1): the
    reception site that takes a surplus, the quarry that sells what a need would buy, open while the
    lot's window is. Lots without such a site keep the fallback.
    """
    known = [one for one in sites if one.receives or one.sells]
    if not known or not lots:
        return [lot._replace(base_cents=None, base_grams=None, base_area=None, base_km=None)
                for lot in lots]  # fmt: skip
    here = np.array([[lot.lat, lot.lon] for lot in lots])
    there = np.array([[one.lat, one.lon] for one in known])
    straight = great_circle_km(here[:, :1], here[:, 1:], there[:, 0], there[:, 1])
    return [_with_baseline(lot, known, straight[row], rules) for row, lot in enumerate(lots)]


def _with_baseline(lot: Lot, sites: Sequence[Area], straight: Floats, rules: Rules) -> Lot:
    for at in np.argsort(straight, kind="stable").tolist():
        site = sites[at]
        if straight[at] > FARTHEST_SITE_KM:
            break
        if site.first > lot.last or site.last < lot.first or not _serves_lot(site, lot):
            continue
        km = _km_to(lot, site, float(straight[at]), rules)
        base = disposal_at(lot, site, km) if lot.is_surplus else purchase_at(lot, site, km)
        return lot._replace(
            base_cents=base.cents, base_grams=base.grams, base_area=site.id, base_km=km
        )
    return lot._replace(base_cents=None, base_grams=None, base_area=None, base_km=None)


def _serves_lot(site: Area, lot: Lot) -> bool:
    kind = kind_of(lot.kind)
    if not lot.is_surplus:
        return site.sells and bool(site.materials & {kind.material, bought_for(kind)})
    rank = quality.contamination_rank(kind.contamination)
    most = quality.contamination_rank(site.max_contamination)
    clean = rank is not None and most is not None and rank <= most
    return (
        site.receives
        and kind.material in site.materials
        and clean
        and (not _is_sour(kind) or site.accepts_acid_sulphate)
        and ((rank or 0) < 4 or site.site_kind == "hazardous_reception")
    )


def _km_to(lot: Lot, site: Area, straight: float, rules: Rules) -> float:
    blurred = not (lot.exact or site.exact) and lot.municipality == site.municipality
    straight = rules.same_place_km if blurred else straight
    return round(road_km(straight), 3)


def disposal_at(lot: Lot, site: Area, km: float) -> Baseline:
    """A tonne of the surplus taken to the reception site: its fee, or the usual one, and haul."""
    fallback = disposal_terms(lot.kind)
    fee = fallback.cents if site.gate_fee is None else site.gate_fee
    return Baseline(
        round(fee + km * HAUL_CENTS_PER_TKM), round(fallback.grams + km * HAUL_G_PER_TKM)
    )


def purchase_at(lot: Lot, site: Area, km: float) -> Baseline:
    """A tonne for the need bought at the quarry: its price, or the usual one, and haul."""
    fallback = purchase_terms(lot.kind)
    price = fallback.cents if site.price is None else site.price
    return Baseline(
        round(price + km * HAUL_CENTS_PER_TKM), round(fallback.grams + km * HAUL_G_PER_TKM)
    )
