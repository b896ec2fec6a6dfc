"""
The figures: each with a definition and its version, a stated counterfactual, and a state.

In the states forecast, proposed and agreed a figure is a projection: what it would be if what
stands there were carried out. Delivered are loads that were recorded, in the month they moved; of
them a figure says nothing where no load was told. Tonnes stand in one state, so the numerators of
the states add up. Some figures are about one state alone: what was agreed, or what was delivered.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from services.indicators.domain.loads import (
    HAUL,
    INTO_STORAGE,
    LEAVES,
    ONSITE,
    REUSED,
    VIA_STORAGE,
    VIRGIN,
    Haul,
)
from services.indicators.domain.lots import STATES
from shared.vocabulary.tables import table, version_of

VERSION: Final = version_of("kpi")
"""The version of the definitions, kept with every figure."""

FEWEST_ORGANISATIONS: Final = 3
"""Of so many organisations or more a sum is told to others than a place's coordinators."""

OF_DECIDING: Final = ("K14", "M5")
"""What counts lots and decisions, whosever they are."""

_COUNTED = ("K1", "K2", "K3", "K4", "K5", "K6", "K7", "K8", "K9", "K10", "K11", "K13", "K14", "K15")
_UNITS = {"share 0..1": "share"}
_SUPPORTING = {
    "M1": ("share", "t moved under an agreed match", "t of surplus that left projects",
           "loads told before the agreement, or under no match, are not coordinated"),
    "M3": ("t", "t that came to needs from a giver nobody told",
           "t that left for needs, to a taker nobody told",
           "0 where every load is told from both ends; a match tells both"),
}  # fmt: skip
_ACCEPTANCE: Final[Mapping[str, Any]] = {
    "id": "M5",
    "key": "acceptance_rate",
    "names": {
        "fi": "hyväksymisaste",
        "sv": "godkännandegrad",
        "en": "acceptance rate",
    },
    "formula": "matches agreed / (matches agreed + matches declined)",
}
_ACCEPTANCE_MORE = (
    "share",
    "matches agreed in the period",
    "matches agreed or declined in the period",
    "counts matches, not tonnes; reasons for declining stand beside it",
)

NO_SURPLUS = "no surplus in this scope and period"
NOTHING_MOVES = "no match in this state moves anything in this scope and period"
ONSITE_NOT_TOLD = "on-site use has not been told in this scope and period; unknown is not 0"
VIRGIN_NOT_TOLD = "virgin deliveries to the needs have not been told; unknown is neither 0 nor 1"
NOT_DELIVERED = "no loads have been told in this scope and period; unknown is not 0"
NO_DISTANCE = "no load with a known distance in this scope and period"
NO_ENERGY = "no load with a known energy in this scope and period"
NOTHING_AGREED = "no lot was agreed in this scope and period"
NOTHING_DECIDED = "no match was agreed or declined in this scope and period"


@dataclass(frozen=True, slots=True)
class Definition:
    """What an indicator means: names by language, formula, what it counts over what, its trap."""

    id: str
    key: str
    names: Mapping[str, str] = field(hash=False)
    formula: str
    unit: str
    numerator: str
    denominator: str | None
    trap: str
    counterfactual: str | None
    version: str

    @property
    def label(self) -> str:
        """The id with its version, as kept with every figure."""
        return f"{self.id}@{self.version}"


@dataclass(frozen=True, slots=True)
class Stock:
    """Kilograms of lots in one state, on one side; *onsite* is the part that stays on its site."""

    kg_low: int = 0
    kg: int = 0
    kg_high: int = 0
    onsite: int = 0
    unverified: int = 0


@dataclass(frozen=True, slots=True)
class Flow:
    """What matches of one state move: kg, kg·km, cents, grams of CO2e, and shares of the kg."""

    kg: int = 0
    kg_km: int = 0
    cents: int = 0
    grams: int = 0
    virgin_kg: int = 0
    value_unverified_kg: int = 0
    climate_unverified_kg: int = 0
    cross_kg: int = 0


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How it went with lots and matches: median days from offered to agreed of *lots_agreed*, lots
    still open, matches agreed, and matches declined by reason.
    """

    median_days: float | None = None
    lots_agreed: int = 0
    lots_open: int = 0
    agreed: int = 0
    declined: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One figure of one state. *value* is None where it is not known, and *why* says why.

    *unverified_share*: the share of its mass, 0..1, that rests on unverified defaults. *low* and
    *high* are bounds, where the lots tell them, not a probability. *beside* are the numbers without
    which it misleads.
    """

    indicator: str
    state: str
    value: float | None
    unit: str
    numerator: float | None = None
    denominator: float | None = None
    low: float | None = None
    high: float | None = None
    unverified_share: float | None = None
    why: str | None = None
    beside: Mapping[str, float] = field(default_factory=dict)

    @property
    def projection(self) -> bool:
        return self.state != "delivered"

    @property
    def definition(self) -> Definition:
        return DEFINITIONS[self.indicator]

    @property
    def told(self) -> tuple[float | None, ...]:
        """The numbers that make it another figure when one of them moves."""
        return (self.value, self.numerator, self.denominator, self.unverified_share)


Hauls = Mapping[tuple[str, str], Haul]
"""By side and outlet: the loads that left the scope's surpluses, those that came to its needs."""
Stocks = Mapping[tuple[str, str], Stock]
"""By state and side."""
Flows = Mapping[tuple[str, str], Flow]
"""By state and side: what leaves the scope's surpluses, what arrives at its needs."""


def ratio(numerator: float, denominator: float) -> float | None:
    """*numerator* over *denominator*; None over 0, never 0 or 1 (facts.md section 6)."""
    return numerator / denominator if denominator else None


def reuse_rate(
    *, need_direct: float, need_via_storage: float, off_site_surplus: float, onsite: float = 0
) -> float | None:
    """K1a; with *onsite* use told, K1b. All in one unit of mass. Source: kpi.json K1."""
    return ratio(need_direct + need_via_storage + onsite, off_site_surplus + onsite)


def mean_haul_km(tonne_km: float, tonnes_moved: float) -> float | None:
    """K6: tonne-kilometres of all legs over the tonnes moved, once each. Source: kpi.json K6."""
    return ratio(tonne_km, tonnes_moved)


def figures_of(
    stocks: Stocks, flows: Flows, hauls: Hauls | None = None, pace: Pace | None = None
) -> tuple[Figure, ...]:
    """
    Every figure in every state that it is about, of one scope and period: from what stands, what
    would move, what was moved (*hauls*), and the *pace* of deciding.

    Supply-side figures count by the origin, K2 by the destination.
    """
    told: list[Figure] = []
    for state in STATES:
        if state == "delivered":
            told += _delivered(stocks, hauls or {})
        else:
            told += _of_state(state, stocks, flows)
    return (*told, *_of_deciding(pace or Pace()))


def _of_deciding(pace: Pace) -> list[Figure]:
    """K14 and M5: what was agreed and declined, and what is still open beside it."""
    declined = sum(pace.declined.values())
    decided = pace.agreed + declined
    return [
        _figure(
            "K14", "agreed", pace.median_days, float(pace.lots_agreed), None, why=NOTHING_AGREED,
            beside={"lots_agreed": pace.lots_agreed, "lots_open": pace.lots_open},
        ),
        _figure(
            "M5", "agreed", ratio(pace.agreed, decided), float(pace.agreed), float(decided),
            why=NOTHING_DECIDED,
            beside={f"declined_{reason}": count for reason, count in pace.declined.items()},
        ),
    ]  # fmt: skip


def _delivered(stocks: Stocks, hauls: Hauls) -> list[Figure]:
    """What the loads add up to; K15 stands beside every other figure."""
    if not any(haul.kg for haul in hauls.values()):
        return [_unknown(id, "delivered", NOT_DELIVERED) for id in DEFINITIONS
                if id not in OF_DECIDING]  # fmt: skip
    coverage = _coverage(hauls)
    told = [
        *_rates(hauls),
        _balance("delivered", stocks.get(("delivered", "surplus"), Stock()),
                 stocks.get(("delivered", "need"), Stock())),
        *_hauled(hauls),
        _closed(hauls),
    ]  # fmt: skip
    beside = {} if coverage.value is None else {"data_coverage": coverage.value}
    return [*(replace(one, beside={**one.beside, **beside}) for one in told), coverage]


def _sum(hauls: Iterable[Haul]) -> Haul:
    every = list(hauls)
    return Haul(*(sum(getattr(one, name) for one in every) for name in HAUL))


def _at(hauls: Hauls, side: str, *outlets: str) -> Haul:
    return _sum(one for (at, outlet), one in hauls.items() if at == side and outlet in outlets)


def _moves(hauls: Hauls) -> Haul:
    """Every leg that begins at a surplus or a storage; not what stays on its site."""
    return _at(hauls, "surplus", *LEAVES, VIA_STORAGE)


def _rates(hauls: Hauls) -> list[Figure]:
    """K1a, K1b, K2 and M1."""
    direct, stored = _at(hauls, "surplus", "need_direct"), _at(hauls, "surplus", VIA_STORAGE)
    left, onsite = _at(hauls, "surplus", *LEAVES), _at(hauls, "surplus", ONSITE)
    parts = {"need_direct": _t(direct.kg), "need_via_storage": _t(stored.kg),
             "off_site_surplus": _t(left.kg)}  # fmt: skip
    reused = parts["need_direct"] + parts["need_via_storage"]
    beside = {
        "landfill_structure_t": _t(_at(hauls, "surplus", "landfill_structure").kg),
        "unknown_t": _t(_at(hauls, "surplus", "unknown").kg),
        "stock_change_t": _t(_at(hauls, "surplus", INTO_STORAGE).kg - stored.kg),
    }
    headline = _figure("K1a", "delivered", reuse_rate(**parts), reused, parts["off_site_surplus"],
                       why=NO_SURPLUS, beside=beside)  # fmt: skip
    kept = _t(onsite.kg)
    with_onsite = (
        _figure("K1b", "delivered", reuse_rate(**parts, onsite=kept), reused + kept,
                parts["off_site_surplus"] + kept, why=NO_SURPLUS, beside=beside)
        if kept
        else _unknown("K1b", "delivered", ONSITE_NOT_TOLD)
    )  # fmt: skip
    matched = _t(_at(hauls, "surplus", *LEAVES).matched_kg)
    coordinated = _figure("M1", "delivered", ratio(matched, _t(left.kg)), matched, _t(left.kg),
                          why=NO_SURPLUS)  # fmt: skip
    return [headline, with_onsite, _used(hauls), coordinated]


def _used(hauls: Hauls) -> Figure:
    """K2, by the destination: null without a virgin delivery told, not 1."""
    recovered = _t(_at(hauls, "need", *REUSED).kg)
    virgin = _t(_at(hauls, "need", VIRGIN).kg)
    if not virgin:
        return _figure("K2", "delivered", None, recovered, None, why=VIRGIN_NOT_TOLD)
    whole = recovered + virgin
    return _figure("K2", "delivered", ratio(recovered, whole), recovered, whole)


def _hauled(hauls: Hauls) -> list[Figure]:
    """K4 to K11 and K13."""
    moved, arrived = _moves(hauls), _at(hauls, "need", *REUSED)
    gone = _at(hauls, "surplus", *LEAVES)
    between = _at(hauls, "surplus", *REUSED)
    tkm, known_tkm = moved.kg_km / 1000, moved.known_kg_km / 1000
    # distances nobody told are in neither part of the mean, and their share stands beside it
    told_km = _t(gone.km_kg)
    modelled = ratio(moved.modelled_kg, moved.km_kg)
    no_km = {"without_distance_t": _t(gone.kg - gone.km_kg)}
    saved = _at(hauls, "surplus", *REUSED, INTO_STORAGE)
    unverified = ratio(saved.unverified_kg, saved.saved_kg)
    without = {"without_saving_t": _t(between.kg - between.saved_kg)}
    avoided = _t(arrived.virgin_kg)
    clean = moved.clean_kg_km / 1000
    cross, matched = _t(between.cross_kg), _t(between.matched_kg)
    final = _t(_at(hauls, "surplus", "disposal").kg)
    return [
        _figure("K4", "delivered", avoided, avoided, None,
                unverified_share=1.0 if arrived.kg else None),
        _figure("K5", "delivered", tkm, tkm, None, unverified_share=modelled, beside=no_km),
        _figure("K6", "delivered", mean_haul_km(tkm, told_km), tkm, told_km, why=NO_DISTANCE,
                unverified_share=modelled, beside=no_km),
        _sum_of("K7", saved.grams / 1_000_000, unverified, without),
        _sum_of("K8", saved.cents / 100, unverified, without),
        _sum_of("K9", saved.fuel_ml / 1000, unverified, without),
        _figure("K10", "delivered", final, final, None),
        _figure("K11", "delivered", ratio(cross, matched), cross, matched, why=NOTHING_MOVES),
        _figure("K13", "delivered", ratio(clean, known_tkm), clean, known_tkm, why=NO_ENERGY,
                beside={"unknown_energy_share": 1 - known_tkm / tkm} if tkm else {}),
    ]  # fmt: skip


def _sum_of(id: str, value: float, unverified: float | None, beside: Mapping[str, float]) -> Figure:
    return _figure(id, "delivered", value, value, None, unverified_share=unverified, beside=beside)


def _coverage(hauls: Hauls) -> Figure:
    """K15: every load once, at its gate, or where it came to when only that was told."""
    every = _sum(hauls.values())
    measured, whole = _t(every.measured_kg), _t(every.once_kg)
    return _figure("K15", "delivered", ratio(measured, whole), measured, whole,
                   why=NOT_DELIVERED)  # fmt: skip


def _closed(hauls: Hauls) -> Figure:
    """M3: tonnes told from one end only, those that came less those that left."""
    came = _t(_at(hauls, "need", "need_direct").lone_kg)
    left = _t(_at(hauls, "surplus", "need_direct").lone_kg)
    return _figure("M3", "delivered", came - left, came, left)


def _of_state(state: str, stocks: Stocks, flows: Flows) -> list[Figure]:
    # delivered tonnes are no part of what would be: the states stand apart
    surplus = [
        stock for (at, side), stock in stocks.items() if side == "surplus" and at != "delivered"
    ]
    here = stocks.get((state, "surplus"), Stock())
    moved = flows.get((state, "surplus"), Flow())
    return [
        *_reuse(state, surplus, here),
        _recovered(state, flows.get((state, "need"), Flow())),
        _balance(state, here, stocks.get((state, "need"), Stock())),
        *_movement(state, here, moved),
        *_savings(state, moved),
        *_crossing(state, moved),
    ]


def _crossing(state: str, moved: Flow) -> list[Figure]:
    """K11: of what is matched, the share whose two ends lie in different municipalities."""
    if state == "forecast":
        return []
    share = ratio(moved.cross_kg, moved.kg)
    return [_figure("K11", state, share, _t(moved.cross_kg), _t(moved.kg), why=NOTHING_MOVES)]


def _reuse(state: str, surplus: list[Stock], here: Stock) -> list[Figure]:
    whole = _t(sum(stock.kg for stock in surplus))
    onsite = _t(sum(stock.onsite for stock in surplus))
    off_site = whole - onsite
    reused = 0.0 if state == "forecast" else _t(here.kg - here.onsite)
    share = ratio(_t(sum(stock.unverified for stock in surplus)), whole)
    rate = reuse_rate(need_direct=reused, need_via_storage=0, off_site_surplus=off_site)
    headline = _figure("K1a", state, rate, reused, off_site, unverified_share=share, why=NO_SURPLUS)
    if not onsite:
        return [headline, _unknown("K1b", state, ONSITE_NOT_TOLD)]
    kept = _t(here.onsite)
    return [
        headline,
        _figure(
            "K1b", state, ratio(reused + kept, whole), reused + kept, whole, unverified_share=share
        ),
    ]


def _recovered(state: str, arriving: Flow) -> Figure:
    return _figure("K2", state, None, _t(arriving.kg), None, why=VIRGIN_NOT_TOLD)


def _balance(state: str, surplus: Stock, need: Stock) -> Figure:
    share = ratio(surplus.unverified + need.unverified, surplus.kg + need.kg)
    return Figure(
        "K3", state, _t(need.kg - surplus.kg), "t", _t(need.kg), _t(surplus.kg),
        _t(need.kg_low - surplus.kg_high), _t(need.kg_high - surplus.kg_low), share,
    )  # fmt: skip


def _movement(state: str, here: Stock, moved: Flow) -> list[Figure]:
    share = ratio(here.unverified, here.kg)
    tkm = moved.kg_km / 1000
    haul = mean_haul_km(tkm, _t(moved.kg))
    avoided = _t(moved.virgin_kg)
    # the substitution share itself is an unverified default, so all of K4 rests on one
    unverified = 1.0 if moved.kg else None
    return [
        _figure("K4", state, avoided, avoided, None, unverified_share=unverified),
        _figure("K5", state, tkm, tkm, None, unverified_share=share),
        _figure("K6", state, haul, tkm, _t(moved.kg), unverified_share=share, why=NOTHING_MOVES),
    ]


def _savings(state: str, moved: Flow) -> list[Figure]:
    climate = ratio(moved.climate_unverified_kg, moved.kg)
    value = ratio(moved.value_unverified_kg, moved.kg)
    saved_t, saved_eur = moved.grams / 1_000_000, moved.cents / 100
    return [
        _figure("K7", state, saved_t, saved_t, None, unverified_share=climate),
        _figure("K8", state, saved_eur, saved_eur, None, unverified_share=value),
    ]


def _figure(
    id: str,
    state: str,
    value: float | None,
    numerator: float | None,
    denominator: float | None,
    *,
    unverified_share: float | None = None,
    why: str | None = None,
    beside: Mapping[str, float] | None = None,
) -> Figure:
    return Figure(
        id, state, value, DEFINITIONS[id].unit, numerator, denominator,
        unverified_share=unverified_share, why=why if value is None else None,
        beside=beside or {},
    )  # fmt: skip


def _unknown(id: str, state: str, why: str) -> Figure:
    return Figure(id, state, None, DEFINITIONS[id].unit, why=why)


def _t(kg: int) -> float:
    return kg / 1000


def _definitions() -> dict[str, Definition]:
    told = table("kpi")
    baseline: str = told["meta"]["counterfactual"]["id"]
    found: dict[str, Definition] = {}
    for row in told["kpis"]:
        if row["id"] not in _COUNTED:
            continue
        for variant in row.get("variants", (row,)):
            one = _definition(row, variant, baseline)
            found[one.id] = one
    supporting = {row["id"]: row for row in told["supporting"]}
    for id, more in _SUPPORTING.items():
        found[id] = _supporting(supporting[id], more)
    found["M5"] = _supporting(_ACCEPTANCE, _ACCEPTANCE_MORE)
    return found


def _supporting(row: Mapping[str, Any], more: tuple[str, str, str, str]) -> Definition:
    unit, numerator, denominator, trap = more
    return Definition(
        row["id"], row["key"], row["names"], row["formula"], unit, numerator, denominator, trap,
        None, VERSION,
    )  # fmt: skip


def _definition(row: Mapping[str, Any], variant: Mapping[str, Any], baseline: str) -> Definition:
    return Definition(
        id=variant["id"],
        key=variant.get("key") or variant["names"]["en"].replace(" ", "_"),
        names=variant["names"],
        formula=variant["formula"],
        unit=_UNITS.get(row["unit"], row["unit"]),
        numerator=row["numerator"],
        denominator=row["denominator"] or None,
        trap=row.get("trap", ""),
        counterfactual=f"{baseline}@{VERSION}" if row["needs_counterfactual"] else None,
        version=VERSION,
    )


DEFINITIONS: Final[Mapping[str, Definition]] = MappingProxyType(_definitions())
"""Every indicator that is counted, by its id."""
