"""
Figures K1–K8: each with a definition and its version, a stated counterfactual, and a state.

In the states forecast, proposed and agreed a figure is a projection: what it would be if what
stands there were carried out. Tonnes stand in one state, so the numerators of the states add up.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from services.indicators.domain.lots import STATES
from shared.vocabulary.tables import table, version_of

VERSION: Final = version_of("kpi")
"""The version of the definitions, kept with every figure."""

_COUNTED = ("K1", "K2", "K3", "K4", "K5", "K6", "K7", "K8")
_UNITS = {"share 0..1": "share"}

NO_SURPLUS = "no surplus in this scope and period"
NOTHING_MOVES = "no match in this state moves anything in this scope and period"
ONSITE_NOT_TOLD = "on-site use has not been told in this scope and period; unknown is not 0"
VIRGIN_NOT_TOLD = "virgin deliveries to the needs have not been told; unknown is neither 0 nor 1"
NOT_DELIVERED = "deliveries are not counted yet; unknown is not 0"


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


@dataclass(frozen=True, slots=True)
class Figure:
    """
    One figure of one state. *value* is None where it is not known, and *why* says why.

    *unverified_share*: the share of its mass, 0..1, that rests on unverified defaults. *low* and
    *high* are bounds, where the lots tell them, not a probability.
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


def figures_of(stocks: Stocks, flows: Flows) -> tuple[Figure, ...]:
    """
    K1a to K8 in every state, from what stands and what moves in one scope and period.

    Supply-side figures count by the origin, K2 by the destination.
    """
    told: list[Figure] = []
    for state in STATES:
        if state == "delivered":
            told += [_unknown(id, state, NOT_DELIVERED) for id in DEFINITIONS]
        else:
            told += _of_state(state, stocks, flows)
    return tuple(told)


def _of_state(state: str, stocks: Stocks, flows: Flows) -> list[Figure]:
    surplus = [stock for (_, side), stock in stocks.items() if side == "surplus"]
    here = stocks.get((state, "surplus"), Stock())
    moved = flows.get((state, "surplus"), Flow())
    return [
        *_reuse(state, surplus, here),
        _recovered(state, flows.get((state, "need"), Flow())),
        _balance(state, here, stocks.get((state, "need"), Stock())),
        *_movement(state, here, moved),
        *_savings(state, moved),
    ]


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
) -> Figure:
    return Figure(
        id, state, value, DEFINITIONS[id].unit, numerator, denominator,
        unverified_share=unverified_share, why=why if value is None else None,
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
    return found


def _definition(row: Mapping[str, Any], variant: Mapping[str, Any], baseline: str) -> Definition:
    return Definition(
        id=variant["id"],
        key=variant.get("key") or variant["names"]["en"].replace(" ", "_"),
        names=variant["names"],
        formula=variant["formula"],
        unit=_UNITS.get(row["unit"], row["unit"]),
        numerator=row["numerator"],
        denominator=row["denominator"],
        trap=row["trap"],
        counterfactual=f"{baseline}@{VERSION}" if row["needs_counterfactual"] else None,
        version=VERSION,
    )


DEFINITIONS: Final[Mapping[str, Definition]] = MappingProxyType(_definitions())
"""Every indicator that is counted, by its id."""
