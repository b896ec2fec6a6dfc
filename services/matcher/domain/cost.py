"""Distance, value and climate of pairs: as arrays for the plan, one by one for people."""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from datetime import date
from functools import lru_cache, partial
from itertools import repeat
from math import floor
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from services.matcher.domain.fit import (
    Finding,
    fits_better_at_home,
    judge,
    kinds_fit,
    most_by_mara,
)
from services.matcher.domain.roads import Roads, points_of
from services.matcher.domain.values import Kind, Lot, Rules, kind_of
from shared.vocabulary.distance import EARTH_RADIUS_KM, road_ratio
from shared.vocabulary.factors import FACTORS, Counterfactual, counterfactual, vehicle
from shared.vocabulary.materials import MATERIALS

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

HAUL_CENTS_PER_TKM: Final = FACTORS["transport_4ax"].value * 100
HAUL_G_PER_TKM: Final = vehicle().co2e_kg_per_tkm * 1000
TIP_G_PER_T: Final = FACTORS["tip_site_handling"].value * 1000

# the ratio is linear between midpoints that all lie on this grid, so interpolating is exact
_STRAIGHT_KM: Final[Floats] = np.arange(0.0, 60.5, 0.5)
_RATIO: Final[Floats] = np.array([road_ratio(float(km)) for km in _STRAIGHT_KM])
_KM_PER_DEG: Final = 111.195
_BLOCK: Final = 2_000_000

WHOLE: Final = 1000
"""Permille of a tonne that arrives when nothing is lost in a working."""


class Baseline(NamedTuple):
    """What a tonne meets without the platform: cents per tonne and grams of CO2e per tonne."""

    cents: int
    grams: int


@lru_cache(maxsize=65536)
def disposal_terms(kind: str) -> Baseline:
    """The gate fee of the surplus *kind* and the work of receiving it, without the haul."""
    told = kind_of(kind)
    found = _counterfactual(told.material, told.contamination)
    return Baseline(round(found.gate_fee.value * 100), round(TIP_G_PER_T))


@lru_cache(maxsize=65536)
def purchase_terms(kind: str) -> Baseline:
    """The price of what the need *kind* buys and its making, without the haul."""
    found = _counterfactual(bought_for(kind_of(kind)), "P0")
    return Baseline(round(found.virgin_price.value * 100), round(found.virgin_co2e.value * 1000))


@lru_cache(maxsize=65536)
def disposal(kind: str) -> Baseline:
    """The surplus *kind* goes to the nearest reception site: haul and gate fee."""
    told, terms = kind_of(kind), disposal_terms(kind)
    return _hauled(terms, _counterfactual(told.material, told.contamination).reception_km)


@lru_cache(maxsize=65536)
def purchase(kind: str) -> Baseline:
    """The need *kind* buys like virgin material at the nearest quarry: price and haul."""
    return _hauled(purchase_terms(kind), _counterfactual(bought_for(kind_of(kind)), "P0").quarry_km)


def _hauled(terms: Baseline, km: float) -> Baseline:
    return Baseline(
        round(terms.cents + km * HAUL_CENTS_PER_TKM), round(terms.grams + km * HAUL_G_PER_TKM)
    )


def baseline_of(lot: Lot) -> Baseline:
    """What a tonne of *lot* meets without the platform: at the site told for it, or by CF-1."""
    if lot.base_cents is not None and lot.base_grams is not None:
        return Baseline(lot.base_cents, lot.base_grams)
    return disposal(lot.kind) if lot.is_surplus else purchase(lot.kind)


def _baselines(lots: Sequence[Lot]) -> Ints:
    return np.array([baseline_of(lot) for lot in lots], dtype=np.int64).reshape(-1, 2)


def bought_for(need: Kind) -> str:
    """The virgin material that stands in for what *need* asks."""
    if need.material in MATERIALS:
        return need.material
    return "crushed_rock" if need.use in ("sub_base", "base") else "sand"


def _counterfactual(material: str, contamination: str) -> Counterfactual:
    return counterfactual(material if material in MATERIALS else "sand", contamination)


def haul_cents(km: Floats) -> Ints:
    """What a tonne costs over *km* of road, in whole cents."""
    return np.rint(km * HAUL_CENTS_PER_TKM).astype(np.int64)


class Value(NamedTuple):
    """A tonne of one pair against its counterfactual: cents and grams of CO2e, with their parts."""

    cents: int
    disposal_cents: int
    purchase_cents: int
    haul_cents: int
    giver_cents: int
    taker_cents: int
    compensation_cents: int
    saved_g: int
    counterfactual_g: int
    proposed_g: int
    processing_cents: int = 0
    storage_cents: int = 0


def value_of(surplus: Lot, need: Lot, km: float, rules: Rules) -> Value:
    """
    What one tonne of the pair is worth over *km* of road, and how it falls on the two sides.

    Where one side would lose, the compensation leaves each half of the gain: positive from taker
    to giver, negative the other way. A price of CO2e is in *cents*, so in neither side's part.
    """
    haul = round(km * HAUL_CENTS_PER_TKM)  # to even, as the arrays do
    payer = payer_of(surplus.transport_payer, need.transport_payer)
    avoided, bought = baseline_of(surplus), baseline_of(need)
    return shared_out(avoided, bought, haul, 0, round(km * HAUL_G_PER_TKM), payer, rules)


def shared_out(
    avoided: Baseline,
    bought: Baseline,
    haul: int,
    costs: int,
    grams: int,
    payer: str,
    rules: Rules,
) -> Value:
    """
    A tonne's value where the haul costs *haul* cents and all that is done emits *grams*.

    The haul falls on the *payer*, other *costs* on the taker.
    """
    givers = {"giver": haul, "taker": 0, "shared": haul // 2}[payer]
    giver, taker = avoided.cents - givers, bought.cents - (haul - givers) - costs
    gain = giver + taker
    compensation = 0
    if gain > 0 and giver < 0:
        compensation = -giver + gain // 2
    elif gain > 0 and taker < 0:
        compensation = taker - gain // 2
    baseline = avoided.grams + bought.grams
    priced = int(climate_cents(np.array(baseline - grams), rules.co2e_cents_per_t))
    return Value(
        gain + priced, avoided.cents, bought.cents, haul, giver, taker, compensation,
        baseline - grams, baseline, grams,
    )  # fmt: skip


def climate_cents(grams: NDArray[Any], cents_per_t: int) -> Ints:
    """What *grams* of CO2e per tonne are worth, in whole cents."""
    return np.asarray(np.rint(grams * cents_per_t / 1e6).astype(np.int64))


def payer_of(surplus: str | None, need: str | None) -> str:
    """Who pays the haul: giver, taker, or shared where the two sides told differently."""
    if surplus is not None and need is not None and surplus != need:
        return "shared"
    return surplus or need or "giver"


class Columns(NamedTuple):
    """
    Lots of one direction as arrays; `*_set` hold what the numbers in their column stand for.

    *base* is cents and grams per tonne without the platform, of shape (lots, 2).
    """

    lots: Sequence[Lot]
    lat: Floats
    lon: Floats
    first: Ints
    last: Ints
    per_day: Floats
    kind: Ints
    kind_set: list[str]
    place: Ints
    project: Ints
    organisation: Ints
    exact: Bools
    municipality: Ints
    hidden: Bools
    net: Bools
    base: Ints

    def take(self, rows: Ints) -> "Columns":
        """The lots of *rows* only."""
        parts: dict[str, Any] = {
            name: value[rows]
            for name, value in self._asdict().items()
            if isinstance(value, np.ndarray)
        }
        return self._replace(lots=[self.lots[row] for row in rows], **parts)


class Numbers:
    """Gives equal things equal numbers, shared between the two sides of a plan."""

    def __init__(self) -> None:
        self.known: dict[Hashable, int] = {}

    def of(self, things: Iterable[Any]) -> Ints:
        known = self.known
        return np.array([known.setdefault(one, len(known)) for one in things], dtype=np.int64)

    @property
    def things(self) -> list[Any]:
        return list(self.known)


class Sides(NamedTuple):
    """The two sides of a plan, with numbers that mean the same on both."""

    surpluses: Columns
    needs: Columns
    places: list[tuple[str, str]]


def sides(surpluses: Sequence[Lot], needs: Sequence[Lot]) -> Sides:
    """*surpluses* and *needs* as arrays, in the order given."""
    places, projects, organisations, towns = Numbers(), Numbers(), Numbers(), Numbers()

    def columns(lots: Sequence[Lot]) -> Columns:
        kinds = Numbers()
        parts = zip(*lots, strict=True) if lots else repeat((), len(Lot._fields))
        told: dict[str, Any] = dict(zip(Lot._fields, parts, strict=True))
        return Columns(
            lots=lots,
            lat=np.array(told["lat"], dtype=np.float64),
            lon=np.array(told["lon"], dtype=np.float64),
            first=np.array([day.toordinal() for day in told["first"]], dtype=np.int64),
            last=np.array([day.toordinal() for day in told["last"]], dtype=np.int64),
            per_day=np.array([(rate or np.inf) / 7 for rate in told["weekly_t"]]),
            kind=kinds.of(told["kind"]),
            kind_set=kinds.things,
            place=places.of(zip(told["region"], told["meets"], strict=True)),
            project=projects.of(told["project_id"]),
            organisation=organisations.of(told["organisation"]),
            exact=np.array(told["exact"], dtype=np.bool_),
            municipality=towns.of(zip(told["region"], told["municipality"], strict=True)),
            hidden=np.array([one == "region" for one in told["visibility"]], dtype=np.bool_),
            net=np.array(told["net_of_own_use"], dtype=np.bool_),
            base=_baselines(lots),
        )

    left, right = columns(surpluses), columns(needs)
    return Sides(left, right, places.things)


class Arcs(NamedTuple):
    """
    The feasible ways: row in surpluses, row in needs, most tonnes that the windows let through,
    cents a tonne, road km, and whether it stays on its own site.

    One over an area has its row in *area* (-1: goes straight), takes room there for its tonnes from
    month *enter* to month *leave*, both included (none where *leave* is before *enter*), and brings
    *permille* of a tonne. One to a *site* of which the law limits what it gets has its row (-1:
    none).
    """

    surplus: Ints
    need: Ints
    most: Ints
    cents: Ints
    km: Floats
    onsite: Bools
    area: Ints
    enter: Ints
    leave: Ints
    permille: Ints
    site: Ints

    @classmethod
    def straight(
        cls, surplus: Ints, need: Ints, most: Ints, cents: Ints, km: Floats, onsite: Bools
    ) -> "Arcs":
        """Ways without an area between."""
        none = np.zeros(len(surplus), np.int64)
        return cls(
            surplus, need, most, cents, km, onsite, area=none - 1, enter=none, leave=none - 1,
            permille=none + WHOLE, site=none - 1,
        )  # fmt: skip

    @classmethod
    def joined(cls, parts: "Sequence[Arcs]") -> "Arcs":
        """All ways of *parts*, one after the other."""
        columns: list[Any] = [np.concatenate(column) for column in zip(*parts, strict=True)]
        return cls(*columns)

    def take(self, rows: Ints | Bools) -> "Arcs":
        """The ways of *rows* only, or in their order."""
        columns: list[Any] = [column[rows] for column in self]
        return Arcs(*columns)


def arcs(
    surpluses: Sequence[Lot],
    needs: Sequence[Lot],
    rules: Rules,
    *,
    today: date,
    excluded: Collection[tuple[UUID, UUID]] = (),
    roads: Roads | None = None,
) -> Arcs:
    """
    Every feasible pair of *surpluses* and *needs*, in the order of rows.

    A pair on its own site needs no reach and no worth; any other must be worth more than the rules
    ask. Pairs *excluded* are left out. *roads* that are known go before the ratio.
    """
    both = sides(surpluses, needs)
    found = [_block(both, rows, some, rules, today, roads) for rows, some in _blocks(both, rules)]
    joined = _joined(found, len(needs)) if found else NO_ARCS
    gone = rows_of(excluded, surpluses, needs) if excluded else set()
    if gone and len(joined.surplus):
        keys = joined.surplus * len(needs) + joined.need
        joined = joined.take(~np.isin(keys, np.fromiter(gone, np.int64, len(gone))))
    return joined


def rows_of(
    pairs: Collection[tuple[UUID, UUID]], surpluses: Sequence[Lot], needs: Sequence[Lot]
) -> set[int]:
    row_of = {lot.id: row for row, lot in enumerate(surpluses)}
    column_of = {lot.id: row for row, lot in enumerate(needs)}
    return {
        row_of[surplus] * len(needs) + column_of[need]
        for surplus, need in pairs
        if surplus in row_of and need in column_of
    }


_EMPTY: Final[Ints] = np.zeros(0, np.int64)
NO_ARCS: Final = Arcs.straight(_EMPTY, _EMPTY, _EMPTY, _EMPTY, np.zeros(0), np.zeros(0, np.bool_))


def _joined(found: Sequence[Arcs], width: int) -> Arcs:
    """The arcs of all blocks in the order of rows; within a block they are."""
    if len(found) == 1:
        return found[0]
    every = Arcs.joined(found)
    return every.take(np.argsort(every.surplus * width + every.need))


def _blocks(both: Sides, rules: Rules) -> Iterator[tuple[Ints, Ints]]:
    """Rows of both sides that could reach each other, few enough at a time for memory."""
    left, right = both.surpluses, both.needs
    if not len(left.lots) or not len(right.lots):
        return
    every = np.arange(len(right.lots))
    if len(left.lots) * len(right.lots) <= _BLOCK:
        yield np.arange(len(left.lots)), every
        return
    farthest = max([rules.reach_km, *(km for _, km in rules.reach_by_material)])
    span = farthest / _KM_PER_DEG + 0.01
    boxes: dict[tuple[int, int], list[int]] = {}
    for row, (lat, lon) in enumerate(zip(left.lat.tolist(), left.lon.tolist(), strict=True)):
        boxes.setdefault((int(lat // span), int(lon // span)), []).append(row)
    projects: dict[int, list[int]] = {}
    for row, project in enumerate(right.project.tolist()):
        projects.setdefault(project, []).append(row)
    for members in boxes.values():
        rows = np.array(members)
        near = _near(left.take(rows), right, span)
        own = {other for p in left.project[rows].tolist() for other in projects.get(p, ())}
        some = np.union1d(every[near], np.array(sorted(own), dtype=np.int64))
        size = max(1, _BLOCK // max(1, len(some)))
        for start in range(0, len(rows), size):
            if len(some):
                yield rows[start : start + size], some


def _near(left: Columns, right: Columns, span: float) -> Bools:
    low, high = left.lat.min() - span, left.lat.max() + span
    widest = max(abs(low), abs(high))
    across = span / max(0.01, float(np.cos(np.radians(min(89.0, widest)))))
    off = (right.lon - left.lon.min() + across) % 360
    width = left.lon.max() - left.lon.min() + 2 * across
    near: Bools = (right.lat >= low) & (right.lat <= high) & (off <= width)
    return near


def _block(
    both: Sides, rows: Ints, some: Ints, rules: Rules, today: date, roads: Roads | None
) -> Arcs:
    left, right = both.surpluses, both.needs
    whole = len(rows) == len(left.lots) and len(some) == len(right.lots)
    if not whole:
        left, right = left.take(rows), right.take(some)
    fits = pairwise(left.kind, right.kind, left.kind_set, right.kind_set,
                    lambda s, n: kinds_fit(s, n, rules.processing_on_site))  # fmt: skip
    first = np.maximum(left.first[:, None], right.first)
    if rules.closes_past_windows:
        first = np.maximum(first, today.toordinal())
    days = np.minimum(left.last[:, None], right.last) - first + 1
    own = left.project[:, None] == right.project
    if any(map(fits_better_at_home, left.kind_set)) and own.any():
        at_home = partial(kinds_fit, processing_on_site=rules.processing_on_site, same_site=True)
        fits |= own & pairwise(left.kind, right.kind, left.kind_set, right.kind_set, at_home)
    same = left.organisation[:, None] == right.organisation
    may = own & ~left.net[:, None] & ~right.net
    may |= (
        ~own & (same | ~(left.hidden[:, None] | right.hidden)) & meeting(both.places, left, right)
    )
    s, n = np.nonzero(fits & (days >= 1) & may)
    km = road_km_of(left, right, s, n, rules, roads)
    onsite = left.project[s] == right.project[n]
    reach = np.array([rules.reach(kind_of(kind).material) for kind in left.kind_set])
    money = money_of(left, right, s, n, km)
    cents = money + climate_of(left, right, s, n, km, rules)
    rate = np.minimum(left.per_day[s], right.per_day[n])
    most = np.minimum(np.floor(rate * days[s, n] + 1e-9), 2**40).astype(np.int64)
    by_law = np.array([_most_by_mara(kind) for kind in left.kind_set], dtype=np.int64)
    most = np.minimum(most, by_law[left.kind[s]])
    fair = (cents > rules.worth_cents_per_t) & (money >= 0)
    good = (onsite | ((km <= reach[left.kind[s]]) & fair)) & (most >= 1)
    return Arcs.straight(
        rows[s[good]], some[n[good]], most[good], cents[good], km[good], onsite[good]
    )


@lru_cache(maxsize=65536)
def _most_by_mara(kind: str) -> int:
    most = most_by_mara(kind_of(kind))
    return 2**40 if most is None else floor(most)


def cents_of(left: Columns, right: Columns, s: Ints, n: Ints, km: Floats, rules: Rules) -> Ints:
    """What a tonne from the rows *s* of *left* to the rows *n* of *right* is worth, in cents."""
    return money_of(left, right, s, n, km) + climate_of(left, right, s, n, km, rules)


def money_of(left: Columns, right: Columns, s: Ints, n: Ints, km: Floats) -> Ints:
    """What both sides gain together, in cents per tonne; below 0 nobody could make it up."""
    return np.asarray(left.base[s, 0] + right.base[n, 0] - haul_cents(km))


def climate_of(left: Columns, right: Columns, s: Ints, n: Ints, km: Floats, rules: Rules) -> Ints:
    """The price of the CO2e that is saved, in cents per tonne."""
    if not rules.co2e_cents_per_t:
        return np.zeros(len(s), np.int64)
    saved = left.base[s, 1] + right.base[n, 1] - np.rint(km * HAUL_G_PER_TKM)
    return climate_cents(saved, rules.co2e_cents_per_t)


def pairwise(
    left: Ints,
    right: Ints,
    lefts: list[Any],
    rights: list[Any],
    ask: Callable[[Any, Any], int],
    form: type = np.bool_,
) -> NDArray[Any]:
    """What *ask* says of every pair, asked once for each two kinds; shape (left, right)."""
    table: NDArray[Any] = np.zeros((len(lefts), len(rights)), dtype=form)
    for i in np.unique(left):
        for j in np.unique(right):
            table[i, j] = ask(lefts[i], rights[j])
    return table[left][:, right]


def meeting(places: list[tuple[str, str]], left: Columns, right: Columns) -> Bools:
    """Which rows of both sides lie in regions that meet; shape (left, right)."""
    return pairwise(left.place, right.place, places, places, regions_meet)


def regions_meet(one: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether masses of two (region, regions it meets) may meet: the same, or both say so."""
    if one[0] == other[0]:
        return True
    return other[0] in one[1].split(",") and one[0] in other[1].split(",")


def great_circle_km(lat1: Floats, lon1: Floats, lat2: Floats, lon2: Floats) -> Floats:
    """Straight km between WGS 84 points in degrees: `straight_km` for arrays that broadcast."""
    phi1, phi2 = np.radians(lat1), np.radians(lat2)
    half_lat, half_lon = (phi2 - phi1) / 2, np.radians(lon2 - lon1) / 2
    chord = np.sin(half_lat) ** 2 + np.cos(phi1) * np.cos(phi2) * np.sin(half_lon) ** 2
    return np.asarray(2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(1.0, chord))))


def road_km_of(
    left: Columns, right: Columns, s: Ints, n: Ints, rules: Rules, roads: Roads | None = None
) -> Floats:
    """
    Road km between the rows *s* of *left* and *n* of *right*.

    As *roads* tell where they do, else great circle times the ratio of its length; two lots known
    by the same municipality only are the same-place distance apart in a straight line. On its own
    site a mass goes by no public road.
    """
    straight = great_circle_km(left.lat[s], left.lon[s], right.lat[n], right.lon[n])
    blurred = ~(left.exact[s] | right.exact[n]) & (left.municipality[s] == right.municipality[n])
    apart = left.project[s] != right.project[n]
    blurred &= apart
    straight = np.where(blurred, rules.same_place_km, straight)
    km = np.asarray(np.round(straight * np.interp(straight, _STRAIGHT_KM, _RATIO), 3))
    if roads is None:
        return km
    starts, ends = points_of(left.lat, left.lon), points_of(right.lat, right.lon)
    told = roads.km_of(starts[s], ends[n])
    return np.where(apart & ~blurred & ~np.isnan(told), told, km)


def road_km_between(surplus: Lot, need: Lot, rules: Rules, roads: Roads | None = None) -> float:
    """Road km from *surplus* to *need*, as the plan counts them."""
    both = sides([surplus], [need])
    zero = np.zeros(1, dtype=np.int64)
    return float(road_km_of(both.surpluses, both.needs, zero, zero, rules, roads)[0])


def explain(
    surplus: Lot,
    need: Lot,
    rules: Rules,
    *,
    today: date,
    excluded: bool = False,
    tonnes: int | None = None,
    km: float | None = None,
) -> tuple[Finding, ...]:
    """
    Every gate of one pair, whether it holds or not; *tonnes* and road *km* are those of a match.

    The same answers as `arcs`: a pair is an arc exactly when all of these hold.
    """
    own = surplus.project_id == need.project_id
    kinds = judge(kind_of(surplus.kind), kind_of(need.kind), rules.processing_on_site, own)
    found = [*kinds, _time(surplus, need, rules, today, tonnes), visible(surplus, need)]
    most = most_by_mara(kind_of(surplus.kind))
    if most is not None and tonnes is not None:
        found.append(Finding("G3_amount", "pass" if tonnes <= most else "fail", f"{tonnes} t",
                             f"≤ {most:g} t per site"))  # fmt: skip
    km = road_km_between(surplus, need, rules) if km is None else km
    if own:
        net = surplus.net_of_own_use or need.net_of_own_use
        told = "net of own use" if net else "own site"
        found.append(Finding("own_site", "fail" if net else "pass", told, "not net of own use"))
    else:
        reach = rules.reach(surplus.material)
        near = km <= reach
        found.append(Finding("place", "pass" if near else "fail", f"{km:.1f} km by road",
                             f"≤ {reach:g} km"))  # fmt: skip
        meet = regions_meet((surplus.region, surplus.meets), (need.region, need.meets))
        found.append(Finding("region", "pass" if meet else "fail", surplus.region, need.region))
        found += [*worth_findings(value_of(surplus, need, km, rules), rules)]
    if excluded:
        found.append(Finding("exclusion", "fail", "declined before", "other terms than then"))
    for lot, side in ((surplus, "surplus"), (need, "need")):
        if not lot.is_open:
            found.append(Finding("open", "fail", f"the {side} is no longer offered", "offered"))
    return tuple(found)


def worth_findings(worth: Value, rules: Rules) -> Iterator[Finding]:
    """Whether it is worth proposing, and whether both sides can be made to gain."""
    enough = worth.cents > rules.worth_cents_per_t
    yield Finding("value", "pass" if enough else "fail", f"{worth.cents / 100:.2f} EUR/t",
                  f"> {rules.worth_cents_per_t / 100:.2f} EUR/t")  # fmt: skip
    together = worth.giver_cents + worth.taker_cents
    if together < 0:
        yield Finding("fairness", "fail", f"{together / 100:.2f} EUR/t for both sides together",
                      "≥ 0.00 EUR/t")  # fmt: skip


def _time(surplus: Lot, need: Lot, rules: Rules, today: date, tonnes: int | None) -> Finding:
    first, last = max(surplus.first, need.first), min(surplus.last, need.last)
    if rules.closes_past_windows:
        first = max(first, today)
    days = (last - first).days + 1
    offered, wanted = f"{surplus.first}–{surplus.last}", f"{need.first}–{need.last}"
    rate = min(surplus.weekly_t or np.inf, need.weekly_t or np.inf)
    if days < 1:
        return Finding("G9_time", "fail", offered, wanted)
    room = rate / 7 * days + 1e-9
    asked = tonnes if tonnes is not None else 1
    if room < asked:
        return Finding("G9_time", "fail", f"{days} days at {rate:g} t a week", f"{asked} t")
    return Finding("G9_time", "pass", offered, wanted)


def visible(surplus: Lot, need: Lot) -> Finding:
    """G10: a lot seen by coordinators only meets none of another organisation."""
    hidden = "region" in (surplus.visibility, need.visibility)
    own_site = surplus.project_id == need.project_id  # told to nobody, so it shows nothing
    apart = surplus.organisation != need.organisation and not own_site
    verdict = "fail" if hidden and apart else "pass"
    if verdict == "fail":
        return Finding("G10_visibility", "fail", "one is seen by coordinators only", "both parties")
    return Finding("G10_visibility", "pass", surplus.visibility, need.visibility)
